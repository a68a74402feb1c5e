// The palette (Ctrl+K): every command that it lists anywhere does what it says.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, project;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Commanded", "survey.csv", candidates(24), "candidates");
  const { upload } = await machine.send("pairs.jsonl", pairs(40));
  const { mapping } = await machine.call("preview_import", { project, upload, mapping: null });
  await machine.call("import", { project, upload, mapping });
  await trained(machine, project, { name: "short" }, { max_steps: 2 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Commanded" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const dialog = (name) => page.getByRole("dialog", { name });
const heading = (name) => page.getByRole("heading", { name, exact: true }).first().waitFor();

/** Chooses a command by its words, with the keyboard alone. */
async function command(title) {
  await page.keyboard.press("Control+k");
  await page.getByLabel("Find a command").fill(title);
  await dialog("Commands").getByRole("option", { selected: true }).filter({ hasText: title }).waitFor();
  await page.keyboard.press("Enter");
  await dialog("Commands").waitFor({ state: "hidden" });
}

/** The titles that the palette lists here, without those that it lists everywhere. */
async function listed() {
  await page.keyboard.press("Control+k");
  await dialog("Commands").getByRole("option").first().waitFor();
  const titles = (await dialog("Commands").getByRole("option").allInnerTexts()).map((text) => text.split("\n")[0]);
  await page.keyboard.press("Escape");
  await dialog("Commands").waitFor({ state: "hidden" });
  return titles.filter((title) => !/^Go to |theme|^Theme|^Copy a link|^Keys of this screen/.test(title));
}

/** Runs every command of the screen, and fails where the palette lists one that is not among them. */
async function all(commands) {
  const expected = Object.keys(commands).toSorted();
  const shown = async () => (await listed()).toSorted();
  // A screen lists its commands once it knows what it shows.
  await until(async () => isDeepStrictEqual(await shown(), expected), "the commands", 10).catch(async () => assert.deepEqual(await shown(), expected));
  for (const [title, does] of Object.entries(commands)) {
    await command(title);
    await does();
  }
}

const close = (name) => async () => {
  await dialog(name).waitFor();
  await page.keyboard.press("Escape");
  await dialog(name).waitFor({ state: "hidden" });
};

test("screens and themes", async () => {
  for (const [screen, title] of [["Data", "Data"], ["Label", "Label"], ["Train", "Train"], ["Evaluate", "Evaluate"], ["Export", "Export"], ["Playground", "Playground"], ["Project", "Commanded"]]) {
    await command(`Go to ${screen}`);
    await heading(title);
  }
  for (const [title, theme] of [["Dark theme", "dark"], ["Light theme", "light"], ["Theme as the system", "light"]]) {
    await command(title);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
  }
});

test("project and data", async () => {
  const disk = async () => {
    await heading("Disk and bin");
    await page.getByRole("button", { name: "The project" }).click();
  };
  await all({
    "New project": close("New project"),
    "Disk use and bin of this project": disk,
    "Rename this project, or write a note": close("Name and note"),
    "Open the demo project": () => page.getByText("Demo project").waitFor(),
  });
  await page.getByRole("button", { name: /^Commanded/ }).click();
  await heading("Commanded");
  await command("Go to Data");
  await heading("Data");
  const chooser = page.waitForEvent("filechooser");
  await all({ "Import a file of pairs or prompts": async () => void (await chooser) });
});

test("labelling", async () => {
  const backFrom = (title) => async () => {
    await heading(title);
    await page.goBack();
    await heading("Label");
  };
  await command("Go to Label");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByLabel("Left answer, text").waitFor();
  const state = () => machine.call("label_state", { project, annotator: "Ada", ahead: 1 });
  let done = 0;
  const counts = (more) => async () => {
    done += more;
    await until(async () => (await state()).done === done, "the judgement to be counted");
  };
  await all({
    "Left is much better": counts(1),
    "Left is better": counts(1),
    "Right is better": counts(1),
    "Right is much better": counts(1),
    "Tie, both good": counts(1),
    "Tie, both bad": counts(1),
    Skip: () => until(async () => (await state()).skipped === 1, "the skip to be counted"),
    Undo: () => until(async () => (await state()).skipped === 0, "the skip to be taken back"),
    "Show differences": () => page.locator("section[aria-label$=answer] mark").first().waitFor(),
    "Write a note": async () => {
      await page.getByLabel("Note, kept with the verdict").waitFor();
      await page.keyboard.press("Escape");
    },
    "Edit an answer": async () => {
      await page.getByText("Which answer? Esc to leave it.").waitFor();
      await page.keyboard.press("Escape");
    },
    "Show the guideline": close("Guideline"),
    "Change the keys of labelling": close("Keys"),
    "Generate candidates": close("Generate candidates"),
    "Second pass": close("Second pass"),
    "Agreement of the annotators": backFrom("Agreement"),
    "What was labelled": backFrom("What was labelled"),
    Disagreements: backFrom("Disagreements"),
    "Audit the labels of files": backFrom("Audits"),
    Guideline: backFrom("Guideline"),
    "Label under another name": () => heading("Who labels?"),
  });
});

test("training", async () => {
  await command("Go to Train");
  await heading("Train");
  await all({ "New run": () => heading("New run") });
  const request = await machine.call("default_settings", { project });
  Object.assign(request.settings, { max_steps: 4000, per_device_train_batch_size: 4 });
  const { summary } = await machine.call("start_run", { request: { ...request, name: "long" } });
  await command("Go to Train");
  await page.getByRole("link", { name: "long" }).click();
  const badge = (state) => page.getByText(state, { exact: true }).first().waitFor();
  await badge("running");
  const step = async () => (await machine.call("run", { project, run: summary.run })).summary.step;
  await until(async () => (await step()) > 0, "the first step");
  const duplicated = async () => {
    await heading("New run, from long");
    await page.goBack();
    await heading("long");
  };
  const paused = async () => {
    await badge("paused");
    await command("Resume this run");
    await badge("running");
  };
  const pairs = async () => {
    await heading("Pairs of this run");
    await page.goBack();
    await heading("long");
  };
  await all({ "Duplicate this run with changes": duplicated, "Pairs of this run as its model sees them": pairs, "Pause this run": paused, "Stop this run and keep it": () => badge("stopped") });
  await all({ "Duplicate this run with changes": duplicated, "Pairs of this run as its model sees them": pairs, "Resume this run": () => badge("running") });
  await command("Stop this run and keep it");
  await badge("stopped");
});

test("evaluation", async () => {
  await command("Go to Evaluate");
  await heading("Evaluate");
  const leaderboard = async () => {
    await heading("Leaderboard");
    await page.goBack();
    await heading("Evaluate");
  };
  await all({ "Leaderboard of this project": leaderboard, "New evaluation": () => heading("New evaluation") });
  const request = { project, run: "short", judge: { kind: "rule", rule: "shorter" }, prompts: "held_out", max_prompts: 2, temperature: 0, max_new_tokens: 8, seed: 1 };
  const { evaluation } = await machine.call("start_evaluation", { request });
  await until(async () => (await machine.call("evaluations", { project }))[0].state === "done", "the evaluation");
  await page.evaluate((hash) => (window.location.hash = hash), `#/evaluate/${evaluation}/answers`);
  await page.getByRole("region", { name: "Answer of the tuned model" }).waitFor();
  const asked = async () => {
    await page.getByRole("dialog").getByRole("heading", { name: "Judge these answers again" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  await all({ "Judge these answers again, by another judge": asked, "Show differences of the answers": () => page.getByRole("region", { name: "Answer of the tuned model" }).locator("mark").first().waitFor() });
});

test("exporting", async () => {
  await command("Go to Export");
  await heading("Export");
  const written = (path) => () => page.locator("code").filter({ hasText: path }).first().waitFor({ timeout: 60_000 });
  await all({
    "Export adapter": written(/adapter$/),
    "Export merged weights": written(/merged$/),
    "Export GGUF": written(/gguf$/),
    "Export report": written(/\.html$/),
    "Export labelled data": written(/labels\.jsonl$/),
    "Export pairs": written(/pairs\.jsonl$/),
    "Push to the Hugging Face hub": () => until(() => page.getByLabel("Repository", { exact: true }).evaluate((field) => field === document.activeElement), "the field of the repository to be ready"),
  });
});
