// What has no entry in the rail is found by Ctrl-K; a link to a run that lies in the bin says so and puts it back; pairs of a file
// that is held out are told from those that are trained on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained } from "./screens.js";

const ROWS = 20;

let machine, browser, page, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Places", "pairs.jsonl", pairs(ROWS), "pairs");
  const { upload } = await machine.send("apart.jsonl", ["one", "two", "three"].map((word) => JSON.stringify({ prompt: `Say ${word}?`, chosen: word, rejected: `not ${word}` })).join("\n"));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: "as_is" } });
  run = await trained(machine, folder, { name: "First, as imported" }, { max_steps: 2 });
  await machine.call("save_set", { project: folder, who: "Ada", set: null, name: "Kettles", definition: { filter: null, subset: null } });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Places" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const at = (hash) => page.evaluate((hash) => (window.location.hash = hash), hash);

test("places and sets are found by Ctrl-K", async () => {
  const palette = page.getByRole("dialog", { name: "Commands" });
  for (const [words, title, hash] of [
    ["leaderboard", "Leaderboard", "#/evaluate/+leaderboard"],
    ["audit", "Audit the labels of files", "#/label/audits"],
    ["bin", "Disk and bin", "#/project/disk"],
    ["sets", "Sets of pairs", "#/data/sets"],
    ["settings", "New run", "#/train/+new"],
  ]) {
    await page.keyboard.press("Control+k");
    await page.getByLabel("Find a command").fill(words);
    await palette.getByRole("group", { name: "Places", exact: true }).getByRole("option", { name: title }).click();
    await page.waitForFunction((hash) => decodeURIComponent(window.location.hash) === hash, hash);
  }
  await page.keyboard.press("Control+k");
  await page.getByLabel("Find a command").fill("kettles");
  await palette.getByRole("group", { name: "Sets", exact: true }).getByRole("option", { name: /^Kettles/ }).waitFor();
  await page.keyboard.press("Escape");
});

test("a link to a run in the bin names it and puts it back", async () => {
  await machine.call("delete_item", { project: folder, kind: "run", item: run });
  await at(`#/train/${run}`);
  await page.getByText("First, as imported is in the bin", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Put back" }).click();
  await page.getByRole("heading", { name: "First, as imported" }).waitFor();
  assert.equal((await machine.call("run", { project: folder, run })).summary.run, run);
});

test("a file that is held out is not listed as trained on, and its pairs say so", async () => {
  const total = (text) => page.locator("search").getByText(text, { exact: true }).waitFor();
  await at("#/data");
  await total(`${ROWS + 3} pairs`);
  const { imports } = await machine.call("open_project", { folder });
  await machine.call("change_import", { project: folder, import: imports.find(({ source }) => source === "apart.jsonl").id, who: "Ada", change: { held_out: true } });
  await total(`${ROWS} pairs`);
  await page.getByLabel("Where pairs come from").selectOption({ label: "Held out" });
  await total("3 pairs");
  await page.getByRole("option", { name: /Say one\?.*Held out/ }).waitFor();
  await page.getByLabel("Where pairs come from").selectOption({ label: "Imported" });
  await total(`${ROWS + 3} pairs`);
  const { rows } = await machine.call("pairs", { project: folder, query: { text: "", source: null, category: null, held_out: true, offset: 0, limit: 9 }, finding: null });
  assert.deepEqual(rows.map(({ held_out }) => held_out), [true, true, true]);
});
