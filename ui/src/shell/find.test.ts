import { describe, expect, it } from "vitest";
import { pairNumber, placesLike, settingsLike } from "./find.svelte";

describe("finding", () => {
  it("reads the number of a pair", () => {
    expect(["12", "#12", " pair 12 ", "Item 3", "0", "12a", "pair", ""].map(pairNumber)).toEqual([12, 12, 12, -3, null, null, null, null]);
  });

  it("finds what has no entry in the rail", () => {
    for (const [words, title] of [["leaderboard", "Leaderboard"], ["audit", "Audit the labels of files"], ["bin", "Disk and bin"], ["sets", "Sets of pairs"], ["settings", "New run"], ["sweeps", "Runs and sweeps"]] as const) {
      expect(placesLike(words).map((hit) => hit.title)).toContain(title);
    }
  });

  it("finds a setting by its key before those whose sentence has the words", () => {
    expect(settingsLike("learning rate")[0]?.title).toBe("learning_rate");
    expect(settingsLike("beta")[0]?.title).toBe("beta");
    expect(settingsLike("nothing is like this")).toEqual([]);
  });
});
