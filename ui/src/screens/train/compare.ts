// What of several runs can be compared with what.

import type { EvalSummary } from "../../client/bindings";

export type Group = { key: string; judge: string; prompts_from: string; rows: EvalSummary[] };

/** Evaluations in which something is judged, those with the same judge, prompts and sampling together, in the order given. */
export function grouped(evaluations: EvalSummary[]): Group[] {
  const groups = new Map<string, Group>();
  for (const entry of evaluations) {
    if (entry.asked === null || entry.judged === 0) continue;
    const key = `${entry.judge}\n${entry.asked}`;
    const group = groups.get(key);
    if (group) group.rows.push(entry);
    else groups.set(key, { key, judge: entry.judge, prompts_from: entry.prompts_from, rows: [entry] });
  }
  return [...groups.values()];
}

/** Places of runs that hold out the same pairs, as `sets` numbers them; those that hold none out are in none. */
export function together(sets: (number | null)[]): number[][] {
  const groups = new Map<number, number[]>();
  for (const [place, set] of sets.entries()) if (set !== null) groups.set(set, [...(groups.get(set) ?? []), place]);
  return [...groups.values()];
}

/** Settings by which the loss is another one: values of runs that differ in them are not on one scale. */
const OF_LOSS = ["loss_type", "loss_weights", "beta", "label_smoothing", "f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting"];

/** Of the settings that differ, those by which losses, and then margins, cannot be compared. */
export function scales(differing: string[]): { loss: string[]; margins: string[] } {
  return { loss: differing.filter((key) => OF_LOSS.includes(key)), margins: differing.filter((key) => key === "beta" || key.startsWith("f_")) };
}
