// The read-out under the cursor: from a place in a figure to the values there, by the axes that `plot` gives with it.
//
// `left`, `right`, `top` and `bottom` are where the data area's edges lie, in the figure's own pixels; y grows downwards.

import type { Axes, FigureView } from "../client/bindings";
import { minus } from "../format";

export type Value = { name: string; x: number; y: number };
export type ReadOut = { x: number; values: Value[] };

/** Every x at which a series has a point, rising, each once. */
export function positions(axes: Axes): number[] {
  const all = axes.series.flatMap((series) => series.points.map(([x]) => x)).filter(Number.isFinite);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** Which x lies at a place across the figure, given as a share of its width. */
export function xAt(axes: Axes, share: number): number {
  const width = axes.right - axes.left;
  if (!(width > 0)) return axes.x_min;
  return axes.x_min + ((share * axes.width - axes.left) / width) * (axes.x_max - axes.x_min);
}

/** Where a data point lies, in the figure's pixels; null outside the data area. */
export function pixelOf(axes: Axes, x: number, y: number): { left: number; top: number } | null {
  const across = (x - axes.x_min) / (axes.x_max - axes.x_min);
  const up = (y - axes.y_min) / (axes.y_max - axes.y_min);
  const inside = across >= 0 && across <= 1 && up >= 0 && up <= 1;
  if (!inside) return null;
  return { left: axes.left + across * (axes.right - axes.left), top: axes.bottom - up * (axes.bottom - axes.top) };
}

/** The place of the point nearest to a place in the figure, of those within `reach` of it, all in the figure's pixels; null where none is. */
export function nearestPoint(axes: Axes, points: { x: number; y: number }[], left: number, top: number, reach: number): number | null {
  let found: number | null = null;
  let best = reach;
  points.forEach(({ x, y }, place) => {
    const pixel = pixelOf(axes, x, y);
    const far = pixel ? Math.hypot(pixel.left - left, pixel.top - top) : Infinity;
    if (far <= best) [found, best] = [place, far];
  });
  return found;
}

/** The place of the entry nearest to `x` in a rising list; -1 for an empty one. */
export function nearest(rising: number[], x: number): number {
  if (rising.length === 0) return -1;
  let low = 0;
  let high = rising.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] as number) < x) low = middle + 1;
    else high = middle;
  }
  const before = rising[low - 1];
  return before !== undefined && x - before <= (rising[low] as number) - x ? low - 1 : low;
}

/** What the series say at `x`: each at its own nearest point, which need not be at `x` itself. */
export function readOut(axes: Axes, x: number): ReadOut {
  const values: Value[] = [];
  for (const { name, points } of axes.series) {
    const place = nearest(points.map(([px]) => px), x);
    const point = points[place];
    if (point && Number.isFinite(point[1])) values.push({ name, x: point[0], y: point[1] });
  }
  return { x, values };
}

/** Four leading digits, and no more zeros than needed. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "not a number";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
    return minus(value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e"));
  }
  return minus(String(Number(value.toPrecision(4))));
}

/** A read-out as a sentence, for screen readers. */
export function sentence(axes: Axes, { x, values }: ReadOut): string {
  const said = values.map((value) => `${value.name} ${short(value.y)}${value.x === x ? "" : ` at ${short(value.x)}`}`);
  return `${axes.x_label} ${short(x)}: ${said.join(", ") || "no value"}`;
}

/** The drawing as an image's address: an image runs no script and loads nothing, whatever the drawing holds. */
export function imageAddress(figure: FigureView): string {
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(figure.svg)}`;
}

/** The drawing as a bitmap, `scale` times as fine as on screen. */
export async function png(figure: FigureView, scale = 2): Promise<Blob> {
  const image = new Image();
  image.src = imageAddress(figure);
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(figure.axes.width * scale);
  canvas.height = Math.round(figure.axes.height * scale);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser cannot draw the bitmap. Save the figure as SVG.");
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("This browser cannot write the bitmap. Save the figure as SVG.");
  return blob;
}
