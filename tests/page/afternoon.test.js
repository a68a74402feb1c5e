// A researcher's afternoon as one piece, in a browser: a plain CSV comes in and is checked, a survey is labelled, a run is
// trained, its hard pairs are looked at and labelled anew, a second run is trained and compared with the first, both are talked
// to, their answers are judged blind, and what came of it is a report.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { until } from "./screens.js";

/** Of so many pairs every eighth is labelled the wrong way round. */
const PAIRS = 48;
const isWrong = (at) => at % 8 === 3;

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  page = await open(browser, machine);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

function survey() {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const lines = pairs(PAIRS).split("\n").map((line, at) => {
    const { prompt, chosen, rejected } = JSON.parse(line);
    const answers = [chosen[0].content, rejected[0].content];
    return [prompt[0].content, ...(isWrong(at) ? answers.reverse() : answers)].map(quoted).join(",");
  });
  return ["question,better,worse", ...lines].join("\n");
}

const panel = (name) => page.getByRole("region", { name });
const ended = (name) =>
  until(async () => {
    const state = (await machine.call("runs", { project: folder })).find((run) => run.name === name)?.state;
    assert.notEqual(state, "failed");
    return state === "finished";
  }, `${name} to end`);

test("an afternoon", async (t) => {
  await t.test("a project, and a model", async () => {
    await page.getByRole("button", { name: "New project" }).first().click();
    await page.getByLabel("Name").fill("Plain answers");
    await page.getByRole("button", { name: "Make project" }).click();
    await page.getByRole("heading", { name: "Plain answers" }).waitFor();
    folder = (await machine.call("home", {})).recent[0].folder;
    await page.getByLabel("Or a model by its path, or its name on the Hugging Face hub").fill(machine.model);
    await page.getByRole("button", { name: "Use this model" }).click();
    await page.getByRole("list", { name: "Models on this machine" }).getByText("Chosen").waitFor();
  });

  await t.test("a plain CSV comes in, and what stands out in it is said", async () => {
    await goTo(page, "d");
    await page.locator("input[type=file]").setInputFiles({ name: "better-worse.csv", mimeType: "text/csv", buffer: Buffer.from(survey()) });
    await page.getByRole("heading", { name: "What stands out in these pairs" }).waitFor();
    // Six of eight answers are much shorter than the other: length is told before anything is trained on it.
    await page.locator(".notice").filter({ hasText: /shorter/ }).first().waitFor();
    await page.getByRole("button", { name: `Import ${PAIRS} pairs` }).click();
    await page.getByText(`${PAIRS} pairs imported from better-worse.csv`).first().waitFor();
  });

  await t.test("a survey is labelled by keys", async () => {
    await page.locator("input[type=file]").setInputFiles({ name: "survey.csv", mimeType: "text/csv", buffer: Buffer.from(candidates(8).replaceAll("?", ", then?")) });
    await page.getByRole("button", { name: "Import 8 items to label" }).click();
    await page.getByText(/8 items to label imported/).first().waitFor();
    await goTo(page, "l");
    await page.getByLabel("Your name").fill("Ada");
    await page.keyboard.press("Enter");
    const left = page.getByLabel("Left answer, text");
    for (let done = 0; done < 8; done += 1) {
      await left.waitFor();
      await page.keyboard.press((await left.innerText()).includes("plainly") ? "ArrowLeft" : "ArrowRight");
      await until(async () => (await machine.call("open_project", { folder })).counts.labelled === done + 1, `judgement ${done + 1}`);
    }
    assert.equal((await machine.call("open_project", { folder })).counts.pairs, PAIRS + 8);
  });

  await t.test("a run", async () => {
    await goTo(page, "t");
    await page.getByRole("button", { name: "New run" }).first().click();
    await set(page, "Held-out share", "0.25");
    await set(page, "learning_rate", "0.002");
    await set(page, "num_train_epochs", "4");
    await set(page, "per_device_train_batch_size", "2");
    await panel("What this run will do").getByRole("button", { name: "Start training" }).click();
    await page.getByText("finished", { exact: true }).first().waitFor({ timeout: 240_000 });
    await page.getByRole("img", { name: /Reward accuracies/i }).first().waitFor();
  });

  await t.test("the pairs that its model finds wrong are those that were labelled wrong, and are labelled anew by keys", async () => {
    await page.getByRole("button", { name: "Pairs", exact: true }).click();
    await page.getByRole("button", { name: "Score the pairs" }).click();
    await page.getByText(/^56 pairs scored by the run's own model/).waitFor();
    await page.getByLabel("Which pairs").selectOption({ label: "Not decided on yet" });
    const list = page.getByRole("listbox", { name: "Pairs of this run" });
    await until(async () => (await list.getByRole("option").count()) > 8, "the list");
    await list.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    let swapped = 0;
    for (let looked = 0; looked < 6; looked += 1) {
      // While it comes it is called by its place in the run.
      const said = await page.getByRole("heading", { name: /^Pair \d+$/ }).innerText();
      const number = Number(said.split(" ")[1]);
      // It says itself which answer stands as the chosen one.
      const { chosen } = await machine.call("pair", { project: folder, id: number });
      const isPlain = JSON.stringify(chosen).includes("plainly");
      await page.keyboard.press(isPlain ? "c" : "s");
      swapped += isPlain ? 0 : 1;
      await page.getByRole("heading", { name: `Pair ${number}`, exact: true }).waitFor({ state: "detached" });
    }
    // One in nine is labelled wrong: more than twice as many of those that come first.
    assert.ok(swapped >= 2, `of the first six ${swapped} were labelled wrong`);
    await page.keyboard.press("Escape");
    const edited = { text: "", source: "edited", category: null, offset: 0, limit: 9 };
    await until(async () => (await machine.call("pairs", { project: folder, query: edited, finding: null })).total === swapped, "the swapped pairs");
  });

  await t.test("trained again, with what changed named; compared with the first", async () => {
    await page.getByRole("button", { name: "Train again" }).click();
    await page.getByText(/\d with the answers the other way round/).first().waitFor();
    await page.getByRole("button", { name: "Start training" }).click({ timeout: 90_000 });
    await page.getByRole("button", { name: "Compare both" }).waitFor({ timeout: 90_000 });
    const runs = await machine.call("runs", { project: folder });
    assert.equal(runs.length, 2);
    for (const { name } of runs) await ended(name);
    await page.getByRole("button", { name: "Compare both" }).click();
    await page.getByRole("heading", { name: "Runs compared" }).waitFor();
    await page.getByRole("cell", { name: /with the answers the other way round/ }).first().waitFor();
    await page.getByRole("heading", { name: "Held-out pairs" }).waitFor();
  });

  await t.test("both are talked to, and one answer becomes a labelled pair", async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("y");
    await page.getByRole("heading", { name: "Playground" }).waitFor();
    await page.getByText("System prompt and sampling").click();
    await page.getByLabel("max_new_tokens").fill("12");
    await page.getByLabel("temperature").fill("0");
    await page.getByRole("button", { name: "Add a model" }).click();
    const message = page.getByLabel("Message", { exact: true });
    await message.fill("What is a good use for a spoon?");
    await message.press("Enter");
    await until(async () => (await page.getByText(/^\d+ tokens? in/).count()) === 2, "both answers");
    const before = (await machine.call("open_project", { folder })).counts.pairs;
    await page.keyboard.press("1");
    await page.getByText(/^Kept as a labelled pair/).first().waitFor();
    assert.equal((await machine.call("open_project", { folder })).counts.pairs, before + 1);
  });

  await t.test("answers are judged blind", async () => {
    const [{ run }] = await machine.call("runs", { project: folder });
    await page.evaluate((run) => (window.location.hash = `#/train/${run}`), run);
    await page.getByRole("button", { name: "Evaluate", exact: true }).click();
    await page.getByLabel("A person", { exact: false }).first().check();
    await page.getByText("How the models answer").click();
    await page.getByLabel("max_new_tokens").fill("24");
    await page.getByRole("button", { name: "Start evaluation" }).click();
    await page.getByRole("button", { name: "Judge blind" }).or(page.getByRole("link", { name: /Judge/ })).first().click();
    const done = page.getByText("All that is answered is judged");
    for (let judged = 0; judged < 60 && !(await done.isVisible()); judged += 1) {
      await page.getByRole("region", { name: "Left answer" }).or(done).first().waitFor({ timeout: 60_000 });
      if (await done.isVisible()) break;
      await page.keyboard.press(judged % 4 === 3 ? "ArrowUp" : "ArrowLeft");
      // An item stays until its verdict is kept, and takes no other key meanwhile.
      await page.getByText(new RegExp(`^\\s*${judged + 1} of \\d+\\s*$`)).or(done).first().waitFor({ timeout: 60_000 });
    }
    await page.getByRole("button", { name: "See the result" }).click();
    await panel("Verdict").getByText(/win rate|95 %/i).first().waitFor();
  });

  await t.test("what came of it is a report", async () => {
    await goTo(page, "x");
    await page.getByRole("button", { name: "Export report" }).click();
    const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Report", exact: true }) });
    await card.getByText(/report/).first().waitFor();
    const [{ export: name }] = await machine.call("exports", { project: folder });
    await until(async () => (await card.locator("code").count()) > 0, "where it is");
    const pages = readdirSync(join(folder, "exports", name), { recursive: true }).filter((file) => file.endsWith(".html"));
    assert.equal(pages.length, 1);
    const report = readFileSync(join(folder, "exports", name, pages[0]), "utf8");
    for (const word of ["Win rate", "learning_rate", "Ada"]) assert.ok(report.toLowerCase().includes(word.toLowerCase()), word);
    assert.deepEqual(page.complaints, []);
  });
});
