// Rates with their intervals, as text.

import type { EvalSummary, SideNames, Winner } from "../../client/bindings";
import { capitalised, interval, percent } from "../../format";

/** `71.2 % (55.9 to 82.9 %)`: a rate is never shown without its interval where there is one. */
export function rate(value: number | null, ends: [number, number] | null): string {
  if (value === null) return "–";
  return ends ? `${percent(value)} (${interval(ends)})` : percent(value);
}

export const VERDICTS: Record<string, { word: string; tone: "good" | "bad" | "neutral" }> = {
  training_works: { word: "better", tone: "good" },
  slightly_better: { word: "slightly better", tone: "good" },
  worse: { word: "worse", tone: "bad" },
  not_yet_known: { word: "not yet known", tone: "neutral" },
  nothing_judged: { word: "nothing judged", tone: "neutral" },
};

export const STATES: Record<EvalSummary["state"], string> = {
  answering: "answering",
  judging: "being judged",
  done: "done",
  broken_off: "broken off",
};

export const winnersOf = ({ tuned, base }: SideNames): Record<Winner, string> => ({ tuned, base, tie: "tie", none: "no verdict" });

/** A side at the head of something: what the user named stays as it is. */
export const headOf = (names: SideNames, side: "tuned" | "base"): string => (names.of_training ? capitalised(names[side]) : names[side]);

/** What is evaluated: a run, or one side against the other. */
export const titleOf = ({ names, run_name }: EvalSummary): string => (names.of_training ? run_name : `${names.tuned} against ${names.base}`);
