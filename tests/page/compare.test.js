// Runs beside each other: curves of the pairs they held out, in one drawing where these are the same pairs and apart where
// they are not, and what their evaluations came to, of which only those of the same judge and prompts stand together.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, project, first, second, third;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Beside", "pairs.jsonl", pairs(40), "pairs");
  const settings = { max_steps: 6, eval_steps: 2 };
  first = await trained(machine, project, { name: "first" }, settings);
  second = await trained(machine, project, { name: "second" }, { ...settings, beta: 0.5 });
  // By another seed other pairs are held out.
  third = await trained(machine, project, { name: "third" }, { ...settings, seed: 9 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Beside", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function evaluated(run, judge, max_prompts = 8) {
  const request = { project, run, judge, prompts: "held_out", max_prompts, temperature: 0, max_new_tokens: 12, seed: 1 };
  const { evaluation } = await machine.call("start_evaluation", { request });
  await until(async () => (await machine.call("evaluation", { project, evaluation, theme: "light" })).summary.state === "done", `an evaluation of ${run}`);
}

async function compared(...runs) {
  await page.evaluate((hash) => (window.location.hash = hash), `#/train/+compare/${runs.join("/")}`);
  await page.getByRole("heading", { name: "Held-out pairs" }).waitFor();
}

const curves = (runs) => page.getByRole("region", { name: `Held-out curves of ${runs}`, exact: true }).getByRole("img");

test("held-out curves of runs with the same pairs are in one drawing, and what is not on one scale is said", async () => {
  await compared(first, second);
  await curves("first, second").nth(2).waitFor();
  const drawn = await curves("first, second").evaluateAll((images) => images.map(({ alt }) => alt));
  const [loss, accuracy, margins] = ["Held-out loss: eval_loss per pair", "Held-out accuracy: eval_rewards/accuracies", "Held-out margins: eval_rewards/margins"];
  for (const [place, title] of [loss, accuracy, margins].entries()) {
    assert.ok(drawn[place].startsWith(title), drawn[place]);
    assert.match(drawn[place], /first: from \S+ at 2 to \S+ at 6\. second: from \S+ at 2 to \S+ at 6\./);
  }
  // Told apart without colour, too: of two curves, the second is broken.
  const parts = await curves("first, second").first().evaluate((image) => {
    const svg = new DOMParser().parseFromString(decodeURIComponent(image.src.split(",").slice(1).join(",")), "image/svg+xml");
    const count = {};
    for (const line of svg.querySelectorAll("polyline, line")) count[line.getAttribute("stroke")] = (count[line.getAttribute("stroke")] ?? 0) + 1;
    return count;
  });
  const curvesOnly = Object.values(parts).filter((number) => number >= 2).toSorted((a, b) => a - b);
  assert.ok(curvesOnly.at(-1) > 10, JSON.stringify(parts));
  await page.getByText("The losses are not on one scale: these runs differ in beta. Nor are the margins, which beta multiplies. Accuracy can be compared.").waitFor();
  assert.equal(await page.getByText("of different held-out pairs").count(), 0);
  // Every value can be read off, by keyboard too.
  await page.getByRole("slider", { name: "Read-out of held_out_accuracy" }).focus();
  await page.keyboard.press("Home");
  await page.getByText(/^optimiser step 2\s*first [\d.]+\s*second [\d.]+$/).waitFor();
});

test("runs that hold other pairs out are drawn apart, which is said", async () => {
  await compared(first, second, third);
  // One line, that opens.
  const told = page.locator("details", { hasText: "different held-out pairs" });
  assert.equal(await told.count(), 1);
  assert.ok(!(await told.getAttribute("open")), "folded");
  await told.locator("summary").click();
  await page.getByText("Held-out accuracy and loss of these runs are of different held-out pairs").waitFor();
  await curves("third").nth(2).waitFor();
  assert.equal(await curves("first, second").count(), 3);
  for (const alt of await curves("third").evaluateAll((images) => images.map(({ alt }) => alt))) assert.ok(!alt.includes("first"), alt);
});

test("win rates of the same judge and prompts stand together, others apart", async () => {
  await compared(first, second, third);
  await page.getByText("None of these runs has been evaluated.").waitFor();
  await evaluated(first, { kind: "rule", rule: "longer" });
  await evaluated(second, { kind: "rule", rule: "longer" });
  await evaluated(second, { kind: "rule", rule: "shorter" });
  await page.getByText("Not evaluated: third.").waitFor();
  const tables = page.getByRole("region", { name: /^Win rates by / });
  await tables.nth(1).waitFor();
  assert.equal(await tables.count(), 2);
  const rows = async (table) => (await table.getByRole("row").allInnerTexts()).slice(1).map((row) => row.split("\t")[0]);
  const both = await Promise.all([0, 1].map((place) => rows(tables.nth(place))));
  assert.deepEqual(both.map((names) => names.toSorted()).toSorted((a, b) => a.length - b.length), [["second"], ["first", "second"]]);
  assert.match(await tables.first().getByRole("row").nth(1).innerText(), /\d+\t[\d.]+ % \([\d.]+ to [\d.]+ %\)$/);
  await page.getByText("rates of different tables say nothing of each other").waitFor();
  assert.deepEqual(page.complaints, []);
});
