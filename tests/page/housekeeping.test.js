// Keeping house: names, notes, tags, the archive, the bin, what takes the room, and what a kill leaves.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { stateOf } from "./lived.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, folder, page;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Kept", "pairs.jsonl", pairs(40), "pairs");
  await trained(machine, folder, { name: "first" }, { max_steps: 6, save_steps: 2, save_total_limit: 0 });
  await trained(machine, folder, { name: "second", from: "first" }, { max_steps: 2 });
  const request = { project: folder, run: "first", judge: { kind: "rule", rule: "shorter" }, prompts: "held_out", max_prompts: 3, temperature: 0, max_new_tokens: 8, seed: 1 };
  await machine.call("start_evaluation", { request });
  await until(async () => (await machine.call("evaluations", { project: folder }))[0].state === "done", "the evaluation");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Kept" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const menu = async (of, entry) => {
  await page.getByRole("button", { name: of, exact: true }).click();
  await page.getByRole("menuitem", { name: entry, exact: true }).click();
};
const dialog = (name) => page.getByRole("dialog", { name });
const link = (name) => page.getByRole("link", { name, exact: true });
const toast = (text) => page.getByRole("region", { name: "Messages" }).getByText(text);
const hash = (to) => page.evaluate((to) => (window.location.hash = to), to);

test("a run gets another name, a note and tags, and is called so wherever it is named", async () => {
  await goTo(page, "t");
  await menu("What to do with first", "Rename, note, tags");
  await dialog("Name, note and tags").getByLabel("Name").fill("Small beta");
  await dialog("Name, note and tags").getByLabel("Note").fill("Beta 0.05: better than it looks.");
  await dialog("Name, note and tags").getByLabel("Tags").fill("beta, to keep");
  await page.keyboard.press("Enter");
  await link("Small beta").waitFor();
  await page.getByText("Beta 0.05: better than it looks.").waitFor();
  await link("second").click();
  await page.getByText("Made from Small beta.").waitFor();
  await goTo(page, "e");
  await link("Small beta").waitFor();
  await goTo(page, "t");
  await page.getByLabel("Tag", { exact: true }).selectOption("beta");
  await link("second").waitFor({ state: "hidden" });
  await page.getByLabel("Tag", { exact: true }).selectOption("");
  // Whoever looks later sees the same.
  await page.reload();
  await link("Small beta").waitFor();
});

test("what is archived is out of the list until it is asked for", async () => {
  await goTo(page, "t");
  await menu("What to do with second", "Archive");
  await link("second").waitFor({ state: "hidden" });
  await page.getByLabel("Show 1 archived run").check();
  await link("second").waitFor();
  await menu("What to do with second", "Take out of the archive");
  await page.getByLabel("Show 1 archived run").waitFor({ state: "hidden" });
  await link("second").waitFor();
});

test("what refers to a run is named before it goes, and it can be had back at once or from the bin", async () => {
  await goTo(page, "t");
  await menu("What to do with Small beta", "Delete");
  await dialog("Delete Small beta").getByText(/One evaluation is of it \(Small beta\)/).waitFor();
  await dialog("Delete Small beta").getByText(/One run was made from its settings \(second\)/).waitFor();
  await dialog("Delete Small beta").getByRole("button", { name: "Delete", exact: true }).click();
  await toast("Small beta is in the bin.").waitFor();
  await link("Small beta").waitFor({ state: "hidden" });
  await page.getByRole("region", { name: "Messages" }).getByRole("button", { name: "Undo" }).last().click();
  await link("Small beta").waitFor();

  // Nothing refers to the other one: it goes at once.
  await menu("What to do with second", "Delete");
  await link("second").waitFor({ state: "hidden" });
  await goTo(page, "p");
  await page.getByRole("button", { name: "Disk and bin" }).click();
  await page.getByRole("button", { name: "Put second back" }).click();
  await page.getByText("The bin is empty.").waitFor();
  await goTo(page, "t");
  await link("second").waitFor();
  await menu("What to do with second", "Delete");
  await link("second").waitFor({ state: "hidden" });
  await hash("#/train/second");
  await page.getByText("second is in the bin", { exact: true }).waitFor();

  await hash("#/project/disk");
  await page.getByRole("button", { name: /^Empty the bin, / }).click();
  await dialog("Remove for good").getByText(/1 thing in the bin is removed from the disk: second/).waitFor();
  await dialog("Remove for good").getByRole("button", { name: "Remove for good" }).click();
  await toast(/^Removed for good: .* are free\.$/).waitFor();
  await page.getByText("The bin is empty.").waitFor();
  assert.deepEqual((await machine.call("runs", { project: folder })).map(({ run }) => run), ["first"]);
});

