// What is odd about pairs is said before they are brought in and before they are trained on, each with its pairs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open, set, unfold } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Odd pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Odd pairs" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const said = (role, content) => [{ role, content }];
const row = (prompt, chosen, rejected) => JSON.stringify({ prompt: said("user", prompt), chosen: said("assistant", chosen), rejected: said("assistant", rejected) });

/** Pairs with as many longer as shorter chosen answers, and among them what each check looks for. */
const FILE = [
  row("Is the earth round?", "Yes, nearly.", "No, it is flat."),
  ...Array.from({ length: 20 }, (_, i) => row(`Question ${i}?`, ...(i % 2 === 0 ? ["short", "rather longer"] : ["rather longer", "short"]))),
  row("is the earth  ROUND?", "No, it is flat.", "Yes, nearly."),
  row("What is the same?", "This.", "This."),
  row("What is empty?", "", "Something."),
].join("\n");

const finding = (text) => page.locator(".notice").filter({ hasText: text });

/** Opens the pairs of a finding: where each is, and the beginning of its prompt. */
async function pairsOf(text) {
  await finding(text).getByRole("button", { name: /^Show/ }).click();
  const pairs = await finding(text).getByRole("listitem").allInnerTexts();
  return pairs.map((pair) => pair.split("\n").slice(0, 2));
}

async function choose(name, text) {
  await goTo(page, "d");
  await page.locator("input[type=file]").setInputFiles({ name, mimeType: "application/jsonl", buffer: Buffer.from(text) });
  await page.getByRole("button", { name: /^Import \d+ pairs?$/ }).waitFor();
}

test("before an import: contradictions, answers that are the same, and empty ones, each with its lines", async () => {
  await choose("odd.jsonl", FILE);
  await page.getByRole("heading", { name: "What stands out in these pairs" }).waitFor();
  await page.getByText(/^None of these pairs is left out by this\./).waitFor();
  await unfold(page);
  assert.deepEqual(await pairsOf("2 pairs contradict each other"), [["line 1", "Is the earth round?"], ["line 22", "is the earth ROUND?"]]);
  assert.deepEqual(await pairsOf("In 1 pair chosen and rejected are the same"), [["line 23", "What is the same?"]]);
  assert.deepEqual(await pairsOf("In 1 pair the chosen answer is empty"), [["line 24", "What is empty?"]]);
  assert.equal(await finding("the chosen answer is the").count(), 0, "lengths are balanced");
  await page.getByRole("button", { name: "Import 24 pairs" }).click();
  await page.getByText(/24 pairs imported/).first().waitFor();
});

test("a file is checked beside the pairs that the project has", async () => {
  await choose("against.jsonl", [row("Question 4?", "rather longer", "short"), row("Something new?", "Yes.", "No.")].join("\n"));
  assert.deepEqual(await pairsOf("1 of these pairs prefer the other answer than a pair that the project has"), [["line 1", "Question 4?"]]);
  await page.getByRole("button", { name: "Cancel" }).click();
});

test("before a run: what stands out in the pairs that it would train on, one click from the pair itself", async () => {
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  await set(page, "Held-out share", "0");
  const panel = page.getByRole("region", { name: "What this run will do" });
  await panel.getByRole("heading", { name: "What stands out in the pairs" }).waitFor();
  await unfold(page);
  assert.deepEqual((await pairsOf("2 pairs contradict each other")).map(([, prompt]) => prompt), ["Is the earth round?", "is the earth ROUND?"]);
  await finding("2 pairs contradict").getByRole("link", { name: "is the earth ROUND?", exact: true }).click();
  await page.getByRole("heading", { name: "Pair 22" }).waitFor();

  // One that is removed no longer contradicts; the plan says so when it is looked at again.
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("Pair 22 is removed.", { exact: true }).waitFor();
  await page.goBack();
  await unfold(page);
  await finding("In 1 pair chosen and rejected are the same").waitFor();
  assert.equal(await finding("contradict").count(), 0);
  // Another window changes a pair: the panel follows without being asked.
  await machine.call("remove_pair", { project: folder, id: 23, who: "Grace", removed: true });
  await finding("chosen and rejected are the same").waitFor({ state: "detached" });
});

