// The pairs of a run as its model sees them: as training saw them and scored, listed and drawn, searched, opened, and labelled
// the other way round or taken out, each of which can be undone; then trained again, with what changed named.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
  // Ten steps of four pairs: 32 are seen, eight of them twice.
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 10, per_device_train_batch_size: 4, learning_rate: 1e-2, eval_steps: 5 });
  ({ summary: { run } } = await machine.call("start_run", { request, allow_changed_base: false }));
  await ended(run);
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Mislabelled", exact: true }).waitFor();
  await page.evaluate((run) => (window.location.hash = `#/train/${run}`), run);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const ended = (run) => until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");
const list = () => page.getByRole("listbox", { name: "Pairs of this run" });
const row = (at) => list().getByRole("option").nth(at);
const asked = (by = "run", more = {}) => ({ project: folder, run, by, only: "all", text: "", order: "margin", descending: false, ...more });
const query = async (by, more) => machine.call("run_pairs", { query: asked(by, more), offset: 0, limit: 200 });
const one = async ({ held_out, line }, by = "run") => machine.call("run_pair", { project: folder, run, by, held_out, line, theme: "light", width: 480, height: 250 });
const first = async (text) => until(async () => (await row(0).innerText()).includes(text), `${text} to come first`);
const last = (content) => (typeof content === "string" ? content : content.at(-1).content);

test("settings and curves are saved as files that others read", async () => {
  await page.getByText("Settings and folder").click();
  const saved = async (button) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: button }).click()]);
    const bytes = readFileSync(await download.path());
    return { name: download.suggestedFilename(), bytes, text: bytes.toString("utf8") };
  };
  const curves = await saved("Save the curves as CSV");
  assert.equal(curves.name, `${run}.csv`);
  const [head, ...rows] = curves.text.trim().split("\n").map((line) => line.split(","));
  assert.deepEqual(rows.map(([step]) => step), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
  for (const name of ["loss", "rewards/margins", "eval_loss"]) assert.ok(Number.isFinite(Number(rows[4][head.indexOf(name)])), name);
  const events = await saved("Save the curves for TensorBoard");
  assert.match(events.name, new RegExp(`^events\\.out\\.tfevents\\.\\d{10}\\.${run}$`));
  // Records, each with its length before it and twice four bytes of checksum: the version, ten steps, two looks at held-out pairs.
  const records = [];
  for (let at = 0; at < events.bytes.length; at += 16 + records.at(-1).length) {
    records.push(events.bytes.subarray(at + 12, at + 12 + Number(events.bytes.readBigUInt64LE(at))).toString("latin1"));
  }
  assert.ok(records[0].endsWith("brain.Event:2"), records[0]);
  const holding = (tag) => records.filter((record) => record.includes(tag)).length;
  assert.deepEqual([holding("train/rewards/margins"), holding("eval/rewards/margins")], [10, rows.filter((row) => row[head.indexOf("eval_loss")] !== "").length]);
  const settings = await saved("Save the settings as RUN.toml");
  assert.ok(settings.text.includes("max_steps = 10") && settings.text.includes("output_dir"), settings.text);
  await page.getByText("Settings and folder").click();
});

test("what training made of each pair is there without scoring", async () => {
  await page.getByRole("button", { name: "Pairs", exact: true }).click();
  await page.getByText(/^40 pairs as training last computed them.*held out after 10 steps/).waitFor();
  assert.equal((await query()).known, false);
  const { rows, all } = await query("training");
  assert.equal(all, PAIRS);
  assert.equal(rows.filter(({ held_out }) => held_out).length, HELD_OUT);
  const twice = rows.filter(({ numbers }) => numbers.moved !== null);
  assert.equal(twice.length, 8 + HELD_OUT, "eight were trained on twice, and all held-out ones scored at steps 5 and 10");
  // The first microbatch is computed before any step: its rewards are 0.
  const untouched = rows.filter(({ numbers }) => numbers.chosen_reward === 0 && numbers.rejected_reward === 0);
  assert.ok(untouched.length <= 4);
  // They say nothing yet, and stand last whatever is looked for.
  for (const order of ["margin", "decided"]) {
    const last = (await query("training", { order })).rows.slice(PAIRS - untouched.length);
    assert.ok(last.every(({ numbers }) => numbers.chosen_reward === 0), order);
  }
  const { computed, course } = await one(twice[0], "training");
  assert.equal(computed, 2);
  assert.ok(course.svg.startsWith("<svg") && course.description.includes("over training"));
  await first(rows[0].prompt);
});

