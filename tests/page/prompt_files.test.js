// Prompts of an evaluation from a file: whatever an import understands is read, plain text is asked as the user says, and how it
// was asked stands on the result.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open, unfold } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained } from "./screens.js";

let machine, browser, page, project;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Asked", "pairs.jsonl", pairs(40), "pairs", "as_user_message");
  await trained(machine, project, { name: "run" }, { max_steps: 2 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Asked" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function chooseFile(name, text) {
  await goTo(page, "e");
  await page.getByRole("button", { name: "New evaluation" }).first().click();
  await page.getByRole("radio", { name: /^A file/ }).check();
  await page.getByLabel("File with prompts").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
}

/** Starts the evaluation and gives the prompts that it asked. */
async function asked() {
  await page.getByRole("radio", { name: /^A rule/ }).check();
  await page.getByLabel("Rule", { exact: true }).selectOption("longer");
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens").fill("4");
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByRole("heading", { name: "Evaluation of run" }).waitFor();
  await page.getByText(/^done · /).waitFor({ timeout: 60_000 });
  const evaluation = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const { rows } = await machine.call("eval_items", { project, evaluation, filter: "all", offset: 0, limit: 50 });
  return rows.map(({ prompt }) => prompt);
}

test("questions of a CSV file are a user's messages unless the user says otherwise", async () => {
  await chooseFile("questions.csv", "question,topic\nWhy is it blue?,sky\nWho are you?,self\n");
  await page.getByText("2 prompts", { exact: true }).waitFor();
  await page.getByText(/CSV: prompt = question/).waitFor();
  const asMessage = page.getByRole("radio", { name: /^As a user's message/ });
  assert.equal(await asMessage.isChecked(), true);
  const prompts = await asked();
  assert.deepEqual(prompts, ["Why is it blue?", "Who are you?"].map((content) => [{ role: "user", content }]));
  assert.equal(await page.getByText(/were asked as they stand/).count(), 0);
});

test("plain text that is asked as it stands is told on the result, as otherwise than the run was trained", async () => {
  await chooseFile("questions.json", JSON.stringify([{ instruction: "Why?" }, { instruction: "Who?" }]));
  await page.getByRole("radio", { name: /^As it stands/ }).check();
  assert.deepEqual(await asked(), ["Why?", "Who?"]);
  const said = page.getByText(/2 prompts are plain text and were asked as they stand/);
  await said.waitFor({ state: "attached" });
  await unfold(page);
  await said.waitFor();
  await page.getByText(/prompts are asked as plain text, and of the \d+ pairs that the run was trained on none are such/).waitFor();
});

test("MT-Bench's turns are read, with what is left out, and a file without prompts says so before the start", async () => {
  const turns = (first) => JSON.stringify({ question_id: 1, category: "writing", turns: [first, "And again?"] });
  await chooseFile("question.jsonl", `${turns("Write a line.")}\n${turns("Write two.")}\n`);
  await page.getByText("2 prompts", { exact: true }).waitFor();
  await page.getByText(/Not used: .*turns.1 \(2 rows\)/).waitFor();
  await chooseFile("numbers.csv", "id,score\n1,2\n");
  await page.getByRole("alert").getByText(/Choose the column that holds the prompt/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Start evaluation" }).isDisabled(), true);
});
