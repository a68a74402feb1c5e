/** Something in the project that a text points to: a pair, or an item to label, by its number. */
export type Reference = { kind: "pair" | "item"; id: number };

const WRITTEN = /\[\[(pair|item) (\d{1,12})\]\]/g;

/** A text in pieces, with what it points to between them: `[[pair 12]]` is pair 12. */
export function piecesOf(text: string): (string | Reference)[] {
  const pieces: (string | Reference)[] = [];
  let from = 0;
  for (const match of text.matchAll(WRITTEN)) {
    if (match.index > from) pieces.push(text.slice(from, match.index));
    pieces.push({ kind: match[1] as Reference["kind"], id: Number(match[2]) });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push(text.slice(from));
  return pieces;
}
