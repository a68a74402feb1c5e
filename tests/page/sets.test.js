// Sets of pairs: saved filters and chosen pairs, a part of them by seed; a run made of sets with weights and a held-out set.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Sets", "rows.jsonl", Array.from({ length: 60 }, (_, i) => row(i)).join("\n"), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Sets" }).first().waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** Three categories of twenty; the first two pairs of "b" ask what pairs of "c" ask. */
const row = (number) => {
  const category = ["a", "b", "c"][Math.floor(number / 20)];
  const asked = number === 20 || number === 21 ? number + 20 : number;
  return JSON.stringify({ prompt: `Question ${asked}?`, chosen: `plainly ${number}`, rejected: "at length", category });
};
const sets = async () => Object.fromEntries((await machine.call("pair_sets", { project: folder })).map((set) => [set.name, set]));
const total = (text) => page.locator("search").getByText(text, { exact: true }).waitFor();
const panel = () => page.getByRole("region", { name: "What this run will do" });

async function saveFilter(category, name, part = null) {
  await page.getByLabel("Category").first().selectOption(category);
  await total("20 pairs");
  await page.getByRole("button", { name: "Save as a set" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(`category ${category}`).waitFor();
  await dialog.getByLabel("Name").fill(name);
  if (part) {
    await dialog.getByLabel("Only a part of it").check();
    await dialog.getByLabel("Pairs", { exact: true }).fill(String(part));
  }
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText(`The set ${name} is saved.`, { exact: true }).first().waitFor();
}

test("a filter is saved as a set, and finds anew; a part of it is drawn by seed", async () => {
  await goTo(page, "d");
  await total("60 pairs");
  await saveFilter("a", "As");
  await saveFilter("b", "Some Bs", 8);
  await saveFilter("c", "Cs");
  const saved = await sets();
  assert.deepEqual([saved.As.count, saved["Some Bs"].count, saved["Some Bs"].of, saved.Cs.count], [20, 8, 20, 20]);
  await page.getByLabel("Category").first().selectOption("");
  await machine.call("remove_pair", { project: folder, id: 1, who: "Ada", removed: true });
  assert.equal((await sets()).As.count, 19);
  await page.getByRole("link", { name: "Sets" }).click();
  const entry = page.getByRole("row").filter({ hasText: "Some Bs" });
  await entry.getByText("8 of 20 pairs, drawn by seed 42").waitFor();
  await page.getByRole("link", { name: "Cs", exact: true }).click();
  await total("20 pairs");
  await page.getByRole("button", { name: "Clear search and filters" }).or(page.getByLabel("Set", { exact: true })).first().waitFor();
  await page.getByLabel("Set", { exact: true }).selectOption("");
  await total("59 pairs");
});

test("chosen pairs are added to a set, and taken out of it", async () => {
  const options = page.getByRole("listbox", { name: "Pairs" }).getByRole("option");
  await options.nth(0).locator(".choose").click();
  await options.nth(2).locator(".choose").click({ modifiers: ["Shift"] });
  await page.getByRole("button", { name: "Add to a set" }).click();
  await page.getByRole("dialog").getByLabel("Its name").fill("Picked");
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  await page.getByText("3 pairs are in Picked now.", { exact: true }).first().waitFor();
  assert.equal((await sets()).Picked.count, 3);
  await page.getByLabel("Set", { exact: true }).selectOption({ label: "Picked" });
  await total("3 pairs");
  await options.nth(0).locator(".choose").click();
  await page.getByRole("button", { name: "Take out of the set" }).click();
  await total("2 pairs");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await total("3 pairs");
});

test("a run is made of sets with weights and a held-out set; what is left out is named, and the plan is what it trains on", async () => {
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  const add = page.getByLabel("Train on", { exact: true });
  await add.selectOption({ label: "As (19 pairs)" });
  await page.getByLabel("As: times per epoch").fill("2");
  await page.getByLabel("As: times per epoch").press("Tab");
  await page.getByLabel("Held-out set").selectOption({ label: "Cs (20 pairs)" });
  await page.getByLabel("Held-out share").fill("0");
  await page.getByLabel("Held-out share").press("Tab");
  await panel().getByText("38 to train on, 20 held out").waitFor();
  await panel().getByText("Made of the sets As (19 pairs, weight 2): an epoch meets 38 pairs.").waitFor();
  // Pairs in two sets count once, by the larger weight.
  await add.selectOption({ label: "Picked (3 pairs)" });
  await panel().getByText("3 pairs are in more than one of these sets: each counts once, by the larger weight.").waitFor();
  await panel().getByText("38 to train on, 20 held out").waitFor();
  await page.getByRole("button", { name: "Do not train on Picked" }).click();

  // All of "b" at half their weight: two of them ask what the held-out set asks.
  const bs = { name: "Bs", definition: { filter: { text: "", source: null, category: "b", offset: 0, limit: 0 }, subset: null } };
  await machine.call("save_set", { project: folder, who: "Ada", set: null, ...bs });
  await add.selectOption({ label: "Bs (20 pairs)" });
  await panel().getByText("2 pairs are left out, as their prompts are also asked by held-out pairs of Cs: pair 21 and pair 22.").waitFor();
  await page.getByLabel("Bs: times per epoch").fill("0.5");
  await page.getByLabel("Bs: times per epoch").press("Tab");
  await panel().getByText("47 to train on, 20 held out").waitFor();
  await panel().getByText("9 pairs of these sets are not met, as a weight below 1 draws only a part, by seed 42.").waitFor();
  await page.getByLabel("Bs: times per epoch").fill("0");
  await page.getByLabel("Bs: times per epoch").press("Tab");
  await page.getByText(/the pairs of a set are to be met 0 times in an epoch/i).waitFor();
  await page.getByLabel("Bs: times per epoch").fill("0.5");
  await page.getByLabel("Bs: times per epoch").press("Tab");
  await panel().getByText("47 to train on, 20 held out").waitFor();
  await page.evaluate(() => document.querySelectorAll("main details").forEach((details) => (details.open = true)));
  for (const [key, value] of [["max_steps", "1"], ["per_device_train_batch_size", "2"]]) {
    await page.getByLabel(key, { exact: true }).fill(value);
    await page.getByLabel(key, { exact: true }).press("Tab");
  }
  await panel().getByText("1 (24 per epoch").waitFor();
  await panel().getByRole("button", { name: "Start training" }).click();
  await page.getByText("Made of the sets As (19 pairs, weight 2) and Bs (20 pairs, weight 0.5): an epoch meets 47 pairs.").first().waitFor();
  const opened = () => new URL(page.url()).hash.split("/").at(-1);
  await until(async () => !opened().endsWith("new"), "the run's page");
  const run = opened();
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");

  // Another run of the same sets names those that are not what they were.
  await machine.call("save_set", { project: folder, who: "Ada", set: (await sets()).Bs.set, ...bs, definition: { ...bs.definition, subset: { count: 6, seed: 1 } } });
  await page.getByRole("button", { name: "Duplicate with changes" }).click();
  await panel().getByText("the set Bs is another since", { exact: false }).waitFor();
  // Half of the six that are drawn, less those that ask what the held-out set asks.
  await panel().getByText(/^4[01] to train on, 20 held out/).first().waitFor();
  assert.deepEqual(page.complaints, []);
});

test("the pairs of a set are exported alone", async () => {
  await page.evaluate(() => (window.location.hash = "#/export"));
  await page.getByLabel("Which pairs").selectOption({ label: "Picked, 3 pairs" });
  await page.getByRole("button", { name: "Export pairs" }).click();
  const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Pairs", exact: true }) });
  await card.getByText("pairs.jsonl").first().waitFor();
  const [{ export: name }] = await machine.call("exports", { project: folder });
  const lines = readFileSync(join(folder, "exports", name, "pairs.jsonl"), "utf8").trim().split("\n");
  const members = (await machine.call("pair_ids", { project: folder, query: { text: "", source: null, category: null, set: (await sets()).Picked.set, offset: 0, limit: 9 }, finding: null })).sort();
  assert.deepEqual(lines.map((line) => JSON.parse(line).id).sort(), members);
  assert.equal(lines.length, 3);
  assert.deepEqual(page.complaints, []);
});

test("sets are removed and brought back; their pairs stay", async () => {
  await page.evaluate(() => (window.location.hash = "#/data/sets"));
  await page.getByRole("button", { name: "Actions for Picked" }).click();
  await page.getByRole("menuitem", { name: "Remove the set" }).click();
  await page.getByText("The set Picked is removed; its pairs stay.", { exact: true }).first().waitFor();
  assert.equal((await sets()).Picked, undefined);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText("The set Picked is back.", { exact: true }).first().waitFor();
  assert.equal((await sets()).Picked.count, 3);
  assert.equal((await machine.call("open_project", { folder })).counts.pairs, 59);
  assert.deepEqual(page.complaints, []);
});
