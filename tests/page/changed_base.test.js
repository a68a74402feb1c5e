// Another model lies where the run's was: the page asks before it resumes, evaluates or exports, and what is resumed
// says so wherever it is shown.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set, unfold } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, folder, run, page;
const state = async () => (await machine.call("run", { project: folder, run })).summary.state;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Swapped", "pairs.jsonl", pairs(40), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first", held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 6, save_steps: 3, per_device_train_batch_size: 4, learning_rate: 1e-2 });
  ({ run } = (await machine.call("start_run", { request })).summary);
  await until(async () => (await state()) === "finished", "the run to finish");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Swapped" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const weights = () => join(machine.model, "model.safetensors");
function flip() {
  const bytes = readFileSync(weights());
  bytes[bytes.length - 3] ^= 1;
  writeFileSync(weights(), bytes);
}
const asked = (place) => place.getByRole("alert").filter({ hasText: "model.safetensors has SHA-256" });
const goOn = { name: "Go on with the model as it is now" };

test("a run from an adapter says before it starts what its reference is", async () => {
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  const plan = page.getByRole("region", { name: "What this run will do" });
  const said = plan.getByText("Training begins with init_adapter, and the reference is the base model without it");
  await plan.getByText("to train on").waitFor();
  assert.equal(await said.count(), 0);
  const adapter = join(folder, "runs", run, "adapter");
  await set(page, "init_adapter", adapter);
  await said.waitFor();
  await plan.getByText(`set ref_adapter = "${adapter}" too`).waitFor();
  await set(page, "ref_adapter", adapter);
  await said.waitFor({ state: "detached" });
});

test("weights, adapter and evaluation are made on another base only when the user says so", async () => {
  flip();
  await goTo(page, "x");
  const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Merged weights" }) });
  await card.getByRole("radio", { name: /^f32/ }).check();
  await card.getByRole("button", { name: "Export merged weights" }).click();
  await asked(card).waitFor({ timeout: 60_000 });
  const exports = join(folder, "exports");
  assert.ok(!existsSync(exports) || !readdirSync(exports).some((name) => readdirSync(join(exports, name)).length > 0));
  await card.getByRole("button", goOn).click();
  await card.getByText(/^Computed on another base than the one that the adapter/).waitFor({ timeout: 60_000 });
  await card.getByText(/the run's adapter on this base, which is another than the run was trained on/).waitFor();

  const adapter = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Adapter", exact: true }) });
  await adapter.getByRole("button", { name: "Export adapter" }).click();
  await asked(adapter).waitFor();
  await adapter.getByRole("button", goOn).click();
  await adapter.getByText(/^Computed on another base/).waitFor();

  await goTo(page, "e");
  await page.getByRole("button", { name: "New evaluation" }).first().click();
  await page.getByLabel("At most so many prompts").fill("3");
  await page.getByRole("radio", { name: /^A rule/ }).check();
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens").fill("6");
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await asked(page).waitFor();
  await page.getByRole("button", goOn).click();
  await page.getByText(/^Computed on another base than the one that the adapter/).waitFor({ timeout: 60_000 });
  const [{ evaluation }] = await machine.call("evaluations", { project: folder });
  const about = JSON.parse(readFileSync(join(folder, "evals", evaluation, "about.json")));
  assert.equal(about.allow_changed_base, true);
  await until(async () => (await machine.call("evaluations", { project: folder }))[0].state === "done", "the evaluation to end");
  flip();
});

test("a run that was killed goes on on another base only when the user says so, and its page says it", async () => {
  // As a kill after the third step leaves it.
  const place = join(folder, "runs", run);
  rmSync(join(place, "adapter"), { recursive: true });
  rmSync(join(place, "checkpoints", "step-6"), { recursive: true });
  const lines = readFileSync(join(place, "events.jsonl"), "utf8").trimEnd().split("\n");
  const kept = lines.slice(0, 1 + lines.findIndex((line) => JSON.parse(line).type === "checkpoint"));
  writeFileSync(join(place, "events.jsonl"), `${kept.join("\n")}\n`);
  await machine.kill();
  flip();
  await machine.start();
  await page.close();
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Swapped" }).waitFor();
  await goTo(page, "t");
  await page.getByRole("link", { name: "first" }).click();
  await page.getByRole("button", { name: "Resume" }).click();
  await asked(page).waitFor();
  assert.equal(await state(), "interrupted");
  await page.getByRole("button", goOn).click();
  const said = page.getByText(/^Computed on another base from step 4 on, as asked/);
  await said.waitFor({ state: "attached", timeout: 60_000 });
  await unfold(page);
  await said.waitFor();
  await until(async () => (await state()) === "finished", "the run to finish");
});
