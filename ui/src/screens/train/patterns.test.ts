import { expect, it } from "vitest";
import { patternsFrom, patternsText } from "./patterns";

it.each<[string, Record<string, number>]>([
  ["", {}],
  ["down_proj = 32", { down_proj: 32 }],
  ["z_proj=2, a_proj = 0.5,", { z_proj: 2, a_proj: 0.5 }],
  ["layers.\\d{1,2}.(q|v)_proj = 8, [a,b] = 1", { "layers.\\d{1,2}.(q|v)_proj": 8, "[a,b]": 1 }],
  ["a(?=b) = 4", { "a(?=b)": 4 }],
])("numbers by pattern are read as typed: %s", (text, patterns) => {
  expect(patternsFrom(text)).toEqual(patterns);
  expect(patternsFrom(patternsText(patterns))).toEqual(patterns);
  expect(Object.keys(patternsFrom(text))).toEqual(Object.keys(patterns));
});

it.each(["down_proj", "down_proj =", "down_proj = many"])("what is no number is seen: %s", (text) => {
  expect(Object.values(patternsFrom(text))).toEqual([Number.NaN]);
});
