import { describe, expect, it } from "vitest";
import { type Block, type Inline, LONGEST_FORMATTED, blocksOf, parts } from "./markdown";

/** Every kind of piece in a tree, and all of its text. */
function gathered(blocks: Block[]): { kinds: Set<string>; text: string } {
  const kinds = new Set<string>();
  let text = "";
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      const piece = value as Record<string, unknown>;
      if (typeof piece.kind === "string") kinds.add(piece.kind);
      if (typeof piece.text === "string") text += piece.text;
      Object.values(piece).filter((inner) => typeof inner === "object").forEach(visit);
    }
  };
  visit(blocks);
  return { kinds, text };
}

function first(text: string): Inline[] {
  const block = blocksOf(text)?.[0];
  if (block?.kind !== "paragraph") throw new Error(`no paragraph: ${JSON.stringify(block)}`);
  return block.inner;
}

describe("a model's text", () => {
  it("is formatted", () => {
    const blocks = blocksOf("# Title\n\nSome **bold** and `code`.\n\n- one\n- two\n\n```rust\nlet x = 1;\n```\n\n> quoted\n\n|a|b|\n|-|-|\n|1|2|\n") ?? [];
    expect(blocks.map((block) => block.kind)).toEqual(["heading", "paragraph", "list", "code", "quote", "table"]);
    expect(blocks[3]).toEqual({ kind: "code", text: "let x = 1;", language: "rust" });
    expect(first("Some **bold** and `code`.").map((piece) => piece.kind)).toEqual(["text", "strong", "text", "code", "text"]);
  });

  it("keeps line breaks, as models mean them", () => {
    expect(first("one\ntwo").map((piece) => piece.kind)).toEqual(["text", "break", "text"]);
  });

  it("keeps the state of a task", () => {
    const list = blocksOf("- [x] done\n- [ ] open\n- plain")?.[0];
    expect(list?.kind === "list" && list.items.map((item) => item.checked)).toEqual([true, false, null]);
    expect(gathered(blocksOf("- [x] done") ?? []).text.trim()).toBe("done");
  });

  it.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick=alert(1)>bold</b> text",
    "<!-- a comment -->",
    "<style>body { display: none }</style>",
    "![image](https://example.com/track.png)",
    "<iframe src='https://example.com'></iframe>",
    "[name]: https://example.com \"title\"",
  ])("shows what could act as it was written: %s", (text) => {
    const { kinds, text: shown } = gathered(blocksOf(text) ?? []);
    expect(shown).toBe(text);
    expect([...kinds].sort()).toEqual(["paragraph", "text"]);
  });

  it("shows a link's address instead of following it", () => {
    expect(first("[click](javascript:alert(1))")).toEqual([{ kind: "link", inner: [{ kind: "text", text: "click" }], address: "javascript:alert(1)" }]);
    expect(first("https://example.com/a")).toEqual([{ kind: "text", text: "https://example.com/a" }]);
  });

  it.each(["شكرا جزيلا", "👩‍👩‍👧 🇩🇪 🏴‍☠️", "\u202eevil\u202c", "\ufffd\ufffd", "a\u0000b", "&amp; &lt;b&gt;"])("survives unharmed: %s", (text) => {
    expect(gathered(blocksOf(text) ?? []).text).toBe(text);
  });

  it("is not formatted when it is long, crowded or deep, and the page does not wait", () => {
    const start = performance.now();
    for (const text of ["x".repeat(1_000_000), "_a".repeat(25_000), "> ".repeat(5_000), "1. ".repeat(5_000), "[".repeat(50_000), "- ".repeat(20) + "x"]) {
      expect(text.length > LONGEST_FORMATTED || blocksOf(text) === null).toBe(true);
      blocksOf(text);
    }
    for (const text of ["**a ".repeat(600), "a**b".repeat(1_000), "[[a]".repeat(1_000), "*a_ ".repeat(1_000), "`".repeat(2_000)]) blocksOf(text);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it("that is nested as people nest is formatted", () => {
    expect(blocksOf("> > > three\n\n- a\n  - b\n    - c")?.map((block) => block.kind)).toEqual(["quote", "list"]);
    expect(blocksOf("- - - - -")).not.toBeNull();
  });
});

describe("the parts of a long text", () => {
  it("are the whole text, cut at spaces where there are any", () => {
    const words = "word ".repeat(5_000);
    expect(parts(words).join("")).toBe(words);
    expect(parts(words).slice(0, -1).every((part) => part.endsWith(" "))).toBe(true);
    expect(parts("")).toEqual([]);
  });

  it("never split a character", () => {
    const emoji = `x${"😀".repeat(10_000)}`;
    expect(parts(emoji).join("")).toBe(emoji);
    expect(parts(emoji).some((part) => /^[\udc00-\udfff]|[\ud800-\udbff]$/.test(part))).toBe(false);
  });
});
