import { describe, expect, it } from "vitest";
import { pairNumber, settingsLike } from "./find.svelte";

describe("finding", () => {
  it("reads the number of a pair", () => {
    expect(["12", "#12", " pair 12 ", "Item 3", "0", "12a", "pair", ""].map(pairNumber)).toEqual([12, 12, 12, -3, null, null, null, null]);
  });

  it("finds a setting by its key before those whose sentence has the words", () => {
    expect(settingsLike("learning rate")[0]?.title).toBe("learning_rate");
    expect(settingsLike("beta")[0]?.title).toBe("beta");
    expect(settingsLike("nothing is like this")).toEqual([]);
  });
});
