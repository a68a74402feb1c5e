import { expect, it } from "vitest";
import { placed } from "./format";

it("tells rows apart by their numbers where lines do not", () => {
  expect(placed({ line: 1200 })).toBe("line 1,200");
  expect(placed({ line: 1, row: 17 })).toBe("row 17 (line 1)");
  expect(placed({ line: 5, row: 5 })).toBe("row 5");
});
