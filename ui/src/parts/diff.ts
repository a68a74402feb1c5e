// Which words of two texts the other one lacks.

import { diffWordsWithSpace } from "diff";

export type Piece = { text: string; only: boolean };
/** Both texts in pieces, those marked that the other does not have. */
export type Sides = [Piece[], Piece[]];

/** Two texts of so many characters together are compared while the page waits; longer ones by a worker. */
export const QUICK = 20_000;
/** How long that may take: then the worker does it. */
const AT_ONCE = 150;

/** Both texts in pieces; null where comparing takes longer than so many milliseconds. */
export function sides(first: string, second: string, milliseconds: number): Sides | null {
  // Words as a reader sees them, also in scripts without spaces.
  const changes = diffWordsWithSpace(first, second, { timeout: milliseconds, ...segmenter() });
  if (!changes) return null;
  const found: Sides = [[], []];
  for (const { value, added, removed } of changes) {
    const only = (added || removed) && value.trim() !== "";
    if (!added) add(found[0], value, only);
    if (!removed) add(found[1], value, only);
  }
  return found;
}

/** The same at once, where the texts are short enough for it. */
export function quickSides(first: string, second: string): Sides | null {
  return first.length + second.length > QUICK ? null : sides(first, second, AT_ONCE);
}

function add(pieces: Piece[], text: string, only: boolean): void {
  const last = pieces.at(-1);
  if (last && last.only === only) last.text += text;
  else pieces.push({ text, only });
}

function segmenter(): { intlSegmenter?: Intl.Segmenter } {
  return typeof Intl.Segmenter === "function" ? { intlSegmenter: new Intl.Segmenter(undefined, { granularity: "word" }) } : {};
}
