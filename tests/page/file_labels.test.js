// Labels that a file brings: of whom, as they stand there, beside what people say; compared with people, and never a vote.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { until } from "./lived.js";
import { Machine } from "./program.js";

const SURVEY = ["question,response_a,response_b,preference,annotator", "Thing 0?,alpha 0,beta 0,a,Kim", "Thing 1?,alpha 1,beta 1,b,Kim", "Thing 2?,alpha 2,beta 2,tie,Lee", "Thing 3?,alpha 3,beta 3,tie,Lee"].join("\n");

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Labelled elsewhere");
  page = await open(browser, machine);
  await page.evaluate(([folder]) => (sessionStorage.setItem("tiebreak.project", folder), localStorage.setItem("tiebreak.annotator", "Ada")), [folder]);
  await page.reload();
  await page.getByRole("heading", { name: "Labelled elsewhere" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

test("the column that says who labelled is found, and a pair's history has the label as it stands in the file", async () => {
  await goTo(page, "d");
  await page.locator("input[type=file]").setInputFiles({ name: "survey.csv", mimeType: "text/csv", buffer: Buffer.from(SURVEY) });
  await page.getByLabel(/^annotator/).waitFor();
  assert.equal(await page.getByLabel(/^annotator/).inputValue(), "annotator");
  await page.getByRole("button", { name: /^Import 4 rows|^Import/ }).last().click();
  await until(async () => (await machine.call("open_project", { folder })).counts.pairs === 2, "the two pairs that are labelled");
  await page.evaluate(() => (window.location.hash = "#/data/2"));
  await page.getByRole("listitem").filter({ hasText: /Labelled in the file: .?b.?, the chosen answer is better\.[^]*Kim · / }).waitFor();
});

test("a file that only says more of known rows is brought in for that", async () => {
  await goTo(page, "d");
  await page.locator("input[type=file]").setInputFiles({ name: "second.csv", mimeType: "text/csv", buffer: Buffer.from(SURVEY.replace(",b,Kim", ",b,Pat")) });
  await page.getByText("The project has these rows already, but not all that this file says of them.").waitFor();
  await page.getByRole("button", { name: "Import ratings or labels of 1 row" }).click();
  await page.getByText("ratings or labels of 1 row imported from second.csv").first().waitFor();
  await page.evaluate(() => (window.location.hash = "#/data/2"));
  await page.getByRole("listitem").filter({ hasText: /Labelled in the file: .?b.?, the chosen answer is better\.[^]*Pat · / }).waitFor();
});

test("what the file says stands beside what people say, is compared with it, and counts as no vote", async () => {
  const { annotators, counts } = await machine.call("open_project", { folder });
  assert.deepEqual([annotators, counts.labelled], [[], 0]);
  await page.evaluate(() => (window.location.hash = "#/label"));
  await page.getByText("Thing 2?").waitFor();
  assert.equal(await page.getByText("Lee").count(), 0, "what the file says is told before it is judged");
  await page.keyboard.press((await page.getByLabel("Left answer, text").innerText()).startsWith("alpha") ? "ArrowLeft" : "ArrowRight");
  await page.getByText("Thing 3?").waitFor();
  await page.keyboard.press("ArrowUp");
  await until(async () => (await machine.call("open_project", { folder })).counts.labelled === 2, "both judgements");
  await page.evaluate(() => (window.location.hash = "#/label/judged"));
  const row = page.getByRole("listbox", { name: "What was labelled" }).getByRole("option").filter({ hasText: "Thing 2?" });
  await row.filter({ hasText: /One vote[^]*Ada: first · Lee \(file\): tie, both good/ }).click();
  await page.getByText("stands in the file as “tie”").waitFor();
  await page.getByText("What counts: Left is better").waitFor();
  await page.evaluate(() => (window.location.hash = "#/label/agreement"));
  const cells = page.getByRole("row", { name: /^Ada and Lee \(file\)/ }).getByRole("cell");
  await cells.first().waitFor();
  assert.deepEqual((await cells.allInnerTexts()).slice(0, 2), ["2", "50.0 %"]);
  await page.getByText("No item was judged by two annotators yet.").waitFor();
  assert.deepEqual(page.complaints, []);
});