test("the run's model scores them on demand, and the lowest margin comes first", async () => {
  await page.getByRole("button", { name: "Score the pairs" }).click();
  await page.getByText(/^40 pairs scored by the run's own model/).waitFor();
  assert.equal(await page.getByLabel("Whose numbers").inputValue(), "run");
  const { rows, total } = await query();
  assert.equal(total, PAIRS);
  assert.deepEqual(rows.map(({ numbers }) => numbers.margin), rows.map(({ numbers }) => numbers.margin).toSorted((a, b) => a - b));
  assert.equal(new Set(rows.map(({ id }) => id)).size, PAIRS, "each is a pair of the project");
  assert.ok(rows.every(({ now }) => now === "same"));
  await first(rows[0].prompt);
  const text = await row(0).innerText();
  assert.ok(text.includes(Math.abs(rows[0].numbers.margin).toFixed(2)), text);
  // Both are of the same adapter: what the last evaluation computed is what scoring computes.
  const seen = new Map((await query("training")).rows.filter(({ held_out }) => held_out).map(({ line, numbers }) => [line, numbers]));
  for (const { line, numbers } of rows.filter(({ held_out }) => held_out)) {
    assert.ok(Math.abs(numbers.margin - seen.get(line).margin) < 1e-4, `${line}: ${numbers.margin} ${seen.get(line).margin}`);
  }
});

test("they are ordered, chosen and searched", async () => {
  const hard = (await query("run", { order: "decided" })).rows;
  await page.getByLabel("Order").selectOption({ label: "Hard pairs: least decided first" });
  await first(hard[0].prompt);
  assert.ok(Math.abs(hard[0].numbers.margin) <= Math.abs(hard[1].numbers.margin));
  for (const [order, descending, number] of [["loss", true, "loss"], ["chosen_reward", false, "chosen_reward"], ["rejected_reward", true, "rejected_reward"], ["chosen_logps", false, "chosen_logps"], ["moved", false, "moved"]]) {
    const values = (await query("run", { order, descending })).rows.map(({ numbers }) => numbers[number]).filter((value) => value !== null);
    assert.deepEqual(values, values.toSorted((a, b) => (descending ? b - a : a - b)), order);
  }
  const against = (await query("run", { only: "against" })).rows;
  assert.ok(against.every(({ numbers }) => numbers.margin < 0));
  assert.equal((await query("run", { only: "trained" })).total + (await query("run", { only: "held_out" })).total, PAIRS);
  await page.getByLabel("Which pairs").selectOption({ label: "Held out" });
  await until(async () => (await list().getByRole("option").count()) === HELD_OUT, "the held-out pairs alone");
  await page.getByLabel("Which pairs").selectOption({ label: "All pairs" });
  const [{ prompt }] = hard;
  await page.getByRole("searchbox").fill(prompt.toUpperCase());
  const found = (await query("run", { text: prompt })).total;
  assert.ok(found >= 1 && found < PAIRS);
  await until(async () => (await list().getByRole("option").count()) === found, "what is searched for");
  await page.getByRole("searchbox").fill("kettle of nothing");
  await page.getByRole("button", { name: "Show all pairs" }).click();
  await page.getByLabel("Order").selectOption({ label: "Suspected mislabels: lowest margin first" });
});

test("by keyboard a pair is opened with its numbers, labelled the other way round, and back", async () => {
  const [lowest] = (await query()).rows;
  await first(lowest.prompt);
  await list().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Pair ${lowest.id}` }).waitFor();
  const panel = page.getByRole("region", { name: `Pair ${lowest.id}` });
  await panel.getByRole("heading", { name: "What the model makes of it" }).waitFor();
  assert.ok((await panel.getByRole("row", { name: /^tokens/ }).innerText()).includes(String(lowest.numbers.chosen_tokens)));
  await panel.getByRole("button", { name: "Swap answers" }).press("Enter");
  await row(0).getByText("Swapped").waitFor();
  await page.getByText("Since this run: 1 with the answers the other way round, 39 the same.").waitFor();
  const swapped = await machine.call("pair", { project: folder, id: lowest.id });
  assert.ok(last(swapped.chosen).startsWith(lowest.rejected.slice(0, 20)) && last(swapped.rejected).startsWith(lowest.chosen.slice(0, 20)));
  // The run's own numbers are of the pair as it was.
  assert.equal((await query()).rows[0].numbers.margin, lowest.numbers.margin);
  await page.getByRole("button", { name: "Undo" }).first().click();
  await until(async () => (await query()).rows[0].now === "same", "the pair to be as it was");
});

test("a pair that is removed stays in the list as removed, and comes back", async () => {
  const [, second] = (await query()).rows;
  await row(1).click();
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor();
  await page.getByRole("button", { name: "Remove" }).click();
  await row(1).getByText("Removed").waitFor();
  assert.equal((await machine.call("open_project", { folder })).counts.pairs, PAIRS - 1);
  await page.getByRole("button", { name: "Put back" }).click();
  await until(async () => (await query()).rows[1].now === "same", "the pair to be back");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: `Pair ${second.id}` }).waitFor({ state: "detached" });
});

test("by keys alone one pair after the other is found right, swapped or removed, and what is decided leaves the list", async () => {
  await page.getByLabel("Which pairs").selectOption({ label: "Not decided on yet" });
  const open = async () => (await query("run", { only: "open" })).rows;
  const [one, two, three, four] = await open();
  assert.equal((await open()).length, PAIRS);
  await first(one.prompt);
  await list().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const heading = ({ id }) => page.getByRole("heading", { name: `Pair ${id}`, exact: true }).waitFor();
  await heading(one);
  await page.keyboard.press("c");
  await heading(two);
  assert.equal((await machine.call("pair", { project: folder, id: one.id })).confirmed, true);
  await page.keyboard.press("s");
  await heading(three);
  await page.keyboard.press("x");
  await heading(four);
  await until(async () => (await open()).length === PAIRS - 3, "three to be decided on");
  assert.deepEqual((await query()).rows.slice(0, 3).map(({ now, confirmed }) => [now, confirmed]), [["same", true], ["swapped", false], ["removed", false]]);
  await page.keyboard.press("p");
  await page.keyboard.press("n");
  await heading((await open())[1] ?? four);
  // Undo is of what was done last: the pair is back, and comes back into the list.
  await page.keyboard.press("z");
  await until(async () => (await query()).rows[2].now === "same", "the removal to be undone");
  await page.keyboard.press("z");
  await until(async () => (await query()).rows[1].now === "same", "the swap to be undone");
  await page.keyboard.press("z");
  await until(async () => (await open()).length === PAIRS, "all to be open again");
  // With the answers the other way round it would be another label: that was not confirmed.
  const { history } = await machine.call("pair", { project: folder, id: one.id });
  assert.deepEqual(history.slice(0, 2).map(({ what }) => what), ["Took back that the label is right.", "Looked at it: the label is right."]);
  await page.keyboard.press("Escape");
  await page.getByLabel("Which pairs").selectOption({ label: "All pairs" });
});

test("in the figure a point opens its pair, by mouse and by keyboard", async () => {
  await page.getByRole("button", { name: "Show the figure" }).click();
  const figure = page.getByRole("slider", { name: "Pairs in the figure" });
  const { rows } = await query();
  await figure.focus();
  for (let at = 0; at < 3; at++) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Pair ${rows[2].id}` }).waitFor();
  await page.keyboard.press("Escape");
  // A point is where the drawing's own axes put it.
  const shown = await page.locator(".scatter .drawing img").evaluate((image) => ({ width: image.naturalWidth, height: image.naturalHeight }));
  const { figure: { axes, description }, points } = await machine.call("run_pairs_figure", { query: asked(), theme: "light", ...shown });
  assert.deepEqual([axes.width, axes.height, points.length], [shown.width, shown.height, PAIRS]);
  assert.ok(description.includes("Rewards of 40 pairs"), description);
  // The highest reward of a rejected answer: no other point lies as far to the right.
  const far = points.toSorted((a, b) => b.x - a.x)[0];
  const box = await figure.boundingBox();
  const across = axes.left + ((far.x - axes.x_min) / (axes.x_max - axes.x_min)) * (axes.right - axes.left);
  const down = axes.bottom - ((far.y - axes.y_min) / (axes.y_max - axes.y_min)) * (axes.bottom - axes.top);
  await page.mouse.click(box.x + (across / axes.width) * box.width, box.y + (down / axes.height) * box.height);
  const { id } = rows.find(({ held_out, line }) => held_out === far.held_out && line === far.line);
  await page.getByRole("heading", { name: `Pair ${id}` }).waitFor();
  await page.getByRole("button", { name: "Close pair" }).click();
  await page.getByRole("button", { name: "Show the list" }).click();
});