test("a run that trains is not deleted, and says why", async () => {
  const run = await trained(machine, folder, { name: "long" }, { max_steps: 4000 }, "running");
  await goTo(page, "t");
  await menu("What to do with long", "Delete");
  await page.getByText("The run long is training.").waitFor();
  await machine.call("stop_run", { project: folder, run, pause: false });
  await until(async () => (await stateOf(machine, folder, run)) === "stopped", "the run to stop");
  await machine.call("delete_item", { project: folder, kind: "run", item: run });
  await link("long").waitFor({ state: "hidden" });
});

test("checkpoints but the last are removed after it is said what that means", async () => {
  await hash("#/project/disk");
  const row = page.getByRole("row").filter({ hasText: "Small beta" }).filter({ hasText: "Run" });
  await row.getByText(/ in 3$/).waitFor();
  await row.getByRole("button", { name: /^Remove 2 checkpoints of Small beta/ }).click();
  await dialog("Remove checkpoints of Small beta").getByText(/can then be resumed from its\s+last step alone/).waitFor();
  await dialog("Remove checkpoints of Small beta").getByRole("button", { name: "Remove", exact: true }).click();
  await row.getByText(/ in 1$/).waitFor();
  assert.deepEqual(readdirSync(join(folder, "runs/first/checkpoints")), ["step-6"]);
  await page.getByRole("region", { name: "Messages" }).getByRole("button", { name: "Undo" }).last().click();
  await row.getByText(/ in 3$/).waitFor();
});

test("an export is listed, and comes to the browser whole, from an address that holds no key", async () => {
  await goTo(page, "x");
  await page.getByRole("button", { name: "Export adapter" }).click();
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  const coming = page.waitForEvent("download");
  const table = page.getByRole("region", { name: "Exported before" });
  await table.getByText("of Small beta").waitFor();
  await table.getByRole("button", { name: "Download small-beta" }).click();
  const download = await coming;
  assert.equal(download.suggestedFilename(), "small-beta.tar");
  const saved = join(machine.folder, "saved.tar");
  await download.saveAs(saved);
  const out = join(machine.folder, "unpacked");
  mkdirSync(out);
  execFileSync("tar", ["-xf", saved, "-C", out]);
  const same = (name) => assert.ok(readFileSync(join(out, "small-beta/adapter", name)).equals(readFileSync(join(folder, "exports/small-beta/adapter", name))), name);
  for (const name of ["adapter_config.json", "adapter_model.safetensors"]) same(name);
  assert.ok(!existsSync(join(out, "small-beta/.export.json")));

  assert.ok(!addresses.some((address) => address.includes(machine.token)), "the key stands in no address");
  const ticket = addresses.find((address) => address.includes("/download/")) ?? download.url();
  assert.equal((await fetch(ticket)).status, 404, "an address is good once");
  const unasked = await fetch(`${machine.origin}/download`, { method: "POST", body: JSON.stringify({ project: folder, export: "small-beta" }) });
  assert.equal(unasked.status, 401);

  await menu("What to do with the export small-beta", "Delete");
  await table.waitFor({ state: "hidden" });
});

test("files that were sent are listed with how long they stay, and can be removed", async () => {
  await machine.send("forgotten.csv", "prompt,chosen,rejected\na,b,c\n");
  await hash("#/project");
  await hash("#/project/disk");
  const table = page.getByRole("region", { name: "Files that were sent" });
  await table.getByText(/kept until an hour after it was brought in/).waitFor();
  await table.getByRole("row").filter({ hasText: "pairs.jsonl" }).getByText("brought in", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Remove forgotten.csv" }).click();
  await table.getByText("forgotten.csv").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: /^Remove those brought in, / }).click();
  await table.getByText("None is kept now.").waitFor();
});

