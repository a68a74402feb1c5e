import { expect, it } from "vitest";
import { rate } from "./words";

it("a rate comes with its interval", () => {
  expect(rate(0.712, [0.559, 0.829])).toBe("71.2 % (55.9 to 82.9 %)");
  expect(rate(0.5, null)).toBe("50.0 %");
  expect(rate(null, null)).toBe("–");
});
