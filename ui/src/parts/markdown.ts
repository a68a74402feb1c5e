// A model's text as a tree of plain pieces, to be shown as elements of our own.
//
// The text is untrusted. It never becomes HTML: `marked` only cuts it into tokens, and what a token may become is listed
// here. Raw HTML stays text, images become their description, and links become text with their address beside it.

import { lexer, type Token, type Tokens } from "marked";

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "strong" | "em" | "del"; inner: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "break" }
  | { kind: "link"; inner: Inline[]; address: string };

export type Block =
  | { kind: "paragraph"; inner: Inline[] }
  | { kind: "heading"; level: number; inner: Inline[] }
  | { kind: "code"; text: string; language: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; start: number; items: { checked: boolean | null; blocks: Block[] }[] }
  | { kind: "table"; header: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

/** Longer texts are shown as they are, unformatted. */
export const LONGEST_FORMATTED = 50_000;
/** Of an unformatted text this much is shown until more is asked for. */
export const FIRST_SHOWN = 10_000;
/** Finding the end of an emphasis takes time that grows with the square of the marks. */
const MOST_MARKS = 2_500;
/** Deeper than this nothing is formatted: the page would overflow before the reader understood it. */
const DEEPEST = 12;

/** The text as blocks; null where it is to be shown unformatted: too long, too crowded with marks, or too deep. */
export function blocksOf(text: string): Block[] | null {
  if (text.length > LONGEST_FORMATTED) return null;
  if ((text.match(/[*_~`[\]<]/g)?.length ?? 0) > MOST_MARKS) return null;
  if (/^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*){13}/m.test(text)) return null;
  try {
    return blocks(lexer(text, { gfm: true, breaks: true }), 0);
  } catch {
    // The tokenizer ran out of stack on a text made for it.
    return null;
  }
}

function blocks(tokens: Token[], depth: number): Block[] {
  return tokens.flatMap((token) => block(token, depth));
}

function block(token: Token, depth: number): Block[] {
  if (depth > DEEPEST) return [{ kind: "paragraph", inner: [{ kind: "text", text: token.raw }] }];
  switch (token.type) {
    case "space":
      return [];
    case "heading":
      return [{ kind: "heading", level: (token as Tokens.Heading).depth, inner: inlines(token.tokens, depth) }];
    case "code":
      return [{ kind: "code", text: (token as Tokens.Code).text, language: ((token as Tokens.Code).lang ?? "").slice(0, 30) }];
    case "blockquote":
      return [{ kind: "quote", blocks: blocks(token.tokens ?? [], depth + 1) }];
    case "hr":
      return [{ kind: "rule" }];
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item) => ({
        checked: item.task ? (item.checked ?? false) : null,
        blocks: blocks(item.tokens.filter((inner) => inner.type !== "checkbox"), depth + 1),
      }));
      return [{ kind: "list", ordered: list.ordered, start: typeof list.start === "number" ? list.start : 1, items }];
    }
    case "table": {
      const table = token as Tokens.Table;
      const cells = (row: Tokens.TableCell[]) => row.map((cell) => inlines(cell.tokens, depth));
      return [{ kind: "table", header: cells(table.header), rows: table.rows.map(cells) }];
    }
    case "paragraph":
    case "text":
      return [{ kind: "paragraph", inner: token.tokens ? inlines(token.tokens, depth) : [{ kind: "text", text: token.text }] }];
    default:
      // Raw HTML, definitions of link addresses, and whatever a later tokenizer may add: as it was written.
      return [{ kind: "paragraph", inner: [{ kind: "text", text: token.raw.replace(/\n+$/, "") }] }];
  }
}

function inlines(tokens: Token[] | undefined, depth: number): Inline[] {
  return (tokens ?? []).map((token) => inline(token, depth + 1));
}

function inline(token: Token, depth: number): Inline {
  if (depth > DEEPEST) return { kind: "text", text: token.raw };
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      return { kind: token.type, inner: inlines(token.tokens, depth) };
    case "codespan":
      return { kind: "code", text: (token as Tokens.Codespan).text };
    case "br":
      return { kind: "break" };
    case "link": {
      const link = token as Tokens.Link;
      const inner = inlines(link.tokens, depth);
      // An address that stands for itself is not written twice.
      return link.text === link.href || `mailto:${link.text}` === link.href ? { kind: "text", text: link.text } : { kind: "link", inner, address: link.href };
    }
    case "escape":
      return { kind: "text", text: (token as Tokens.Escape).text };
    case "text":
      return { kind: "text", text: (token as Tokens.Text).text };
    default:
      // Images and raw HTML: as they were written.
      return { kind: "text", text: token.raw };
  }
}

/** A long text in parts of about `size` characters, cut at line ends or spaces where there are any, never inside a character. */
export function parts(text: string, size = 4_000): string[] {
  const cut: string[] = [];
  let from = 0;
  while (from < text.length) {
    let to = Math.min(from + size, text.length);
    if (to < text.length) {
      const line = text.lastIndexOf("\n", to);
      const space = text.lastIndexOf(" ", to);
      if (line > from + size / 2) to = line + 1;
      else if (space > from + size / 2) to = space + 1;
      else if (isLowSurrogate(text.charCodeAt(to))) to += 1;
    }
    cut.push(text.slice(from, to));
    from = to;
  }
  return cut;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
