import { SvelteSet } from "svelte/reactivity";
import type { PairsChosen } from "../../client/bindings";

/** Pairs of a list that were chosen: one by one, or all that the list shows. */
export class Chosen {
  readonly #ids = new SvelteSet<number>();
  /** How many the list showed when all of them were chosen. */
  #all = $state<number | null>(null);
  /** The place in the list that was chosen last: from there Shift goes on. */
  #last = -1;

  get count(): number {
    return this.#all ?? this.#ids.size;
  }

  get isAll(): boolean {
    return this.#all !== null;
  }

  has(id: number): boolean {
    return this.#all !== null || this.#ids.has(id);
  }

  /** Chooses the pair at a place of the list, or no longer does. Out of all that the list shows, none is taken: they are left. */
  toggle(index: number, id: number): void {
    if (this.#all !== null) this.clear();
    else if (this.#ids.has(id)) this.#ids.delete(id);
    else this.#ids.add(id);
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
    for (const id of ids) this.#ids.add(id);
  }

  all(count: number): void {
    this.#ids.clear();
    this.#all = count;
  }

  clear(): void {
    this.#ids.clear();
    this.#all = null;
    this.#last = -1;
  }

  /** What is meant, as the program takes it: `list` is what the list shows. */
  asked(list: Pick<PairsChosen, "query" | "finding">): PairsChosen {
    const { query, finding } = this.#all === null ? { query: null, finding: null } : list;
    return { ids: [...this.#ids], query, finding, expected: this.#all ?? this.#ids.size };
  }
}
