import type { Audit, AuditChoice, Audited } from "../../client/bindings";
import { count, counted, interval, percent } from "../../format";

/** Which pairs an audit asks about, in words. */
export function wanted({ of, pairs, source }: Audit): string {
  const which = [source === null ? null : `from ${source}`, of.category === null ? null : `of the category ${of.category}`, of.text === "" ? null : `with “${of.text}”`];
  const words = [counted(pairs, "pair"), ...which.filter((word) => word !== null)].join(" ");
  return of.count === null ? words : `${words}, drawn by seed ${of.seed}`;
}

/** How far an annotator agrees with the file. */
export function rateOf(row: Audited): string {
  if (row.rate === null || row.interval === null) return "–";
  return `${percent(row.rate)} (${interval(row.interval)}): ${count(row.agree)} of ${count(row.agree + row.differ)}`;
}

export const DONE: Record<AuditChoice, string> = { leave_out: "left out", swap: "swapped" };
