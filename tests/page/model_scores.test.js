// Pairs as a model without a run sees them: a base alone, and one with an adapter; the numbers are those of `tiebreak score`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine, program, repository } from "./program.js";
import { pairs } from "./rows.js";

const PAIRS = 24;
const llama = join(repository, "tests/golden/llama");

let models, machine, browser, page, folder, told;
before(async () => {
  models = mkdtempSync(join(tmpdir(), "tiebreak-models-"));
  cpSync(join(llama, "adapter"), join(models, "an-adapter"), { recursive: true });
  machine = await new Machine({}, ["--models", models]).start();
  browser = await launch();
  folder = await machine.project("Before training", "pairs.jsonl", pairs(PAIRS), "pairs");
  writeFileSync(join(models, "pairs.jsonl"), pairs(PAIRS));
  told = { alone: score(), adapter: score("--adapter", join(models, "an-adapter")) };
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Before training", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
  rmSync(models, { recursive: true, force: true });
});

/** What the command line makes of the same pairs, by line. */
function score(...more) {
  const command = ["--json", "score", "--model", llama, "--pairs", join(models, "pairs.jsonl"), "--truncation", "prompt_left", ...more];
  const env = { ...process.env, TIEBREAK_CACHE: join(machine.folder, "cache") };
  const { stdout, stderr, status } = spawnSync(program, command, { encoding: "utf8", env });
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return lines.filter(({ type }) => type === "pair");
}

const list = () => page.getByRole("listbox", { name: "Scored pairs" });
const row = (at) => list().getByRole("option").nth(at);
const kept = () => machine.call("model_scores", { project: folder });
const rows = async (scores, more = {}) => (await machine.call("run_pairs", { query: { project: folder, run: scores, by: "model", only: "all", text: "", order: "line", descending: false, ...more }, offset: 0, limit: 200 })).rows;
const near = (one, other) => Math.abs(one - other) < 1e-4;

async function ask(choose = async () => {}) {
  await page.evaluate(() => (window.location.hash = "#/data/scores"));
  await page.getByRole("button", { name: "Score the pairs by a model" }).click();
  await choose(page.getByRole("dialog"));
  await page.getByRole("dialog").getByRole("button", { name: "Score", exact: true }).click();
}

test("the base alone: log-probabilities per token, as the command line computes them, before any run", async () => {
  await page.evaluate(() => (window.location.hash = "#/data/scores"));
  await page.getByText("No pairs have been scored yet").waitFor();
  await ask();
  await page.getByText(new RegExp(`^${PAIRS} pairs scored by tiny-model alone, which has no rewards: of \\d+ \\([\\d.]+ %, 95 % interval`)).waitFor();
  const [{ scores, name, adapter, pairs: count }] = await kept();
  assert.deepEqual([name, adapter, count], ["tiny-model", null, PAIRS]);
  const found = await rows(scores);
  assert.equal(found.length, PAIRS);
  assert.equal(told.alone.length, PAIRS);
  found.forEach(({ numbers, now, id }, at) => {
    const as = told.alone[at];
    assert.ok(near(numbers.chosen_logps, as.chosen_logps) && near(numbers.rejected_logps, as.rejected_logps), `${at}`);
    assert.deepEqual([numbers.chosen_tokens, numbers.rejected_tokens], [as.chosen_tokens, as.rejected_tokens]);
    assert.ok(near(numbers.chosen_reward, as.chosen_logps / as.chosen_tokens), `${at}`);
    assert.ok(near(numbers.margin, as.chosen_logps / as.chosen_tokens - as.rejected_logps / as.rejected_tokens), `${at}`);
    assert.deepEqual([numbers.probability, numbers.loss, now, id !== null], [null, null, "same", true]);
  });
  // The lowest margin first, and no order that needs training or rewards.
  const [lowest] = await rows(scores, { order: "margin" });
  await row(0).getByText(lowest.prompt).first().waitFor();
  const labels = await page.getByLabel("Order").locator("option").allInnerTexts();
  assert.ok(labels.includes("Rejected answer likelier per token first") && !labels.some((label) => /loss|since training/.test(label)), labels.join());
});

