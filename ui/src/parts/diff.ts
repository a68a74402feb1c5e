// Which words of a text another one lacks.

import { diffWordsWithSpace } from "diff";

export type Piece = { text: string; only: boolean };

/** Longer texts are not compared: it takes too long, and nobody reads such a comparison. */
export const LONGEST = 20_000;
const MILLISECONDS = 150;

/** `text` in pieces, those marked that `against` does not have; null where comparing takes too long. */
export function difference(text: string, against: string): Piece[] | null {
  if (text.length > LONGEST || against.length > LONGEST) return null;
  // Words as a reader sees them, also in scripts without spaces.
  const changes = diffWordsWithSpace(against, text, { timeout: MILLISECONDS, ...segmenter() });
  if (!changes) return null;
  const pieces: Piece[] = [];
  for (const change of changes) {
    if (change.removed) continue;
    const only = change.added && change.value.trim() !== "";
    const last = pieces.at(-1);
    if (last && last.only === only) last.text += change.value;
    else pieces.push({ text: change.value, only });
  }
  return pieces;
}

function segmenter(): { intlSegmenter?: Intl.Segmenter } {
  return typeof Intl.Segmenter === "function" ? { intlSegmenter: new Intl.Segmenter(undefined, { granularity: "word" }) } : {};
}
