// Answers that another evaluation of the project has are taken from there: which and how many is said, and nothing is taken where
// anything differs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { trained } from "./lived.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder, run, other;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Asked twice", "pairs.jsonl", pairs(32), "pairs");
  run = await trained(machine, folder, { name: "first" }, { max_steps: 12 });
  other = await trained(machine, folder, { name: "second" }, { max_steps: 12, learning_rate: 5e-3 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Asked twice", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function evaluated(more = {}) {
  const request = { project: folder, run, prompts: "held_out", max_prompts: 8, temperature: 0.7, max_new_tokens: 12, seed: 1, judge: { kind: "rule", rule: "shorter" }, ...more };
  const { evaluation } = await machine.call("start_evaluation", { request });
  const found = () => machine.call("evaluation", { project: folder, evaluation, theme: "light" });
  await until(async () => (await found()).summary.state === "done", "an evaluation to be done");
  return { evaluation, ...(await found()) };
}
const answers = ({ evaluation }, side) =>
  readFileSync(join(folder, "evals", evaluation, "answers.jsonl"), "utf8").split("\n").filter((line) => line.includes(`"side":"${side}"`));

test("another judge over the same models takes all answers, says so, and they are the same", async () => {
  const first = await evaluated();
  assert.deepEqual(first.reused, []);
  const again = await evaluated({ judge: { kind: "rule", rule: "longer" } });
  const said = (side) => `8 of the 8 answers of the ${side} model were taken from the evaluation ${first.evaluation}, in which the same was asked in the same way, and not generated again`;
  assert.deepEqual(again.reused, [said("base"), said("tuned")]);
  for (const side of ["base", "tuned"]) assert.deepEqual(answers(again, side), answers(first, side));
  await page.evaluate((hash) => (window.location.hash = hash), `#/evaluate/${again.evaluation}`);
  await page.getByText(/^8 of the 8 answers of the base model were taken from the evaluation/).first().waitFor();
  await page.getByText(/^8 of the 8 answers of the tuned model were taken/).first().waitFor();
  assert.deepEqual(page.complaints, []);
});

test("of another run the base's answers are taken alone, and between two runs what is known of each", async () => {
  const second = await evaluated({ run: other });
  assert.deepEqual(second.reused.map((said) => said.split(" of ")[2].split(" were")[0]), ["the base model"]);
  const between = await evaluated({ sides: [{ kind: "run", run, step: null }, { kind: "run", run: other, step: null }] });
  assert.equal(between.reused.length, 2, String(between.reused));
  for (const name of ["first", "second"]) assert.ok(between.reused.some((said) => said.startsWith(`8 of the 8 answers of ${name} were taken from the evaluation ${name}, `)), String(between.reused));
});

test("with another seed, limit, temperature or fewer prompts nothing is taken", async () => {
  for (const more of [{ seed: 2 }, { max_new_tokens: 13 }, { temperature: 0.6 }, { max_prompts: 7 }]) {
    assert.deepEqual((await evaluated(more)).reused, [], JSON.stringify(more));
  }
});
