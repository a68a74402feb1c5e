// Runs wait for one another: in an order that can be changed, for a reason that is said, through windows that are killed, and
// never twice.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine, workers } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";
import { remove } from "../folder.mjs";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Waiting", "pairs.jsonl", pairs(24), "pairs");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const LONG = { max_steps: 20_000 };
const SHORT = { max_steps: 12 };

/** Starts a run without the page; it waits where another trains. */
async function started(name, settings, options = {}) {
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name, held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, per_device_train_batch_size: 4, learning_rate: 1e-4, eval_steps: 0, save_steps: 20, ...settings });
  return (await machine.call("start_run", { request, ...options })).summary.run;
}
const stateOf = async (run) => (await machine.call("run", { project: folder, run })).summary.state;
const becomes = (run, state) => until(async () => (await stateOf(run)) === state, `${run} to be ${state}`);
const stop = (run, pause = false) => machine.call("stop_run", { project: folder, run, pause });
const waiting = async () => (await machine.call("queue", { project: folder })).waiting;
const events = (run) => {
  const path = join(folder, "runs", run, "events.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)) : [];
};
const ended = (run) => events(run).some(({ type }) => type === "finished");
const list = () => page.getByRole("list", { name: "Runs that wait" }).getByRole("listitem");
const names = async () => (await list().getByRole("link").allInnerTexts()).join(" ");
const badge = (state) => page.getByText(state, { exact: true }).first();

test("a run that is started while another trains waits, says for what, and begins by itself", async () => {
  const long = await started("long", LONG);
  await becomes(long, "running");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Waiting", exact: true }).waitFor();
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  await set(page, "max_steps", "12");
  await page.getByLabel("Name", { exact: true }).fill("second");
  await page.getByText("It waits for long and begins by itself").waitFor();
  await page.getByRole("button", { name: "Add to the queue" }).click();
  await page.getByRole("heading", { name: "second" }).waitFor();
  await badge("queued").waitFor();
  await page.getByText("In the queue: waits for long").waitFor();
  assert.deepEqual(events("second"), [], "a run that waits has not begun");

  // A pause frees its place, and the page hears of it.
  await stop(long, true);
  await badge("finished").waitFor({ timeout: 120_000 });
  assert.equal(events("second").filter(({ type }) => type === "run_started").length, 1);
});

test("the order is changed by keys; a run is taken out, begun all the same, and put in again", async () => {
  await machine.call("resume_run", { project: folder, run: "long" });
  await becomes("long", "running");
  for (const name of ["a", "b", "c"]) await started(name, SHORT);
  await goTo(page, "t");
  await until(async () => (await names()) === "a b c", "the three that wait");
  assert.match(await list().nth(0).innerText(), /waits for long/);
  assert.match(await list().nth(1).innerText(), /after a/);

  const up = page.getByRole("button", { name: "Move c up" });
  await up.focus();
  await page.keyboard.press("Enter");
  await until(async () => (await names()) === "a c b", "c before b");
  // The focus goes with the run.
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Move c up");
  await page.keyboard.press("Enter");
  await until(async () => (await names()) === "c a b", "c at the top");

  await page.getByRole("button", { name: "Take a out of the queue" }).click();
  await until(async () => (await names()) === "c b", "a to be taken out");
  assert.equal(await stateOf("a"), "prepared");
  assert.deepEqual((await waiting()).map(({ run }) => run), ["c", "b"]);
  const again = await machine.call("resume_run", { project: folder, run: "a" });
  assert.deepEqual(again.summary.queued, { place: 3, of: 3, why: "after b" });
  await assert.rejects(machine.call("resume_run", { project: folder, run: "a" }), /waits in the queue already/);

  // Beside the long one, although it would have to wait.
  await page.getByRole("button", { name: "Start b now" }).click();
  await becomes("b", "finished");
  assert.equal(await stateOf("long"), "running");
  assert.deepEqual((await waiting()).map(({ run }) => run), ["c", "a"]);
  await page.getByRole("button", { name: "Take c out of the queue" }).click();
  await page.getByRole("button", { name: "Take a out of the queue" }).click();
  await page.getByText(/^Nothing waits/).waitFor();
  assert.deepEqual(page.complaints.filter((said) => !/409|400|waits in the queue/.test(said)), []);
});

test("more train at once where that is said, each with its share of the cores, and the next one says why it waits", async () => {
  await page.getByLabel("Runs at once, at most").selectOption("2");
  const beside = await started("beside", LONG);
  const third = await started("third", SHORT);
  await becomes(beside, "running");
  assert.equal(await stateOf("long"), "running");
  await page.getByText(/waits for one of .* and .*: 2 train, and at most 2 may at once/).waitFor();
  await page.getByText(/Each computes with \d+ threads? of \d+ cores/).waitFor();
  assert.equal((await machine.call("queue", { project: folder })).training.length, 2);
  await assert.rejects(machine.call("set_at_most", { project: folder, at_most: 0 }), /0 runs cannot train at once/);
  await stop(beside);
  await becomes(third, "finished");
  await page.getByLabel("Runs at once, at most").selectOption("1");
  await page.getByText(/^Nothing waits/).waitFor();
});

test("a run that fails does not stop the queue, and is named", async () => {
  const broken = await started("broken", { ...SHORT, learning_rate: 1e18, max_grad_norm: 0 });
  const sound = await started("sound", SHORT);
  assert.deepEqual((await waiting()).map(({ run }) => run), [broken, sound]);
  await stop("long");
  await becomes(sound, "finished");
  await page.getByText("1 run of the queue did not end well; the queue went on").waitFor();
  await page.getByText("broken failed.").waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.getByText(/did not end well/).waitFor({ state: "detached" });
});

test("without any window the next run begins when one ends", async () => {
  const [one, two, three] = [await started("one", { max_steps: 150 }), await started("two", SHORT), await started("three", SHORT)];
  assert.deepEqual((await waiting()).map(({ run }) => run), [two, three]);
  await machine.kill();
  assert.ok(!ended(one), "the first run was over before the server was killed");
  await until(() => ended(two) && ended(three), "both runs to be trained without a server");
  await machine.start();
  assert.deepEqual([await stateOf(one), await stateOf(two), await stateOf(three)], ["finished", "finished", "finished"]);
  for (const run of [one, two, three]) assert.equal(events(run).filter(({ type }) => type === "run_started").length, 1, run);
});

test("a run that is killed leaves the queue as it was, and a window that opens goes on with it", async () => {
  const [one, two] = [await started("killed", LONG), await started("after it", SHORT)];
  await becomes(one, "running");
  await machine.kill();
  for (const worker of workers(folder)) process.kill(worker, "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.deepEqual(events(two), [], "nobody is left who would begin it");
  const kept = JSON.parse(readFileSync(join(folder, "queue.json"), "utf8"));
  assert.deepEqual(kept.waiting.map(({ run }) => run), [two]);
  await machine.start();
  // A window opens the project.
  await machine.call("open_project", { folder });
  await becomes(two, "finished");
  assert.equal(await stateOf(one), "interrupted");
});

test("two programs on one project train each run once", async () => {
  const other = new Machine();
  await remove(other.folder);
  Object.assign(other, { folder: machine.folder, projects: machine.projects });
  await other.start();
  try {
    await other.call("open_project", { folder });
    const long = await started("watched", LONG);
    await becomes(long, "running");
    const runs = [];
    for (const name of ["w1", "w2", "w3", "w4"]) runs.push(await started(name, SHORT));
    assert.deepEqual((await other.call("queue", { project: folder })).waiting.map(({ run }) => run), runs);
    await stop(long);
    for (const run of runs) await becomes(run, "finished");
    for (const run of runs) assert.equal(events(run).filter(({ type }) => type === "run_started").length, 1, run);
    // One after another: none began before the one before it had ended.
    const spans = runs.map((run) => [events(run)[0].time, events(run).at(-1).time]);
    for (let i = 1; i < spans.length; i += 1) assert.ok(spans[i][0] >= spans[i - 1][1], `${runs[i]} began before ${runs[i - 1]} had ended`);
  } finally {
    await other.kill();
  }
});
