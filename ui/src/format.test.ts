import { expect, it } from "vitest";
import { bytes, count, duration, figure, interval, pValue, percent, placed, signed, tenths } from "./format";
import { NUMBERS } from "./numbers.fixture";

it("writes every number as the program's sentences do", () => {
  const written: Record<string, (value: number) => string> = { bytes, count, duration, figure, interval: (high) => interval([high / 2, high]), p_value: pValue, percent, signed, tenths };
  expect(new Set(NUMBERS.map(([kind]) => kind))).toEqual(new Set(Object.keys(written)));
  for (const [kind, value, text] of NUMBERS) expect(`${kind} ${value}: ${written[kind]?.(value)}`).toBe(`${kind} ${value}: ${text}`);
});

it("has a dash for what is not known", () => {
  expect([percent(null), signed(null), figure(null), figure(Number.NaN), duration(null)]).toEqual(["–", "–", "–", "–", "–"]);
});

it("tells rows apart by their numbers where lines do not", () => {
  expect(placed({ line: 1200 })).toBe("line 1,200");
  expect(placed({ line: 1, row: 17 })).toBe("row 17 (line 1)");
  expect(placed({ line: 5, row: 5 })).toBe("row 5");
});
