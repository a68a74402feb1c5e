// What was labelled, by whom: a list in which those stand first on which annotators differ; a third vote, blind, or a decision
// with what others said in view, both by keys; and one's own verdict given anew.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

const ITEMS = 6;
let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const rows = Array.from({ length: ITEMS }, (_, i) => JSON.stringify({ prompt: `Name thing ${i}.`, answer_a: `alpha ${i}`, answer_b: `beta ${i}` }));
  folder = await machine.project("Three minds", "two.jsonl", rows.join("\n"), "candidates");
  await judged("Ada", "AAAAAT");
  await judged("Ben", "ABAABA", "because it is plain");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Three minds" }).waitFor();
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Cy"));
  await page.reload();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** Verdicts on the items in their order: for alpha, beta, or a tie. */
async function judged(annotator, verdicts, note = null) {
  for (const wanted of verdicts) {
    const [{ item, showing, left }] = (await machine.call("label_state", { project: folder, annotator, ahead: 1 })).queue;
    const verdict = wanted === "T" ? "tie_good" : left.startsWith(wanted === "A" ? "alpha" : "beta") ? "left" : "right";
    await machine.call("judge", { project: folder, annotator, item, showing, verdict, milliseconds: 2000, note });
  }
}

const list = () => page.getByRole("listbox", { name: "What was labelled" });
const lines = () => list().getByRole("option").allInnerTexts();
const chosen = async () => {
  const { rows } = await machine.call("pairs", { project: folder, query: { text: "", source: null, category: null, offset: 0, limit: 10 }, finding: null });
  return Object.fromEntries(rows.map(({ id, chosen }) => [-id, chosen]));
};

test("the list has who said what, those that differ first, and is filtered", async () => {
  await goTo(page, "l");
  await page.getByRole("button", { name: "More for labelling" }).click();
  await page.getByRole("menuitem", { name: "What was labelled" }).click();
  await list().getByRole("option").nth(ITEMS - 1).waitFor();
  assert.match(page.url(), /#\/label\/judged$/);
  const all = await lines();
  assert.deepEqual(all.map((line) => /^Differ/.test(line)), [true, true, true, false, false, false]);
  // Items 6, 5 and 2, the newest first: tie against alpha, alpha against beta twice.
  assert.match(all[0], /Ada: tie, both good · Ben: first[^]*Name thing 5/);
  assert.match(all[2], /Ada: first · Ben: second[^]*Name thing 1/);
  await page.getByLabel("Who judged").selectOption("Ben");
  await page.getByLabel("Which verdict").selectOption("Second is better");
  await until(async () => (await lines()).length === 2, "Ben's two");
  await page.getByLabel("Which verdict").selectOption("All verdicts");
  await page.getByLabel("Whether they agree").selectOption("Two or more agree");
  await until(async () => (await lines()).length === 3, "the three on which they agree");
  await page.getByRole("searchbox").fill("BETA 3");
  await until(async () => (await lines()).length === 1, "the one that has these words");
  await page.getByRole("searchbox").fill("gamma");
  await page.getByText("No item is like this").waitFor();
  await page.getByRole("button", { name: "Show all that was labelled" }).click();
  await until(async () => (await lines()).length === ITEMS, "all of them");
  await page.getByText("What counts of an item").click();
  await page.getByText(/Without a decision it is what more than half of those say who judged these texts/).waitFor();
});

test("a third person votes blind where two differ, and more than half of the votes count", async () => {
  assert.deepEqual(Object.keys(await chosen()), ["1", "3", "4"]);
  await page.getByRole("button", { name: "Disagreements (3)" }).click();
  await page.getByRole("button", { name: "Vote blind instead" }).click();
  await page.getByText("Name thing 1.").waitFor();
  assert.equal((await page.getByRole("list", { name: "Who says what" }).count()) + (await page.getByText("because it is plain").count()), 0, "what others said is told");
  const left = await page.getByLabel("Left answer, text").innerText();
  await page.keyboard.press(left.startsWith("beta") ? "ArrowLeft" : "ArrowRight");
  await until(async () => (await chosen())[2] === "beta 1", "the third vote to decide");
  await page.getByText("Name thing 4.").waitFor();
  await page.getByRole("button", { name: "Disagreements", exact: true }).click();
});

test("somebody decides by keys with what others said in view; the queue goes on, and a decision can be taken back", async () => {
  await page.getByText("Name thing 5.").waitFor();
  await page.getByText("“because it is plain”").waitFor();
  await page.getByText("Tie, both good", { exact: true }).first().waitFor();
  await page.getByText("2 open", { exact: true }).waitFor();
  assert.match(await page.getByLabel("Left answer, text").innerText(), /^alpha/, "the first answer stands left");
  await page.keyboard.press("s");
  await page.getByText("Name thing 4.").waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByText("1 item is left open").waitFor();
  assert.equal((await chosen())[5], "beta 4");
  await page.getByRole("button", { name: "Go through them again" }).click();
  await page.getByText("Name thing 5.").waitFor();
  await page.keyboard.press("ArrowUp");
  await page.getByText("Nothing is left to decide").waitFor();
  assert.equal((await chosen())[6], undefined, "a tie gives no pair");

  // In the list it is told who decided; opened, the decision is taken back.
  await page.getByRole("button", { name: "What was labelled" }).first().click();
  const row = list().getByRole("option").filter({ hasText: "Name thing 4" });
  await row.filter({ hasText: /Decided[^]*Cy decided: second/ }).waitFor();
  await row.click();
  await page.getByText("What counts: Right is better").waitFor();
  await page.keyboard.press("z");
  await page.getByText("What counts: Nothing yet: it gives no pair").waitFor();
  assert.equal((await chosen())[5], undefined);
});

test("one's own verdict is given anew, and it is kept and counted that others' were in view", async () => {
  await page.getByLabel("Annotator").selectOption("Ben");
  await page.getByRole("button", { name: "Change Ben's verdict" }).click();
  await page.keyboard.press("n");
  await page.getByLabel("Note, kept with the verdict").fill("convinced");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowLeft");
  await page.getByText("What counts: Left is better").waitFor();
  await page.getByText(/with the verdicts of others in view/).waitFor();
  await page.getByText("“convinced”").waitFor();
  assert.equal((await chosen())[5], "alpha 4");
  const { items_shared, votes_seen } = await machine.call("agreement", { project: folder });
  assert.deepEqual([items_shared, votes_seen], [6, 1]);
  await page.evaluate(() => (window.location.hash = "#/label/agreement"));
  await page.getByText(/1 verdict is left out of all of this/).waitFor();
  assert.deepEqual(page.complaints, []);
});
