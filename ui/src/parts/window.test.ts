import { describe, expect, it } from "vitest";
import { scrollTo, windowOf } from "./window";

describe("windowOf", () => {
  it("holds the rows in view and a few beyond", () => {
    expect(windowOf(0, 400, 40, 1000, 2)).toEqual({ first: 0, end: 12 });
    expect(windowOf(4020, 400, 40, 1000, 2)).toEqual({ first: 98, end: 113 });
  });

  it("stays inside, also where the list became shorter than where it was scrolled to", () => {
    expect(windowOf(39_900, 400, 40, 1000, 2)).toEqual({ first: 995, end: 1000 });
    expect(windowOf(39_900, 400, 40, 3, 2)).toEqual({ first: 3, end: 3 });
    expect(windowOf(0, 400, 40, 0)).toEqual({ first: 0, end: 0 });
  });
});

describe("scrollTo", () => {
  it("moves only as far as it must", () => {
    expect(scrollTo(5, 0, 400, 40)).toBe(0);
    expect(scrollTo(10, 0, 400, 40)).toBe(40);
    expect(scrollTo(3, 400, 400, 40)).toBe(120);
  });
});