test("what is held out is not what is trained on: findings follow the split", async () => {
  const told = async (share) => {
    const { findings, pairs, held_out } = await machine.call("check_pairs", { project: folder, held_out_share: share, seed: 42 });
    return { codes: findings.map(({ code }) => code), pairs, held_out };
  };
  const all = await told(0);
  assert.deepEqual([all.pairs, all.held_out], [22, 0]);
  assert.ok(all.codes.includes("empty_chosen"));
  const half = await told(0.5);
  assert.deepEqual([half.pairs, half.held_out], [11, 11]);
  assert.ok(!half.codes.includes("prompt_leak"), "a split by prompt leaks none");
  assert.deepEqual(page.complaints, []);
});

/** How many pairs are trained on. */
const trained = async () => {
  const { pairs } = await machine.call("check_pairs", { project: folder, held_out_share: 0, seed: 42 });
  return pairs;
};
/** The prompts in the list, crossed out or not. */
const listed = () => page.getByRole("listbox", { name: "Pairs" }).locator(".prompt").allInnerTexts();

test("the pairs of a finding are listed on their own, left out at once, and put back", async () => {
  const text = [row("What is   EMPTY?", "", "Something."), row("Another empty one?", "", "Anything."), row("Whole?", "It is.", "No.")].join("\n");
  const { upload } = await machine.send("more.jsonl", text);
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  const before = await trained();

  const empty = finding("In 3 pairs the chosen answer is empty");
  await unfold(page);
  await empty.getByRole("button", { name: "Open in the list" }).click();
  const about = page.locator(".finding");
  await about.getByText("In 3 pairs the chosen answer is empty").waitFor();
  await page.getByText("3 pairs", { exact: true }).waitFor();
  assert.deepEqual(await listed(), ["What is empty?", "What is   EMPTY?", "Another empty one?"].map((prompt) => prompt.replace(/ +/g, " ")));
  // A search stays within the finding.
  await page.getByRole("searchbox").fill("another");
  await page.getByText("1 pair", { exact: true }).waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByText("3 pairs", { exact: true }).waitFor();

  // By keyboard.
  await about.getByRole("button", { name: "Leave these 3 out" }).focus();
  await page.keyboard.press("Enter");
  await about.getByRole("button", { name: "Put the 3 pairs back" }).waitFor();
  assert.equal(await trained(), before - 3);
  await page.locator(".row.removed").nth(2).waitFor();
  await about.getByRole("button", { name: "Put the 3 pairs back" }).click();
  await about.getByRole("button", { name: "Leave these 3 out" }).waitFor();
  assert.equal(await trained(), before);

  // A pair of the list opens beside it, and the list stays what it is.
  await page.getByRole("listbox", { name: "Pairs" }).press("End");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^Pair \d+$/ }).waitFor();
  assert.equal((await listed()).length, 3);
  await page.keyboard.press("Escape");
  await about.getByRole("button", { name: "Show all pairs" }).click();
  await about.waitFor({ state: "detached" });
  await until(async () => (await listed()).length > 3, "all pairs to be listed");

  // On the screen where a run is prepared: one button for each finding, with its way back.
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  await unfold(page);
  await empty.getByRole("button", { name: "Leave these 3 out" }).click();
  await empty.filter({ hasText: "Leave" }).waitFor({ state: "detached" });
  assert.equal(await trained(), before - 3);
  await page.getByText("3 pairs left out", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Put them back" }).click();
  await empty.getByRole("button", { name: "Leave these 3 out" }).waitFor();
  assert.equal(await trained(), before);
});

test("a finding of an earlier look says so", async () => {
  await page.evaluate(() => (window.location.hash = "#/data/all/999999/empty_chosen"));
  await page.getByText("this finding is of an earlier look at the pairs").first().waitFor();
  await page.locator(".finding").getByRole("button", { name: "Show all pairs" }).click();
  await page.getByRole("listbox", { name: "Pairs" }).waitFor();
  page.complaints.length = 0; // it was refused, as it should be
});
