import { describe, expect, it } from "vitest";
import { nameOf, named, scorer } from "./pairs";

describe("the pairs of a run", () => {
  it("are named in the address by their line, and by where they stand", () => {
    for (const pair of [{ held_out: false, line: 1 }, { held_out: true, line: 412 }]) expect(named(nameOf(pair))).toEqual(pair);
    for (const name of [undefined, "", "h", "0", "-13", "h0", "3x", "1e3", "12345678901"]) expect(named(name)).toBeNull();
  });

  it("are scored by training, by the run, or in parts", () => {
    expect([scorer("training"), scorer("run"), scorer("5")]).toEqual(["training", "run", { folds: 5 }]);
  });
});