test("a project is renamed, archived, deleted with what it holds said, and put back", async () => {
  const other = await machine.project("Other", "pairs.jsonl", pairs(5), "pairs");
  await goTo(page, "p");
  await menu("More to do with this project", "Rename and note");
  await dialog("Name and note").getByLabel("Name").fill("Kept well");
  await dialog("Name and note").getByLabel("Note").fill("For the paper.");
  await dialog("Name and note").getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Kept well" }).waitFor();
  await page.getByText("For the paper.").waitFor();

  await menu("More for Other", "Archive");
  await page.getByRole("button", { name: /^Other/ }).waitFor({ state: "hidden" });
  await page.getByLabel("Show 1 archived project").check();
  await menu("More for Other", "Delete");
  await toast("Other is in the bin, with 5 pairs.").waitFor();
  assert.ok(!existsSync(other));
  await page.getByText(/^Deleted projects: 1/).click();
  await page.getByRole("button", { name: "Put Other back" }).click();
  await page.getByRole("button", { name: /^Other/ }).waitFor();
  assert.equal((await machine.call("open_project", { folder: other })).counts.pairs, 5);

  // The one that is open goes, too, and comes back by the way that the message offers.
  await page.getByRole("button", { name: /^Kept well/ }).or(page.getByRole("heading", { name: "Kept well" })).first().waitFor();
  await menu("More to do with this project", "Delete this project");
  await toast(/^Kept well is in the bin, with 40 pairs/).waitFor();
  await page.getByRole("region", { name: "Messages" }).getByRole("button", { name: "Undo" }).last().click();
  await page.getByRole("heading", { name: "Kept well" }).waitFor();
  assert.ok(existsSync(join(folder, "project.sqlite")));
});

test("killed at any moment, what was to be deleted or put back is in its place or in the bin, whole", async () => {
  const files = (of) => readdirSync(of, { recursive: true }).toSorted();
  const run = { project: folder, kind: "run", item: "first" };
  const whole = files(join(folder, "runs/first"));
  let [inPlace, inBin] = [0, 0];
  for (let turn = 0; turn < 10; turn += 1) {
    const { entries } = await machine.call("bin", { project: folder });
    const there = entries.find(({ kind, name }) => kind === "run" && name === "Small beta");
    const asked = there ? machine.call("put_back", { project: folder, entry: there.entry }) : machine.call("delete_item", run);
    asked.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, turn));
    await machine.kill();
    await machine.start();
    const runs = (await machine.call("runs", { project: folder })).filter((found) => found.run === "first");
    const bin = (await machine.call("bin", { project: folder })).entries.filter((found) => found.name === "Small beta" && found.kind === "run");
    assert.equal(runs.length + bin.length, 1, "it is in one place");
    assert.deepEqual(files(runs.length > 0 ? join(folder, "runs/first") : join(folder, "bin", bin[0].entry)), whole);
    if (runs.length > 0) inPlace += 1;
    else inBin += 1;
  }
  assert.equal(inPlace + inBin, 10);
});

test("killed while the bin is emptied, nothing half removed is shown, and the rest goes with the next", async () => {
  const { entries } = await machine.call("bin", { project: folder });
  if (!entries.some(({ name, kind }) => name === "Small beta" && kind === "run")) await machine.call("delete_item", { project: folder, kind: "run", item: "first" });
  const bin = (await machine.call("bin", { project: folder })).entries;
  const [entry] = bin.filter(({ name, kind }) => name === "Small beta" && kind === "run");
  // Enough files that there is time to be killed.
  const many = join(folder, "bin", entry.entry, "many");
  mkdirSync(many);
  for (let i = 0; i < 4000; i += 1) writeFileSync(join(many, String(i)), "x");
  machine.call("empty_bin", { project: folder, entries: [entry.entry] }).catch(() => {});
  await until(() => !existsSync(join(folder, "bin", entry.entry)), "it to leave the bin");
  await machine.kill();
  await machine.start();
  assert.ok(!(await machine.call("bin", { project: folder })).entries.some((found) => found.entry === entry.entry));
  await machine.call("empty_bin", { project: folder, entries: [] });
  assert.deepEqual(readdirSync(join(folder, "bin")).filter((name) => name.startsWith(".removing")), []);
  // What was asked of the project while it went to the bin finds none there.
  assert.deepEqual(page.complaints.filter((complaint) => !/422|404|ERR_|in_bin|in_use|is no project|Failed to load/.test(complaint)), []);
});
