import { untrack } from "svelte";

/** Something the user can ask for, found in the palette and, where it has keys, by pressing them. */
export type Command = { id: string; title: string; keys?: string; run: () => void };

class Commands {
  #groups = $state.raw<Command[][]>([]);

  get all(): Command[] {
    return this.#groups.flat();
  }

  /** Adds commands; the function returned takes them away again. */
  register(group: Command[]): () => void {
    this.#groups = [...this.#groups, group];
    return () => {
      this.#groups = this.#groups.filter((other) => other !== group);
    };
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

/** The commands whose titles hold all words of `text`, those that begin with it first. */
export function found(all: Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = all.filter((command) => words.every((word) => command.title.toLowerCase().includes(word)));
  const first = words[0];
  if (!first) return holds;
  const begins = (command: Command) => (command.title.toLowerCase().startsWith(first) ? 0 : 1);
  return holds.toSorted((a, b) => begins(a) - begins(b));
}
