// An evaluation without a run, in a project that has none: the project's model, another model, answers from a file and the chosen
// answers of the project's pairs, by their names, resumed, judged again, and kept in the bin by what they are called.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine, repository } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder, other;
const rows = pairs(12).split("\n").map((line) => JSON.parse(line));
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("No runs", "pairs.jsonl", pairs(12), "pairs");
  other = join(machine.projects, "other-model");
  cpSync(join(repository, "tests/golden/llama"), other, { recursive: true });
  const weights = readFileSync(join(other, "model.safetensors"));
  for (let at = weights.length - 4000; at < weights.length; at += 2) weights[at] ^= 0x08;
  writeFileSync(join(other, "model.safetensors"), weights);
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "No runs", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const asked = (sides, more = {}) => ({ project: folder, run: "", judge: { kind: "rule", rule: "longer" }, prompts: "held_out", max_prompts: 12, temperature: 0, max_new_tokens: 12, seed: 0, sides, ...more });
const view = (evaluation) => machine.call("evaluation", { project: folder, evaluation, theme: "light" });
const items = async (evaluation) => (await machine.call("eval_items", { project: folder, evaluation, filter: "all", offset: 0, limit: 50 })).rows;
const base = { kind: "base" };
const chosen = { kind: "chosen" };

async function done(evaluation) {
  await until(async () => {
    const { error } = (await machine.call("jobs", {})).find((known) => known.evaluation === evaluation) ?? {};
    assert.ok(!error, JSON.stringify(error));
    const { job, summary } = await view(evaluation);
    return summary.state === "done" && job === null;
  }, `${evaluation} to be done`);
  return view(evaluation);
}
async function evaluated(sides, more) {
  const { evaluation } = await machine.call("start_evaluation", { request: asked(sides, more) });
  return { evaluation, ...(await done(evaluation)) };
}

test("the project's model is compared with the chosen answers of its pairs, on the page, by keys", async () => {
  await goTo(page, "e");
  await page.getByRole("button", { name: "Compare without a run" }).click();
  await page.getByText("No run has an adapter yet: compare without one").waitFor({ state: "attached" });
  assert.equal(await page.getByLabel("Side A", { exact: true }).inputValue(), "base");
  assert.equal(await page.getByLabel("Side B", { exact: true }).inputValue(), "chosen");
  await page.getByRole("radio", { name: /^Pairs of the project/ }).waitFor();
  await page.getByRole("radio", { name: /^A rule/ }).check();
  await page.getByLabel("Rule", { exact: true }).selectOption("longer");
  await page.getByLabel("At most so many prompts").fill("12");
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens", { exact: true }).fill("12");
  await page.getByRole("button", { name: "Start evaluation" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "base tiny-model against chosen answers" }).waitFor();
  const [{ evaluation }] = await machine.call("evaluations", { project: folder });
  const { summary } = await done(evaluation);
  assert.deepEqual([summary.run, summary.prompts, summary.prompts_from, summary.judged], ["", 12, "pairs of the project", 12]);
  const found = await items(evaluation);
  assert.deepEqual(found.map(({ base }) => base), rows.map(({ chosen: [{ content }] }) => content));
  assert.deepEqual(found.map(({ prompt }) => prompt[0].content), rows.map(({ prompt: [{ content }] }) => content));
  assert.equal(await page.getByRole("button", { name: "The run", exact: true }).count(), 0, "there is none");
  await page.getByText(/base tiny-model/).first().waitFor();
  assert.deepEqual(page.complaints, []);
});

test("two models and a file of answers, by their own names and digests", async () => {
  const models = await evaluated([{ kind: "model", model: other }, base]);
  assert.deepEqual([models.summary.names.tuned, models.summary.names.base], ["other-model", "base tiny-model"]);
  const digests = models.ancestry.filter(([name]) => name.endsWith("model SHA-256")).map(([, value]) => value);
  assert.equal(new Set(digests).size, 2, String(digests));
  assert.equal(models.reused.length, 1, "the project's model has answered these");

  const answers = rows.map(({ prompt }, i) => JSON.stringify({ prompt, answer: `Number ${i}.` })).join("\n");
  const { upload } = await machine.send("theirs.jsonl", answers);
  const file = await evaluated([{ kind: "answers", upload }, chosen]);
  assert.deepEqual((await items(file.evaluation)).map(({ tuned }) => tuned), rows.map((_, i) => `Number ${i}.`));
  assert.equal(file.summary.name, "theirs.jsonl against chosen answers");
});

test("what is missing is refused with what to do, and what was broken off goes on", async () => {
  const refused = (sides, more) => machine.call("start_evaluation", { request: asked(sides, more) }).catch(({ message }) => message);
  assert.match(await refused(null), /without a run it is not known what is compared/);
  assert.match(await refused([base, base]), /both sides are the same/);
  assert.match(await refused([{ kind: "run", run: "", step: null }, base]), /a side names no run/);
  const empty = await machine.emptyProject("Nothing in it");
  assert.match(await refused([base, chosen], { project: empty }), /this project has no pairs to ask about/);

  const { evaluation } = await machine.call("start_evaluation", { request: asked([base, chosen], { max_new_tokens: 400, temperature: 1 }) });
  await machine.kill();
  await machine.start();
  await machine.call("open_project", { folder });
  const { summary } = await view(evaluation);
  if (summary.state !== "done") {
    assert.equal(summary.state, "broken_off");
    await machine.call("resume_evaluation", { project: folder, evaluation });
  }
  await done(evaluation);
});

test("it is judged again, stands on the leaderboard, and is named in lists and in the bin", async () => {
  const [{ evaluation }] = (await machine.call("evaluations", { project: folder })).filter(({ name }) => name === "base tiny-model against chosen answers").slice(-1);
  const again = await machine.call("judge_again", { project: folder, evaluation, judge: { kind: "rule", rule: "shorter" } });
  assert.equal((await done(again.evaluation)).summary.name, "base tiny-model against chosen answers");
  const { items: disk } = await machine.call("disk_use", { project: folder });
  assert.equal(disk.find(({ item }) => item === evaluation).name, "base tiny-model against chosen answers");
  const board = await machine.call("leaderboard", { project: folder });
  assert.match(JSON.stringify(board.groups), /chosen answers/);
  const entry = await machine.call("delete_item", { project: folder, kind: "evaluation", item: evaluation });
  assert.equal(entry.name, "base tiny-model against chosen answers");
  await machine.call("put_back", { project: folder, entry: entry.entry });
  await view(evaluation);
});
