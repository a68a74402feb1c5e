import { onDestroy, untrack } from "svelte";

/** Something the user can ask for, found in the palette and, where it has keys, by pressing them. */
export type Command = { id: string; title: string; keys?: string; run: () => void };

class Commands {
  // By place, in the order they were first offered. Not state itself: what ends a component would read it as it was before
  // others of the same moment have added theirs.
  readonly #offered = new Map<object, Command[]>();
  #changes = $state(0);

  get all(): Command[] {
    void this.#changes;
    return [...this.#offered.values()].flat();
  }

  /** Offers commands in a place, instead of those that were offered there. */
  put(place: object, group: Command[]): void {
    this.#offered.set(place, group);
    this.#changes += 1;
  }

  remove(place: object): void {
    this.#offered.delete(place);
    this.#changes += 1;
  }
}

export const commands = new Commands();

/**
 * For a component: offers the commands for as long as it is shown, again in the same place whenever what `list` reads
 * changes. Call it in the component's script.
 */
export function offer(list: () => Command[]): void {
  const place = {};
  $effect(() => {
    const group = list();
    // Counting the changes reads them: this effect must not depend on it.
    untrack(() => commands.put(place, group));
  });
  onDestroy(() => commands.remove(place));
}

/** The commands whose titles hold all words of `text`: the one that is named so first, then those that begin with it. */
export function found(all: Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = all.filter((command) => words.every((word) => command.title.toLowerCase().includes(word)));
  const first = words[0];
  if (!first) return holds;
  const phrase = words.join(" ");
  const rank = ({ title }: Command) => {
    const lower = title.toLowerCase();
    return lower === phrase ? 0 : lower.startsWith(phrase) ? 1 : lower.startsWith(first) ? 2 : 3;
  };
  return holds.toSorted((a, b) => rank(a) - rank(b));
}
