// Settings that vary: what a sweep would do is said before, what no run may have is refused by name, its runs are ordinary runs
// on the same pairs, and its page says which settings are told apart.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { compared } from "./numbers.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Rates", "pairs.jsonl", pairs(32), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Rates", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const panel = () => page.getByRole("region", { name: "What this sweep will do" });
const file = (run, name) => readFileSync(join(folder, "runs", run, name), "utf8");

async function vary(key, values) {
  await page.getByLabel("Add a setting that varies").selectOption(key);
  await page.getByLabel(`Values of ${key}`).fill(values);
}

async function asked(changes, settings = {}) {
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "Drawn", held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 8, per_device_train_batch_size: 4, ...settings });
  return { request, ...changes };
}

test("a grid is shown before it is started, and a combination that no run may have is named", async () => {
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("Rates and ranks");
  await set(page, "max_steps", "10");
  await set(page, "sample_prompts", "0").catch(() => {});
  await vary("learning_rate", "-1, 1e-3");
  await vary("lora.r", "2, 4");
  await panel().getByText(/no run can have learning_rate -1, r 2: learning_rate is -1/i).waitFor();
  assert.ok(await panel().getByRole("button", { name: /into the queue/ }).isDisabled());

  await page.getByLabel("Values of learning_rate").fill("1e-5, 1e-3");
  await panel().getByRole("button", { name: "Put 4 runs into the queue" }).waitFor();
  await panel().getByText("Rates and ranks: learning_rate 1e-5, r 2", { exact: true }).waitFor();
  await panel().getByText("Rates and ranks: learning_rate 0.001, r 4", { exact: true }).waitFor();
  await panel().getByText(/kB when all have ended|MB when all have ended/).waitFor();
  await panel().getByText(/All runs have the same held-out pairs, and the same seed/).waitFor();
});

test("its runs train one after another on the same pairs, and its page draws the outcome by each setting", async () => {
  await panel().getByRole("button", { name: "Put 4 runs into the queue" }).click();
  await page.getByRole("heading", { name: "Rates and ranks" }).waitFor();
  const [{ sweep }] = await machine.call("sweeps", { project: folder });
  const now = () => machine.call("sweep", { project: folder, sweep });
  await until(async () => (await now()).rows.every(({ state }) => state === "finished"), "all four runs to finish", 240);
  const { rows } = await now();
  assert.deepEqual(rows.map(({ varied }) => varied), [["1e-5", "2"], ["1e-5", "4"], ["0.001", "2"], ["0.001", "4"]]);
  for (const name of ["pairs.jsonl", "eval_pairs.jsonl"]) {
    assert.equal(new Set(rows.map(({ run }) => file(run, name))).size, 1, `${name} differs between the runs`);
  }
  assert.ok(rows.every(({ run }) => file(run, "config.toml").includes("seed = 42")));

  // Numbers with their intervals, and what they tell.
  const table = page.getByRole("region", { name: "Runs of this sweep" });
  await until(async () => (await table.getByText("finished", { exact: true }).count()) === 4, "four finished runs in the table");
  for (const { run, outcomes } of rows) {
    const { correct, pairs: of } = file(run, "events.jsonl").split("\n").filter(Boolean).map((line) => JSON.parse(line)).findLast(({ type }) => type === "eval");
    assert.deepEqual([outcomes[0].value, outcomes[0].of], [correct / of, of]);
    assert.ok(outcomes[0].interval[0] < outcomes[0].value || outcomes[0].value === 0);
    assert.ok(outcomes[1].interval[0] < outcomes[1].value && outcomes[1].value < outcomes[1].interval[1], "the loss has its interval");
    assert.equal(outcomes[2], null, "nothing was evaluated");
  }
  await page.getByText(/told apart/).first().waitFor();
  for (const key of ["learning_rate", "lora.r"]) {
    await page.getByAltText(new RegExp(`^Held-out accuracy by reward by ${key}: .*Rates and ranks: learning_rate 1e-5, r 2 at`)).waitFor();
  }
  await page.getByLabel("Outcome", { exact: true }).selectOption("loss");
  await page.getByAltText(/^Held-out loss by learning_rate: /).waitFor();

  // From a run to its sweep, and from the list.
  await table.getByRole("link").first().click();
  await page.getByText("One of the sweep").waitFor();
  await page.getByRole("link", { name: "Rates and ranks", exact: true }).click();
  await page.getByRole("heading", { name: "Outcome by setting" }).waitFor();
  await goTo(page, "t");
  await page.getByRole("link", { name: "Rates and ranks", exact: true }).waitFor();
  assert.deepEqual(page.complaints, []);
});

