// Runs that go wrong: one that the system kills for its memory, and one in which the doctor sees something.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open, unfold } from "./browser.js";
import { Machine, workers } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, project;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Ailing", "pairs.jsonl", pairs(40), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Ailing" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function start(name, settings) {
  const request = await machine.call("default_settings", { project });
  Object.assign(request, { name, held_out_share: 0.2 });
  Object.assign(request.settings, { sample_prompts: 0, per_device_train_batch_size: 4, eval_steps: 0, ...settings });
  const run = await machine.call("start_run", { request });
  await goTo(page, "t");
  await page.getByRole("link", { name, exact: true }).click();
  return run;
}

test("a run that is killed, as for its memory, is explained and can be resumed", { skip: process.platform !== "linux" && "finds the process by /proc" }, async () => {
  const { folder, summary } = await start("hungry", { max_steps: 4000, save_steps: 5, gradient_checkpointing: false });
  const state = async () => (await machine.call("run", { project, run: summary.run })).summary;
  await until(async () => (await state()).step >= 10, "a checkpoint");
  const [worker] = workers(folder);
  process.kill(worker, "SIGKILL");

  await page.getByText("interrupted", { exact: true }).first().waitFor();
  await page.getByText("The training process was killed by the system (signal 9): nearly always because memory ran out").waitFor();
  await page.getByText(/Resume it: it goes on after step \d+ and loses nothing before that/i).waitFor();
  await page.getByText("Try a run with:").waitFor();
  await page.getByRole("button", { name: "2 pairs at once instead of 4" }).waitFor();
  await page.getByRole("button", { name: "Turn gradient_checkpointing on" }).waitFor();
  const { step } = await state();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("running", { exact: true }).first().waitFor();
  await until(async () => (await state()).step > step, "a step beyond the last one");
  await page.getByText(/was killed by the system/).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Stop and keep" }).click();
  await page.getByText("stopped", { exact: true }).first().waitFor();
});

test("what the doctor sees is said with its figure; its button opens a duplicate with the change", async () => {
  // Pairs as plain as these are ranked right at once at such a rate.
  await start("eager", { max_steps: 60, learning_rate: 2e-3 });
  const findings = page.getByRole("region", { name: "What stands out" });
  await findings.waitFor({ timeout: 60_000 });
  await unfold(page);
  await findings.getByText("Every pair is ranked right almost at once").waitFor();
  await page.getByText("finished", { exact: true }).first().waitFor({ timeout: 60_000 });
  await findings.getByText("Of the held-out pairs it is 100.0 % (95 % interval", { exact: false }).waitFor();
  await findings.getByText("Show it: accuracy").click();
  await findings.getByRole("img", { name: /^Reward accuracies/i }).waitFor();

  await findings.getByRole("button", { name: "Half as many passes" }).click();
  await page.getByRole("heading", { name: "New run, from eager" }).waitFor();
  await page.getByText("1 setting changed: max_steps 60 → 30.").waitFor();
  assert.equal(await page.getByLabel("max_steps", { exact: true }).inputValue(), "30");
  await page.getByRole("button", { name: "Start training" }).click();
  await page.getByRole("heading", { name: "eager 2" }).waitFor();
  const started = await machine.call("run", { project, run: "eager-2" });
  assert.equal(started.settings.max_steps, 30);
  assert.equal(started.settings.learning_rate, 2e-3);
  await page.getByText("finished", { exact: true }).first().waitFor();
  assert.deepEqual(page.complaints, []);
});
