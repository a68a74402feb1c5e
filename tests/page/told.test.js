// What is told, and where: no number without how little it rests on, no name of a file of the program's own, no sentence that
// takes the room of what it is about.

import assert from "node:assert/strict";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Told", "pairs.jsonl", pairs(40), "pairs");
  await bringIn("survey.csv", candidates(6));
  page = await open(browser, machine);
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
  await page.reload();
  await page.getByRole("heading", { name: "Told" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const ask = (operation, request = {}) => machine.call(operation, { project: folder, ...request });
async function bringIn(name, text) {
  const { upload } = await machine.send(name, text);
  const { mapping } = await ask("preview_import", { upload, mapping: null });
  return ask("import", { upload, mapping });
}
const number = (name) => page.locator("dl.numbers > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd").first().innerText();

test("a labelled pair is known by its item, and a swap of the answers is called one", async () => {
  const { queue } = await ask("label_state", { annotator: "Ada", ahead: 1 });
  await ask("judge", { annotator: "Ada", item: queue[0].item, showing: queue[0].showing, verdict: "left", milliseconds: 900, note: null });
  await page.evaluate((item) => (window.location.hash = `#/data/-${item}`), queue[0].item);
  await page.getByRole("heading", { name: `Labelled item ${queue[0].item}`, exact: true }).waitFor();
  assert.equal(await page.getByText(/pair -\d/i).count(), 0);

  await page.evaluate(() => (window.location.hash = "#/data/3"));
  await page.getByRole("heading", { name: "Pair 3", exact: true }).waitFor();
  await page.getByRole("button", { name: "Swap answers" }).click();
  await page.getByRole("listitem").filter({ hasText: "Swapped the two answers." }).waitFor();
  assert.equal(await page.getByText(/^Edited/).count(), 0);
  await page.keyboard.press("Escape");
});

test("the filter for what is to be judged again says where items wait", async () => {
  await page.getByLabel("Where pairs come from").selectOption("To judge again");
  await page.getByText("5 items wait for a first judgement on Label.", { exact: false }).waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
});

test("a step of two pairs tells its interval, and what stands out leaves the figures on the screen", async () => {
  const settings = { max_steps: 6, logging_steps: 1, per_device_train_batch_size: 2, max_length: 40, truncation: "keep_start", eval_steps: 3, lr_scheduler_type: "constant", warmup_ratio: 0.5 };
  const run = await trained(machine, folder, { name: "few" }, settings);
  const { warnings } = await ask("run", { run });
  assert.ok(warnings.length > 1, `${warnings.length} warnings`);
  await page.evaluate((run) => (window.location.hash = `#/train/${run}`), run);
  await page.getByRole("heading", { name: "few" }).waitFor();
  await page.getByText("finished", { exact: true }).first().waitFor();
  assert.match(await number("rewards/accuracies"), /^\d+\.\d %\s*of 2 pairs: \d+\.\d to \d+\.\d %$/);
  assert.match(await number("held-out accuracy by reward"), /^\d+\.\d %\s*\d+\.\d to \d+\.\d %$/);

  const line = page.getByRole("region", { name: "What stands out" });
  await line.getByText(`${warnings.length} things stand out`).waitFor();
  const { height } = await line.boundingBox();
  assert.ok(height < 50, `${height} high`);
  const figures = await page.getByRole("heading", { name: "Figures" }).boundingBox();
  assert.ok(figures.y < 600, `the figures begin at ${figures.y}`);
  // By keyboard, and whole.
  await line.locator("summary").focus();
  await page.keyboard.press("Enter");
  for (const warning of warnings) await line.locator(".notice").filter({ hasText: warning.slice(-30).replaceAll("`", "") }).first().waitFor();
  for (const warning of warnings) assert.ok(!/\.jsonl|\//.test(warning), warning);

  await goTo(page, "t");
  assert.match(await page.getByRole("row", { name: /few/ }).innerText(), /(\d+\.\d %\s+\d+\.\d to \d+\.\d %\s*){2}/);
});

test("how often a run looks at its held-out pairs follows its steps, until it is said", async () => {
  await page.getByRole("button", { name: "New run" }).click();
  const every = page.getByLabel("eval_steps", { exact: true });
  const steps = page.locator("dl.numbers > div").filter({ has: page.getByText("Steps", { exact: true }) });
  const is = async (value) => until(async () => (await every.inputValue()) === value, `eval_steps to be ${value}, and not ${await every.inputValue()}`, 20);
  await set(page, "max_steps", "12");
  await is("1");
  await set(page, "max_steps", "300");
  await is("30");
  await set(page, "eval_steps", "7");
  await set(page, "max_steps", "40");
  await steps.getByText(/^40 \(/).waitFor();
  assert.equal(await every.inputValue(), "7");
  // A run that meets a part of the pairs says so: only these are scored by the reference.
  await set(page, "max_steps", "2");
  await steps.getByText(/They meet 16 of the \d+ pairs\./).waitFor();
  await page.getByRole("button", { name: "Back to the defaults" }).click();

  // Started at once, it is preset all the same.
  await set(page, "max_steps", "20");
  await page.getByLabel("Name").fill("hasty");
  await page.getByRole("button", { name: "Start training" }).click();
  await page.getByRole("heading", { name: "hasty" }).waitFor();
  assert.equal((await ask("run", { run: "hasty" })).settings.eval_steps, 2);
  await page.getByText("finished", { exact: true }).first().waitFor({ timeout: 60_000 });
});

test("a verdict on answers that were looked at with their authors is kept as one that is not blind", async () => {
  const request = { project: folder, run: "hasty", judge: { kind: "human" }, prompts: "held_out", max_prompts: 4, temperature: 0, max_new_tokens: 24, seed: 1 };
  const { evaluation } = await machine.call("start_evaluation", { request });
  await until(async () => (await ask("evaluation", { evaluation, theme: "light" })).summary.answered === 4, "the answers");
  // Who knows which model says more would know whose answers are whose.
  await page.evaluate((evaluation) => (window.location.hash = `#/evaluate/${evaluation}`), evaluation);
  await page.getByText("Shown when all is judged: by these numbers it could be told whose answers are whose.").waitFor();
  const numbers = page.getByText("A model can win and still have become long-winded or repetitive.");
  assert.equal(await numbers.count(), 0);
  await page.evaluate((evaluation) => (window.location.hash = `#/evaluate/${evaluation}/answers`), evaluation);
  await page.getByRole("button", { name: "Show them anyway" }).click();
  await page.getByRole("region", { name: "Answer of the tuned model" }).waitFor();
  await page.reload();
  await page.evaluate((evaluation) => (window.location.hash = `#/evaluate/${evaluation}/judge`), evaluation);
  const notice = page.getByText("You have seen whose answers these are");
  const { total } = await machine.call("blind_item", { project: folder, evaluation, annotator: "Ada" });
  for (let done = 0; done < total; done += 1) {
    await page.getByText(`${done} of ${total}`, { exact: true }).waitFor();
    assert.equal(await notice.count(), done === 0 ? 1 : 0, `at item ${done}`);
    await page.keyboard.press("ArrowLeft");
  }
  await page.getByRole("button", { name: "See the result" }).click();
  await page.getByText("1 verdict was given after the answers had been shown with their authors, and is not blind.", { exact: false }).waitFor();
  await numbers.waitFor();
  // What the line at 55 % is, is said under the figure.
  await page.getByText("This line is a choice of Tiebreak's", { exact: false }).waitFor();
});

test("what is to be known of an exported file stands with that file, without options of the command line", async () => {
  await goTo(page, "x");
  const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Pairs", exact: true }) });
  for (const name of ["Argilla", "Label Studio"]) await card.getByRole("checkbox", { name, exact: true }).check();
  await card.getByRole("button", { name: "Export pairs" }).click();
  await card.locator(".written").nth(3).waitFor();
  const [jsonl, parquet, argilla, studio] = await card.locator(".written").allInnerTexts();
  assert.match(jsonl, /In all these files, the annotators of the judgements beside the pairs are numbered/);
  assert.ok(!/numbered|vote/.test(parquet), parquet);
  assert.match(argilla, /Its server refuses responses/i);
  assert.match(studio, /Annotations belong to whoever imports them/i);
  assert.ok(!/Its server/i.test(studio) && !/Annotations belong/i.test(argilla));
  assert.ok(!/--[a-z]/.test([jsonl, parquet, argilla, studio].join()), "an option of the command line");
});

test("what comes in beside prompts is not told in the words of the command line", async () => {
  await goTo(page, "d");
  await page.locator('input[type="file"]').setInputFiles({ name: "alpaca.csv", mimeType: "text/csv", buffer: Buffer.from("instruction,output\nAdd 2 and 3.,5\nName a bird.,A wren.\n") });
  await page.getByText(/comes in as a demonstration\./).waitFor();
  assert.equal(await page.getByText(/kind=/).count(), 0);
  await page.getByRole("button", { name: "Cancel" }).click();
});

test("the differences of long answers are computed beside the page, the same for both sides", async () => {
  const words = Array.from({ length: 6000 }, (_, i) => `word${(i * 7919) % 3001}`);
  const [one, other] = [[...words, "left"], [...words.slice(0, 3000), "changed", ...words.slice(3001), "right"]].map((text) => text.join(" "));
  const own = await machine.project("Long", "long.csv", `question,response_a,response_b\nWhich is longer?,${one},${other}\n`, "candidates");
  const long = await open(browser, machine);
  await long.evaluate((own) => (sessionStorage.setItem("tiebreak.project", own), localStorage.setItem("tiebreak.annotator", "Ada"), (window.location.hash = "#/label")), own);
  await long.reload();
  await long.getByLabel("Left answer, text").waitFor();
  await long.keyboard.press("d");
  const marks = async (side) => (await long.getByLabel(`${side} answer, text`).locator("mark").allInnerTexts()).map((text) => text.trim()).join(" ");
  await until(async () => /left|right/.test(await marks("Left")) && /left|right/.test(await marks("Right")), "both sides to be marked", 30);
  assert.deepEqual([await marks("Left"), await marks("Right")].toSorted(), [`changed right`, `${words[3000]} left`].toSorted());
  assert.deepEqual(long.complaints, []);
  await long.context().close();
});

test("a new run does not open in red where a model is on this machine", async () => {
  const { models } = await machine.call("home", {});
  const { folder: bare } = await machine.call("create_project", { name: "No model chosen", folder: null });
  assert.equal((await machine.call("default_settings", { project: bare })).model, "");
  // As long as the model is: what it holds is looked at when it is opened.
  const [model] = models;
  const place = join(machine.folder, "cache", "models", model.id);
  mkdirSync(place, { recursive: true });
  const catalogue = (await import("node:fs")).readFileSync(new URL("../../assets/models.toml", import.meta.url), "utf8");
  const [, file] = /file = "([^"]+)"/.exec(catalogue);
  writeFileSync(join(place, file), "");
  truncateSync(join(place, file), model.bytes);
  const other = await open(browser, machine);
  await other.evaluate((bare) => (sessionStorage.setItem("tiebreak.project", bare), (window.location.hash = "#/train/+new")), bare);
  await other.reload();
  const field = other.getByLabel("Model", { exact: true });
  await field.waitFor();
  await other.waitForTimeout(500);
  assert.equal(await field.inputValue(), model.id);
  assert.equal(await other.locator("[aria-invalid=true]").count(), 0);
  await other.context().close();
});

test("a program that is gone is told of at once, and one that was begun anew by what to do", async () => {
  assert.deepEqual(page.complaints, []);
  const gone = page.locator(".lost");
  assert.equal(await gone.count(), 0);
  const before = Date.now();
  await machine.kill();
  await gone.getByText("The program does not answer.").waitFor({ timeout: 3000 });
  assert.ok(Date.now() - before < 3000);
  // Nothing was asked for meanwhile: the page found out by itself. A program that is begun anew has another key.
  await machine.start(null, new URL(machine.url).port);
  await gone.getByText("This page is not allowed to ask the program.").waitFor({ timeout: 15_000 });
  await gone.getByText("Open the address that", { exact: false }).waitFor();
});
