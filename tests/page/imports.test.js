// A file after it came in: renamed, held out of every training, taken back as a whole and brought back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates } from "./rows.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Files");
  await bring("first.jsonl", rows(0, 30));
  // Of the second, three pairs came with the first, and two others ask what the first asks.
  await bring("second.jsonl", [...rows(27, 30), row(3, "another answer"), row(4, "another answer"), ...rows(30, 40)]);
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Files" }).first().waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const said = (role, content) => [{ role, content }];
const row = (number, chosen = `plainly ${number}`) =>
  JSON.stringify({ prompt: said("user", `Question ${number}?`), chosen: said("assistant", chosen), rejected: said("assistant", "at length") });
const rows = (from, to) => Array.from({ length: to - from }, (_, i) => row(from + i));

async function bring(name, lines) {
  const { upload } = await machine.send(name, lines.join("\n"));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
}

const counts = async () => (await machine.call("open_project", { folder })).counts;
const plan = async (change = {}) => {
  const request = { ...(await machine.call("default_settings", { project: folder })), ...change };
  return machine.call("plan_run", { request, theme: "light" });
};
const choose = async (file, action) => {
  await page.getByRole("button", { name: `Actions for ${file}` }).click();
  await page.getByRole("menuitem", { name: action }).click();
};

test("an import is renamed on the Data screen; the file's name stays beside it and in every pair's history", async () => {
  await goTo(page, "d");
  await page.getByRole("link", { name: "2 imports" }).click();
  await choose("first.jsonl", "Rename");
  await page.getByLabel("Name", { exact: true }).fill("Pilot study");
  await page.keyboard.press("Enter");
  const entry = page.getByRole("row").filter({ hasText: "Pilot study" });
  await entry.waitFor();
  assert.match(await entry.innerText(), /first\.jsonl/);
  const { history } = await machine.call("pair", { project: folder, id: 1 });
  assert.equal(history.at(-1).what, "Imported from first.jsonl, line 1.");
});

test("what an import brought has an address of its own, which stays while it is what is looked at", async () => {
  await page.getByRole("link", { name: "Pilot study" }).click();
  await page.locator("search").getByText("30 pairs", { exact: true }).waitFor();
  assert.equal(new URL(page.url()).hash, "#/data/import-1");
  await page.reload();
  await page.locator("search").getByText("30 pairs", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("File", { exact: true }).inputValue(), "1");
  await page.getByLabel("File", { exact: true }).selectOption({ label: "second.jsonl" });
  await page.locator("search").getByText("15 pairs", { exact: true }).waitFor();
  assert.equal(new URL(page.url()).hash, "#/data");
  await page.evaluate(() => (window.location.hash = "#/data/files"));
});

test("a file that is marked as held out never trains, nor do pairs with its prompts, and the plan says so", async () => {
  const before = await plan({ held_out_share: 0 });
  assert.deepEqual([before.pairs, before.held_out, before.data_says], [42, 0, []]);
  await choose("second.jsonl", "Hold out");
  await page.getByRole("row").filter({ hasText: "second.jsonl" }).getByText("Held out").waitFor();

  // 15 rows: three of them came with the first file. Two pairs of the first file ask what held-out pairs ask.
  const after = await plan({ held_out_share: 0 });
  assert.deepEqual([after.pairs, after.held_out], [25, 15]);
  assert.deepEqual(after.data_says, [
    "15 pairs are held out: they came with second.jsonl, marked as held out",
    "2 pairs are left out, as their prompts are also asked by held-out pairs of second.jsonl: pair 4 and pair 5",
  ]);
  assert.equal((await machine.call("default_settings", { project: folder })).held_out_share, 0, "there are held-out pairs");
  const checked = await machine.call("check_pairs", { project: folder, held_out_share: 0, seed: 1, tokens: null });
  assert.deepEqual([checked.pairs, checked.held_out], [25, 15]);

  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  const panel = page.getByRole("region", { name: "What this run will do" });
  await panel.getByText("25 to train on, 15 held out").waitFor();
  await panel.getByText(/2 pairs are left out.*pair 4 and pair 5\./).waitFor();
  await page.getByLabel("Held-out share").fill("0.2");
  await page.getByLabel("Held-out share").press("Tab");
  await panel.getByText("20 to train on, 20 held out").waitFor();
  await panel.getByText("5 more pairs are held out by held_out_share").waitFor();

  // The run itself sees what was planned.
  const request = { ...(await machine.call("default_settings", { project: folder })), name: "held out" };
  Object.assign(request.settings, { max_steps: 1, per_device_train_batch_size: 2, sample_prompts: 0 });
  const { summary } = await machine.call("start_run", { request });
  const compared = await machine.call("compare_pairs", { project: folder, run: summary.run, runs: [] });
  assert.equal(compared.project.difference.same, 40);
  await page.evaluate((run) => (window.location.hash = `#/train/${run}`), summary.run);
  await page.getByText(/15 pairs are held out: they came with second\.jsonl/).first().waitFor();
});