test("a pair that the project does not have is shown as the run had it", async () => {
  const [{ id }] = (await query()).rows;
  const { prompt, chosen } = await machine.call("pair", { project: folder, id });
  const held = (await query("run", { only: "held_out" })).rows[0];
  await page.evaluate(([run, line]) => (window.location.hash = `#/train/${run}/pairs/h${line}`), [run, held.line]);
  await page.getByRole("heading", { name: `Pair ${held.id}` }).waitFor();
  const whole = await one((await query()).rows[0]);
  assert.deepEqual([whole.prompt, whole.chosen], [prompt, chosen]);
  for (const line of [0, 1000]) await assert.rejects(one({ held_out: true, line }), /no held-out pair/);
  await page.keyboard.press("Escape");
});

test("training again names what has changed since, and so does the comparison of both runs", async () => {
  const { rows } = await query();
  const [one, two, three] = rows.filter(({ held_out }) => !held_out);
  const edit = async ({ id }, change) => {
    const { prompt, chosen, rejected } = await machine.call("pair", { project: folder, id });
    await machine.call("edit_pair", { project: folder, id, who: "Ada", ...{ prompt, chosen, rejected }, ...change({ prompt, chosen, rejected }) });
  };
  await edit(one, ({ chosen, rejected }) => ({ chosen: rejected, rejected: chosen }));
  await edit(two, () => ({ rejected: [{ role: "assistant", content: "Nobody would say so." }] }));
  await machine.call("remove_pair", { project: folder, id: three.id, who: "Ada", removed: true });
  const words = "1 with the answers the other way round, 1 with another answer to the same prompt, 1 not there any more, 37 the same";
  await page.getByText(`Since this run: ${words}.`).waitFor();
  assert.deepEqual((await query()).rows.filter(({ now }) => now !== "same").map(({ now }) => now).toSorted(), ["changed", "removed", "swapped"]);
  await page.getByRole("button", { name: "Train again" }).click();
  await page.getByText("Since first", { exact: true }).waitFor();
  await page.getByText(words, { exact: true }).waitFor();
  await page.getByRole("button", { name: "Start training" }).click();
  await page.getByRole("heading", { name: "first 2" }).waitFor();
  await ended("first-2");
  await page.getByRole("button", { name: "Compare both" }).click();
  await page.getByRole("heading", { name: "Runs compared" }).waitFor();
  await page.getByRole("cell", { name: words }).waitFor();
});

test("models that were trained without a pair score it", async () => {
  await page.evaluate((run) => (window.location.hash = `#/train/${run}/pairs`), run);
  await page.getByLabel("Whose numbers").selectOption({ label: "By 2 models, each on half of the pairs" });
  await page.getByText("The pairs have not been scored by models that were trained without them").waitFor();
  await page.getByRole("button", { name: "Score the pairs" }).click();
  await page.getByText(/^40 pairs scored each by a model that was trained without its prompt, in 2 parts/).waitFor();
  const { rows } = await query({ folds: 2 });
  assert.equal(rows.length, PAIRS);
  const alone = new Map((await query()).rows.map(({ held_out, line, numbers }) => [`${held_out}${line}`, numbers.margin]));
  assert.ok(rows.some(({ held_out, line, numbers }) => Math.abs(numbers.margin - alone.get(`${held_out}${line}`)) > 1e-6), "they are other scores");
});
