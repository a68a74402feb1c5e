// Pairs that training never met: steps that end within the first epoch do not come to all of them, and what is too long is left
// out. They are counted above the list, with why, and can be looked at alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

const PAIRS = 41;

let machine, browser, page, folder, run, trained;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const long = JSON.stringify({ prompt: `What is ${"a very long question ".repeat(900)}?`, chosen: "This.", rejected: "That one." });
  folder = await machine.project("Met", "pairs.jsonl", `${pairs(PAIRS - 1)}\n${long}`, "pairs", "as_user_message");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "short", held_out_share: 0.2 });
  // Three steps of four pairs.
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 3, per_device_train_batch_size: 4, learning_rate: 1e-2, eval_steps: 3, truncation: "drop" });
  ({ run } = (await machine.call("start_run", { request })).summary);
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Met", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const list = () => page.getByRole("listbox", { name: "Pairs of this run" });
const query = (by, only = "all", more = {}) => machine.call("run_pairs", { query: { project: folder, run, by, only, text: "", order: "margin", descending: false, ...more }, offset: 0, limit: 200 });

test("the sentence above the list counts those that training has met, and why it has not met the others", async () => {
  await page.evaluate((run) => (window.location.hash = `#/train/${run}/pairs`), run);
  const { rows, words, total } = await query("training");
  trained = rows.filter(({ held_out }) => !held_out).length;
  assert.equal(total, PAIRS, "all pairs of the run are there, met or not");
  const never = trained - 12;
  const told = `Training has met 12 of the ${trained} pairs to train on, and ${never} never: 1 left out as too long, ${never - 1} not reached by its steps`;
  assert.ok(words.includes(told), words);
  await page.getByText(told).waitFor();
  // What was never met has no numbers, stands last, and is in no count of the others.
  assert.ok(rows.slice(0, PAIRS - never).every(({ numbers, never_met }) => numbers !== null && !never_met));
  assert.ok(rows.slice(PAIRS - never).every(({ numbers, never_met, held_out }) => numbers === null && never_met && !held_out));
  assert.match(words, new RegExp(`^${PAIRS - never} pairs as training last computed them`));
  const drawn = await machine.call("run_pairs_figure", { query: { project: folder, run, by: "training", only: "all", text: "", order: "margin", descending: false }, theme: "light", width: 600, height: 400 });
  assert.deepEqual([drawn.points.length, drawn.total], [PAIRS - never, PAIRS - never]);
});

test("a filter shows those that training has never met, with numbers once a model has scored them", async () => {
  const never = trained - 12;
  await page.getByLabel("Which pairs").selectOption({ label: "Never met by training" });
  await list().locator(`[aria-setsize="${never}"]`).first().waitFor();
  // As many as are in view.
  const shown = async () => [await list().getByRole("option").count(), await list().getByText("Never met", { exact: true }).count()];
  await until(async () => new Set(await shown()).size === 1, "each to say so");
  await list().getByRole("option").first().getByText("–").first().waitFor();
  // One of them opens, and says the same.
  await list().getByRole("option").first().click();
  await page.getByText("Training has not met this pair: its steps did not come to it, or it was left out. There are no numbers of it here.").waitFor();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Score the pairs" }).click();
  await page.getByText(/scored by the run's own model/).waitFor();
  await page.getByText(`Training has met 12 of the ${trained} pairs`).waitFor();
  const { rows } = await query("run", "never_met");
  assert.equal(rows.length, never);
  assert.equal(rows.filter(({ numbers }) => numbers === null).length, 1, "the one that is too long has none");
  assert.equal(rows.at(-1).numbers, null, "and stands last");
  assert.equal((await query("run", "never_met", { order: "line" })).rows.length, never);
  assert.equal((await query("run", "trained")).rows.filter(({ never_met }) => !never_met).length, 12);
  assert.deepEqual(page.complaints, []);
});