test("an import is taken back as a whole, and brought back; what another file brought as well stays and is counted", async () => {
  await page.evaluate(() => (window.location.hash = "#/project"));
  await choose("second.jsonl", "Train on it");
  await page.getByText("Its pairs are trained on again").first().waitFor();
  await choose("second.jsonl", "Take back");
  await page.getByText("12 pairs are taken back. What other imports brought as well stays: 3 with Pilot study.", { exact: true }).first().waitFor();
  assert.equal((await counts()).pairs, 30);
  const entry = page.getByRole("row").filter({ hasText: "second.jsonl" });
  await entry.getByText("Taken back").waitFor();

  // They are not gone: they are listed as what they are, and say so.
  await goTo(page, "d");
  await page.getByLabel("Where pairs come from").selectOption("taken_back");
  await page.locator("search").getByText("12 pairs").waitFor();
  await page.getByRole("listbox", { name: "Pairs" }).getByRole("option").first().click();
  await page.getByText("The import that brought it was taken back").first().waitFor();
  await page.getByText("Taken back with second.jsonl.").first().waitFor();

  await page.evaluate(() => (window.location.hash = "#/project"));
  await choose("second.jsonl", "Bring back");
  await page.getByText(/12 pairs are back\./).first().waitFor();
  assert.equal((await counts()).pairs, 42);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText(/12 pairs are taken back\./).last().waitFor();
  assert.equal((await counts()).pairs, 30);
  assert.deepEqual(page.complaints, []);
});

test("with an import go its items to label and their labels, which is said, and come back with it", async () => {
  const { folder: labelled } = await machine.call("create_project", { name: "Labelled here", folder: null });
  const { upload } = await machine.send("two.csv", candidates(6));
  const { mapping } = await machine.call("preview_import", { project: labelled, upload, mapping: null });
  await machine.call("import", { project: labelled, upload, mapping });
  for (const verdict of ["left", "tie_good"]) {
    const { queue } = await machine.call("label_state", { project: labelled, annotator: "Ada", ahead: 1 });
    await machine.call("judge", { project: labelled, annotator: "Ada", item: queue[0].item, showing: queue[0].showing, verdict, milliseconds: 900, note: null });
  }
  const [{ id }] = (await machine.call("open_project", { folder: labelled })).imports;
  const decide = async (taken_back) => (await machine.call("change_import", { project: labelled, import: id, who: "Ada", change: { taken_back } })).says;
  // The one with a tie is no pair, and stays an item.
  assert.deepEqual((await decide(true)).slice(0, 2), ["1 pair and 5 items to label are taken back", "2 of them are labelled: their labels went along, and will count again when the import is brought back"]);
  assert.deepEqual((await decide(false)).slice(0, 2), ["1 pair and 5 items to label are back", "2 of them are labelled, and their labels count again"]);
  assert.equal((await machine.call("open_project", { folder: labelled })).counts.labelled, 2);
});
