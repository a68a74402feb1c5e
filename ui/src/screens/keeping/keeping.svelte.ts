import type { BinEntry, Dependents, ItemKind, Notes } from "../../client/bindings";
import { client } from "../../client/client";
import { Act } from "../../parts/act.svelte";
import type { MenuItem } from "../../parts/menuItem";
import { toasts } from "../../state/toasts.svelte";

/** A run, an evaluation or an export, by what a list knows of it. */
export type Kept = { kind: ItemKind; item: string; name: string; notes: Notes };

/** What a list or a page does with what it shows: rename, note, archive, delete. `KeepingDialogs` asks what must be asked. */
export class Keeping {
  describing = $state.raw<Kept | null>(null);
  /** Something that others refer to: they are named before it goes. */
  deleting = $state.raw<{ kept: Kept; dependents: Dependents } | null>(null);
  last = $state.raw(new Act());

  constructor(
    private readonly project: string,
    /** Called once something is as it was asked to be; news of the project are told to everybody else. */
    private readonly changed: () => void = () => {},
    private readonly deleted: () => void = () => {},
  ) {}

  /** Entries of a menu. */
  items(kept: Kept): MenuItem[] {
    const { archived } = kept.notes;
    return [
      { title: "Rename, note, tags", run: () => (this.describing = kept) },
      { title: archived ? "Take out of the archive" : "Archive", run: () => void this.#archive(kept, !archived) },
      { title: "Delete", danger: true, run: () => void this.#ask(kept) },
    ];
  }

  async describe(kept: Kept, name: string, note: string, tags: string): Promise<void> {
    await client.call("describe_item", { ...this.#of(kept), name, note, tags: tags.split(",") });
    this.changed();
  }

  async delete(kept: Kept): Promise<void> {
    const entry = await client.call("delete_item", this.#of(kept));
    toasts.show(`${entry.name} is in the bin.`, () => void this.#putBack(entry));
    this.changed();
    this.deleted();
  }

  #of({ kind, item }: Kept) {
    return { project: this.project, kind, item };
  }

  /** Several can be acted on at once, each by itself. */
  #act(work: () => Promise<void>): Promise<boolean> {
    this.last = new Act();
    return this.last.run(work);
  }

  #ask(kept: Kept) {
    return this.#act(async () => {
      const dependents = await client.call("dependents", this.#of(kept));
      if (dependents.sentences.length > 0) this.deleting = { kept, dependents };
      else await this.delete(kept);
    });
  }

  #archive(kept: Kept, archived: boolean) {
    return this.#act(async () => {
      await client.call("archive_item", { ...this.#of(kept), archived });
      toasts.show(archived ? `${kept.name} is archived.` : `${kept.name} is out of the archive.`, () => void this.#archive(kept, !archived));
      this.changed();
    });
  }

  #putBack(entry: BinEntry) {
    return this.#act(async () => {
      await client.call("put_back", { project: this.project, entry: entry.entry });
      toasts.show(`${entry.name} is back in its place.`);
      this.changed();
    });
  }
}

/** Which of a list are shown: archived ones only when asked for, and those with one tag. */
export class Sift {
  archived = $state(false);
  tag = $state("");

  of<T extends { notes: Notes }>(all: T[]): T[] {
    return all.filter(({ notes }) => (this.archived || !notes.archived) && (this.tag === "" || notes.tags.includes(this.tag)));
  }
}

export function tagsOf(all: { notes: Notes }[]): string[] {
  return [...new Set(all.flatMap(({ notes }) => notes.tags))].sort((a, b) => a.localeCompare(b));
}
