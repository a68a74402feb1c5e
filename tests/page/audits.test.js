// Pairs of a file labelled again, blind: the rate at which the file and the annotator agree, with its interval; those on which
// they differ, one click away; and what becomes of them only when it is chosen, and undone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";

const PAIRS = 12;
const DRAWN = 8;
let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("A file to trust", "plain.jsonl", pairs(PAIRS), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "A file to trust" }).waitFor();
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
  await page.reload();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const list = (source = null) => machine.call("pairs", { project: folder, query: { text: "", source, category: null, offset: 0, limit: 50 }, finding: null });
const audit = () => machine.call("audit", { project: folder, audit: 1 });
const main = () => page.locator("main");

test("some pairs are drawn by a seed, and judged blind by keys, which changes none of them", async () => {
  await goTo(page, "l");
  await page.getByRole("button", { name: "More for labelling" }).click();
  await page.getByRole("menuitem", { name: "Audit the labels of files" }).click();
  await page.getByText(`of ${PAIRS} pairs like this`).waitFor();
  await page.getByLabel("With the words").fill("KETTLE");
  await page.getByRole("button", { name: "Audit 1 pair" }).waitFor();
  await page.getByLabel("With the words").fill("");
  await page.getByLabel("Pairs to draw").fill(String(DRAWN));
  await page.getByRole("button", { name: `Audit ${DRAWN} pairs` }).click();
  await page.getByText(`0 of ${DRAWN}`).waitFor();
  assert.match(page.url(), /#\/label\/audits\/1\/judge$/);
  const before = await list();
  // Agrees five times, differs twice, and once prefers neither.
  for (const [i, wanted] of ["plain", "plain", "padded", "plain", "tie", "plain", "padded", "plain"].entries()) {
    await page.getByText(`${i} of ${DRAWN}`).waitFor();
    assert.ok(!/chosen|rejected|the file/i.test(await main().innerText()), "which answer the file prefers is told");
    const plainIsLeft = (await page.getByLabel("Left answer, text").innerText()).startsWith("Said plainly");
    const prompt = await page.getByRole("region", { name: "Prompt", exact: true }).innerText();
    await page.keyboard.press(wanted === "tie" ? "ArrowUp" : (wanted === "plain") === plainIsLeft ? "ArrowLeft" : "ArrowRight");
    if (i < DRAWN - 1) await page.waitForFunction((prompt) => document.querySelector("[aria-label=Prompt]")?.innerText !== prompt, prompt);
  }
  await page.getByText("All pairs of the audit are judged").waitFor();
  await until(async () => (await audit()).annotators[0]?.agree === 5, "all judgements");
  assert.deepEqual((await list()).rows, before.rows);
  // Nobody is asked these on Label.
  assert.equal((await machine.call("label_state", { project: folder, annotator: "Grace", ahead: 1 })).total, 0);
});

test("the rate is told with its interval, ties apart; those that differ are one click away", async () => {
  await page.getByRole("button", { name: "Result of the audit" }).first().click();
  // Wilson's interval of 5 of 7, by hand.
  const [n, p, z] = [7, 5 / 7, 1.959964];
  const middle = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2));
  const cells = page.getByRole("row", { name: /^Ada/ }).getByRole("cell");
  await cells.first().waitFor();
  const [rate, differ, ties, skipped] = await cells.allInnerTexts();
  assert.equal(rate, `71.4 % (${((middle - half) * 100).toFixed(1)} to ${((middle + half) * 100).toFixed(1)} %): 5 of 7`);
  assert.deepEqual([differ, ties, skipped], ["2 pairs", "1", "0"]);
  await page.getByRole("link", { name: "2 pairs" }).click();
  const rows = page.getByRole("listbox", { name: "What was labelled" }).getByRole("option");
  await rows.nth(1).waitFor();
  assert.equal(await rows.count(), 2);
  for (const text of await rows.allInnerTexts()) assert.match(text, /Ada: second/);
  await rows.first().click();
  await page.getByText("An audit asks this: what is said here changes no pair. The file prefers the left answer.").waitFor();
  await page.getByText(/blind/).first().waitFor();
});

test("pairs on which they differ are left out or swapped when it is chosen, and that is undone", async () => {
  await page.evaluate(() => (window.location.hash = "#/label/audits/1"));
  await page.getByRole("button", { name: "Leave out 2" }).click();
  await page.getByText("2 pairs left out by Ada").waitFor();
  assert.equal((await list()).total, PAIRS - 2);
  await page.getByText("all changed, or judged otherwise, since").waitFor();
  await page.locator("main").getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("button", { name: "Swap 2" }).waitFor();
  assert.equal((await list()).total, PAIRS);
  await page.getByRole("button", { name: "Swap 2" }).click();
  await page.getByText("2 pairs swapped by Ada").waitFor();
  const { rows } = await list("edited");
  assert.equal(rows.length, 2);
  for (const { rejected } of rows) assert.match(rejected, /^Said plainly/);
  // The history of a pair says why.
  await page.evaluate((id) => (window.location.hash = `#/data/${id}`), rows[0].id);
  await page.getByText(/Judged blind, in an audit: the rejected answer is better/).waitFor();
  await page.getByText("Swapped the two answers.").waitFor();
  assert.deepEqual(page.complaints, []);
});
