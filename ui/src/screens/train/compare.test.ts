import { expect, it } from "vitest";
import type { EvalSummary } from "../../client/bindings";
import { grouped, scales, together } from "./compare";

const summary = (evaluation: string, judge: string, asked: string | null, judged = 5) => ({ evaluation, judge, asked, judged, prompts_from: "" }) as EvalSummary;

it("only results of the same judge on the same questions stand together", () => {
  const all = [summary("a", "plain", "p"), summary("b", "shorter", "p"), summary("c", "plain", "p"), summary("d", "plain", "q"), summary("e", "plain", "p", 0), summary("f", "plain", null)];
  expect(grouped(all).map(({ rows }) => rows.map(({ evaluation }) => evaluation))).toEqual([["a", "c"], ["b"], ["d"]]);
});

it("runs stand together that hold the same pairs out", () => {
  expect(together([0, 1, null, 0])).toEqual([[0, 3], [1]]);
});

it("a loss of another kind is not on the same scale", () => {
  expect(scales(["learning_rate", "beta", "loss_type"])).toEqual({ loss: ["beta", "loss_type"], margins: ["beta"] });
});
