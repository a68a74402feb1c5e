// A model that gives no numbers: its answers are none, and that is said wherever it is asked; the run that broke says what to go on from.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Machine } from "./program.js";
import { until } from "./screens.js";

const rows = Array.from({ length: 16 }, (_, i) => JSON.stringify({ prompt: `What is ${i}?`, chosen: `A number, ${i}.`, rejected: `Nothing that anybody knows, ${i}` })).join("\n");
const DAMAGED = { code: "not_finite", hint: "The model or the adapter is damaged: check it with another prompt." };

let machine, folder, adapter;
before(async () => {
  machine = await new Machine().start();
  folder = await machine.project("Damaged", "pairs.jsonl", rows, "pairs");
});
after(async () => machine?.end());

const ended = async (job) => {
  let found;
  await until(async () => (found = (await machine.call("jobs", {})).find((other) => other.job === job)).state !== "running", "the job to end");
  return found;
};

let steps;

/** A run that breaks its weights in its first steps. */
async function start(name, max_steps) {
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name, held_out_share: 0 });
  const settings = { max_steps, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 1e6, max_grad_norm: 0, lr_scheduler_type: "constant", warmup_steps: 0, save_steps: 1, eval_steps: 0, sample_prompts: 0 };
  Object.assign(request.settings, settings);
  const { run } = (await machine.call("start_run", { request, allow_changed_base: false, now: true })).summary;
  let view;
  await until(async () => ["failed", "finished"].includes((view = await machine.call("run", { project: folder, run })).summary.state), `${name} to end`);
  return view;
}

test("a run whose loss is no number says which checkpoint is from before that, or that none is", async () => {
  const { summary, error } = await start("broken", 20);
  assert.equal(summary.state, "failed");
  assert.match(error.hint, /^(Its checkpoint of step \d+ is from before that: begin a new run with it as init_adapter|No checkpoint is from before that: begin a new run with a lower learning_rate)/);
  steps = Number(/step (\d+)/.exec(error.message)[1]) - 1;
  // The weights that broke it, as an adapter of their own.
  adapter = join(machine.projects, "damaged-adapter");
  cpSync(join(folder, "runs", summary.run, "checkpoints", `step-${steps}`), adapter, { recursive: true });
});

test("the playground says that the model is damaged and shows no answer", async () => {
  for (const temperature of [0, 1]) {
    const chats = [{ run: null, side: { model: machine.model, adapter }, messages: [{ role: "user", content: "What is 3?" }] }];
    const { job } = await machine.call("start_chat", { project: folder, chats, temperature, top_p: 1, max_new_tokens: 6, seed: 3, allow_changed_base: false });
    const { state, error } = await ended(job);
    assert.deepEqual([state, error?.code, error?.hint], ["failed", DAMAGED.code, DAMAGED.hint]);
    assert.match(error.message, /log-probability of a token of an answer is not a number/);
  }
});

test("an evaluation of a run that ended with such weights fails with the same words, and judges nothing", async () => {
  const { summary } = await start("ends broken", steps);
  assert.equal(summary.state, "finished", "its last step broke the weights, and nothing has met them since");
  const { upload } = await machine.send("prompts.jsonl", `${JSON.stringify({ prompt: "What is 3?" })}\n`);
  const request = { project: folder, run: summary.run, judge: { kind: "rule", rule: "shorter" }, prompts: { upload: { upload, plain_text: "as_is" } }, max_prompts: 1, temperature: 0, max_new_tokens: 4, seed: 1, sides: null };
  await machine.call("start_evaluation", { request, allow_changed_base: false });
  const told = async () => (await machine.call("jobs", {})).filter(({ error }) => error?.hint === DAMAGED.hint).length;
  await until(async () => (await told()) === 3, "the evaluation to fail as the playground does");
});
