import { untrack } from "svelte";

/** Something the user can ask for, found in the palette and, where it has keys, by pressing them. */
export type Command = { id: string; title: string; keys?: string; run: () => void };

class Commands {
  // Not state itself: what ends an effect would read it as it was before others of the same moment have added theirs.
  #groups: Command[][] = [];
  #changes = $state(0);

  get all(): Command[] {
    void this.#changes;
    return this.#groups.flat();
  }

  /** Adds commands; the function returned takes them away again. */
  register(group: Command[]): () => void {
    this.#put([...this.#groups, group]);
    return () => this.#put(this.#groups.filter((other) => other !== group));
  }

  #put(groups: Command[][]) {
    this.#groups = groups;
    this.#changes += 1;
  }
}

export const commands = new Commands();

/**
 * For a component: offers the commands for as long as it is shown, again whenever what `list` reads changes.
 * Call it in the component's script.
 */
export function offer(list: () => Command[]): void {
  $effect(() => {
    const group = list();
    // Registering reads the registry: this effect must not depend on it.
    return untrack(() => commands.register(group));
  });
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
