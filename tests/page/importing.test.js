// Importing what could be read in two ways: the page asks, shows rows each way, and brings in what was chosen.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { goTo, launch, open, unfold } from "./browser.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Asked");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Asked" }).waitFor();
  await goTo(page, "d");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** Gives the page a file, as its chooser does. */
async function choose(name, rows) {
  const text = rows.map((row) => JSON.stringify(row)).join("\n");
  await page.locator('input[type="file"]').setInputFiles({ name, mimeType: "application/jsonl", buffer: Buffer.from(text) });
  await page.getByText(new RegExp(`${name}.* · JSON Lines`)).waitFor();
}

const pairs = async (text) => (await machine.call("pairs", { project: folder, query: { text, source: null, category: null, offset: 0, limit: 10 } })).rows;
const whole = async (id) => machine.call("pair", { project: folder, id });
const part = async (name) => (await page.getByRole("region", { name: `Rendered ${name}` }).innerText()).trim();
const importing = () => page.getByRole("button", { name: /^Import( \d|$)/ });

test("plain text becomes a user's message unless it is to stand as it is, and the sentence above the rows is true", async () => {
  await choose("texts.jsonl", [
    { prompt: "Who wrote Hamlet?", chosen: "Shakespeare.", rejected: "Bacon.", score: 3, source: "quiz" },
    { prompt: "Who wrote Faust?", chosen: "Goethe.", rejected: "Schiller.", score: null, source: "quiz" },
  ]);
  const question = page.getByRole("group", { name: /The prompts are plain text/ });
  await question.waitFor();
  const [asMessage, asIs] = [/becomes a user's message/, /stands as it is/].map((name) => question.getByRole("radio", { name }));
  assert.equal(await asMessage.isChecked(), true);
  await page.getByText("Each prompt becomes a user's message and passes through the chat template of tiny-model.").waitFor();
  assert.match(await part("prompt"), /^prompt\s+\d+ tokens\s+<\|im_start\|>user\nWho wrote Hamlet\?<\|im_end\|>/);

  await asIs.check();
  await page.getByText("The text stands as it is; the chat template of tiny-model is not applied.").waitFor();
  assert.match(await part("prompt"), /^prompt, without a chat template\s+\d+ tokens\s+Who wrote Hamlet\?$/);
  assert.equal(await page.getByText("passes through the chat template of tiny-model").count(), 0);

  // What is left out is named and counted.
  const unused = await page.getByLabel("Columns that are not used").innerText();
  assert.match(unused, /1 column is not taken over:\s+score \(1 row\)/);

  await asMessage.check();
  await page.getByText("passes through the chat template of tiny-model").waitFor();
  await importing().click();
  await page.getByText("2 pairs imported from texts.jsonl, not taken over: score (1 row).").first().waitFor();
  const [row] = await pairs("Hamlet");
  assert.deepEqual((await whole(row.id)).prompt, [{ role: "user", content: "Who wrote Hamlet?" }]);
});

test("text that was rendered already stands as it is, columns that cannot be kept are asked about, and what stands there twice is told", async () => {
  const rendered = (question) => `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
  const rows = ["Name a bird.", "Name a river."].map((question, at) => ({ prompt: rendered(question), chosen: `A wren ${at}.<|im_end|>\n`, rejected: "A stone.", images: [`${at}.png`] }));
  await choose("rendered.jsonl", rows);
  const open = page.getByRole("group", { name: /columns that cannot be kept: images \(2 rows\)/ });
  await open.getByText("To be chosen").waitFor();
  assert.equal(await importing().isDisabled(), true);
  await open.getByRole("radio").check();
  const question = page.getByRole("group", { name: /In 2 of the first 2 the prompt holds special tokens of the model \(<\|im_end\|>, <\|im_start\|>\)/ });
  await question.waitFor();
  assert.equal(await question.getByRole("radio", { name: /stands as it is/ }).isChecked(), true);
  await page.getByText(/Of the first 2 pairs: 2 pairs have an answer that ends with <\|im_end\|> twice/).waitFor();
  assert.match(await part("prompt"), /^prompt, without a chat template/);
  await question.getByRole("radio", { name: /becomes a user's message/ }).check();
  await page.getByText(/Of the first 2 pairs: messages of 2 pairs hold special tokens of the model/).waitFor();
  await question.getByRole("radio", { name: /stands as it is/ }).check();
  await page.getByText(/ends with <\|im_end\|> twice/).waitFor();
  await importing().click();
  await page.getByText(/2 pairs imported from rendered\.jsonl, not taken over: images/).first().waitFor();

  // The plan says the same of the pairs that stand there.
  await page.goto(`${machine.origin}/#/train/+new`);
  await page.getByText(/are plain text and stand as they are: the model's chat template is not applied to them|one of the pairs is plain text/).waitFor();
  await page.getByText(/ends with `?<\|im_end\|>`? twice/).first().waitFor();
  await goTo(page, "d");
});

test("a preference that could be meant in two ways is asked, with the same rows read each way, and nothing comes in before", async () => {
  const rows = [0, 1, 1, 0].map((label, at) => ({ prompt: [{ role: "user", content: `Name animal ${at}.` }], answer_a: `The cat ${at}.`, answer_b: `The dog ${at}.`, label }));
  await choose("labels.jsonl", rows);
  const question = page.getByRole("group", { name: /label holds 0, 1: which answer is meant\?/ });
  await question.getByText("To be chosen").waitFor();
  assert.equal(await importing().isDisabled(), true);
  const read = async (meaning) => {
    const option = question.locator(".option").filter({ has: page.getByRole("radio", { name: meaning }) });
    return (await option.locator("dl").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " ").trim());
  };
  const [zero, flag] = [/^0 says that answer_a is better/, /^1 says that answer_a is better, 0 that answer_b is$/];
  assert.deepEqual(await read(zero), [
    "line 1 0 prompt Name animal 0. chosen The cat 0. rejected The dog 0.",
    "line 2 1 prompt Name animal 1. chosen The dog 1. rejected The cat 1.",
    "line 3 1 prompt Name animal 2. chosen The dog 2. rejected The cat 2.",
  ]);
  assert.equal((await read(flag))[0], "line 1 0 prompt Name animal 0. chosen The dog 0. rejected The cat 0.");

  await question.getByRole("radio", { name: flag }).check();
  await importing().filter({ hasText: "Import 4 pairs" }).click();
  await page.getByText("4 pairs imported from labels.jsonl.").first().waitFor();
  const [row] = await pairs("animal 1");
  assert.equal((await whole(row.id)).chosen[0].content, "The cat 1.");
});

test("two answers and a winner come in as pairs, ties to be labelled", async () => {
  const before = (await machine.call("open_project", { folder })).counts;
  const rows = ["model_a", "model_b", "tie", "both_bad"].map((winner, at) => ({ question: [{ role: "user", content: `Name tree ${at}.` }], reply_one: `The oak ${at}.`, reply_two: `The elm ${at}.`, who: winner }));
  await choose("arena.jsonl", rows);
  // By hand: no name here says what the last column is.
  await page.getByLabel("The file holds").selectOption("preferences");
  await page.getByLabel("answer a").selectOption("reply_one");
  await page.getByLabel("answer b").selectOption("reply_two");
  await page.getByLabel(/^preference/).selectOption("who");
  await importing().filter({ hasText: "Import 2 pairs and 2 items to label" }).click();
  await page.getByText("2 pairs and 2 items to label imported from arena.jsonl.").first().waitFor();
  const { counts } = await machine.call("open_project", { folder });
  assert.deepEqual([counts.pairs - before.pairs, counts.items - before.items], [2, 2]);
  const [row] = await pairs("tree 1");
  assert.equal((await whole(row.id)).chosen[0].content, "The elm 1.");
  assert.deepEqual(page.complaints, []);
});

test("rated answers ask which pairs are made of them, and the least distance and the condition are kept", async () => {
  await goTo(page, "d");
  const completion = (text, score) => ({ response: text, overall_score: score, "fine-grained_score": score / 2 });
  const row = (number, lang) => ({
    instruction: `Rated ${number}?`,
    lang,
    completions: [completion(`fair ${number}`, 3), completion(`good ${number}`, 5), completion(`bad ${number}`, 1)],
  });
  await choose("rated.jsonl", [row(1, "en"), row(2, "de")]);
  const which = page.getByRole("group", { name: /Which column rates the answers/ });
  await which.getByRole("radio", { name: /What completions\.\*\.overall_score says/i }).check();
  const pairing = page.getByRole("group", { name: /2 prompts have more than two rated answers/ });
  await pairing.getByRole("radio", { name: /the best answer against each of the others/i }).check();
  await page.getByRole("button", { name: "Import 4 pairs" }).waitFor();
  await page.getByLabel("least distance (optional)").fill("3");
  await page.getByLabel("least distance (optional)").blur();
  await page.getByRole("button", { name: "Import 2 pairs" }).waitFor();
  await page.getByText(/answers whose ratings are nearer than/).waitFor();
  await page.getByLabel("only rows where (optional)").fill("lang=en");
  await page.getByLabel("only rows where (optional)").blur();
  await page.getByRole("button", { name: "Import 1 pair" }).waitFor();
  await unfold(page);
  await page.getByText(/left out, as lang is not en/).waitFor();
  if (process.env.TIEBREAK_PICTURES) await page.screenshot({ path: `${process.env.TIEBREAK_PICTURES}/rated.png`, fullPage: true });
  await importing().click();
  await page.getByText(/1 pair imported from rated.jsonl/).first().waitFor();
  const [kept] = await pairs("Rated 1");
  const { chosen, rejected } = await whole(kept.id);
  const said = (content) => (typeof content === "string" ? content : content[0].content);
  assert.deepEqual([said(chosen), said(rejected)], ["good 1", "bad 1"]);
  assert.equal((await pairs("Rated 2")).length, 0);
});

test("labelled answers that make no pair are kept as single labels, listed and exported", async () => {
  await goTo(page, "d");
  const row = (prompt, completion, label) => ({ prompt, completion, label });
  await choose("kto.jsonl", [row("Single 1?", "good 1", true), row("Single 2?", "bad 2", false), row("Both?", "good 3", true), row("Both?", "bad 3", false)]);
  await page.getByText("By `label`, 2 answers are labelled good and 2 bad.".replaceAll("`", "")).waitFor();
  await page.getByText(/In 2 rows: kept as a single label/).waitFor();
  // The prompts are plain text, of rows that are brought together too.
  await page.getByRole("group", { name: /The prompts are plain text/ }).getByRole("radio", { name: /stands as it is/ }).check();
  assert.match(await page.locator(".sums").innerText(), /of them single labels\s*2/);
  await page.getByText(/In 2 rows: kept as a single label/).waitFor();
  await importing().click();
  await page.getByText("1 pair and 2 single labels imported from kto.jsonl.").first().waitFor();
  assert.deepEqual((await pairs("Both?")).map(({ chosen, rejected }) => [chosen, rejected]), [["good 3", "bad 3"]]);

  await page.getByRole("link", { name: "2 single labels" }).click();
  const list = page.getByRole("listbox", { name: "Single labels" });
  await list.getByText("bad 2").waitFor();
  await list.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const side = page.getByRole("region", { name: /^Answer \d+$/ });
  await side.getByText("kto.jsonl, line 2").waitFor();
  await side.getByText("Bad", { exact: true }).waitFor();
  if (process.env.TIEBREAK_PICTURES) await page.screenshot({ path: `${process.env.TIEBREAK_PICTURES}/singles.png` });
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: /^\d+ pairs?$/ }).click();
  await page.getByRole("listbox", { name: "Pairs" }).waitFor();

  const exported = await machine.call("export", { project: folder, run: null, evaluation: null, what: ["pairs"], allow_changed_base: false });
  const labels = exported.find(({ what }) => what === "single labels");
  const lines = readFileSync(labels.path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [row("Single 1?", "good 1", true), row("Single 2?", "bad 2", false)]);
});

