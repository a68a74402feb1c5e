import type { Content, PairQuery, PairRow, PairSource, PairView } from "../../client/bindings";
import { count } from "../../format";
import { messagesOf, textOf } from "../../parts/content";
import type { Part } from "../../parts/pages.svelte";

export type PairFilter = Omit<PairQuery, keyof Part>;

export const SOURCES: Record<PairSource, { title: string; tone: "neutral" | "accent" | "good" | "warn" }> = {
  imported: { title: "Imported", tone: "neutral" },
  labelled: { title: "Labelled", tone: "good" },
  // Its texts were edited, or its answers swapped: the history says which.
  edited: { title: "Changed", tone: "accent" },
  to_judge: { title: "To judge again", tone: "warn" },
  removed: { title: "Removed", tone: "warn" },
};

/** What a pair is called: a labelled one, which the program numbers below zero, by its item. */
export function nameOf(id: number): string {
  return id < 0 ? `item ${count(-id)}` : `pair ${count(id)}`;
}

/** Characters of each text that a row of the table holds. */
const SHOWN = 200;

/** The text of a prompt or answer without its roles. */
export function plain(content: Content): string {
  return typeof content === "string" ? content : (messagesOf(content) ?? []).map(textOf).join("\n");
}

/** A pair as the table shows it. */
export function rowOf(pair: PairView): PairRow {
  const short = (content: Content) => plain(content).slice(0, SHOWN);
  return { id: pair.id, prompt: short(pair.prompt), chosen: short(pair.chosen), rejected: short(pair.rejected), category: pair.category, source: pair.source };
}
