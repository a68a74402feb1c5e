// The playground: what else was likely in the place of a token, and going on from there with another one; models of this machine
// that are not the project's, and adapters, answer beside the others.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine, repository } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

const llama = join(repository, "tests/golden/llama");

let models, machine, browser, page, folder;
before(async () => {
  models = mkdtempSync(join(tmpdir(), "tiebreak-models-"));
  cpSync(join(llama, "adapter"), join(models, "an-adapter"), { recursive: true });
  machine = await new Machine({}, ["--models", models]).start();
  browser = await launch();
  folder = await machine.project("Talking", "pairs.jsonl", pairs(24), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Talking", exact: true }).waitFor();
  await page.evaluate(() => (window.location.hash = "#/playground"));
  await page.getByText("System prompt and sampling").click();
  await page.getByLabel("max_new_tokens").fill("10");
  await page.getByLabel("temperature").fill("0");
});
after(async () => {
  await browser?.close();
  await machine?.end();
  rmSync(models, { recursive: true, force: true });
});

const QUESTION = "What is a kettle for?";
const answer = (name = "Base model") => page.getByRole("article", { name: `Answer of ${name}` }).last();
const tokens = () => answer().getByRole("listbox", { name: "Tokens of the answer" });
const others = () => answer().getByRole("group", { name: /^What was likely in the place of/ });
const ended = async (job) => {
  await until(async () => (await machine.call("jobs", {})).find((other) => other.job === job).state !== "running", "the job to end");
  return (await machine.call("jobs", {})).find((other) => other.job === job);
};
const SAMPLING = { temperature: 0, top_p: 1, max_new_tokens: 10, seed: 0, allow_changed_base: false };
async function chat(more = {}) {
  const chats = [{ run: null, messages: [{ role: "user", content: QUESTION }], ...more }];
  const { job } = await machine.call("start_chat", { project: folder, chats, ...SAMPLING });
  const { state, error } = await ended(job);
  if (state !== "done") throw new Error(error.message);
  return job;
}
async function withTokens(job) {
  const { job: finding } = await machine.call("chat_tokens", { job, chat: 0 });
  assert.equal((await ended(finding)).state, "done");
  return (await machine.call("chat_answers", { job })).answers[0];
}

test("of each token the most likely ones are known, and going on with one keeps what stands before it", async () => {
  const job = await chat();
  const { probabilities, steered } = await withTokens(job);
  assert.deepEqual([probabilities.length, steered], [10, 0]);
  for (const { probability, likely } of probabilities) {
    assert.equal(likely.length, 8);
    assert.ok(likely[0].is_chosen && Math.abs(likely[0].probability - probability) < 1e-6, "at temperature 0 the most likely one stands there");
    const all = likely.map((other) => other.probability);
    assert.deepEqual(all, all.toSorted((a, b) => b - a));
    assert.ok(all.reduce((sum, one) => sum + one, 0) <= 1 + 1e-9);
    assert.equal(new Set(likely.map(({ id }) => id)).size, 8);
  }
  const instead = probabilities[4].likely[2];
  const other = await withTokens(await chat({ from: { job, chat: 0, token: 4, instead: instead.id } }));
  assert.equal(other.steered, 1);
  assert.deepEqual(other.probabilities.slice(0, 4), probabilities.slice(0, 4));
  // What was said of it as an alternative is what it is where it stands.
  const at = other.probabilities[4];
  assert.ok(Math.abs(at.probability - instead.probability) < 1e-6, `${at.probability} ${instead.probability}`);
  assert.deepEqual(at.likely.filter(({ is_chosen }) => is_chosen).map(({ id }) => id), instead.is_end ? [] : [instead.id]);
  // From there on the model goes on by itself.
  assert.ok(other.probabilities.slice(5).every(({ likely }) => likely[0].is_chosen));
  assert.equal(other.probabilities.length, 5 + 10);
  await assert.rejects(chat({ from: { job, chat: 0, token: 10, instead: 1 } }), /not kept any more/);
  await assert.rejects(chat({ from: { job, chat: 0, token: 1, instead: 4_000_000 } }), /the model has no token 4000000/);
  const side = { model: machine.model, adapter: join(models, "an-adapter") };
  await assert.rejects(chat({ side, from: { job, chat: 0, token: 1, instead: 1 } }), /not the one that gave the answer/);
});

test("by keys a token is looked at, and another one chosen; what was there comes back", async () => {
  await page.getByLabel("Message", { exact: true }).fill(QUESTION);
  await page.getByLabel("Message", { exact: true }).press("Enter");
  await page.getByText(/^10 tokens in /).waitFor();
  await answer().getByRole("button", { name: "Token probabilities" }).click();
  await tokens().focus();
  for (let at = 0; at < 3; at++) await page.keyboard.press("ArrowRight");
  await others().waitFor();
  const said = await tokens().innerText();
  const shown = await others().getByRole("button").allInnerTexts();
  assert.equal(shown.length, 8);
  assert.ok(shown.every((text) => /[\d.]+ %$/.test(text)), shown.join(" | "));
  assert.equal(await others().getByRole("button", { pressed: true }).count(), 1);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByText(/^13 tokens in .*1 token chosen by hand/).waitFor();
  // Its tokens are shown at once.
  await tokens().waitFor();
  const now = await tokens().innerText();
  assert.notEqual(now, said);
  const before = (await tokens().locator("[role=option]").allTextContents()).slice(0, 2).join("");
  assert.ok(said.startsWith(before.trimEnd()), `${said} | ${before}`);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText(/^10 tokens in /).waitFor();
  await until(async () => (await tokens().innerText()) === said, "the first answer to be back");
});

test("by the mouse, too; an answer that was gone on from is told in what is kept", async () => {
  await tokens().locator("[role=option]").nth(1).click();
  await others().getByRole("button").nth(1).click();
  await page.getByText(/^12 tokens in .*1 token chosen by hand/).waitFor();
  // A reload keeps the answer; what it was made of is not known any more.
  await page.waitForTimeout(500);
  await page.reload();
  await page.getByText(/^12 tokens in .*1 token chosen by hand/).waitFor();
  await page.getByRole("button", { name: "New conversation" }).click();
});

test("a model of this machine with an adapter answers beside the project's, and stays after a reload", async () => {
  await page.getByRole("button", { name: "Add a model" }).click();
  await page.getByLabel("Model 2", { exact: true }).selectOption({ label: "Another model of this machine…" });
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Adapter", { exact: true }).selectOption({ value: join(models, "an-adapter") });
  await dialog.getByRole("button", { name: "Use it" }).click();
  assert.equal(await page.getByLabel("Model 2", { exact: true }).locator("option:checked").innerText(), "tiny-model with an-adapter");
  await page.getByLabel("Message", { exact: true }).fill(QUESTION);
  await page.getByLabel("Message", { exact: true }).press("Enter");
  await until(async () => (await page.getByText(/^\d+ tokens? in/).count()) === 2, "both answers");
  const job = await chat({ side: { model: machine.model, adapter: join(models, "an-adapter") } });
  const { text } = (await machine.call("chat_answers", { job })).answers[0];
  const alone = (await machine.call("chat_answers", { job: await chat() })).answers[0].text;
  assert.notEqual(text, alone, "the adapter answers otherwise");
  assert.ok((await answer("tiny-model with an-adapter").innerText()).includes(text.trim().split(/\s/)[0]));
  await page.waitForTimeout(500);
  await page.reload();
  await answer("tiny-model with an-adapter").waitFor();
  // Its probabilities are its own.
  await page.getByRole("button", { name: "New conversation" }).click();
  await assert.rejects(chat({ side: { model: "/etc", adapter: null } }), /outside the projects folder/);
  await assert.rejects(chat({ side: { model: machine.model, adapter: machine.model } }), /is no adapter/);
  assert.deepEqual(page.complaints, []);
});
