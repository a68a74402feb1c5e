// Answers that the project's model writes to prompts that have none: seen as they grow, stopped, kept, labelled.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { until } from "./screens.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const prompts = Array.from({ length: 400 }, (_, i) => JSON.stringify({ prompt: [{ role: "user", content: `What is number ${i} for?` }] }));
  folder = await machine.project("Only prompts", "prompts.jsonl", prompts.join("\n"), "prompts");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Only prompts" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const counts = async () => (await machine.call("open_project", { folder })).counts;
const job = async () => (await machine.call("jobs", {})).at(-1);
const growing = () => page.getByRole("list", { name: "Answers being written" }).getByRole("listitem");

test("answers are seen as they are written, also by a page that is opened meanwhile", async () => {
  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByText("400 prompts have no answers yet").waitFor();
  await page.getByRole("button", { name: "Generate candidates" }).click();
  const dialog = page.getByRole("dialog", { name: "Generate candidates" });
  await dialog.getByLabel("Prompts").fill("400");
  await dialog.getByLabel("max_new_tokens").fill("200");
  await dialog.getByRole("button", { name: "Generate" }).click();
  await growing().first().waitFor();
  const text = await growing().first().innerText();
  await page.waitForFunction((text) => document.querySelector("[aria-label='Answers being written'] li").innerText !== text, text);
  assert.equal((await job()).state, "running");

  await page.reload();
  await page.getByRole("button", { name: "Stop, keep what is there" }).waitFor();
  await growing().first().waitFor();
});

test("stopped, what is answered is kept and is there to be labelled; the rest can be answered later", async () => {
  await until(async () => (await counts()).items_without_answers < 400, "the first prompts to be answered");
  await page.getByRole("button", { name: "Stop, keep what is there" }).click();
  await until(async () => (await job()).state === "cancelled", "the job to stop", 5);
  const { items, items_without_answers } = await counts();
  assert.equal(items, 400);
  assert.ok(items_without_answers > 0 && items_without_answers < 400, `${items_without_answers} have no answers`);
  const [{ left, right }] = (await machine.call("label_state", { project: folder, annotator: "Ada", ahead: 1 })).queue;
  assert.ok(left !== right, "at a temperature above 0 the two answers differ");

  await page.getByLabel("Left answer, text").waitFor();
  const total = 400 - items_without_answers;
  await page.waitForFunction((total) => document.querySelector("progress[aria-label='Items judged']")?.max === total, total);
  await page.keyboard.press("ArrowLeft");
  await until(async () => (await machine.call("label_state", { project: folder, annotator: "Ada", ahead: 1 })).done === 1, "the judgement");
  assert.equal((await counts()).pairs, 1, "a judged candidate is a pair to train on");
  assert.deepEqual(page.complaints, []);
});
