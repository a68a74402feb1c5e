import { SvelteSet } from "svelte/reactivity";

/** The pair at a place of a list: its number, null where it has none, undefined while it is on its way. */
type PairAt = (index: number) => number | null | undefined;
type FetchPairs = (first: number, count: number) => Promise<(number | null)[]>;

/** Pairs of a list that were chosen: one by one, or all that the list shows. */
export class Chosen {
  readonly #ids = new SvelteSet<number>();
  /** How many the list showed when all of them were chosen. */
  #all = $state<number | null>(null);
  /** The place in the list that was chosen last: from there Shift goes on. */
  #last = -1;
  /** The mark of the list when the first of them was chosen. */
  #seen: string | null = null;

  /** `mark`: of the list as it is shown. */
  constructor(private readonly mark: () => string | null = () => null) {}

  /** What was looked at when these were chosen: what others change since is not acted on. */
  get seen(): string | null {
    return this.#seen;
  }

  /** They were changed from here, and are chosen as they are now. */
  saw(mark: string): void {
    if (this.count > 0) this.#seen = mark;
  }

  get count(): number {
    return this.#all ?? this.#ids.size;
  }

  get isAll(): boolean {
    return this.#all !== null;
  }

  /** Those that were chosen one by one; null where all are. */
  get ids(): number[] | null {
    return this.#all === null ? [...this.#ids] : null;
  }

  has(id: number): boolean {
    return this.#all !== null || this.#ids.has(id);
  }

  /**
   * Chooses a row, or no longer does; or all from the one chosen last up to it, of which those that are not in the page yet are
   * asked for. Says how many of these rows have no pair that could be chosen.
   */
  async choose(index: number, upTo: boolean, at: PairAt, fetch: FetchPairs): Promise<number> {
    if (!upTo) {
      const id = at(index);
      if (typeof id === "number") this.toggle(index, id);
      return id === null ? 1 : 0;
    }
    const [first, last] = this.upTo(index);
    let ids = Array.from({ length: last - first + 1 }, (_, place) => at(first + place));
    if (ids.includes(undefined)) ids = await fetch(first, last - first + 1);
    const there = ids.filter((id) => typeof id === "number");
    this.add(there);
    return ids.length - there.length;
  }

  /** Chooses the pair at a place of the list, or no longer does. Out of all that the list shows, none is taken: they are left. */
  toggle(index: number, id: number): void {
    if (this.#all !== null) this.clear();
    else if (this.#ids.has(id)) this.#ids.delete(id);
    else this.add([id]);
    this.#last = index;
  }

  /** The places, both included, from the one that was chosen last to `index`. */
  upTo(index: number): [first: number, last: number] {
    const from = this.#last < 0 ? index : this.#last;
    this.#last = index;
    return from <= index ? [from, index] : [index, from];
  }

  add(ids: number[]): void {
    if (this.#all !== null) return;
    if (this.#ids.size === 0) this.#seen = this.mark();
    for (const id of ids) this.#ids.add(id);
  }

  /** It has left the list. */
  drop(id: number): void {
    this.#ids.delete(id);
  }

  all(count: number): void {
    this.#ids.clear();
    this.#all = count;
    this.#seen = this.mark();
  }

  clear(): void {
    this.#ids.clear();
    this.#all = this.#seen = null;
    this.#last = -1;
  }
}
