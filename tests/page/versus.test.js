// Any two sides in an evaluation: runs, checkpoints, models, answers from a file and chosen answers, named truthfully on every
// screen and in the report, and kept with digests of what they are.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, project, first, second;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Versus", "pairs.jsonl", pairs(40), "pairs");
  const settings = { max_steps: 6, save_steps: 2, save_total_limit: 0, learning_rate: 5e-2 };
  first = await trained(machine, project, { name: "first" }, settings);
  second = await trained(machine, project, { name: "second" }, { ...settings, seed: 7 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Versus", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const asked = (sides, more = {}) => ({ project, run: first, judge: { kind: "rule", rule: "longer" }, prompts: "held_out", max_prompts: 8, temperature: 0, max_new_tokens: 12, seed: 1, sides, ...more });
const view = async (evaluation) => machine.call("evaluation", { project, evaluation, theme: "light" });
const items = async (evaluation) => (await machine.call("eval_items", { project, evaluation, filter: "all", offset: 0, limit: 50 })).rows;
const done = async (evaluation, state = "done") => {
  await until(async () => {
    const { job, summary } = await view(evaluation);
    const { error } = (await machine.call("jobs", {})).find((known) => known.evaluation === evaluation) ?? {};
    assert.ok(!error, JSON.stringify(error));
    return summary.state === state && job === null;
  }, `${evaluation} to be ${state}`);
  return view(evaluation);
};
async function evaluated(sides, more) {
  const { evaluation } = await machine.call("start_evaluation", { request: asked(sides, more) });
  return { evaluation, ...(await done(evaluation)) };
}
const run = (run, step = null) => ({ kind: "run", run, step });
const base = { kind: "base" };

test("a checkpoint is compared with another run's adapter, both by their names", async () => {
  await goTo(page, "e");
  await page.getByRole("button", { name: "New evaluation" }).first().click();
  await page.getByLabel("Run", { exact: true }).selectOption(first);
  await page.getByLabel("Side A", { exact: true }).selectOption("run");
  await page.getByText("Choose a run.").waitFor();
  await page.getByLabel("Side A: run").selectOption(second);
  await page.getByLabel("Side A: step").selectOption("2");
  await page.getByLabel("Side B", { exact: true }).selectOption("adapter");
  await page.getByRole("radio", { name: /^A rule/ }).check();
  await page.getByLabel("Rule", { exact: true }).selectOption("longer");
  await page.getByLabel("At most so many prompts").fill("8");
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens").fill("12");
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByRole("heading", { name: "Evaluation of second, step 2 against first" }).waitFor();
  const evaluation = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const { summary, ancestry, why_55 } = await done(evaluation);
  assert.deepEqual([summary.names.tuned, summary.names.base, summary.names.of_training, why_55], ["second, step 2", "first", false, ""]);
  const told = Object.fromEntries(ancestry);
  assert.match(told["second, step 2: adapter"], /second\/checkpoints\/step-2$/);
  assert.equal(told["second, step 2: step"], "2");
  for (const [name, folder] of [["second, step 2", join(project, "runs", second, "checkpoints", "step-2")], ["first", join(project, "runs", first, "adapter")]]) {
    const digest = createHash("sha256").update(readFileSync(join(folder, "adapter_model.safetensors"))).digest("hex");
    assert.equal(told[`${name}: adapter_model.safetensors SHA-256`], digest);
  }
  await page.getByText("win rate of second, step 2 against first").waitFor();
  await page.getByRole("columnheader", { name: "second, step 2 won" }).waitFor();
  const part = (name) => page.getByRole("navigation", { name: "Parts of the evaluation" }).getByRole("link", { name, exact: true }).click();
  await part("Answers");
  await page.getByRole("region", { name: "Answer of second, step 2", exact: true }).waitFor();
  await page.getByRole("region", { name: "Answer of first", exact: true }).waitFor();
  const words = await page.locator("main").innerText();
  assert.ok(!/\b(tuned|base)\b/i.test(words), words);
  await goTo(page, "e");
  await page.getByRole("link", { name: "second, step 2 against first" }).waitFor();
  assert.deepEqual(page.complaints, []);
});

test("of two sides from one model the usual comparison is the one it was", async () => {
  const usual = await evaluated([run(first), base]);
  assert.deepEqual([usual.summary.names.tuned, usual.summary.names.base, usual.summary.names.of_training], ["tuned", "base", true]);
  assert.ok(usual.accuracy !== null && usual.why_55 !== "");
  // The other way round it is another evaluation, of the same answers.
  const turned = await evaluated([base, run(first)]);
  assert.deepEqual([turned.summary.names.tuned, turned.summary.names.base], ["base of first", "first"]);
  const [there, here] = [await items(usual.evaluation), await items(turned.evaluation)];
  assert.deepEqual(here.map(({ tuned, base }) => [tuned, base]), there.map(({ tuned, base }) => [base, tuned]));
  assert.ok(there.some(({ tuned, base }) => tuned !== base), "training changed nothing");
  assert.ok(Math.abs(usual.summary.win_rate + turned.summary.win_rate - 1) < 1e-9);
});

test("another model, alone, answers on one side", async () => {
  const { model } = await machine.call("open_project", { folder: project });
  const { evaluation, summary, ancestry } = await evaluated([{ kind: "model", model }, run(first)]);
  assert.equal(summary.names.base, "first");
  // The model is the one that the run began from: what it says is what the base says.
  const said = (await items((await evaluated([base, run(first)])).evaluation)).map(({ tuned }) => tuned);
  assert.deepEqual((await items(evaluation)).map(({ tuned }) => tuned), said);
  assert.ok(Object.fromEntries(ancestry)[`${summary.names.tuned}: model SHA-256`]);
  await assert.rejects(machine.call("start_evaluation", { request: asked([{ kind: "model", model: "/no/such/model" }, base]) }), /no.*model|not|allowed/i);
});

test("answers of a file and chosen answers are judged beside a model's, with the digest of what they are from", async () => {
  const known = await items((await evaluated([run(first), base])).evaluation);
  const lines = known.map(({ id, prompt }) => JSON.stringify({ prompt, answer: `${id}. An answer that another program gave to this.` }));
  const file = await machine.send("theirs.jsonl", lines.join("\n"));
  const { evaluation, summary, ancestry, texts } = await evaluated([{ kind: "answers", upload: file.upload }, { kind: "chosen" }]);
  assert.deepEqual([summary.names.tuned, summary.names.base], ["theirs.jsonl", "chosen answers"]);
  const told = Object.fromEntries(ancestry);
  assert.equal(told["theirs.jsonl: file SHA-256"], createHash("sha256").update(lines.join("\n")).digest("hex"));
  assert.equal(told["chosen answers: file SHA-256"], createHash("sha256").update(readFileSync(join(project, "runs", first, "eval_pairs.jsonl"))).digest("hex"));
  const rows = await items(evaluation);
  const chosen = new Map(readFileSync(join(project, "runs", first, "eval_pairs.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line)).map(({ prompt, chosen }) => [JSON.stringify(prompt), chosen.at(-1).content]));
  for (const { prompt, tuned, base, tuned_tokens } of rows) {
    assert.match(tuned, /another program/);
    assert.equal(base, chosen.get(JSON.stringify(prompt)).trim());
    assert.equal(tuned_tokens, null);
  }
  assert.ok(texts.some(({ tuned }) => tuned === "not known"));

  // The same answers by another judge, by people, and as a report: named alike everywhere.
  const again = await machine.call("judge_again", { project, evaluation, judge: { kind: "rule", rule: "shorter" } });
  assert.deepEqual((await done(again.evaluation)).summary.names, summary.names);
  const shown = await machine.call("blind_item", { project, evaluation, annotator: "Ada" });
  await machine.call("judge_blind", { project, evaluation, annotator: "Ada", id: shown.id, verdict: "left", milliseconds: 900 });
  const { human } = await view(evaluation);
  assert.equal(human.wins + human.losses, 1);
  const [report] = await machine.call("export", { project, run: null, evaluation, what: ["report"] });
  const html = readFileSync(report.path.endsWith(".html") ? report.path : join(report.path, "report.html"), "utf8");
  assert.ok(html.includes("theirs.jsonl won") && html.includes("Win rate of theirs.jsonl against chosen answers"));
  assert.ok(!/Tuned won|Base won|tuned model|base model|Training works/.test(html));
});

test("the leaderboard puts together what one judge said on the same prompts, and names what is left out", async () => {
  const { groups, left_out, counted } = await machine.call("leaderboard", { project });
  const group = groups.find(({ judge, rows }) => judge.includes("more words") && rows.some(({ name }) => name === "first"));
  assert.ok(group, JSON.stringify(groups));
  const names = group.rows.map(({ name }) => name);
  for (const name of ["first", "second, step 2", "theirs.jsonl", "chosen answers"]) assert.ok(names.includes(name), `${name} of ${names}`);
  // The base was compared with the first run three times, once under another name and once the other way round: one of these counts.
  assert.equal(new Set(names).size, names.length);
  assert.ok(left_out.some(({ why }) => /the same two are compared in/.test(why)), JSON.stringify(left_out));
  const all = await machine.call("evaluations", { project });
  assert.equal(counted + left_out.length, all.length);
  const theirs = group.rows.find(({ name }) => name === "theirs.jsonl");
  assert.deepEqual(theirs.against, ["chosen answers"]);
  const of = group.rows.findIndex(({ name }) => name === "theirs.jsonl");
  const cell = group.matrix[of].find((cell) => cell !== null);
  assert.equal(cell.win_rate, theirs.win_rate);

  await goTo(page, "e");
  await page.getByRole("button", { name: "Leaderboard" }).click();
  await page.getByRole("heading", { name: "Leaderboard" }).waitFor();
  await page.getByText("These rates are not against the same opponents").first().waitFor();
  await page.getByRole("row", { name: /^theirs\.jsonl chosen answers/ }).first().waitFor();
  await page.getByRole("region", { name: "Left out" }).getByText(/the same two are compared in/).first().waitFor();
  assert.deepEqual(page.complaints, []);
});

test("what cannot be compared is refused with a reason", async () => {
  const refused = async (sides, words) => assert.rejects(machine.call("start_evaluation", { request: asked(sides) }), words);
  await refused([base, base], /both sides are the same/i);
  await refused([run(first, 5), base], /no checkpoint of step 5/);
  await refused([run("gone"), base], /no run "gone"/);
  const { upload } = await machine.send("few.jsonl", JSON.stringify({ prompt: "Nobody asked this", answer: "No." }));
  const { job } = await machine.call("start_evaluation", { request: asked([{ kind: "answers", upload }, base]) });
  await until(async () => (await machine.call("jobs", {})).find((known) => known.job === job).state === "failed", "the job to fail");
  const { error } = (await machine.call("jobs", {})).find((known) => known.job === job);
  assert.match(error.message, /8 of 8 prompts have no answer in the file/);
});
