import { describe, expect, it } from "vitest";
import { highlighted } from "./highlight";

const whole = (code: string, language: string) => highlighted(code, language).map((piece) => piece.text).join("");

describe("code in pieces", () => {
  it("has a kind for what its language knows", () => {
    const pieces = highlighted('def f(x):  # why\n    return "a" + 1', "python");
    const kind = (text: string) => pieces.find((piece) => piece.text === text)?.kind;
    expect([kind("def"), kind("# why"), kind('"a"'), kind("1"), kind("f")]).toEqual(["keyword", "comment", "string", "number", "name"]);
  });

  it.each([
    ["python", "if x:\n\treturn '<b>' # \u202e 👩‍👩‍👧\n"],
    ["js", "const a = `${b}` // </script><script>alert(1)</script>"],
    ["html", "<script>alert(1)</script><img src=x onerror=alert(1)>"],
    ["no such language", "<b>"],
    ["constructor", "x"],
    ["", ""],
  ])("is the same text to the letter: %s", (language, code) => {
    expect(whole(code, language)).toBe(code);
  });

  it("that is long or of no known language is one plain piece", () => {
    expect(highlighted("x = 1\n".repeat(10_000), "python")).toHaveLength(1);
    expect(highlighted("x = 1", "brainfog")).toEqual([{ text: "x = 1", kind: null }]);
  });
});
