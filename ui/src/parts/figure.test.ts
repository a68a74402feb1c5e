import { describe, expect, it } from "vitest";
import type { Axes } from "../client/bindings";
import { imageAddress, nearest, pixelOf, positions, readOut, sentence, short, xAt } from "./figure";

const axes: Axes = {
  width: 640, height: 360, left: 60, top: 40, right: 620, bottom: 320,
  x_min: 0, x_max: 100, y_min: -1, y_max: 1, x_label: "optimiser step", y_label: "loss per pair",
  series: [
    { name: "training", points: [[10, 0.5], [20, 0.25], [30, -0.5]] },
    { name: "held-out", points: [[30, 0.75], [60, 0.125]] },
  ],
};

describe("the read-out of a figure", () => {
  it("maps a place to data and back, as plot's own mapping does", () => {
    expect(xAt(axes, 60 / 640)).toBe(0);
    expect(xAt(axes, 620 / 640)).toBe(100);
    expect(xAt(axes, 340 / 640)).toBe(50);
    expect(pixelOf(axes, 50, 0)).toEqual({ left: 340, top: 180 });
    expect(pixelOf(axes, 0, 1)).toEqual({ left: 60, top: 40 });
    expect(pixelOf(axes, 50, 2)).toBeNull();
    expect(pixelOf({ ...axes, x_max: 0 }, 0, 0)).toBeNull();
  });

  it("takes the nearest point, the earlier one of two as near", () => {
    expect(nearest([10, 20, 30], 14)).toBe(0);
    expect(nearest([10, 20, 30], 15)).toBe(0);
    expect(nearest([10, 20, 30], 16)).toBe(1);
    expect(nearest([10, 20, 30], -5)).toBe(0);
    expect(nearest([10, 20, 30], 99)).toBe(2);
    expect(nearest([], 1)).toBe(-1);
  });

  it("goes over all series' positions once", () => {
    expect(positions(axes)).toEqual([10, 20, 30, 60]);
  });

  it("says where a series' value comes from when it is from elsewhere", () => {
    const at = readOut(axes, 20);
    expect(at.values).toEqual([{ name: "training", x: 20, y: 0.25 }, { name: "held-out", x: 30, y: 0.75 }]);
    expect(sentence(axes, at)).toBe("optimiser step 20: training 0.25, held-out 0.75 at 30");
  });

  it("has nothing to say without points", () => {
    const empty = { ...axes, series: [{ name: "training", points: [] }] };
    expect(positions(empty)).toEqual([]);
    expect(sentence(empty, readOut(empty, 3))).toBe("optimiser step 3: no value");
    const gap: Axes = { ...axes, series: [{ name: "training", points: [[1, Number.NaN]] }] };
    expect(readOut(gap, 1).values).toEqual([]);
  });

  it("writes numbers short", () => {
    expect([0.123456, 5e-5, 1234567, -2, 0, 0.00012345].map(short)).toEqual(["0.1235", "5e-5", "1.23e6", "−2", "0", "1.23e-4"]);
  });

  it("puts a drawing into an image's address whole", () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><text>50 % # "ö"</text></svg>`;
    const address = imageAddress({ name: "loss", svg, description: "", axes });
    expect(address).not.toMatch(/[#"<> ]/);
    expect(decodeURIComponent(address.slice(address.indexOf(",") + 1))).toBe(svg);
  });
});
