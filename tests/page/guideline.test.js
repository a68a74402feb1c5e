// The guideline of a project: written in Markdown with examples from the project, kept in versions, read beside the answers,
// and known by every judgement that was given while it stood.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("By the book", "survey.csv", candidates(8), "candidates");
  const { upload } = await machine.send("pairs.jsonl", pairs(3));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  page = await open(browser, machine, { viewport: { width: 1280, height: 820 } });
  await page.getByRole("heading", { name: "By the book" }).waitFor();
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
  await page.reload();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const versions = () => machine.call("guidelines", { project: folder });
const left = () => page.getByLabel("Left answer, text");
const beside = () => page.getByRole("complementary", { name: "Guideline" });

async function judge() {
  const prompt = await page.getByRole("region", { name: "Prompt", exact: true }).innerText();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((prompt) => document.querySelector("[aria-label=Prompt]")?.innerText !== prompt, prompt);
}

test("it is written with what the editor explains, and each saved version stays to be read", async () => {
  await goTo(page, "l");
  await left().waitFor();
  await judge();
  await page.keyboard.press("i");
  await page.getByRole("dialog").getByText("This project has no guideline yet").waitFor();
  await page.getByRole("button", { name: "Write one" }).click();
  await page.getByRole("button", { name: "Write it" }).click();
  await page.getByText("[[pair 12]]").waitFor();
  await page.getByLabel("Guideline in Markdown").fill("# Plain answers\n\n- Prefer the **plain** one, as in [[pair 2]].\n- <b>No</b> flattery: see [[item 1]].");
  await page.getByRole("region", { name: "As it is read" }).getByRole("link", { name: "pair 2" }).waitFor();
  // Another screen is looked at meanwhile: nothing typed is lost.
  await goTo(page, "d");
  await page.evaluate(() => (window.location.hash = "#/label/guideline"));
  assert.match(await page.getByLabel("Guideline in Markdown").inputValue(), /Prefer the \*\*plain\*\* one/);
  await page.getByLabel("Guideline in Markdown").press("Control+Enter");
  await page.getByText(/^version 1, .* by Ada$/).waitFor();
  await page.getByText("<b>No</b> flattery").waitFor();
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByLabel("Guideline in Markdown").fill("Prefer the longer one.");
  await page.getByLabel("Guideline in Markdown").press("Control+Enter");
  await page.getByText(/^version 2, /).waitFor();
  await page.getByRole("link", { name: "Version 1" }).click();
  await page.getByText("Not the newest").waitFor();
  await page.getByText("Plain answers").waitFor();
  assert.match(page.url(), /#\/label\/guideline\/1$/);
});

test("it stands beside the answers, folds by a key, and an example opens", async () => {
  await page.evaluate(() => (window.location.hash = "#/label"));
  await beside().getByText("Prefer the longer one.").waitFor();
  await judge();
  await page.keyboard.press("i");
  await beside().waitFor({ state: "detached" });
  await page.keyboard.press("i");
  await beside().waitFor();
  await until(async () => (await versions())[0].judgements === 1, "the judgement under version 2");
  assert.deepEqual((await versions()).map(({ judgements }) => judgements), [1, 0], "what was judged before there was any has none");
  await page.evaluate(() => (window.location.hash = "#/label/guideline/1"));
  await page.getByRole("link", { name: "pair 2" }).click();
  await page.getByRole("heading", { name: "Pair 2" }).waitFor();
});

test("where there is little room, the answers keep it, and the guideline opens over them", async () => {
  await page.setViewportSize({ width: 720, height: 450 });
  await page.evaluate(() => (window.location.hash = "#/label"));
  await left().waitFor();
  assert.equal(await beside().count(), 0);
  const answers = await page.getByRole("region", { name: "Left answer", exact: true }).evaluate((answer) => answer.getBoundingClientRect().height);
  const room = await page.locator("main").evaluate((main) => main.clientHeight);
  assert.ok(answers * 2 >= room * 0.8, `answers have ${answers} of ${room} pixels`);
  await page.keyboard.press("i");
  await page.getByRole("dialog", { name: "Guideline, version 2" }).getByText("Prefer the longer one.").waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(page.complaints, []);
});

test("who wrote on an older version is told, and keeps what was written", async () => {
  await page.setViewportSize({ width: 1280, height: 820 });
  await page.evaluate(() => (window.location.hash = "#/label/guideline"));
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByLabel("Guideline in Markdown").fill("Mine.");
  await machine.call("save_guideline", { project: folder, who: "Grace", text: "Hers.", before: 2 });
  await page.getByLabel("Guideline in Markdown").press("Control+Enter");
  await page.getByText(/version 3 of the guideline was saved meanwhile/i).waitFor();
  assert.equal(await page.getByLabel("Guideline in Markdown").inputValue(), "Mine.");
  assert.equal((await versions()).length, 3);
});
