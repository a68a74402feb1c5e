// A report leaves the browser as one HTML file: opened from a disk, without the program and without a network, it has the
// verdict, every figure and every answer in itself. All files of it can be had as well.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, folder, run, evaluation;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Plain answers", "pairs.jsonl", pairs(40), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first", held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 6, eval_steps: 3, per_device_train_batch_size: 4, learning_rate: 1e-2 });
  ({ run } = (await machine.call("start_run", { request })).summary);
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to finish");
  const asked = { project: folder, run, prompts: "held_out", max_prompts: 6, temperature: 0, max_new_tokens: 16, seed: 1, judge: { kind: "rule", rule: "shorter" } };
  ({ evaluation } = await machine.call("start_evaluation", { request: asked }));
  await until(async () => (await machine.call("evaluation", { project: folder, evaluation, theme: "light" })).summary.state === "done", "the evaluation");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  const path = join(machine.folder, download.suggestedFilename());
  await download.saveAs(path);
  return { name: download.suggestedFilename(), path };
}

test("a report is downloaded as one file that needs nothing else", async () => {
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Plain answers" }).waitFor();
  await goTo(page, "x");
  const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Report", exact: true }) });
  await card.getByRole("button", { name: "Export report" }).click();
  await card.getByText(/all of the report is in this one file/).waitFor();
  const { name, path } = await saved(page, card.getByRole("button", { name: "Download report", exact: true }));
  assert.equal(name, "first-report.html");
  // On the disk the folder is what it was.
  const exported = join(folder, "exports/first");
  assert.ok(readFileSync(path).equals(readFileSync(join(exported, "report/report.html"))));

  // Opened by a double click, on a machine that has neither the program nor a network.
  const context = await browser.newContext({ offline: true, javaScriptEnabled: false });
  const report = await context.newPage();
  const asked = [];
  report.on("request", (request) => asked.push(request.url()));
  await report.goto(pathToFileURL(path).href);
  assert.deepEqual(asked, [pathToFileURL(path).href], "it asks for nothing outside itself");
  await report.getByRole("heading", { name: "Win rate", exact: true }).waitFor();
  const drawn = report.locator("figure svg:visible");
  assert.equal(await drawn.count(), 7, "win rate, loss, rewards, margins, accuracy, gradient and learning rate");
  for (const box of await drawn.evaluateAll((all) => all.map((svg) => svg.getBoundingClientRect().width))) assert.ok(box > 200, `${box} px wide`);
  assert.equal(await report.locator("article.pair").count(), 6, "every answer");
  for (const words of ["learning_rate", "0.01", "Where these numbers come from"]) await report.getByText(words).first().waitFor();
  await context.close();

  // Its parts can be had as well: from here, and from the list.
  const list = page.getByRole("region", { name: "Exported before" });
  const whole = await saved(page, list.getByRole("button", { name: "Download all files of first" }));
  assert.equal(whole.name, "first.tar");
  const files = execFileSync("tar", ["-tf", whole.path], { encoding: "utf8" }).split("\n");
  for (const file of ["report/report.html", "report/evaluation.json", "report/figures/loss.svg", "report/figures/loss.png"]) assert.ok(files.includes(`first/${file}`), file);
  assert.equal((await saved(page, list.getByRole("button", { name: "Download first", exact: true }))).name, "first-report.html");

  // What is no page is downloaded as before, and offers no second way.
  await page.getByRole("button", { name: "Export adapter" }).click();
  const other = list.getByRole("row").filter({ hasText: "adapter" });
  assert.match((await saved(page, other.getByRole("button", { name: /^Download first/ }))).name, /^first.*\.tar$/);
  assert.equal(await other.getByRole("button", { name: /all files/ }).count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
