// The interaction budget, measured and printed: 100,000 pairs, keys, a figure of 10,000 steps. TIEBREAK_PAIRS asks for another
// number of pairs; docs/scale.md has what a million gave.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";

let machine, browser;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const PAIRS = Number(process.env.TIEBREAK_PAIRS ?? 100_000);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const timed = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

function within(what, milliseconds, budget, t) {
  t.diagnostic(`${what}: ${milliseconds.toFixed(0)} ms (budget ${budget} ms)`);
  assert.ok(milliseconds < budget, `${what} took ${milliseconds.toFixed(0)} ms, more than ${budget}`);
}

test(`${PAIRS.toLocaleString("en")} pairs open, are searched and labelled without a wait`, async (t) => {
  const folder = await machine.project("Large", "pairs.jsonl", pairs(PAIRS), "pairs");
  const { upload } = await machine.send("survey.csv", candidates(60));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  await machine.kill();
  await machine.start();
  within("opening the project", await timed(() => machine.call("open_project", { folder })), 1000, t);

  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Large" }).waitFor();
  await goTo(page, "d");
  await page.getByRole("listbox", { name: "Pairs" }).getByRole("option").nth(5).waitFor();
  const query = (text) => ({ text, source: null, category: null, offset: PAIRS / 2, limit: 100 });
  within("a page in the middle of the table", await timed(() => machine.call("pairs", { project: folder, query: query("") })), 200, t);
  const narrowed = (more) => () => machine.call("pairs", { project: folder, query: { ...query(""), ...more } });
  within("a page in the middle, sorted by length", await timed(narrowed({ sort: "chosen_length", descending: true })), 400, t);
  within("a page of one file, by length and characters", await timed(narrowed({ import: 1, shortest: 50, sort: "prompt_length" })), 400, t);
  // It may have to wait for the texts to be read.
  within("the first search", await timed(() => machine.call("pairs", { project: folder, query: query("lantern number 8") })), Math.max(1000, PAIRS / 100), t);
  within("a search, sorted by date", await timed(() => machine.call("pairs", { project: folder, query: { ...query("lantern number 9"), sort: "date", descending: true } })), 1000, t);
  within("a search", await timed(() => machine.call("pairs", { project: folder, query: query("lantern number 9") })), 1000, t);

  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByLabel("Left answer, text").waitFor();
  await page.waitForTimeout(500);
  // From the key to the first frame that shows the next item.
  const waits = [];
  for (let i = 0; i < 20; i += 1) {
    waits.push(
      await page.evaluate(() => new Promise((resolve) => {
        const shown = document.querySelector("[aria-label='Left answer, text']");
        const start = performance.now();
        window.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true, cancelable: true }));
        const look = () => requestAnimationFrame(() => {
          const now = document.querySelector("[aria-label='Left answer, text']");
          if (now && now !== shown) resolve(performance.now() - start);
          else look();
        });
        look();
      })),
    );
    await page.waitForTimeout(60);
  }
  within("key to next pair (median of 20)", median(waits), 50, t);
});

test("a figure of 10,000 steps is drawn at once", async (t) => {
  const folder = await machine.project("Long", "pairs.jsonl", pairs(20), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "long" });
  Object.assign(request.settings, { max_steps: 2, per_device_train_batch_size: 4 });
  const { summary, folder: run } = await machine.call("start_run", { request });
  const state = async () => (await machine.call("run", { project: folder, run: summary.run })).summary;
  while ((await state()).state !== "finished") await new Promise((resolve) => setTimeout(resolve, 100));
  // The steps of a long run in the run's own words: its last step again and again, under other numbers.
  const events = join(run, "events.jsonl");
  const lines = readFileSync(events, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const step = lines.findLast((line) => line.type === "step");
  writeFileSync(events, "");
  const many = Array.from({ length: 10_000 }, (_, i) => JSON.stringify({ ...step, step: i + 1, total_steps: 10_000, loss: 0.7 * Math.exp(-i / 4000) + 0.05 * Math.sin(i) ** 2 }));
  appendFileSync(events, [...lines.filter((line) => line.type !== "step").map((line) => JSON.stringify(line)), ...many].join("\n") + "\n");
  // A run's events are only ever added to, so that they are read once: this server has read others.
  await machine.kill();
  await machine.start();
  const draw = () => machine.call("run_figures", { project: folder, runs: [summary.run], figures: ["loss"], theme: "light", width: 640, height: 360 });
  await draw();
  const times = [];
  for (let i = 0; i < 5; i += 1) times.push(await timed(draw));
  within("a figure of 10,000 steps (median of 5)", median(times), 100, t);
});
