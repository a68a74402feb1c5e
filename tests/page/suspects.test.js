// Suspected mislabels: the pairs of a run are scored, listed by how much speaks against their label, opened, and labelled the
// other way round or taken out, each of which can be undone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

const PAIRS = 40;
const HELD_OUT = 8;

let machine, browser, page, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Mislabelled", "pairs.jsonl", pairs(PAIRS), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first", held_out_share: HELD_OUT / PAIRS });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 6, per_device_train_batch_size: 4, learning_rate: 1e-2, eval_steps: 0 });
  ({ summary: { run } } = await machine.call("start_run", { request, allow_changed_base: false }));
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Mislabelled", exact: true }).waitFor();
  await page.evaluate((run) => (window.location.hash = `#/train/${run}`), run);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const list = () => page.getByRole("listbox", { name: "Suspected mislabels" });
const row = (at) => list().getByRole("option").nth(at);
const queue = async (folds = null, order = "margin") => machine.call("suspects", { project: folder, run, folds, order, offset: 0, limit: 200 });

test("the pairs are scored on demand, and listed with the lowest margin first", async () => {
  await page.getByRole("button", { name: "Suspected mislabels" }).click();
  await page.getByText("The pairs of this run have not been scored by its model").waitFor();
  assert.deepEqual(await queue(), { known: false, total: 0, words: null, rows: [] });
  await page.getByRole("button", { name: "Score the pairs" }).click();
  await page.getByText(/^40 pairs scored by the run's own model/).waitFor();
  const { rows, total } = await queue();
  assert.equal(total, PAIRS);
  assert.deepEqual(rows.map(({ margin }) => margin), rows.map(({ margin }) => margin).toSorted((a, b) => a - b));
  assert.equal(rows.filter(({ held_out }) => held_out).length, HELD_OUT);
  assert.equal(new Set(rows.map(({ id }) => id)).size, PAIRS, "each is a pair of the project");
  assert.ok(rows.every(({ now }) => now === "same"));
  await row(0).waitFor();
  const text = await row(0).innerText();
  assert.ok(text.includes(Math.abs(rows[0].margin).toFixed(2)), text);
  assert.ok(text.includes(rows[0].prompt), text);
});

test("other orders are of the same scores", async () => {
  const { rows } = await queue(null, "uncertainty");
  await page.getByLabel("Order").selectOption("Least decided first");
  await until(async () => (await row(0).innerText()).includes(rows[0].prompt), "the least decided pair to come first");
  assert.ok(Math.abs(rows[0].margin) <= Math.abs(rows[1].margin));
  await page.getByLabel("Order").selectOption("Lowest margin first");
});

test("by keyboard a pair is opened, labelled the other way round, and back", async () => {
  const [first] = (await queue()).rows;
  await until(async () => (await row(0).innerText()).includes(first.prompt), "the lowest margin to come first");
  await list().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Pair ${first.id}` }).waitFor();
  await page.getByRole("button", { name: "Swap answers" }).press("Enter");
  await row(0).getByText("Swapped").waitFor();
  const swapped = await machine.call("pair", { project: folder, id: first.id });
  const last = (content) => (typeof content === "string" ? content : content.at(-1).content);
  assert.ok(last(swapped.chosen).startsWith(first.rejected.slice(0, 20)) && last(swapped.rejected).startsWith(first.chosen.slice(0, 20)));
  assert.equal(swapped.source, "edited");
  // The run's own scores are of the pair as it was.
  assert.equal((await queue()).rows[0].margin, first.margin);
  await page.getByRole("button", { name: "Undo" }).first().click();
  await until(async () => (await queue()).rows[0].now === "same", "the pair to be as it was");
});

test("a pair that is removed stays in the list as removed, and comes back", async () => {
  const [, second] = (await queue()).rows;
  await row(1).click();
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor();
  await page.getByRole("button", { name: "Remove" }).click();
  await row(1).getByText("Removed").waitFor();
  assert.equal((await machine.call("open_project", { folder })).counts.pairs, PAIRS - 1);
  await page.getByRole("button", { name: "Put back" }).click();
  await until(async () => (await queue()).rows[1].now === "same", "the pair to be back");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor({ state: "detached" });
});

test("models that were trained without a pair score it", async () => {
  await page.getByLabel("What scores the pairs").selectOption("By 2 models, each on half of the pairs");
  await page.getByText("The pairs have not been scored by models that were trained without them").waitFor();
  await page.getByRole("button", { name: "Score the pairs" }).click();
  await page.getByText(/^40 pairs scored each by a model that was trained without its prompt, in 2 parts/).waitFor();
  const { rows } = await queue(2);
  assert.equal(rows.length, PAIRS);
  const alone = new Map((await queue()).rows.map(({ id, margin }) => [id, margin]));
  assert.ok(rows.some(({ id, margin }) => Math.abs(margin - alone.get(id)) > 1e-6), "they are other scores");
});
