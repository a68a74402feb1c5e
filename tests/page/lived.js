// Projects in which something has happened, made without the page: what the pictures and the accessibility test show.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const demo = fileURLToPath(new URL("../../assets/demo", import.meta.url));
/** The demo's pairs, one line each. */
export const rows = readFileSync(join(demo, "pairs.jsonl"), "utf8").trim().split("\n");
const questions = readFileSync(join(demo, "prompts.jsonl"), "utf8").trim().split("\n");

const PAIRS = 120;
const TO_LABEL = 24;

/** The demo's rows `from` to before `to` as a survey under names of its own, the plainer answer by turns first and second. */
export function survey(from = PAIRS, to = PAIRS + TO_LABEL) {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const lines = rows.slice(from, to).map((line, i) => {
    const { prompt, chosen, rejected, category } = JSON.parse(line);
    const answers = [chosen[0].content, rejected[0].content];
    return [prompt[0].content, ...(i % 2 === 0 ? answers : answers.reverse()), category].map(quoted).join(",");
  });
  return ["question,response_a,response_b,topic", ...lines].join("\n");
}

/** All that the screens show: one project in which everything has happened, and others in which little has. */
export async function lived(machine) {
  const { folder: empty } = await machine.call("create_project", { name: "Nothing yet", folder: null });

  const folder = await machine.project("Plain answers", "pairs.jsonl", rows.slice(0, PAIRS).join("\n"), "pairs");
  const { upload } = await machine.send("survey.csv", survey());
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  await judged(machine, folder, "Ada", 9);
  await judged(machine, folder, "Grace", 12);
  await judged(machine, folder, "Edsger", TO_LABEL);

  const train = (name, settings, state) =>
    trained(machine, folder, { name }, { sample_prompts: 2, eval_steps: 20, warmup_steps: 0, warmup_ratio: 0, ...settings }, state);
  const first = await train("first", { max_steps: 60, learning_rate: 4e-4, loss_type: ["sigmoid", "sft"] });
  const hurried = await train("in a hurry", { max_steps: 80, learning_rate: 5e-3 });
  const failed = await train("too fast", { max_steps: 20, learning_rate: 1e18, max_grad_norm: 0 }, "failed");
  const long = await train("overnight", { max_steps: 8000, learning_rate: 1e-4, eval_steps: 500, save_steps: 100 }, "running");
  await machine.call("stop_run", { project: folder, run: long, pause: false });
  await until(async () => (await stateOf(machine, folder, long)) === "stopped", "the long run to stop");

  const asked = { project: folder, run: first, prompts: "held_out", max_prompts: 30, temperature: 0, max_new_tokens: 24, seed: 1 };
  const evaluation = await evaluated(machine, { ...asked, judge: { kind: "rule", rule: "shorter" } }, "done");
  const versus = await evaluated(machine, { ...asked, judge: { kind: "rule", rule: "shorter" }, sides: [{ kind: "run", run: hurried, step: null }, { kind: "chosen" }] }, "done");
  const blind = await evaluated(machine, { ...asked, judge: { kind: "human" }, max_prompts: 8 }, "judging");
  for (let i = 0; i < 8; i += 1) await judgedBlind(machine, folder, evaluation, "Grace", i);
  for (let i = 0; i < 3; i += 1) await judgedBlind(machine, folder, blind, "Grace", i);
  // Enough to write that there is time to look; begun anew each time it is looked at.
  const asking = rows.map((line) => JSON.stringify({ prompt: JSON.parse(line).prompt }));
  const many = await machine.send("prompts.jsonl", asking.join("\n"));
  const slow = { run: hurried, prompts: { upload: { upload: many.upload, plain_text: "as_is" } }, max_prompts: asking.length, max_new_tokens: 400, temperature: 1 };
  // By another seed each time: the answers of an earlier one would be taken.
  let seed = 100;
  const stream = () => evaluated(machine, { ...asked, ...slow, seed: (seed += 1), judge: { kind: "rule", rule: "shorter" } }, "answering");
  return { machine, folder, empty, first, hurried, failed, long, evaluation, blind, versus, stream };
}

