// Labelling by keys alone: every verdict, note, edit and undo is on the disk as it was given; keys can be changed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("By keys", "survey.csv", candidates(24), "candidates");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "By keys" }).waitFor();
  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await left().waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const left = () => page.getByLabel("Left answer, text");
const prompt = () => page.getByRole("region", { name: "Prompt", exact: true }).innerText();
const state = () => machine.call("label_state", { project: folder, annotator: "Ada", ahead: 3 });

/** Every judgement ever given, as the export has it. */
async function onDisk() {
  const [{ path }] = await machine.call("export", { project: folder, run: null, evaluation: null, what: ["labels"] });
  return readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
}

/** Presses a key that judges, and waits until the next item is shown. */
async function judge(key) {
  const before = await prompt();
  await page.keyboard.press(key);
  await page.waitForFunction((before) => document.querySelector("[aria-label=Prompt]")?.innerText !== before, before);
  return before;
}

test("each verdict is kept as it was given, with the side the answers stood on", async () => {
  const keys = { ArrowLeft: "left", ArrowRight: "right", "Shift+ArrowLeft": "left_much", "Shift+ArrowRight": "right_much", ArrowUp: "tie_good", ArrowDown: "tie_bad", s: "skip" };
  const given = [];
  for (const [key, verdict] of Object.entries(keys)) {
    const shown = await left().innerText();
    given.push({ prompt: await judge(key), verdict, shown });
  }
  await until(async () => (await state()).skipped === 1, "the skip to arrive");
  const kept = await onDisk();
  assert.deepEqual(kept.map(({ annotator, verdict, prompt }) => ({ annotator, verdict, prompt })), given.map(({ verdict, prompt }) => ({ annotator: "Ada", verdict, prompt })));
  for (const [i, { left, first, second, meaning, verdict }] of kept.entries()) {
    assert.equal(left === "first" ? first : second, given[i].shown);
    const better = { left: "first", right: "second" }[verdict.split("_")[0]];
    const other = { first: "second", second: "first" };
    if (better) assert.equal(meaning, (left === "first" ? better : other[better]) + (verdict.endsWith("much") ? "_much" : ""));
    else assert.equal(meaning, verdict);
  }
  assert.ok(kept.every(({ milliseconds }) => milliseconds > 0));
});

test("undo takes the last judgement back by a row of its own", async () => {
  const judged = await judge("ArrowLeft");
  await until(async () => (await state()).done === 7, "the judgement to arrive");
  await page.keyboard.press("z");
  await page.waitForFunction((judged) => document.querySelector("[aria-label=Prompt]")?.innerText === judged, judged);
  await until(async () => (await state()).queue[0].prompt === judged, "the judgement to be taken back");
  const last = (await onDisk()).at(-1);
  assert.deepEqual([last.prompt, last.verdict], [judged, "left"]);
  assert.ok(last.undone >= last.at, "the judgement stays, marked as taken back");
});

test("a note goes with its verdict, and an answer is edited without the mouse", async () => {
  await page.keyboard.press("n");
  await page.getByLabel("Note, kept with the verdict").waitFor();
  await page.keyboard.type("Both say the same, left is shorter.");
  await page.keyboard.press("Enter");
  await page.getByText("Note written").waitFor();

  await page.keyboard.press("e");
  await page.getByText("Which answer? Esc to leave it.").waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByLabel("Right answer, edited").waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("It is useful, that is all.");
  await page.keyboard.press("Control+Enter");
  await page.getByLabel("Right answer, text").getByText("It is useful, that is all.").waitFor();

  const judged = await judge("ArrowRight");
  await until(async () => (await state()).done === 7, "the judgement to arrive");
  const last = (await onDisk()).at(-1);
  assert.equal(last.prompt, judged);
  assert.equal(last.note, "Both say the same, left is shorter.");
  assert.equal(last.left === "first" ? last.second : last.first, "It is useful, that is all.");
});

test("differences are marked on demand", async () => {
  const marks = page.locator("section[aria-label$=answer] mark");
  assert.equal(await marks.count(), 0);
  await page.keyboard.press("d");
  await marks.first().waitFor();
  const marked = await page.getByLabel("Left answer, text").locator("mark").allInnerTexts();
  const right = await page.getByLabel("Right answer, text").innerText();
  assert.ok(marked.length > 0 && marked.some((words) => !right.includes(words)), `${marked} stand in the other answer too`);
  await page.keyboard.press("d");
  await marks.first().waitFor({ state: "detached" });
});

test("progress, pace and time left are shown as the program counts them", async () => {
  const { done, total, skipped, seconds_per_item, seconds_left } = await state();
  assert.deepEqual([done, total, skipped], [7, 24, 1]);
  const progress = page.locator("[aria-label='Items judged']").locator("..");
  await progress.getByText(`${seconds_per_item.toFixed(1)} s each`).waitFor();
  const shown = await progress.innerText();
  assert.match(shown, /7 of 24/);
  assert.match(shown, /1 skipped/);
  assert.ok(seconds_left > 0 && /\d+ (s|min) left/.test(shown), shown);
});

test("a key can be changed; it works at once and after a reload, and the old one no longer does", async () => {
  const bind = async (action, key) => {
    await page.getByRole("button", { name: "Keys" }).click();
    const dialog = page.getByRole("dialog", { name: "Keys" });
    await dialog.getByRole("listitem").filter({ hasText: action }).getByRole("button").click();
    await dialog.getByText("Press a key…").waitFor();
    await page.keyboard.press(key);
    await dialog.getByText("Press a key…").waitFor({ state: "detached" });
    await dialog.getByRole("button", { name: "Done" }).click();
  };
  await bind("Left is better", "j");
  assert.match(await page.getByRole("button", { name: "Left is better", exact: true }).innerText(), /J$/);
  await judge("j");
  await page.reload();
  await left().waitFor();
  const before = await prompt();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await judge("j"), before, "the key it had before still judges");
  await until(async () => (await state()).done === 9, "two more judgements");
  assert.deepEqual((await onDisk()).slice(-2).map(({ verdict }) => verdict), ["left", "left"]);
  // What another action has is taken from it, so that no key ever means two things.
  await bind("Skip", "j");
  assert.doesNotMatch(await page.getByRole("button", { name: "Left is better", exact: true }).innerText(), /J/);
  assert.deepEqual(page.complaints, []);
});
