// The server dies, the page is reloaded, a run fails: nothing is lost, and what happened is said.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const items = (page, count) =>
  page.waitForFunction((count) => Number(document.querySelector("progress[aria-label='Items judged']")?.value) === count, count);

async function begin(page, name) {
  await goTo(page, "l");
  await page.getByLabel(/our name|another name/).fill(name);
  await page.keyboard.press("Enter");
  await page.getByLabel("Left answer, text").waitFor();
}

test("killed while labelling, every judgement that was given is there; two annotators do not see each other's", async () => {
  await machine.project("Killed", "survey.csv", candidates(24), "candidates");
  let page = await open(browser, machine);
  await page.getByRole("heading", { name: "Killed" }).waitFor();
  await begin(page, "Ada");
  for (let done = 1; done <= 5; done += 1) {
    await page.keyboard.press("ArrowLeft");
    await items(page, done);
  }
  const { folder } = (await machine.call("home", {})).recent[0];
  // What the screen counts may still be on its way; what the server counts is on the disk.
  const state = () => machine.call("label_state", { project: folder, annotator: "Ada", ahead: 3 });
  await until(async () => (await state()).done === 5, "the fifth judgement to arrive");
  const told = await state();
  await machine.kill();
  await page.close();

  await machine.start();
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Killed" }).waitFor();
  await begin(page, "Ada");
  const after = await machine.call("label_state", { project: folder, annotator: "Ada", ahead: 3 });
  assert.equal(after.done, 5);
  // The same items stand on the same sides as before: a showing is drawn once.
  assert.deepEqual(after.queue.map(({ item, showing, left }) => [item, showing, left]), told.queue.map(({ item, showing, left }) => [item, showing, left]));
  const other = await machine.call("label_state", { project: folder, annotator: "Grace", ahead: 3 });
  assert.deepEqual([other.done, other.total], [0, 24]);

  // A reply that was lost on the way is asked for again: the judgement counts once.
  const [next] = after.queue;
  const judging = { project: folder, annotator: "Ada", item: next.item, showing: next.showing, verdict: "right", milliseconds: 900, note: null };
  await machine.call("judge", judging);
  await machine.call("judge", judging).catch(() => {});
  assert.equal((await machine.call("label_state", { project: folder, annotator: "Ada", ahead: 1 })).done, 6);
  await page.close();
});

test("a page that is reloaded and a server that is killed find the run where it is", async () => {
  const folder = await machine.project("Run", "pairs.jsonl", pairs(40), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "long", held_out_share: 0.1 });
  Object.assign(request.settings, { max_steps: 400, per_device_train_batch_size: 4, save_steps: 20, learning_rate: 1e-4 });
  const { summary } = await machine.call("start_run", { request });
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Run" }).waitFor();
  await goTo(page, "t");
  await page.getByText("long").first().click();
  await page.getByText("running", { exact: true }).first().waitFor({ timeout: 60_000 });
  await page.reload();
  await page.getByText("running", { exact: true }).first().waitFor({ timeout: 60_000 });
  await machine.kill();
  await page.close();

  await machine.start();
  const step = async () => (await machine.call("run", { project: folder, run: summary.run })).summary;
  const found = await step();
  assert.equal(found.state, "running", "the run's process lives on without the server");
  await until(async () => (await step()).step > found.step, "the run to go on");
  const stopped = await machine.call("stop_run", { project: folder, run: summary.run, pause: true });
  assert.ok(["running", "paused"].includes(stopped.summary.state));
  await until(async () => (await step()).state === "paused", "the run to pause");
  const kept = await step();
  await machine.call("resume_run", { project: folder, run: summary.run });
  await until(async () => (await step()).step > kept.step, "the resumed run to go on from where it was stopped");
  await machine.call("stop_run", { project: folder, run: summary.run, pause: false });
  await until(async () => (await step()).state === "stopped", "the run to leave its folder");
});

test("a run whose numbers break is explained on the screen", async () => {
  const folder = await machine.project("Broken", "pairs.jsonl", pairs(20), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "too fast" });
  // A rate at which the first steps already throw the weights to where no number is finite.
  Object.assign(request.settings, { learning_rate: 1e18, max_grad_norm: 0, max_steps: 10, per_device_train_batch_size: 4, warmup_steps: 0, warmup_ratio: 0 });
  await machine.call("start_run", { request });
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Broken" }).waitFor();
  await goTo(page, "t");
  await page.getByText("too fast").first().click();
  await page.getByText("failed", { exact: true }).first().waitFor({ timeout: 60_000 });
  await page.getByText(/not finite|NaN|inf/i).first().waitFor();
  await page.getByText(/learning.rate/i).first().waitFor();
  await page.close();
});
