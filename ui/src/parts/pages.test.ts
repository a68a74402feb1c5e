import { beforeEach, describe, expect, it } from "vitest";
import type { PairPage, PairQuery, PairRow } from "../client/bindings";
import { Pages, type Part } from "./pages.svelte";

const TOTAL = 100_000;
const row = (id: number): PairRow => ({ id, prompt: `p${id}`, chosen: "c", rejected: "r", category: null, source: "imported", import: 1, at: 0, prompt_length: 2, chosen_length: 1, rejected_length: 1, disputed: null, held_out: false, score: null, margin: null });

let asked: { query: PairQuery; signal: AbortSignal; answer: (total?: number) => void; fail: () => void }[];
type Filter = Omit<PairQuery, keyof Part>;
const ALL: Filter = { text: "", source: null, category: null };
let pages: Pages<Filter, PairRow, PairPage>;

const settled = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  asked = [];
  pages = new Pages(
    ALL,
    (query, signal) =>
      new Promise<PairPage>((resolve, reject) => {
        const rows = Array.from({ length: query.limit }, (_, at) => row(query.offset + at));
        asked.push({ query, signal, answer: (total = TOTAL) => resolve({ total, rows, categories: [], rated: false, seen: "1" }), fail: () => reject(new Error("no")) });
      }),
  );
});

async function loaded() {
  const searched = pages.search(ALL);
  asked[0]!.answer();
  await searched;
}

describe("Pages", () => {
  it("fetches only the pages in view, each once", async () => {
    await loaded();
    pages.want(80, 120);
    pages.want(81, 121);
    expect(asked.map(({ query }) => query.offset)).toEqual([0, 100]);
    expect(pages.row(110)).toBeNull();
    asked[1]!.answer();
    await settled();
    expect(pages.row(110)?.id).toBe(110);
  });

  it("gives up pages that were scrolled past", async () => {
    await loaded();
    pages.want(5000, 5030);
    pages.want(90_000, 90_030);
    expect(asked[1]!.signal.aborted).toBe(true);
    expect(asked[2]!.signal.aborted).toBe(false);
    asked[1]!.answer(7); // too late
    await settled();
    expect(pages.total).toBe(TOTAL);
    expect(pages.row(5000)).toBeNull();
  });

  it("waits for the newest answer where it is asked again meanwhile", async () => {
    await loaded();
    let isDone = false;
    void pages.refresh().then(() => (isDone = true));
    const again = pages.refresh();
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([false, true, false]);
    asked[1]!.fail();
    await settled();
    expect(isDone).toBe(false);
    asked[2]!.answer(9);
    await again;
    await settled();
    expect([isDone, pages.total]).toEqual([true, 9]);
  });

  it("never mixes the rows of two searches", async () => {
    await loaded();
    pages.want(200, 230);
    const searched = pages.search({ text: "x", source: "edited", category: null });
    expect(asked[1]!.signal.aborted).toBe(true);
    expect(pages.row(0)?.id).toBe(0); // shown until the new ones are there
    expect(asked[2]!.query).toEqual({ text: "x", source: "edited", category: null, offset: 0, limit: 100 });
    asked[2]!.answer(3);
    await searched;
    expect(pages.total).toBe(3);
    expect(pages.row(210)).toBeNull();
  });

  it("keeps a bounded number of pages", async () => {
    await loaded();
    for (let page = 1; page <= 60; page++) {
      pages.want(page * 100, page * 100 + 30);
      asked.at(-1)!.answer();
      await settled();
    }
    expect(pages.row(6000)?.id).toBe(6000);
    expect(pages.row(0)).toBeNull();
  });

  it("says when a page cannot be had, and asks for it again", async () => {
    await loaded();
    pages.want(500, 530);
    asked[1]!.fail();
    await settled();
    expect(pages.error?.message).toBe("No.");
    const again = pages.reload();
    asked[2]!.answer();
    await again;
    expect(pages.error).toBeNull();
    expect(asked.at(-1)!.query.offset).toBe(500);
  });

  it("asks again for what is in view, and shows it meanwhile", async () => {
    await loaded();
    pages.want(180, 210);
    for (const each of asked.slice(1)) each.answer();
    await settled();
    const before = asked.length;
    const refreshed = pages.refresh();
    expect(asked.slice(before).map(({ query }) => query.offset)).toEqual([100, 200]);
    expect([pages.row(190)?.id, pages.row(205)?.id, pages.row(0)]).toEqual([190, 205, null]);
    for (const each of asked.slice(before)) each.answer(TOTAL - 1);
    await refreshed;
    expect([pages.row(190)?.id, pages.total]).toEqual([190, TOTAL - 1]);
  });

  it("shows a changed row in its place", async () => {
    await loaded();
    pages.replace({ ...row(4), source: "removed" }, ({ id }) => id === 4);
    expect(pages.row(4)?.source).toBe("removed");
  });
});