test("demonstrations come in by their answer, which is guessed", async () => {
  await goTo(page, "d");
  await choose("alpaca.jsonl", [{ instruction: "Add.", input: "2 and 3", output: "5" }, { instruction: "Name a bird.", input: "", output: "A wren." }]);
  await page.getByText(/comes in as a demonstration/).waitFor();
  await page.getByLabel("The file holds").selectOption("Demonstrations");
  await page.getByRole("button", { name: "Import 2 demonstrations" }).waitFor();
  assert.equal(await page.getByLabel("answer", { exact: true }).inputValue(), "output");
  await page.getByText("answer", { exact: true }).first().waitFor();
  await importing().click();
  await page.getByRole("link", { name: "2 demonstrations" }).click();
  await page.getByRole("listbox", { name: "Demonstrations" }).getByText("A wren.").waitFor();
});

test("rows of an array on one line are told by their numbers, and what is no data by what it is", async () => {
  await goTo(page, "d");
  const input = page.locator('input[type="file"]');
  const rows = [1, 2, 3, 4].map((number) => ({ prompt: `Numbered ${number}?`, chosen: number % 2 ? "" + number : 0.5, rejected: "no" }));
  await input.setInputFiles({ name: "records.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(rows)) });
  await page.getByText(/records.json.* · JSON array/).waitFor();
  await page.getByText("2 rows are refused").click();
  const refused = page.getByRole("listitem").filter({ hasText: /^row/ });
  assert.deepEqual((await refused.allInnerTexts()).map((text) => text.split("\n")[0]), ["row 2 (line 1)", "row 4 (line 1)"]);
  await page.getByText("1 of 2 · row 1").waitFor();
  await page.getByRole("button", { name: "Next", exact: true }).click();
  await page.getByText("2 of 2 · row 3 (line 1)").waitFor();
  await importing().click();
  await page.getByText("2 pairs imported from records.json, 2 refused.").first().waitFor();
  const [third] = await pairs("Numbered 3");
  assert.match((await whole(third.id)).history.at(-1).what, /^Imported from records\.json, row 3 \(line 1\)\.$/);

  const png = Buffer.from([0x89, ...Buffer.from("PNG\r\n"), 0x1a, 0x0a, ...Array.from({ length: 3000 }, (_, at) => at % 256)]);
  await input.setInputFiles({ name: "picture.png", mimeType: "image/png", buffer: png });
  await page.getByText(/picture\.png is a PNG image/).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
});
