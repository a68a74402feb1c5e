// Several pairs of a run's list at once: chosen by keys, with Shift and by their boxes, then relabelled, confirmed, left out, given a
// category or put into a set, all of them or none, with one way back, and with what stood in the way counted.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

const PAIRS = 24;

let machine, browser, page, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Several", "pairs.jsonl", pairs(PAIRS), "pairs");
  run = await train("first");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Several", exact: true }).waitFor();
  await page.evaluate((run) => (window.location.hash = `#/train/${run}/pairs`), run);
  await list().waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** A run of so many steps that every row is met. */
async function train(name, data = null) {
  const request = { ...(await machine.call("default_settings", { project: folder })), name, held_out_share: 0, data };
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 6, per_device_train_batch_size: 8, learning_rate: 1e-2 });
  const { summary } = await machine.call("start_run", { request, allow_changed_base: false });
  await until(async () => (await machine.call("run", { project: folder, run: summary.run })).summary.state === "finished", "the run to end");
  return summary.run;
}

const list = () => page.getByRole("listbox", { name: "Pairs of this run" });
const row = (at) => list().getByRole("option").nth(at);
/** Waits until the list has so many rows, those out of view among them. */
const listed = (count) => list().locator(`[role=option][aria-setsize="${count}"]`).first().waitFor();
const bar = () => page.getByRole("group", { name: "Chosen pairs" });
const asked = (more = {}) => ({ project: folder, run, by: "training", only: "all", text: "", order: "margin", descending: false, ...more });
const rows = async (more) => (await machine.call("run_pairs", { query: asked(more), offset: 0, limit: 200 })).rows;
const act = (what, more = {}) => machine.call("act_on_run_pairs", { query: asked(), who: "Ada", ids: null, expected: PAIRS, act: what, ...more });
const told = (text) => page.getByText(text, { exact: true }).first().waitFor();
const undo = async () => page.getByRole("button", { name: "Undo" }).last().click();
const pair = (id) => machine.call("pair", { project: folder, id });
const chosenNow = async () => (await list().locator("[aria-selected=true]").count());

test("by keys several are chosen and labelled the other way round; one key undoes it", async () => {
  const before = await rows();
  await list().focus();
  await page.keyboard.press("Home");
  await page.keyboard.press(" ");
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await bar().getByText("3 pairs chosen").waitFor();
  assert.equal(await chosenNow(), 3);
  await page.keyboard.press("s");
  await told("3 pairs swapped.");
  await bar().waitFor({ state: "detached" });
  assert.deepEqual((await rows()).map(({ now }) => now), before.map((_, at) => (at < 3 ? "swapped" : "same")));
  await row(2).getByText("Swapped").waitFor();
  await page.getByText("Since this run: 3 with the answers the other way round, 21 the same.").waitFor();
  // The list has the focus again, and the key that undoes is heard there.
  await page.keyboard.press(" ");
  await bar().getByText("1 pair chosen").waitFor();
  await page.keyboard.press("z");
  await told("Undone for 3 pairs.");
  assert.ok((await rows()).every(({ now }) => now === "same"));
});

test("with the mouse: a box, then all up to another, out again, and what was decided is not decided twice", async () => {
  await row(1).locator(".choose").click();
  await row(4).locator(".choose").click({ modifiers: ["Shift"] });
  await bar().getByText("4 pairs chosen").waitFor();
  await row(3).locator(".choose").click();
  await bar().getByText("3 pairs chosen").waitFor();
  await bar().getByRole("button", { name: "Swap answers" }).click();
  await told("3 pairs swapped.");
  // All of them: those that were swapped stay swapped.
  await list().focus();
  await page.keyboard.press("Control+a");
  await bar().getByText(`All ${PAIRS} that match chosen`).waitFor();
  await page.keyboard.press("s");
  await told("21 pairs swapped. 3 pairs were the other way round already.");
  assert.ok((await rows()).every(({ now }) => now === "swapped"));
  await undo();
  await told("Undone for 21 pairs.");
  assert.equal((await rows()).filter(({ now }) => now === "swapped").length, 3);
});

