// The table of pairs: sorted, narrowed, several chosen and acted on with one way back, answers beside each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Table", "first.jsonl", Array.from({ length: 250 }, (_, i) => row(i)).join("\n"), "pairs");
  await bring("second.jsonl", [row(900, "a", "rather longer than the other"), row(901, "brief", "much, much longer than the other answer")]);
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Table" }).first().waitFor();
  await goTo(page, "d");
  await total("252 pairs");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const row = (number, chosen = "yes ".repeat(1 + (number % 20)).trim(), rejected = "no") =>
  JSON.stringify({ prompt: `Question ${number}?`, chosen, rejected, category: number % 2 === 0 ? "even" : "odd" });

async function bring(name, lines) {
  const { upload } = await machine.send(name, lines.join("\n"));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: "as_is" } });
}

const total = (text) => page.locator("search").getByText(text, { exact: true }).waitFor();
const list = () => page.getByRole("listbox", { name: "Pairs" });
const prompts = async () => (await list().locator(".prompt").allInnerTexts()).slice(0, 3);
const counts = async () => (await machine.call("open_project", { folder })).counts;
const bar = () => page.getByRole("group", { name: "Chosen pairs" });
const first = async (prompt) => until(async () => (await prompts())[0] === prompt, `${prompt} to be first`);

test("the list is sorted by what is chosen, and shows it", async () => {
  await page.getByLabel("Order").selectOption({ label: "Longest rejected answer first" });
  await first("Question 901?");
  assert.match(await list().getByRole("option").first().innerText(), /39$/);
  await page.getByLabel("Order").selectOption({ label: "Chosen shorter than rejected first" });
  await first("Question 901?");
  assert.match(await list().getByRole("option").first().innerText(), /−34$/);
  await page.getByLabel("Order").selectOption({ label: "By file" });
  await first("Question 0?");
  await page.getByLabel("Order").selectOption({ label: "By number" });
});

test("where a file rates answers the list is sorted and narrowed by that, and what is no number is told", async () => {
  await page.getByRole("button", { name: "More filters" }).click();
  assert.equal(await page.getByLabel("Margin, at least").count(), 0, "nothing is rated yet");
  const rated = [[8, 7.5], [9, 2]].map(([chosen, rejected], i) => JSON.stringify({ prompt: `Rated ${i}?`, chosen: "one", rejected: "two", score_chosen: chosen, score_rejected: rejected }));
  const { upload } = await machine.send("rated.jsonl", rated.join("\n"));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  const imported = await machine.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: "as_is", rating_a: "score_chosen", rating_b: "score_rejected", rating_order: "higher_is_better" } });
  assert.equal(imported.added, 2);
  await page.getByLabel("Margin, at least").waitFor();
  await page.getByLabel("Order").selectOption({ label: "Largest margin of ratings first" });
  await first("Rated 1?");
  assert.match(await list().getByRole("option").first().innerText(), /7$/);
  await page.getByLabel("Margin, at most").fill("0,5");
  await page.getByLabel("Margin, at most").press("Tab");
  await page.getByText("A number, such as 7.5.").waitFor();
  await page.getByLabel("Margin, at most").fill("0.5");
  await page.getByLabel("Margin, at most").press("Tab");
  await total("1 pair");
  assert.deepEqual(await prompts(), ["Rated 0?"]);
  await page.getByRole("button", { name: "Save as a set" }).click();
  await page.getByText("rated better by 0.5 or less").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^More filters/ }).click();
  await page.getByLabel("Order").selectOption({ label: "By number" });
  // As the next tests expect it.
  const { imports } = await machine.call("open_project", { folder });
  await machine.call("change_import", { project: folder, import: imports.find(({ source }) => source === "rated.jsonl").id, who: "Ada", change: { taken_back: true } });
  await page.reload();
  await total("252 pairs");
});

test("more filters narrow the list: file, characters, who labelled", async () => {
  await page.getByRole("button", { name: "More filters" }).click();
  await page.getByLabel("File", { exact: true }).selectOption({ label: "second.jsonl" });
  await total("2 pairs");
  await page.getByLabel("Characters, at most").fill("45");
  await page.getByLabel("Characters, at most").press("Tab");
  await total("1 pair");
  assert.deepEqual(await prompts(), ["Question 900?"]);
  await page.getByRole("searchbox").fill("nowhere");
  await page.getByText("No pair is like this").first().waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await total("252 pairs");
  await page.getByLabel("Agreement").selectOption("differ");
  await page.getByText("No pair is like this").first().waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await page.getByRole("button", { name: "More filters" }).click();
});