test("the same orders, filters, figure and acts as of a run", async () => {
  const [{ scores }] = await kept();
  const [lowest, second] = await rows(scores, { order: "margin" });
  await row(0).click();
  await page.getByRole("heading", { name: `Pair ${lowest.id}` }).waitFor();
  await page.getByText(/^Alone, a model has no rewards. Per token it finds the (chosen|rejected) answer likelier; as a whole, the/).waitFor();
  await page.keyboard.press("n");
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor({ state: "detached" });
  await list().focus();
  await page.keyboard.press("Home");
  await page.keyboard.press(" ");
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("s");
  await page.getByText("2 pairs swapped.", { exact: true }).first().waitFor();
  assert.deepEqual((await rows(scores, { order: "margin" })).slice(0, 3).map(({ now }) => now), ["swapped", "swapped", "same"]);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText("Undone for 2 pairs.", { exact: true }).first().waitFor();
  const against = (await rows(scores, { only: "against" })).length;
  await page.getByLabel("Which pairs").selectOption({ label: "Rejected answer likelier per token" });
  if (against > 0) await list().locator(`[aria-setsize="${against}"]`).first().waitFor();
  else await page.getByText("No pair is like this").first().waitFor();
  await page.getByLabel("Which pairs").selectOption({ label: "All pairs" });
  await page.getByRole("button", { name: "Show the figure" }).click();
  await page.getByRole("slider", { name: "Pairs in the figure" }).waitFor();
  const query = { project: folder, run: scores, by: "model", only: "all", text: "", order: "margin", descending: false };
  const { figure, points } = await machine.call("run_pairs_figure", { query, theme: "light", width: 600, height: 400 });
  assert.ok(figure.description.includes(`Log-probabilities per token of ${PAIRS} pairs`), figure.description);
  assert.equal(points.length, PAIRS);
  // A reload finds the same.
  await page.reload();
  await row(0).getByText(lowest.prompt).first().waitFor();
});

test("with an adapter of another folder there are rewards, by beta, of the pairs of a set", async () => {
  const { set } = await machine.call("save_set", { project: folder, who: "Ada", set: null, name: "Kettles", definition: { filter: { text: "kettle", source: null, category: null, offset: 0, limit: 0 }, subset: null } });
  const size = (await machine.call("pair_sets", { project: folder })).find((entry) => entry.set === set).count;
  assert.ok(size > 0 && size < PAIRS);
  await ask(async (dialog) => {
    await dialog.getByLabel("Adapter", { exact: true }).selectOption({ value: join(models, "an-adapter") });
    await dialog.getByLabel("Pairs").selectOption(String(set));
    await dialog.getByLabel("beta").fill("none");
    await dialog.getByText("beta: write a number above 0").waitFor();
    await dialog.getByLabel("beta").fill("0.5");
  });
  await page.getByText(new RegExp(`^${size} pairs scored by tiny-model with an-adapter: of .* it prefers the rejected answer, by rewards at beta 0.5`)).waitFor();
  const [{ scores, name }] = await kept();
  assert.equal(name, "Kettles by tiny-model with an-adapter");
  const found = await rows(scores);
  assert.equal(found.length, size);
  const all = new Map((await machine.call("pairs", { project: folder, query: { text: "", source: null, category: null, offset: 0, limit: 200 }, finding: null })).rows.map(({ id }, at) => [id, told.adapter[at]]));
  for (const { id, numbers } of found) {
    const as = all.get(id);
    const margin = 0.5 * (as.chosen_logps - as.reference_chosen_logps - (as.rejected_logps - as.reference_rejected_logps));
    assert.ok(near(numbers.margin, margin), `${id}: ${numbers.margin} ${margin}`);
    assert.ok(near(numbers.probability, 1 / (1 + Math.exp(-margin))) && near(numbers.loss, Math.log1p(Math.exp(-margin))), `${id}`);
  }
  assert.ok(found.some(({ numbers }) => Math.abs(numbers.margin) > 1e-3), "the adapter changes something");
});

test("scores are renamed and deleted with a way back; what is no adapter or not here is refused", async () => {
  await page.evaluate(() => (window.location.hash = "#/data/scores"));
  await page.getByRole("button", { name: "What to do with the scores tiny-model", exact: true }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByText("tiny-model is in the bin.").first().waitFor();
  assert.equal((await kept()).length, 1);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByRole("link", { name: "tiny-model", exact: true }).waitFor();
  assert.equal((await kept()).length, 2);
  const asked = (side, more = {}) => machine.call("score_by_model", { project: folder, side, set: null, beta: 0.1, allow_changed_base: false, ...more });
  await assert.rejects(asked({ model: machine.model, adapter: machine.model }), /is no adapter: it has no adapter_config.json/);
  await assert.rejects(asked({ model: "/etc", adapter: null }), /outside the projects folder/);
  await assert.rejects(asked({ model: machine.model, adapter: "/etc" }), /outside the projects folder/);
  await assert.rejects(asked({ model: machine.model, adapter: null }, { beta: 0 }), /beta is 0/);
  await assert.rejects(asked({ model: "hf:nobody/nothing@0123456789abcdef0123456789abcdef01234567", adapter: null }), /is not on this machine/);
  await assert.rejects(rows("../runs"), /there are no scores/);
  assert.deepEqual(page.complaints, []);
});