test("labels are confirmed, pairs left out and put back; those of which it cannot be done are counted", async () => {
  const [one, swapped] = await rows();
  await machine.call("remove_pair", { project: folder, id: one.id, who: "Ben", removed: true });
  // What somebody changes after it was looked at is not acted on: the list shows it first.
  await list().getByText("Removed").first().waitFor();
  await list().focus();
  await page.keyboard.press("Control+a");
  await bar().getByRole("button", { name: "Labels are right" }).click();
  await told("23 pairs are noted as labelled right. Those that are removed or to be judged again are not: 1.");
  assert.equal((await rows()).filter(({ confirmed }) => confirmed).length, 23);
  await undo();
  await told("Undone for 23 pairs.");
  assert.ok((await rows()).every(({ confirmed }) => !confirmed));

  await page.getByLabel("Which pairs").selectOption({ label: "Not decided on yet" });
  const open = (await rows({ only: "open" })).length;
  assert.equal(open, PAIRS - 4);
  await listed(open);
  await row(0).locator(".choose").click();
  await row(1).locator(".choose").click();
  // One of them is decided on by itself: it leaves the list and is no longer meant.
  await row(0).click();
  await page.getByRole("heading", { name: "What the model makes of it" }).waitFor();
  await page.keyboard.press("c");
  await bar().getByText("1 pair chosen").waitFor();
  await page.keyboard.press("Escape");
  await bar().getByRole("button", { name: "Leave out" }).click();
  await told("1 pair left out.");
  assert.equal((await rows({ only: "open" })).length, open - 2);
  await undo();
  await told("Undone for 1 pair.");
  await page.getByLabel("Which pairs").selectOption({ label: "All pairs" });
  await listed(PAIRS);

  // What somebody edits in between is not swapped, and not undone.
  const reply = await act("swapped", { ids: [one.id, swapped.id], expected: 2 });
  assert.deepEqual([reply.changed, reply.unchanged, reply.unsuited], [0, 1, 1], "one is removed, one is swapped already");
  await machine.call("remove_pair", { project: folder, id: one.id, who: "Ben", removed: false });
  const { act: number, changed } = await act("swapped", { ids: [one.id], expected: 1 });
  assert.equal(changed, 1);
  const { prompt, chosen } = await pair(one.id);
  await machine.call("edit_pair", { project: folder, id: one.id, who: "Ben", prompt, chosen, rejected: [{ role: "assistant", content: "Something else." }] });
  const back = await machine.call("undo_act", { project: folder, who: "Ada", act: number });
  assert.deepEqual([back.changed, back.unchanged], [0, 1]);
  assert.equal((await pair(one.id)).rejected.at(-1).content, "Something else.");
});

test("a category and a set are given to all that are found, by name", async () => {
  const text = (await rows())[5].prompt;
  await page.getByRole("searchbox").fill(text);
  const found = await rows({ text });
  await listed(found.length);
  await list().focus();
  await page.keyboard.press("Control+a");
  await bar().getByRole("button", { name: "Set category" }).click();
  await page.getByRole("dialog").getByLabel("Category").fill("doubtful");
  await page.keyboard.press("Enter");
  await told(`${found.length === 1 ? "1 pair is" : `${found.length} pairs are`} doubtful now.`);
  assert.equal((await pair(found[0].id)).category, "doubtful");
  await page.getByRole("searchbox").fill("");
  await listed(PAIRS);
  await row(0).locator(".choose").click();
  await row(7).locator(".choose").click();
  await bar().getByRole("button", { name: "Add to a set" }).click();
  await page.getByRole("dialog").getByLabel("Its name").fill("Look again");
  await page.keyboard.press("Enter");
  await told("2 pairs are in Look again now.");
  const [set] = await machine.call("pair_sets", { project: folder });
  assert.deepEqual([set.name, set.count + set.not_trained_on], ["Look again", 2]);
  await undo();
  await told("Undone for 2 pairs.");
});

test("what is not in the list, or has changed under it, is not acted on, and rows of one pair are one", async () => {
  await assert.rejects(act({ removed: true }, { expected: PAIRS - 1 }), /24 pairs match now, and 23 did/);
  await assert.rejects(act({ removed: true }, { ids: [1, 4000], expected: 2 }), /1 chosen pair is not in this list any more/);
  assert.equal((await machine.call("open_project", { folder })).counts.pairs, PAIRS);
  const { set } = await machine.call("save_set", { project: folder, who: "Ada", set: null, name: "Twice", definition: { filter: { text: "", source: null, category: null, offset: 0, limit: 0 }, subset: null } });
  const twice = await train("twice", { train: [{ set, times: 2 }], held_out: null });
  const query = asked({ run: twice });
  const { total } = await machine.call("run_pairs", { query, offset: 0, limit: 0 });
  assert.equal(total, PAIRS, "each pair once, although an epoch meets it twice");
  const reply = await act("swapped", { query, expected: total });
  assert.deepEqual([reply.changed, reply.again], [PAIRS, 0]);
  assert.deepEqual(page.complaints, []);
});
