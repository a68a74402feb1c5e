import { describe, expect, it } from "vitest";
import { QUICK, quickSides, sides } from "./diff";

const difference = (text: string, against: string) => quickSides(text, against)?.[0];
const marked = (text: string, against: string) => difference(text, against)?.filter((piece) => piece.only).map((piece) => piece.text.trim());

describe("the difference of two texts", () => {
  it("marks the words the other lacks", () => {
    expect(marked("Water boils at 100 °C.", "Sure! Water boils at 90 °C.")).toEqual(["100"]);
    expect(marked("Sure! Water boils at 90 °C.", "Water boils at 100 °C.")?.join(" ")).toMatch(/^Sure ?! 90$/);
    expect(marked("same", "same")).toEqual([]);
    expect(marked("", "something")).toEqual([]);
    expect(marked("all of it", "")).toEqual(["all of it"]);
  });

  it("gives the text back whole, whatever it holds", () => {
    const texts = ["a\n\n  b\tc", "<script>alert(1)</script>", "سلام دنیا", "👩‍👩‍👧 and 🇩🇪", "水在一百度沸腾", "\u202eabc\u202c \ufffd", "", " "];
    for (const text of texts) {
      for (const against of texts) expect(difference(text, against)?.map((piece) => piece.text).join("")).toBe(text);
    }
  });

  it("finds words in a script without spaces", () => {
    expect(marked("水在一百度沸腾", "水在九十度沸腾")?.join("")).not.toContain("沸腾");
  });

  it("leaves what is long to a worker, whichever side is the long one, and compares it there", () => {
    const long = "a ".repeat(QUICK);
    expect([quickSides(long, "b"), quickSides("b", long)]).toEqual([null, null]);
    const [first, second] = sides(`${long}end`, `${long}other`, 10_000) ?? [];
    expect([first, second].map((pieces) => pieces?.filter(({ only }) => only).map(({ text }) => text))).toEqual([["end"], ["other"]]);
  });

  it("gives up in time on texts that share nothing", () => {
    const start = performance.now();
    const words = (seed: string) => Array.from({ length: 3000 }, (_, i) => `${seed}${(i * 7919) % 3001}`).join(" ");
    quickSides(words("a").slice(0, QUICK / 2), words("b").slice(0, QUICK / 2));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
