// A run while it goes on: numbers, figures and sample answers move; it is stopped, resumed, duplicated with changes, and
// compared with another in one chart.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Runs", "pairs.jsonl", pairs(40), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first", held_out_share: 0.2 });
  Object.assign(request.settings, { sample_prompts: 2, max_steps: 4000, per_device_train_batch_size: 4, learning_rate: 1e-4, eval_steps: 25, save_steps: 50 });
  await machine.call("start_run", { request });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  await goTo(page, "t");
  await page.getByRole("link", { name: "first" }).click();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const number = (name) => page.locator("dl.numbers > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd").first().innerText();
const step = async () => Number(/^([\d,]+) of/.exec(await number("step"))?.[1].replace(",", "") ?? 0);
const figure = (name) => page.locator(`#figure-${name} img`);
const badge = (state) => page.getByText(state, { exact: true }).first();
const FIGURES = ["loss", "rewards", "margins", "accuracy", "grad_norm", "learning_rate"];

test("numbers, figures and sample answers move while it trains", async () => {
  await until(async () => (await step()) >= 2, "the second step");
  for (const name of FIGURES) await figure(name).waitFor();
  const drawn = Object.fromEntries(await Promise.all(FIGURES.map(async (name) => [name, await figure(name).getAttribute("src")])));
  const [first, loss, rate] = [await step(), await number("loss"), await number("learning_rate")];
  await until(async () => (await step()) > first, "another step to be shown");
  for (const name of FIGURES) await until(async () => (await figure(name).getAttribute("src")) !== drawn[name], `the figure ${name} to be drawn anew`);
  await until(async () => (await number("loss")) !== loss, "another loss to be shown");
  await until(async () => (await number("learning_rate")) !== rate, "another learning rate to be shown");
  for (const [name, form] of [["rewards/accuracies", /%$/], ["rewards/margins", /\d/], ["rewards/chosen", /\d/], ["rewards/rejected", /\d/], ["grad_norm", /\d/], ["tokens per second", /\d/], ["peak memory", /[MG]B$/], ["time left", /(s|min|h)$/]]) {
    assert.match(await number(name), form, name);
  }

  const samples = page.getByRole("region", { name: "Sample answers" });
  await samples.getByText("step 0", { exact: true }).waitFor();
  await samples.getByText(/^step [1-9]/).first().waitFor();
  assert.equal(await samples.getByRole("combobox").locator("option").count(), 2);
});

test("a figure has a read-out under the cursor", async () => {
  const readout = page.getByRole("slider", { name: /Read-out of loss/i });
  await readout.focus();
  await readout.press("Home");
  // At the first step policy and reference are the same: the loss is ln 2.
  assert.match(await readout.getAttribute("aria-valuetext"), /^optimiser step 1: training 0\.6931/);
  await readout.press("ArrowRight");
  assert.match(await readout.getAttribute("aria-valuetext"), /^optimiser step 2: training 0\.\d+/);
});

test("it is paused and goes on from there; stopped and kept, it can be evaluated as it is", async () => {
  await page.getByRole("button", { name: "Pause" }).click();
  await badge("paused").waitFor();
  const kept = await step();
  assert.ok(kept > 0 && kept < 4000);
  await page.getByRole("button", { name: "Resume" }).click();
  await badge("running").waitFor();
  await until(async () => (await step()) > kept, "a step beyond those that were kept");
  await page.getByRole("button", { name: "Stop and keep" }).click();
  await badge("stopped").waitFor();
  await page.getByRole("button", { name: "Evaluate" }).click();
  await page.getByRole("option", { name: /stopped at step \d+/ }).waitFor({ state: "attached" });
  await page.goBack();
  await badge("stopped").waitFor();
});

test("a duplicate begins with its settings, says what is changed, and both are compared in one chart", async () => {
  await page.getByRole("button", { name: "Duplicate with changes" }).click();
  await page.getByText("No setting is changed yet.").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "first 2");
  assert.equal(await page.getByLabel("learning_rate", { exact: true }).inputValue(), "1e-4");
  await set(page, "learning_rate", "0.002");
  await set(page, "max_steps", "20");
  await page.getByText(/2 settings changed:.*learning_rate.*1e-4 → 0\.002/).waitFor();
  await page.getByRole("button", { name: "Start training" }).click();
  await page.getByRole("heading", { name: "first 2" }).waitFor();
  await badge("finished").waitFor({ timeout: 60_000 });

  await page.getByRole("button", { name: "All runs" }).click();
  await page.getByLabel("Compare first", { exact: true }).check();
  await page.getByLabel("Compare first 2", { exact: true }).check();
  await page.getByRole("button", { name: "Compare 2 runs" }).click();
  await page.getByText("Only settings that differ are listed.").waitFor();
  const compared = await page.getByRole("region", { name: "Runs and their settings" }).getByRole("row").allInnerTexts();
  assert.ok(compared.includes("learning_rate\t0.002\t1e-4") && compared.includes("max_steps\t20\t4000"), compared.join("\n"));
  assert.ok(!compared.some((row) => row.startsWith("beta")), "a setting that is alike is listed");
  // Both curves stand in one drawing.
  assert.match(await figure("loss").getAttribute("alt"), /first 2: from 0\.693 at 1 to .* at 20\. first: from 0\.693 at 1/);
  assert.deepEqual(page.complaints, []);
});
