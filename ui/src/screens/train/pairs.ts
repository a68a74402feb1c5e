// The pairs of a run as its model sees them: which are shown, in which order, and what became of each.

import type { PairMeasure, PairNow, PairOrder, PairScorer, PairSubset, RunPairRow, RunPairsQuery } from "../../client/bindings";

/** What is asked for, but for the project, the run and the part. */
export type PairQuestion = Omit<RunPairsQuery, "project" | "run">;

/** Whose numbers, as a choice has it. */
export type ScorerChoice = "training" | "run" | "2" | "5" | "10" | "model";

export const SCORERS: { value: ScorerChoice; label: string }[] = [
  { value: "training", label: "As training saw them last" },
  { value: "run", label: "By this run's model" },
  { value: "2", label: "By 2 models, each on half of the pairs" },
  { value: "5", label: "By 5 models, each on 4/5 of the pairs" },
  { value: "10", label: "By 10 models, each on 9/10 of the pairs" },
];

export const scorer = (choice: ScorerChoice): PairScorer => (choice === "training" || choice === "run" || choice === "model" ? choice : { folds: Number(choice) });

/** Orders by name: a column, and from which end. */
export const ORDERS = [
  { value: "suspects", label: "Suspected mislabels: lowest margin first", order: "margin", descending: false },
  { value: "learnt", label: "Highest margin first", order: "margin", descending: true },
  { value: "hard", label: "Hard pairs: least decided first", order: "decided", descending: false },
  { value: "loss", label: "Highest loss first", order: "loss", descending: true },
  { value: "fallen", label: "Margin fell most since training met it", order: "moved", descending: false },
  { value: "risen", label: "Margin rose most since training met it", order: "moved", descending: true },
  { value: "chosen", label: "Lowest chosen reward first", order: "chosen_reward", descending: false },
  { value: "rejected", label: "Highest rejected reward first", order: "rejected_reward", descending: true },
  { value: "unlikely", label: "Least likely chosen answer first", order: "chosen_logps", descending: false },
  { value: "long", label: "Longest answers first", order: "tokens", descending: true },
  { value: "line", label: "As in the run's file", order: "line", descending: false },
] as const satisfies readonly { value: string; label: string; order: PairOrder; descending: boolean }[];
export type OrderName = (typeof ORDERS)[number]["value"];

/** Of a model without a run: training has not met the pairs, and alone it has no rewards. */
export function ordersOf(measure: PairMeasure): { value: OrderName; label: string }[] {
  const own = ORDERS.filter(({ order }) => order !== "moved");
  if (measure === "reward") return own;
  const labels: Partial<Record<OrderName, string>> = { suspects: "Rejected answer likelier per token first", learnt: "Chosen answer likelier per token first", hard: "Hardly different per token first", chosen: "Chosen answer least likely per token first", rejected: "Rejected answer most likely per token first" };
  return own.filter(({ value }) => value !== "loss").map(({ value, label }) => ({ value, label: labels[value] ?? label }));
}

export const orderNamed = (name: OrderName) => ORDERS.find(({ value }) => value === name) ?? ORDERS[0];

export const SUBSETS: { value: PairSubset; label: string }[] = [
  { value: "all", label: "All pairs" },
  { value: "open", label: "Not decided on yet" },
  { value: "against", label: "Model prefers the rejected answer" },
  { value: "trained", label: "Trained on" },
  { value: "held_out", label: "Held out" },
  { value: "never_met", label: "Never met by training" },
];

/** Of a model without a run all pairs are alike to it. */
export const ofRunAlone = (subset: PairSubset): boolean => subset === "trained" || subset === "held_out" || subset === "never_met";

export const NOW: Record<PairNow, { word: string; tone: "neutral" | "accent" | "good" | "warn" } | null> = {
  same: null,
  swapped: { word: "Swapped", tone: "good" },
  changed: { word: "Edited", tone: "accent" },
  removed: { word: "Removed", tone: "warn" },
  elsewhere: { word: "Not here", tone: "neutral" },
};

/** How the address names a pair of a run: by its line, with an `h` before it where it is held out. */
export const nameOf = ({ held_out, line }: { held_out: boolean; line: number }): string => `${held_out ? "h" : ""}${line}`;

/** The pair that an address names; none where it names none. */
export function named(name: string | undefined): { held_out: boolean; line: number } | null {
  const match = /^(h?)([1-9]\d{0,8})$/.exec(name ?? "");
  return match ? { held_out: match[1] === "h", line: Number(match[2]) } : null;
}

export const isNamed = (row: RunPairRow | null, open: { held_out: boolean; line: number } | null): boolean => row !== null && open !== null && row.line === open.line && row.held_out === open.held_out;
