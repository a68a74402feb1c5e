// What is held out is never trained on unsaid: by a run that waited meanwhile, or by one that begins with an adapter that knows it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { until } from "./screens.js";

const EXAM = 6;
const rows = (name, count) => Array.from({ length: count }, (_, i) => JSON.stringify({ prompt: `${name} ${i}?`, chosen: `good ${name} ${i}`, rejected: `bad ${name} ${i}, so it is` })).join("\n");

let machine, browser, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Promise", "train.jsonl", rows("drill", 20), "pairs");
  const { upload } = await machine.send("exam.jsonl", rows("exam", EXAM));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: "as_is" } });
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function request(name, settings) {
  const made = await machine.call("default_settings", { project: folder });
  Object.assign(made, { name, held_out_share: 0 });
  Object.assign(made.settings, { sample_prompts: 0, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, eval_steps: 0, ...settings });
  return made;
}
const start = async (name, settings) => (await machine.call("start_run", { request: await request(name, settings) })).summary.run;
const run = (name) => machine.call("run", { project: folder, run: name });
const becomes = (name, state) => until(async () => (await run(name)).summary.state === state, `${name} to be ${state}`);
const hold = (change) => machine.call("change_import", { project: folder, import: 2, who: "Ada", change });
const trained = (name) => readFileSync(join(folder, "runs", name, "pairs.jsonl"), "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line).prompt);

test("a run that waits takes its pairs anew before it begins, and that is said where it is decided and where it waits", async () => {
  const knows = await start("knows", { max_steps: 4 });
  await becomes(knows, "finished");
  const long = await start("long", { max_steps: 20_000 });
  await becomes(long, "running");
  const waits = await start("waits", { max_steps: 4 });
  const { says } = await hold({ held_out: true });
  assert.ok(says.some((said) => said.startsWith("waits, which waits: since it was made, 6 pairs of its training are held out now")), says.join("\n"));
  assert.ok(says.some((said) => said.startsWith("long, which is training: since it began, 6 pairs")), says.join("\n"));
  const page = await open(browser, machine);
  await goTo(page, "t");
  await page.getByText(/6 pairs of its training are held out now: it takes its pairs anew when it begins/).waitFor();
  await page.close();
  await machine.call("stop_run", { project: folder, run: long, pause: false });
  await becomes(waits, "finished");
  assert.equal(trained(waits).filter((prompt) => prompt.startsWith("exam")).length, 0);
  const { data_says } = await run(waits);
  assert.ok(data_says.some((said) => said.includes("6 pairs are held out: they came with exam.jsonl")), data_says.join("\n"));
  assert.ok(data_says.some((said) => said.startsWith("its pairs were taken anew when it began")), data_says.join("\n"));
});

test("a run that begins with an adapter which was trained on its held-out pairs warns of it, and so does an evaluation of it", async () => {
  const after = await request("after", { max_steps: 4, init_adapter: join(folder, "runs/knows/adapter") });
  const told = /was trained on the prompts of 6 of the 6 held-out pairs/;
  const { notes } = await machine.call("plan_run", { theme: "light", request: after });
  assert.ok(notes.some((note) => told.test(note)), notes.join("\n"));
  const name = (await machine.call("start_run", { request: after })).summary.run;
  await becomes(name, "finished");
  const { warnings } = await run(name);
  assert.ok(warnings.some((warning) => told.test(warning)), warnings.join("\n"));
  const asked = { project: folder, run: name, judge: { kind: "rule", rule: "shorter" }, prompts: "held_out", max_prompts: EXAM, temperature: 0, max_new_tokens: 4, seed: 1, sides: null };
  const { evaluation } = await machine.call("start_evaluation", { request: asked, allow_changed_base: false });
  const view = () => machine.call("evaluation", { project: folder, evaluation, theme: "light" });
  await until(async () => (await view()).summary.state === "done", "the evaluation to be done");
  const { how_asked } = await view();
  assert.ok(how_asked.some((said) => said.includes("a run that this one began from was trained on 6 of these prompts")), how_asked.join("\n"));
});

test("an import that is held out and was taken back holds out what another import brings again", async () => {
  await hold({ taken_back: true });
  const { upload } = await machine.send("again.jsonl", rows("exam", EXAM));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: "as_is" } });
  const plan = await machine.call("plan_run", { theme: "light", request: await request("later", { max_steps: 4 }) });
  assert.deepEqual([plan.pairs, plan.held_out], [20, EXAM], plan.data_says.join("\n"));
});
