/**
 * Numbers and times as text. One place, so that the same thing looks the same on every screen, and as the program's sentences
 * have it: the crate `numbers`, whose table of values the tests go by.
 */

import type { Place } from "./client/bindings";

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `12,345` */
export function count(value: number): string {
  return WHOLE.format(value);
}

/** A number in text with a minus sign in the place of a hyphen; that of an exponent stays, as in `2e-4`. */
export function minus(text: string): string {
  return text.replace(/^-/, "−");
}

/** A number with so many digits after the point; nothing is written as minus 0. */
function fixed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** `1 pair`, `12,345 pairs` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Where a row stands in its file: `line 5`, or `row 17 (line 1)` where several rows may stand on one line. */
export function placed({ line, row }: Place): string {
  if (row === undefined) return `line ${count(line)}`;
  return row === line ? `row ${count(row)}` : `row ${count(row)} (line ${count(line)})`;
}

/** With a capital letter at the start. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A share from 0 to 1 as `62.5 %`; `–` where it is not known. */
export function percent(share: number | null): string {
  return share === null ? "–" : `${fixed(share * 100, 1)} %`;
}

/** A share as `62 %`, for what is a description. What is not all is never called `100 %`, what is not nothing never `0 %`. */
export function roughly(share: number): string {
  if (share > 0 && share < 0.005) return "< 1 %";
  if (share < 1 && share >= 0.995) return "> 99 %";
  return `${Math.round(share * 100)} %`;
}

/** `55.9 to 82.9 %` */
export function interval([low, high]: [number, number]): string {
  return `${percent(low).replace(" %", "")} to ${percent(high)}`;
}

/** A p value: `0.031`, `< 0.001`; `–` where it is not known. */
export function pValue(p: number | null): string {
  if (p === null) return "–";
  return p < 0.001 ? "< 0.001" : p.toPrecision(2);
}

/** A reward, a margin or what one has moved by: `+0.31`, `−0.31`, `0.00`; `–` where it is not known. */
export function signed(value: number | null): string {
  if (value === null) return "–";
  const text = fixed(value, 2);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** A mean or a log-probability: one digit after the point. */
export const tenths = (value: number): string => fixed(value, 1);

/** A number with three significant digits, or `–`; very small and very large ones as `5e-5`. */
export function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e"));
  return minus(String(Number(value.toPrecision(3))));
}

/** The name at the end of a path: `/models/tiny-model` as `tiny-model`. */
export function lastPart(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== "") ?? path;
}

/** `45 s`, `3 min`, `2 h 5 min`; `–` where it is not known. */
export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** `512 MB`, `12.3 GB`: powers of 1000, as disks and downloads are sold. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value;
  let unit = -1;
  do {
    size /= 1000;
    unit += 1;
  } while (size >= 999.5 && unit < units.length - 1);
  // Of memory a tenth of a gigabyte decides.
  const isLarge = unit >= units.indexOf("GB");
  return `${size < (isLarge ? 99.95 : 9.95) ? fixed(size, 1) : Math.round(size)} ${units[unit]}`;
}

/** `just now`, `5 min ago`, `yesterday`, then the date. */
export function ago(milliseconds: number, now = Date.now()): string {
  const seconds = (now - milliseconds) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 172_800) return "yesterday";
  return date(milliseconds);
}

/** `24 Nov 2026` */
export function date(milliseconds: number): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }).format(milliseconds);
}

/** `24 Nov 2026, 14:05` */
export function dateTime(milliseconds: number): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(milliseconds);
}
