// A vote counts for the texts it was given on: who judged a text that another one changes is asked again, and told why.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

let machine, browser, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const rows = Array.from({ length: 4 }, (_, i) => JSON.stringify({ prompt: `Name thing ${i}.`, answer_a: `alpha ${i}`, answer_b: `beta ${i}` }));
  folder = await machine.project("Two windows", "two.jsonl", rows.join("\n"), "candidates");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const BADGE = "Its text has changed since you judged it";
const left = (page) => page.getByLabel("Left answer, text");
const prompt = (page) => page.getByRole("region", { name: "Prompt", exact: true });
const counts = async () => (await machine.call("open_project", { folder })).counts;

async function windowOf(annotator) {
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Two windows" }).waitFor();
  await goTo(page, "l");
  await page.getByLabel(/^(Your name|Or another name)$/).fill(annotator);
  await page.keyboard.press("Enter");
  await left(page).waitFor();
  return page;
}

/** Prefers the answer that begins so, and waits for the next item. */
async function prefer(page, beginning) {
  const before = await prompt(page).innerText();
  await page.keyboard.press((await left(page).innerText()).startsWith(beginning) ? "ArrowLeft" : "ArrowRight");
  await page.waitForFunction((before) => document.querySelector("[aria-label=Prompt]")?.innerText !== before, before);
}

test("an edit in one window brings the item back in the other, and its pair waits until it is judged again", async () => {
  const ann = await windowOf("ann");
  await prefer(ann, "alpha");
  await until(async () => (await counts()).labelled === 1, "ann's judgement");

  const bob = await windowOf("bob");
  assert.match(await prompt(bob).innerText(), /Name thing 0/);
  await bob.keyboard.press("e");
  await bob.keyboard.press((await left(bob).innerText()).startsWith("alpha") ? "ArrowLeft" : "ArrowRight");
  await bob.getByLabel(/answer, edited$/).fill("alpha, but edited by bob");
  await bob.keyboard.press("Control+Enter");
  await bob.getByText("alpha, but edited by bob").waitFor();
  assert.equal(await bob.getByText(BADGE).count(), 0, "he has not judged it yet");
  const { labelled, pairs } = await counts();
  assert.deepEqual([labelled, pairs], [0, 0], "ann's vote decided the text that bob wrote");

  // Data says where the pair is and why it is not trained on.
  await goTo(bob, "d");
  await bob.getByLabel("Where pairs come from").selectOption("to_judge");
  await bob.getByRole("listbox", { name: "Pairs" }).getByRole("option").click();
  await bob.getByText("Its text has changed since it was judged").waitFor();
  await bob.getByText(/Judged blind: the chosen answer is better\. Of texts that were changed since/).waitFor();

  // What is on screen stays there; the one that changed comes next, and says why, as soon as her window has heard of it.
  await ann.getByText("0 of 4", { exact: true }).waitFor();
  await prefer(ann, "alpha");
  await ann.getByText(BADGE).waitFor();
  assert.match(await prompt(ann).innerText(), /Name thing 0/);
  await prefer(ann, "beta");
  await ann.getByText(BADGE).waitFor({ state: "detached" });
  await until(async () => (await counts()).labelled === 2, "ann's judgement of the new text");
  const { rows } = await machine.call("pairs", { project: folder, query: { text: "", source: null, category: null, offset: 0, limit: 10 } });
  assert.deepEqual(rows.map(({ chosen }) => chosen).toSorted(), ["alpha 1", "beta 0"]);
  for (const page of [ann, bob]) assert.deepEqual(page.complaints, []);
});

test("who edits an answer and then judges is not asked again", async () => {
  const page = await windowOf("cleo");
  const item = await prompt(page).innerText();
  await page.keyboard.press("e");
  await page.keyboard.press("ArrowLeft");
  await page.getByLabel("Left answer, edited").fill("alpha, as cleo wants it");
  await page.keyboard.press("Control+Enter");
  await page.getByText("alpha, as cleo wants it").waitFor();
  await prefer(page, "alpha");
  const asked = async () => (await machine.call("label_state", { project: folder, annotator: "cleo", ahead: 10 })).queue;
  await until(async () => (await asked()).length === 3, "her judgement");
  assert.ok((await asked()).every(({ prompt, changed }) => prompt !== item && !changed));
  assert.deepEqual(page.complaints, []);
});