test("what is drawn at random is the same again, of ranges and lists, and a grid takes no range", async () => {
  const varied = [
    { key: "learning_rate", values: { kind: "range", low: 1e-6, high: 1e-3, scale: "log" } },
    { key: "lr_scheduler_type", values: { kind: "list", values: ["linear", "cosine"] } },
  ];
  const random = await asked({ vary: varied, search: { kind: "random", trials: 5, seed: 3 } });
  const first = await machine.call("plan_sweep", random);
  assert.deepEqual([first.runs.length, first.problems], [5, []]);
  assert.deepEqual(await machine.call("plan_sweep", random), { ...first });
  const grid = await machine.call("plan_sweep", { ...random, search: { kind: "grid" } });
  assert.match(grid.problems[0].message, /a grid cannot take a range for learning_rate/);
  await assert.rejects(machine.call("start_sweep", { ...random, search: { kind: "grid" } }), /cannot take a range/);
  assert.equal((await machine.call("sweeps", { project: folder })).length, 1, "what is refused leaves nothing behind");
});

test("with the seed varied, the held-out pairs stay the same", async () => {
  const seeds = await asked({ vary: [{ key: "seed", values: { kind: "list", values: [1, 2] } }], search: { kind: "grid" } });
  const { sweep } = await machine.call("start_sweep", seeds);
  const { rows } = await machine.call("sweep", { project: folder, sweep });
  assert.equal(file(rows[0].run, "eval_pairs.jsonl"), file(rows[1].run, "eval_pairs.jsonl"));
  await until(async () => (await machine.call("sweep", { project: folder, sweep })).summary.ended === 2, "both seeds to be trained");
});

test("a loser is stopped by its rule, by numbers that are said, and can be let go on", async () => {
  const rates = [{ key: "learning_rate", values: { kind: "list", values: [2e-3, 1e-7] } }];
  const rule = { kind: "successive_halving", eta: 2, first_step: 10 };
  const halved = await asked({ vary: rates, search: { kind: "grid" }, rule }, { max_steps: 40, eval_steps: 10, lr_scheduler_type: "constant" });
  halved.request.name = "Halved";
  const { sweep } = await machine.call("start_sweep", halved);
  const now = () => machine.call("sweep", { project: folder, sweep });
  await until(async () => (await now()).summary.ended === 2, "both runs to end");
  const [winner, loser] = (await now()).rows;
  assert.deepEqual([winner.state, winner.stopped, loser.state, loser.step], ["finished", null, "stopped", 10]);
  const evals = (run) => file(run, "events.jsonl").split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter(({ type }) => type === "eval");
  const [own, best] = compared(...[loser, winner].map(({ run }) => evals(run).find(({ step }) => step === 10).eval_loss));
  assert.equal(loser.stopped, `Stopped by successive halving after step 10: its held-out loss, ${own}, was above ${best}: not among the best 1/2, with one other run there.`);

  await page.evaluate((hash) => (window.location.hash = hash), `#/train/${loser.run}`);
  await page.getByText(/^Stopped by successive halving after step 10/).waitFor();
  await page.getByRole("button", { name: "Let it go on" }).click();
  await until(async () => (await now()).rows[1].state === "finished", "the loser to be trained to its end");
  await page.getByText(/It was let go on since/).waitFor();

  const loss = { ...halved, vary: [{ key: "beta", values: { kind: "list", values: [0.1, 0.2] } }] };
  assert.match((await machine.call("plan_sweep", loss)).problems[0].message, /those of another beta are another measure/);
});
