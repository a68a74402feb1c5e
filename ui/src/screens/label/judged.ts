import type { LabelledQuery, Majority, Meaning, Said, SaidAs, Standing } from "../../client/bindings";
import type { Part } from "../../parts/pages.svelte";

export type LabelledFilter = Omit<LabelledQuery, keyof Part>;

/** How the verdicts on an item stand to each other. */
export const STANDINGS: Record<Standing, { word: string; about: string; tone: "neutral" | "accent" | "good" | "warn" }> = {
  open: { word: "Differ", about: "They differ, and nothing counts", tone: "warn" },
  outvoted: { word: "Outvoted", about: "They differ; more than half of them count", tone: "neutral" },
  decided: { word: "Decided", about: "Somebody decided", tone: "accent" },
  agreed: { word: "Agree", about: "Two or more agree", tone: "good" },
  single: { word: "One vote", about: "One vote alone", tone: "neutral" },
  nothing: { word: "No vote", about: "Skipped, or of texts that were changed since", tone: "neutral" },
};

/** A verdict by the item's own answers, shortly. */
export const SHORT: Record<Meaning, string> = {
  first_much: "first, much",
  first: "first",
  second: "second",
  second_much: "second, much",
  tie_good: "tie, both good",
  tie_bad: "tie, both bad",
  skip: "skipped",
};

/** A verdict where the item's first answer stands left. */
export const SIDED: Record<Meaning, string> = {
  first_much: "Left is much better",
  first: "Left is better",
  second: "Right is better",
  second_much: "Right is much better",
  tie_good: "Tie, both good",
  tie_bad: "Tie, both bad",
  skip: "Skipped",
};

export const VERDICTS: { value: Majority; label: string }[] = [
  { value: "first", label: "First is better" },
  { value: "second", label: "Second is better" },
  { value: "tie", label: "Tie" },
];

/** What counts of an item, where its first answer stands left. */
export function counting(outcome: Majority | null): string {
  switch (outcome) {
    case "first":
      return "Left is better";
    case "second":
      return "Right is better";
    case "tie":
      return "Neither is better: it gives no pair";
    default:
      return "Nothing yet: it gives no pair";
  }
}

const BESIDE: Partial<Record<SaidAs, string>> = { decision: " decided", file: " (file)" };

/** Who says what, in a line of the list. */
export function saidShortly(all: Said[]): string {
  return all
    .filter(({ kind }) => kind !== "second_pass")
    .map(({ kind, annotator, meaning, counts }) => `${annotator}${BESIDE[kind] ?? ""}: ${SHORT[meaning]}${counts || kind === "file" || meaning === "skip" ? "" : " (not of these texts)"}`)
    .join(" · ");
}