let made = 0;

/** A project with prompts that nobody has answered: another each time, as what is answered stays so. */
export function promptsOnly(machine) {
  made += 1;
  return machine.project(`Only prompts ${made}`, "prompts.jsonl", questions.join("\n"), "prompts");
}

export async function until(holds, what, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const stateOf = async (machine, project, run) => (await machine.call("run", { project, run })).summary.state;

/** An annotator who prefers the shorter answer, nearly always. */
async function judged(machine, project, annotator, times) {
  for (let i = 0; i < times; i += 1) {
    const { queue } = await machine.call("label_state", { project, annotator, ahead: 1 });
    const { item, showing, left, right } = queue[0];
    const better = left.length < right.length ? "left" : "right";
    const verdict = i % 7 === 3 && annotator !== "Ada" ? "tie_good" : i % 4 === 1 ? `${better}_much` : better;
    await machine.call("judge", { project, annotator, item, showing, verdict, milliseconds: 4200 + 700 * (i % 5), note: null });
  }
}

/** An audit of some pairs, some of them judged by Ada: she prefers the longer answer now and then. */
export async function audited(machine, project) {
  const of = { import: null, category: null, text: "", count: 20, seed: 1 };
  const { audit } = await machine.call("start_audit", { project, who: "Ada", of });
  for (let i = 0; i < 14; i += 1) {
    const { queue } = await machine.call("label_state", { project, annotator: "Ada", ahead: 1, among: { audit } });
    const { item, showing, left, right } = queue[0];
    const shorter = left.length < right.length ? "left" : "right";
    const verdict = i === 9 ? "tie_good" : i % 5 === 3 ? { left: "right", right: "left" }[shorter] : shorter;
    await machine.call("judge", { project, annotator: "Ada", item, showing, verdict, milliseconds: 4000, note: null });
  }
}

/** An annotator comes to prefer the other answer of these items, so that annotators differ on them. */
export async function differ(machine, project, annotator, items) {
  for (const item of items) {
    const { revision, said } = await machine.call("labelled_item", { project, item });
    const [other] = said.filter((one) => one.annotator !== annotator);
    const verdict = other.meaning.startsWith("first") ? "right" : "left";
    await machine.call("vote_again", { project, annotator, item, revision, left: "first", verdict, milliseconds: 3000, note: "The other one answers what was asked." });
  }
}

async function judgedBlind(machine, project, evaluation, annotator, i) {
  const shown = await machine.call("blind_item", { project, evaluation, annotator });
  const verdict = i % 3 === 2 ? "tie_bad" : shown.left.length <= shown.right.length ? "left" : "right";
  await machine.call("judge_blind", { project, evaluation, annotator, id: shown.id, verdict, milliseconds: 5100 });
}

/** A run of a project, begun with these wishes, once it is `state`. */
export async function trained(machine, project, wishes, settings, state = "finished") {
  const request = await machine.call("default_settings", { project });
  Object.assign(request, { held_out_share: 0.25, ...wishes });
  Object.assign(request.settings, { sample_prompts: 0, per_device_train_batch_size: 4, learning_rate: 1e-3, ...settings });
  const { summary } = await machine.call("start_run", { request });
  await until(async () => (await stateOf(machine, project, summary.run)) === state, `the run ${summary.name} to be ${state}`, 300);
  return summary.run;
}

async function evaluated(machine, request, state) {
  const { evaluation } = await machine.call("start_evaluation", { request });
  const now = async () => (await machine.call("evaluation", { project: request.project, evaluation, theme: "light" })).summary;
  await until(async () => ((found) => found.state === state && (state === "answering" || found.answered === found.prompts))(await now()), `an evaluation to be ${state}`);
  return evaluation;
}
