import { onDestroy, untrack } from "svelte";

/** A key of a screen, or keys that do the same, and what it does there. */
export type Shortcut = { keys: string[]; title: string };
export type KeyGroup = { title: string; shortcuts: Shortcut[] };

class Shortcuts {
  // By place, as of commands.
  readonly #shown = new Map<object, KeyGroup>();
  #changes = $state(0);

  /** What is shown now, the groups of one title as one, each key once. */
  get groups(): KeyGroup[] {
    void this.#changes;
    const groups: KeyGroup[] = [];
    for (const { title, shortcuts } of this.#shown.values()) {
      let group = groups.find((other) => other.title === title);
      if (!group) groups.push((group = { title, shortcuts: [] }));
      for (const shortcut of shortcuts) if (!group.shortcuts.some((other) => other.title === shortcut.title)) group.shortcuts.push(shortcut);
    }
    return groups.filter(({ shortcuts }) => shortcuts.length > 0);
  }

  put(place: object, group: KeyGroup): void {
    this.#shown.set(place, group);
    this.#changes += 1;
  }

  remove(place: object): void {
    this.#shown.delete(place);
    this.#changes += 1;
  }
}

export const shortcuts = new Shortcuts();

/** For a component: its keys are told by `?` for as long as it is shown. Call it in the component's script. */
export function tellKeys(title: string, list: () => Shortcut[]): void {
  const place = {};
  $effect(() => {
    const told = list();
    // Counting the changes reads them: this effect must not depend on it.
    untrack(() => shortcuts.put(place, { title, shortcuts: told }));
  });
  onDestroy(() => shortcuts.remove(place));
}
