import { SvelteMap } from "svelte/reactivity";
import { ApiError } from "../client/error";

/** Rows fetched at once. */
export const PAGE = 100;

/** Pages kept: what is far from view is asked for again. */
const KEPT = 40;

export type Part = { offset: number; limit: number };
export type FetchPage<Filter, Reply> = (query: Filter & Part, signal: AbortSignal) => Promise<Reply>;

/** The rows of a search, fetched page by page as they come into view. */
export class Pages<Filter extends object, Row, Reply extends { total: number; rows: Row[] }> {
  /** The newest reply, for what stands beside its rows. */
  reply = $state.raw<Reply | null>(null);
  error = $state.raw<ApiError | null>(null);
  readonly #rows = new SvelteMap<number, Row[]>();
  readonly #asked = new Map<number, AbortController>();
  #filter: Filter;
  #wanted: [number, number] = [0, 0];
  #refreshed: Promise<void> = Promise.resolve();

  constructor(
    filter: Filter,
    private readonly fetchPage: FetchPage<Filter, Reply>,
  ) {
    this.#filter = filter;
  }

  get total(): number | null {
    return this.reply?.total ?? null;
  }

  /** The row at a place of the list; null while it is on its way. */
  row(index: number): Row | null {
    return this.#rows.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  /** Another search: what is on its way for the one before is given up. */
  async search(filter: Filter): Promise<void> {
    this.#filter = filter;
    await this.reload();
  }

  /** Asks for everything again. The rows shown stay until the first page is there. */
  async reload(): Promise<void> {
    this.#giveUp(() => true);
    this.error = null;
    await this.#fetch(0, true);
    this.want(...this.#wanted);
  }

  /**
   * Asks again for what is in view, which stays shown until the answer is there. What is out of view is forgotten. Where it is asked
   * for once more meanwhile, the answer that is waited for is that of the last time.
   */
  async refresh(): Promise<void> {
    let waited: Promise<void>;
    this.#refreshed = this.#refreshNow();
    do {
      waited = this.#refreshed;
      await waited;
    } while (waited !== this.#refreshed);
  }

  async #refreshNow(): Promise<void> {
    this.#giveUp(() => true);
    this.error = null;
    const [first, end] = this.#wanted;
    const from = Math.floor(first / PAGE);
    const to = Math.floor((Math.max(end, first + 1) - 1) / PAGE);
    for (const page of [...this.#rows.keys()]) if (page < from || page > to) this.#rows.delete(page);
    await Promise.all(Array.from({ length: to - from + 1 }, (_, at) => this.#fetch(from + at, false)));
  }

  /** Rows `first` to before `end` are in view: fetches the pages that lack, and gives up those that are not needed now. */
  want(first: number, end: number): void {
    this.#wanted = [first, end];
    if (end <= first) return;
    const from = Math.floor(first / PAGE);
    const to = Math.floor((end - 1) / PAGE);
    this.#giveUp((page) => page < from - 1 || page > to + 1);
    for (let page = from; page <= to; page++) {
      if (!this.#rows.has(page) && !this.#asked.has(page)) void this.#fetch(page, false);
    }
  }

  /** A row as it is now, after it was changed here. */
  replace(row: Row | ((old: Row) => Row), is: (old: Row) => boolean): void {
    const now = (old: Row) => (typeof row === "function" ? (row as (old: Row) => Row)(old) : row);
    for (const [page, rows] of this.#rows) {
      if (rows.some(is)) this.#rows.set(page, rows.map((old) => (is(old) ? now(old) : old)));
    }
  }

  async #fetch(page: number, anew: boolean): Promise<void> {
    const stop = new AbortController();
    this.#asked.set(page, stop);
    try {
      const reply = await this.fetchPage({ ...this.#filter, offset: page * PAGE, limit: PAGE }, stop.signal);
      if (stop.signal.aborted) return;
      if (anew) this.#rows.clear();
      this.reply = reply;
      this.#rows.set(page, reply.rows);
      this.#forget(page);
    } catch (thrown) {
      if (!stop.signal.aborted) this.error = ApiError.from(thrown);
    } finally {
      if (this.#asked.get(page) === stop) this.#asked.delete(page);
    }
  }

  #giveUp(which: (page: number) => boolean): void {
    for (const [page, stop] of this.#asked) {
      if (!which(page)) continue;
      stop.abort();
      this.#asked.delete(page);
    }
  }

  #forget(near: number): void {
    if (this.#rows.size <= KEPT) return;
    const farthest = [...this.#rows.keys()].reduce((a, b) => (Math.abs(b - near) > Math.abs(a - near) ? b : a));
    this.#rows.delete(farthest);
  }
}
