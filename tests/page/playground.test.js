// The playground: models answer beside each other as they write, over several turns; how likely each token was is shown on demand;
// one key makes what one sees a labelled pair or a prompt.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Talking", "pairs.jsonl", pairs(24), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first" });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 8, per_device_train_batch_size: 4, learning_rate: 1e-2, eval_steps: 0 });
  ({ summary: { run } } = await machine.call("start_run", { request, allow_changed_base: false }));
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Talking", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const message = () => page.getByLabel("Message", { exact: true });
const answers = (name) => page.getByRole("article", { name: `Answer of ${name}` });
const counts = async () => (await machine.call("open_project", { folder })).counts;
const ask = async (text) => {
  await message().fill(text);
  await message().press("Enter");
};
const both = (turn) => until(async () => (await answers("Base model").count()) === turn && (await answers("first").count()) === turn && (await page.getByText(/^\d+ tokens? in/).count()) === 2 * turn, `both answers of turn ${turn}`);

test("it is reached by key, and one model answers what is written", async () => {
  await page.keyboard.press("g");
  await page.keyboard.press("y");
  await page.getByRole("heading", { name: "Playground" }).waitFor();
  await page.getByText("System prompt and sampling").click();
  await page.getByLabel("max_new_tokens").fill("12");
  await page.getByLabel("temperature").fill("0");
  await ask("What is a kettle for?");
  await page.getByText(/^12 tokens in .* cut at the limit$/).waitFor();
  assert.equal(await message().inputValue(), "");
});

test("base and run answer beside each other, as generating does, and go on with their own answers", async () => {
  await page.getByRole("button", { name: "Add a model" }).click();
  // What was asked last is there to be asked again.
  assert.equal(await message().inputValue(), "What is a kettle for?");
  await until(async () => (await page.getByLabel("Model 2", { exact: true }).inputValue()) === run, "the models to be known");
  await message().press("Enter");
  await both(1);
  assert.ok(await page.getByRole("log").evaluate((log) => log === document.activeElement), "a digit is a key at once");
  const [base, tuned] = await Promise.all(["Base model", "first"].map((name) => answers(name).innerText()));
  assert.notEqual(base.split("\n").slice(2).join(), tuned.split("\n").slice(2).join(), "the adapter answers otherwise");
  // The same request gives the same answers; of the run alone, too.
  const chat = async (run) => {
    const { job } = await machine.call("start_chat", { project: folder, chats: [{ run, messages: [{ role: "user", content: "What is a kettle for?" }] }], temperature: 0, top_p: 1, max_new_tokens: 12, seed: 0, allow_changed_base: false });
    await until(async () => (await machine.call("jobs", {})).find((other) => other.job === job).state === "done", "the answer");
    return (await machine.call("chat_answers", { job })).answers[0];
  };
  assert.ok(tuned.includes((await chat(run)).text.trim().split(/\s/)[0]));
  assert.equal((await chat(null)).tokens, 12);
  await ask("And a ladder?");
  await both(2);
});

test("a reload loses neither what was said nor what is being written", async () => {
  const said = await answers("first").last().innerText();
  await message().fill("And what is a moon?");
  await page.reload();
  await answers("first").last().waitFor();
  assert.equal(await page.getByLabel("Model 2", { exact: true }).inputValue(), run);
  assert.equal((await answers("first").last().innerText()).split("\n")[2], said.split("\n")[2]);
  assert.equal(await message().inputValue(), "And what is a moon?");
  assert.equal(await answers("Base model").count(), 2);
  await ask("And a ladder, again?");
  await both(3);
});

test("how likely each token was is shown on demand", async () => {
  const answer = answers("first").last();
  await answer.getByRole("button", { name: "Token probabilities" }).click();
  await answer.getByText("The less likely a token was").waitFor();
  const titles = await answer.locator(".tokens span").evaluateAll((spans) => spans.map((span) => span.title));
  assert.equal(titles.length, 12);
  // At temperature 0 each is the most likely one: none can be rarer than an even share of the vocabulary.
  assert.ok(titles.every((title) => /^\d+\.\d %$/.test(title)), titles.join());
  await answer.getByRole("button", { name: "Token probabilities" }).click();
  await answer.locator(".tokens").waitFor({ state: "detached" });
});

test("answers to different conversations make no pair; an answer stays with its model", async () => {
  await page.getByText("Each model went on from its own answers").waitFor();
  assert.equal(await page.getByRole("button", { name: /This is better/ }).count(), 0);
  const said = await answers("first").last().innerText();
  await page.getByRole("button", { name: "Take model 1 away" }).click();
  await page.evaluate(() => (window.location.hash = "#/label"));
  await page.evaluate(() => (window.location.hash = "#/playground"));
  await answers("first").last().waitFor();
  await page.waitForTimeout(300);
  assert.equal((await answers("first").last().innerText()).split("\n")[2], said.split("\n")[2]);
});

