// What is odd about pairs is said before they are brought in and before they are trained on, each with its pairs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
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
  await page.getByRole("button", { name: /^Import \d+ rows?$/ }).waitFor();
}

test("before an import: contradictions, answers that are the same, and empty ones, each with its lines", async () => {
  await choose("odd.jsonl", FILE);
  await page.getByRole("heading", { name: "What stands out in these pairs" }).waitFor();
  assert.deepEqual(await pairsOf("2 pairs contradict each other"), [["line 1", "Is the earth round?"], ["line 22", "is the earth ROUND?"]]);
  assert.deepEqual(await pairsOf("In 1 pair chosen and rejected are the same"), [["line 23", "What is the same?"]]);
  assert.deepEqual(await pairsOf("In 1 pair the chosen answer is empty"), [["line 24", "What is empty?"]]);
  assert.equal(await finding("the chosen answer is the").count(), 0, "lengths are balanced");
  await page.getByRole("button", { name: "Import 24 rows" }).click();
  await page.getByText(/24 rows imported/).first().waitFor();
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
  assert.deepEqual((await pairsOf("2 pairs contradict each other")).map(([, prompt]) => prompt), ["Is the earth round?", "is the earth ROUND?"]);
  await finding("2 pairs contradict").getByRole("link", { name: "is the earth ROUND?", exact: true }).click();
  await page.getByRole("heading", { name: "Pair 22" }).waitFor();

  // One that is removed no longer contradicts; the plan says so when it is looked at again.
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("The pair is removed.", { exact: true }).waitFor();
  await page.goBack();
  await panel.getByText("In 1 pair chosen and rejected are the same").waitFor();
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
