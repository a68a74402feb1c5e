// An evaluation from its first answer to its place in the history: answers stream in, people judge what a rule has judged,
// both stand side by side; by category; filtered by who won.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { figure } from "./numbers.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, project, evaluation;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const rows = pairs(40).split("\n").map((line, i) => JSON.stringify({ ...JSON.parse(line), category: i % 2 === 0 ? "house" : "garden" }));
  project = await machine.project("Verdicts", "pairs.jsonl", rows.join("\n"), "pairs");
  await trained(machine, project, { name: "first" }, { max_steps: 8 });
  await trained(machine, project, { name: "second" }, { max_steps: 4 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Verdicts" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const items = async (filter = "all") => machine.call("eval_items", { project, evaluation, filter, offset: 0, limit: 50 });
const part = (name) => page.getByRole("navigation", { name: "Parts of the evaluation" }).getByRole("link", { name, exact: true }).click();
const row = async (name) => (await page.getByRole("row", { name }).getByRole("cell").allInnerTexts()).slice(0, 4);
const tally = (rows, of) => ["tuned", "tie", "base", "none"].map((winner) => String(rows.filter((item) => item[of] === winner).length));

/** Starts an evaluation of the first run by the rule `longer`. */
async function evaluate(tokens) {
  await goTo(page, "t");
  await page.getByRole("link", { name: "first" }).click();
  await page.getByRole("button", { name: "Evaluate", exact: true }).click();
  await page.getByRole("radio", { name: /^A rule/ }).check();
  await page.getByLabel("Rule", { exact: true }).selectOption("longer");
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens").fill(String(tokens));
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByRole("heading", { name: "Evaluation of first" }).waitFor();
}

const growing = () => page.getByRole("region", { name: "Answers as they are written" });

test("a page that is closed and opened while the models answer shows the evaluation where it is, and can stop it", async () => {
  // So long that it is surely still going on when the page is back.
  await evaluate(20_000);
  await growing().getByText(/prompt \d+, base model/).first().waitFor();
  const text = await growing().innerText();
  await page.waitForFunction((text) => document.querySelector("[aria-label='Answers as they are written']").innerText !== text, text);
  await page.context().close();

  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Verdicts" }).waitFor();
  await page.getByRole("region", { name: "Jobs in progress" }).getByText("Evaluate first").waitFor();
  await goTo(page, "e");
  await page.getByRole("cell", { name: "answering" }).waitFor();
  await page.getByRole("link", { name: "first" }).click();
  await growing().getByText(/prompt \d+, base model/).first().waitFor();
  await page.getByText("base answers", { exact: true }).first().waitFor();
  await page.getByRole("main").getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByText("Nobody is at work on this evaluation").waitFor();
});

test("the tuned model's answers stream in after the base model's", async () => {
  // Long enough that each model writes for more than a blink.
  await evaluate(1_500);
  await growing().getByText(/prompt \d+, tuned model/).first().waitFor({ timeout: 60_000 });
  await page.getByText(/^done · /).waitFor({ timeout: 60_000 });
});

test("an evaluation ends with an answer of each model to every prompt", async () => {
  // Short enough to be compared word by word.
  await evaluate(400);
  evaluation = new URL(page.url()).hash.split("/")[2];
  await page.getByText(/^done · /).waitFor({ timeout: 60_000 });
  assert.equal((await items()).total, 10);
});

test("people judge blind what the rule has judged; both stand side by side with their agreement", async () => {
  await part("Judge blind");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  // Six of ten, by keys alone; one is taken back and judged anew.
  const given = new Map();
  const count = (done) => page.getByText(`${done} of 10`, { exact: true }).waitFor();
  const judge = async (key) => {
    const { id, done } = await machine.call("blind_item", { project, evaluation, annotator: "Ada" });
    await count(done);
    await page.keyboard.press(key);
    await count(done + 1);
    given.set(id, key);
  };
  await page.getByRole("region", { name: "Left answer" }).waitFor();
  const shown = await page.locator("main").innerText();
  assert.ok(!/base model|tuned model/.test(shown), "who wrote what is told before it is judged");
  for (const key of ["ArrowLeft", "ArrowRight", "Shift+ArrowLeft", "ArrowUp", "ArrowRight"]) await judge(key);
  await judge("ArrowLeft");
  await page.keyboard.press("z");
  await count(5);
  await judge("ArrowDown");

  await part("Result");
  await page.getByRole("heading", { name: "Automatic and human verdicts" }).waitFor();
  const { rows } = await items();
  const judged = rows.filter(({ id }) => given.has(id));
  assert.equal(judged.length, 6);
  for (const { id, human } of judged) assert.equal(human === "tie", ["ArrowUp", "ArrowDown"].includes(given.get(id)), `${given.get(id)} is ${human}`);
  await until(async () => (await row(/^People, blind/)).join() === [...tally(judged, "human").slice(0, 3), String(rows.length - judged.length)].join(), "all verdicts to be shown");
  assert.deepEqual(await row(/^The judge/), tally(rows, "auto"));

  // Agreement, and beyond chance: Cohen's kappa over tuned, base and tie.
  const alike = judged.filter(({ auto, human }) => auto === human).length / 6;
  const share = (of, winner) => judged.filter((item) => item[of] === winner).length / 6;
  const chance = ["tuned", "base", "tie"].reduce((sum, winner) => sum + share("auto", winner) * share("human", winner), 0);
  const sentence = await page.getByText(/^On 6 items with both, the judge and people agree on/).innerText();
  assert.ok(sentence.includes(`agree on ${(alike * 100).toFixed(1)} % (Cohen's kappa ${figure((alike - chance) / (1 - chance))})`), sentence);
});

test("results by category", async () => {
  const { rows } = await items();
  for (const category of ["garden", "house"]) assert.deepEqual(await row(new RegExp(`^${category}`)), tally(rows.filter((item) => item.category === category), "auto"));
  await page.getByRole("img", { name: /Win rate/ }).waitFor();
});

test("every pair of answers can be paged through, filtered by who won, with differences shown", async () => {
  await part("Answers");
  const place = page.getByRole("status").filter({ hasText: /of \d+|none/ });
  const names = { all: "All answers", tuned: "Tuned won", base: "Base won", tie: "Ties", disagree: "Judge and people disagree" };
  for (const [filter, name] of Object.entries(names)) {
    const { total } = await items(filter);
    await page.getByLabel("Which answers").selectOption(name);
    await place.getByText(total === 0 ? "none" : `1 of ${total}`).waitFor();
  }
  await page.getByLabel("Which answers").selectOption("All answers");
  const { rows } = await items();
  for (const [i, { base, tuned, auto, human }] of rows.entries()) {
    await place.getByText(`${i + 1} of ${rows.length}`).waitFor();
    const word = (winner) => (winner === "none" ? "no verdict" : winner);
    await page.getByText(`Judge: ${word(auto)}`).waitFor();
    await page.getByText(`People: ${word(human)}`).waitFor();
    if (i === 0) {
      await page.keyboard.press("d");
      const marked = page.getByRole("region", { name: "Answer of the tuned model" }).locator("mark");
      await marked.first().waitFor();
      assert.ok(tuned.includes(await marked.first().innerText()) && base !== tuned);
      await page.keyboard.press("d");
    }
    await page.locator("#main").focus();
    await page.keyboard.press("ArrowRight");
  }
});

test("the history tells evaluations of all runs apart", async () => {
  const request = { project, run: "second", judge: { kind: "rule", rule: "shorter" }, prompts: "held_out", max_prompts: 4, temperature: 0, max_new_tokens: 8, seed: 1 };
  await machine.call("start_evaluation", { request });
  await goTo(page, "e");
  const list = page.locator("tbody tr");
  await list.nth(0).getByText("done", { exact: true }).waitFor({ timeout: 60_000 });
  const texts = await list.allInnerTexts();
  assert.equal(texts.length, 4);
  assert.match(texts[0], /^second[^]*rule "shorter"[^]*done[^]*4 of 4[^]*%/);
  for (const text of texts.slice(1, 3)) assert.match(text, /^first[^]*rule "longer"[^]*done[^]*10 of 10[^]*%/);
  assert.match(texts[3], /^first[^]*rule "longer"[^]*broken off[^]*0 of 10/);
  assert.deepEqual(page.complaints, []);
});