test("pairs are chosen by keys, with Shift and by their boxes", async () => {
  await list().focus();
  await page.keyboard.press("Home");
  await page.keyboard.press(" ");
  await bar().getByText("1 pair chosen").waitFor();
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await bar().getByText("3 pairs chosen").waitFor();
  assert.equal(await list().getByRole("option", { selected: true }).count(), 3);
  await list().locator(".choose").nth(1).click();
  await bar().getByText("2 pairs chosen").waitFor();
  // Up to the last row, most of which the page has never seen.
  await list().getByRole("option").first().locator(".choose").click({ modifiers: ["Shift"] });
  await page.keyboard.press("Shift+End");
  await bar().getByText("252 pairs chosen").waitFor();
  await bar().getByRole("button", { name: "Choose none" }).click();
  await bar().waitFor({ state: "detached" });
});

test("all that match are left out, put back and given a category, each with one way back and counted", async () => {
  await page.getByLabel("Category").first().selectOption("odd");
  await total("126 pairs");
  await list().focus();
  await page.keyboard.press("Control+a");
  await bar().getByText("All 126 that match chosen").waitFor();
  await bar().getByRole("button", { name: "Leave out" }).click();
  await page.getByText("126 pairs left out.", { exact: true }).first().waitFor();
  assert.equal((await counts()).pairs, 126);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText("Undone for 126 pairs.", { exact: true }).first().waitFor();
  assert.equal((await counts()).pairs, 252);

  // One is out already: it is counted apart, and Undo leaves it out.
  await machine.call("remove_pair", { project: folder, id: 2, who: "Ada", removed: true });
  await page.getByLabel("Category").first().selectOption("");
  await total("251 pairs");
  await page.getByLabel("Where pairs come from").selectOption("removed");
  await total("1 pair");
  await list().getByRole("option").first().locator(".choose").click();
  await bar().getByRole("button", { name: "Leave out" }).click();
  await page.getByText("0 pairs left out. 1 pair was out already.").first().waitFor();
  await list().getByRole("option").first().locator(".choose").click();
  await bar().getByRole("button", { name: "Put back" }).click();
  await page.getByText("1 pair put back.", { exact: true }).first().waitFor();
  assert.equal((await counts()).pairs, 252);
  await page.getByLabel("Where pairs come from").selectOption("");

  await total("252 pairs");
  await list().getByRole("option").nth(0).locator(".choose").click();
  await list().getByRole("option").nth(1).locator(".choose").click();
  await bar().getByRole("button", { name: "Set category" }).click();
  await page.getByRole("dialog").getByLabel("Category").fill("checked");
  await page.keyboard.press("Enter");
  await page.getByText("2 pairs are checked now.", { exact: true }).first().waitFor();
  await page.getByLabel("Category").first().selectOption("checked");
  await total("2 pairs");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText("Undone for 2 pairs.", { exact: true }).first().waitFor();
  assert.equal((await machine.call("pair", { project: folder, id: 1 })).category, "even");
  await page.getByLabel("Category").first().selectOption("");
});

test("what has changed under the list is not acted on", async () => {
  const query = { text: "", source: null, category: null, offset: 0, limit: 0 };
  const asked = { project: folder, who: "Ada", pairs: { ids: [], query, finding: null, expected: 3 }, act: { removed: true } };
  await assert.rejects(machine.call("act_on_pairs", asked), /252 pairs match now, and 3 did/);
  assert.equal((await counts()).pairs, 252);
});

test("a pair that somebody else has swapped since it was chosen is not swapped back", async () => {
  await list().getByRole("option").first().locator(".choose").click();
  await bar().getByText("1 pair chosen").waitFor();
  const swap = (who) => machine.call("act_on_pairs", { project: folder, who, pairs: { ids: [1], query: null, finding: null, expected: 1 }, act: "swapped" });
  await swap("Ben");
  await bar().getByRole("button", { name: "Swap" }).click();
  await page.getByText("1 pair was changed since you looked at the list: pair 1").waitFor();
  assert.equal((await machine.call("pair", { project: folder, id: 1 })).chosen, "no", "as Ben has it");
  page.complaints.length = 0; // it was refused, as it should be
  await swap("Ben");
  // Chosen anew, it is the pair as it is now.
  await bar().getByRole("button", { name: "Choose none" }).click();
  await until(async () => (await machine.call("pair", { project: folder, id: 1 })).source === "imported", "the pair to be as it came in");
});

test("a pair's answers stand beside each other with their differences marked", async () => {
  await list().getByRole("option").first().click();
  const panel = page.getByRole("region", { name: "Pair 1" });
  const chosen = panel.getByRole("region", { name: "chosen" });
  const rejected = panel.getByRole("region", { name: "rejected" });
  await chosen.getByText("3 characters").waitFor();
  await panel.getByLabel("Differences").check();
  assert.deepEqual([await chosen.locator("mark").allInnerTexts(), await rejected.locator("mark").allInnerTexts()], [["yes"], ["no"]]);
  const [left, right] = [await chosen.boundingBox(), await rejected.boundingBox()];
  assert.ok(left.x + left.width <= right.x, "beside each other");
  assert.deepEqual(page.complaints, []);
});