test("one key keeps a labelled pair, known not to be blind, and exactly that is taken back", async () => {
  await page.getByRole("button", { name: "Add a model" }).click();
  await page.getByLabel("Model 2", { exact: true }).selectOption("");
  await ask("And a ladder?");
  await both(1);
  const before = await counts();
  await page.getByLabel("Your name").fill("Ada");
  // The name is written; the digit is a key again outside the field.
  await page.getByRole("heading", { name: "Playground" }).click();
  await page.keyboard.press("1");
  await page.getByText("Kept as a labelled pair: first's answer is the chosen one.").first().waitFor();
  assert.equal((await counts()).pairs, before.pairs + 1);
  const { rows } = await machine.call("pairs", { project: folder, query: { text: "", source: "labelled", category: null, offset: 0, limit: 9 }, finding: null });
  assert.equal(rows.length, 1);
  const pair = await machine.call("pair", { project: folder, id: rows[0].id });
  assert.deepEqual(pair.prompt.map(({ role }) => role), ["user"]);
  assert.equal(pair.prompt.at(-1).content, "And a ladder?");
  assert.ok(pair.history.some(({ who, what }) => who === "Ada" && what.startsWith("Judged with the names of both models in view")));
  // Kept once: neither the page nor the program takes it a second time.
  await page.keyboard.press("1");
  assert.equal(await page.getByRole("button", { name: /This is better/ }).count(), 0);
  const { prompt: messages, chosen, rejected } = pair;
  const same = { project: folder, annotator: "Ada", messages, chosen: chosen[0].content, rejected: rejected[0].content, is_plain_text: false, chosen_left: true, milliseconds: 1, note: "" };
  await assert.rejects(machine.call("keep_pair", same), /already has a verdict of yours/);
  assert.equal((await counts()).pairs, before.pairs + 1);
  // Another is judged after it.
  const other = await machine.call("keep_pair", { ...same, chosen: "Something else.", rejected: "Nothing." });
  await page.getByRole("button", { name: "Undo" }).first().click();
  await until(async () => (await counts()).pairs === before.pairs + 1, "the first to be taken back");
  assert.equal((await machine.call("pair", { project: folder, id: other.pair })).source, "labelled");
  await machine.call("take_back", { project: folder, judgement: other.judgement });
  await until(async () => (await counts()).pairs === before.pairs, "the pair to be taken back");
  await page.getByRole("button", { name: /This is better/ }).first().waitFor();
});

test("a prompt is kept by key, and one of the project is chosen", async () => {
  const { items } = await counts();
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByText("Choose a prompt of the project").click();
  await page.getByLabel("Search the project's prompts").fill("bicycle");
  await page.getByRole("button", { name: /bicycle/ }).first().click();
  await until(async () => (await message().inputValue()).includes("bicycle"), "the prompt to be written");
  await message().fill("Why is there a moon?");
  await page.getByRole("heading", { name: "Playground" }).click();
  await page.keyboard.press("k");
  await page.getByText("Kept as a prompt").first().waitFor();
  assert.equal((await counts()).items, items + 1);
  await page.keyboard.press("k");
  await page.getByText("The project has this prompt already.").first().waitFor();
});

test("answers are stopped, and the question is there again; what cannot be asked is said", async () => {
  await page.getByText("System prompt and sampling").click();
  await page.getByLabel("max_new_tokens").fill("20000");
  await ask("Go on for a long time.");
  await page.getByText("answering…").first().waitFor();
  await page.getByRole("button", { name: "Cancel" }).first().click();
  await until(async () => (await message().inputValue()) === "Go on for a long time.", "the question to be there again");
  await page.getByLabel("max_new_tokens").fill("many");
  await page.getByText("max_new_tokens: write how many, from 1.").waitFor();
  assert.ok(await page.getByRole("button", { name: /^Ask/ }).isDisabled());
  const chats = [{ run: null, messages: [{ role: "user", content: "x" }, { role: "assistant", content: "y" }] }];
  await assert.rejects(machine.call("start_chat", { project: folder, chats, temperature: 0, top_p: 1, max_new_tokens: 5, seed: 0, allow_changed_base: false }), /ends with an answer/);
});

test("without a model of the project any model of this machine is chosen there, and answers", async () => {
  const { folder: bare } = await machine.call("create_project", { name: "No model", folder: null });
  const page = await open(browser, machine);
  await page.evaluate((folder) => (sessionStorage.setItem("tiebreak.project", folder), (window.location.hash = "#/playground")), bare);
  await page.reload();
  await page.getByRole("heading", { name: "Which model shall answer?" }).waitFor();
  const choice = page.getByLabel("Model", { exact: true });
  await page.waitForFunction(() => document.querySelectorAll("form option").length > 3);
  assert.ok(await page.getByRole("button", { name: "Talk to it" }).isDisabled());
  await choice.selectOption(await choice.locator("option", { hasText: "tiny-model" }).first().getAttribute("value"));
  await page.getByRole("button", { name: "Talk to it" }).click();
  await page.getByLabel("max_new_tokens").evaluate((field) => (field.closest("details").open = true));
  await page.getByLabel("max_new_tokens").fill("8");
  await page.locator("textarea").last().fill("What is a kettle for?");
  await page.keyboard.press("Enter");
  await page.getByText(/\d tokens? in (less than )?[\d.]+ s/).waitFor({ timeout: 60_000 });
  assert.equal((await machine.call("open_project", { folder: bare })).model, null, "the project has none still");
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
