import type { Ranked } from "../../client/bindings";

/** Whether every two rows were compared with the same others, each other aside: only then does their order say which is better. */
export function alikeOpponents(rows: Ranked[]): boolean {
  const others = (row: Ranked, beside: Ranked) => row.against.filter((name) => name !== beside.name).toSorted().join("\n");
  return rows.every((row) => rows.every((beside) => others(row, beside) === others(beside, row)));
}
