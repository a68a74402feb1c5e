// What becomes of a sweep's runs: losers stopped by the median rule and by successive halving, held against the rules computed
// here from the runs' own events; and win rates as the outcome, of which only alike ones stand beside each other.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { compared } from "./numbers.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder, plain;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Losers", "pairs.jsonl", pairs(32), "pairs");
  page = await open(browser, machine);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const evals = (run) =>
  readFileSync(join(folder, "runs", run, "events.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "eval");
const now = (sweep) => machine.call("sweep", { project: folder, sweep });
const show = (sweep) => page.evaluate((hash) => (window.location.hash = hash), `#/train/+sweep/${sweep}`);

/** Starts a grid over learning rates, and waits until all its runs have ended. */
async function swept(name, rates, settings, rule = null) {
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name, held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, per_device_train_batch_size: 4, lr_scheduler_type: "constant", warmup_steps: 0, warmup_ratio: 0, ...settings });
  const vary = [{ key: "learning_rate", values: { kind: "list", values: rates } }];
  const { sweep } = await machine.call("start_sweep", { request, vary, search: { kind: "grid" }, rule });
  await until(async () => (await now(sweep)).summary.ended === rates.length, `${name} to end`, 240);
  return sweep;
}

test("the median rule stops the run that does worse than half of the others", async () => {
  const sweep = await swept("Median", [2e-3, 1.5e-3, 1e-3, 1e-7], { max_steps: 30, eval_steps: 5 }, { kind: "median", after: 10 });
  const { rows } = await now(sweep);
  assert.deepEqual(rows.map(({ state, step }) => [state, step]), [["finished", 30], ["finished", 30], ["finished", 30], ["stopped", 10]]);
  assert.deepEqual(rows.slice(0, 3).map(({ stopped }) => stopped), [null, null, null], "two others are too few for a median");
  const until10 = (run) => evals(run).filter(({ step }) => step <= 10).map(({ eval_loss }) => eval_loss);
  const mean = (losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const [, median] = rows.slice(0, 3).map(({ run }) => mean(until10(run))).sort((a, b) => a - b);
  const lowest = Math.min(...until10(rows[3].run));
  assert.ok(lowest > median);
  const [own, bound] = compared(lowest, median);
  const said = `Stopped by the median rule after step 10: its lowest held-out loss, ${own}, was above ${bound}, the median of 3 other runs.`;
  assert.equal(rows[3].stopped, said);
  // What it was stopped at is kept, and counts.
  assert.deepEqual([rows[3].outcomes[1].value, rows[3].outcomes[1].of], [evals(rows[3].run).at(-1).eval_loss, 8]);
  await show(sweep);
  await page.getByText(said.slice(0, 50)).first().waitFor();

  // Its numbers are of step 10: no interval of step 30 makes it worse, in words, in the table or in the picture.
  for (const outcome of ["accuracy", "loss"]) {
    await page.getByLabel("Outcome", { exact: true }).selectOption(outcome);
    const told = (await now(sweep)).outcomes.find(({ name }) => name === outcome).told;
    await page.getByRole("status").filter({ hasText: told }).waitFor();
    assert.ok(told.endsWith(`${rows[3].name} was stopped early by the median rule: its number is of fewer steps, and not compared with those of whole runs.`), told);
    const whole = rows.slice(0, 3).map((row) => ({ name: row.name, interval: row.outcomes[outcome === "loss" ? 1 : 0].interval, value: row.outcomes[outcome === "loss" ? 1 : 0].value }));
    whole.sort((a, b) => (outcome === "loss" ? a.value - b.value : b.value - a.value));
    const tied = whole.filter(({ interval: [low, high] }) => low <= whole[0].interval[1] && whole[0].interval[0] <= high);
    // All of them rank all of the few held-out pairs right; by their losses they may differ.
    assert.ok(tied.length > 1 || outcome === "loss", told);
    const [before] = told.split(tied.length > 1 ? " are not told apart" : " does better than all 2 others");
    assert.ok(before.length < told.length, told);
    for (const { name } of tied) assert.ok(before.includes(name), `${name}: ${told}`);
    assert.ok(!/the best|as worse/.test(told), told);
  }
  const stopped = page.getByRole("row").filter({ hasText: "Stopped by the median rule" });
  await stopped.getByText("stopped early", { exact: true }).waitFor();
  assert.equal(await stopped.getByText("fewer steps: not compared").count(), 2);
  assert.equal(await page.getByText("fewer steps: not compared").count(), 2, "of no other run");
  const drawn = await page.getByAltText(/^Held-out loss by learning_rate: /).getAttribute("alt");
  assert.deepEqual(drawn.split(". Median: ").slice(1).map((one) => one.includes("after fewer steps")), [false, false, false, true], drawn);
});

test("successive halving stops at each rung those that are not among the best, by what had got there", async () => {
  const rates = [1e-7, 5e-4, 2e-3, 2e-7, 3e-3];
  const sweep = await swept("Halving", rates, { max_steps: 24, eval_steps: 5 }, { kind: "successive_halving", eta: 2, first_step: 5 });
  const { rows } = await now(sweep);
  // Rungs at 5, 10 and 20; the runs trained one after another, in this order.
  const before = [];
  const expected = rows.map(({ run }) => {
    const losses = evals(run);
    const stop = [5, 10, 20].find((rung) => {
      const own = losses.find(({ step }) => step === rung)?.eval_loss;
      if (own === undefined) return false;
      const there = [...before.map((of) => of.find(({ step }) => step === rung)?.eval_loss).filter((loss) => loss !== undefined), own];
      there.sort((a, b) => a - b);
      return own > there[Math.max(1, Math.floor(there.length / 2)) - 1];
    });
    before.push(losses);
    return stop ? ["stopped", stop] : ["finished", 24];
  });
  assert.deepEqual(rows.map(({ state, step }) => [state, step]), expected);
  assert.ok(expected.some(([state]) => state === "stopped") && expected.filter(([state]) => state === "finished").length >= 2, JSON.stringify(expected));
  for (const { state, step, stopped } of rows) {
    if (state === "stopped") assert.match(stopped, new RegExp(`^Stopped by successive halving after step ${step}: its held-out loss, \\d`));
  }
});

test("win rates are an outcome where they are of the same prompts by the same judge, and what is not is named", async () => {
  plain = await swept("Rates", [1e-7, 5e-3], { max_steps: 20, eval_steps: 0 });
  const runs = (await now(plain)).rows.map(({ run }) => run);
  const evaluated = async (run, judge, more = {}) => {
    const request = { project: folder, run, prompts: "held_out", max_prompts: 8, temperature: 0, max_new_tokens: 16, seed: 1, judge: { kind: "rule", rule: judge }, ...more };
    const { evaluation } = await machine.call("start_evaluation", { request });
    const found = async () => (await machine.call("evaluation", { project: folder, evaluation, theme: "light" })).summary;
    await until(async () => (await found()).state === "done", "an evaluation to be done");
    return found();
  };
  const all = [await evaluated(runs[0], "shorter"), await evaluated(runs[1], "shorter")];
  const win = async () => (await now(plain)).rows.map(({ outcomes }) => outcomes[2]);
  const expected = all.map(({ win_rate, win_rate_interval, judged }) => ({ value: win_rate, interval: win_rate_interval, of: judged }));
  assert.deepEqual(await win(), expected);
  assert.ok(expected.every(({ of, interval: [low, high] }) => of === 8 && low < high));
  const told = async () => (await now(plain)).outcomes.find(({ name }) => name === "win_rate").told;
  assert.match(await told(), /Each is against the run's own base, by .*shorter.* on the same 8 prompts\.$/);

  // Newer ones that say something else do not take their place.
  await evaluated(runs[0], "shorter", { sides: [{ kind: "chosen" }, { kind: "run", run: runs[0], step: null }] });
  await evaluated(runs[1], "longer");
  await evaluated(runs[1], "shorter", { max_prompts: 4 });
  assert.deepEqual(await win(), expected);

  await show(plain);
  await page.getByLabel("Outcome", { exact: true }).selectOption("win_rate");
  await page.getByAltText(/^Win rate by learning_rate: /).waitFor();
  await page.getByText(/on the same 8 prompts/).waitFor();

  // One that has none of these has no win rate here.
  const three = await swept("Three", [1e-3, 2e-3, 3e-3], { max_steps: 4, eval_steps: 0 });
  const [a, b, c] = (await now(three)).rows.map(({ run }) => run);
  await evaluated(c, "longer");
  await evaluated(a, "shorter");
  await evaluated(b, "shorter");
  const { rows, outcomes } = await now(three);
  assert.deepEqual(rows.map(({ outcomes: [, , rate] }) => rate !== null), [true, true, false]);
  assert.match(outcomes[2].told, /1 run was evaluated by another judge or on other prompts, and no win rate of theirs stands here\.$/);
  assert.deepEqual(page.complaints, []);
});
