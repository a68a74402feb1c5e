import { describe, expect, it } from "vitest";
import { blocksOf } from "./markdown";
import { piecesOf } from "./references";

describe("piecesOf", () => {
  it("finds what a text points to, and leaves all else as it is", () => {
    expect(piecesOf("As in [[pair 12]], not [[item 5]].")).toEqual(["As in ", { kind: "pair", id: 12 }, ", not ", { kind: "item", id: 5 }, "."]);
    for (const other of ["[[pair]]", "[[pair 1x]]", "[[Pair 1]]", "[pair 1]", "[[pair -1]]", "#12"]) expect(piecesOf(other)).toEqual([other]);
    expect(piecesOf("")).toEqual([]);
  });

  it("finds it in a text that was formatted", () => {
    const [paragraph] = blocksOf("Prefer the plain one, as in [[pair 12]].") ?? [];
    expect(paragraph).toMatchObject({ kind: "paragraph" });
    const inner = paragraph && "inner" in paragraph ? paragraph.inner : [];
    const texts = inner.map((piece) => ("text" in piece ? piece.text : ""));
    expect(texts.flatMap(piecesOf)).toContainEqual({ kind: "pair", id: 12 });
  });
});
