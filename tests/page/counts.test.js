// Every number on every screen is the program's, in every window, whoever changed it: no screen is ever reloaded here.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { trained, until } from "./lived.js";
import { Machine, program } from "./program.js";
import { candidates, pairs } from "./rows.js";

let machine, browser, folder;
/** One window for each screen, each in a browser of its own. */
const windows = {};

before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Counted", "survey.csv", candidates(12), "candidates");
  for (const name of Object.keys(SCREENS)) {
    const page = await open(browser, machine);
    await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
    await page.reload();
    await page.evaluate((hash) => (window.location.hash = hash), SCREENS[name].hash);
    await page.locator("h1").first().waitFor();
    windows[name] = page;
  }
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const ask = (operation, request = {}) => machine.call(operation, { project: folder, ...request });
const counts = async () => (await machine.call("open_project", { folder })).counts;
const said = async (locator) => (await locator.allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
const number = (text, pattern) => Number(pattern.exec(text)?.[1]?.replaceAll(",", "") ?? NaN);
const many = (count, one, several = `${one}s`) => `${count} ${count === 1 ? one : several}`;
const WHAT = { pairs: ["pair"], candidates: ["item to label", "items to label"], prompts: ["prompt"] };

/** Each screen: where it is, which numbers stand on it, and what the program says they are. */
const SCREENS = {
  project: {
    hash: "#/project",
    seen: async (page) => [
      ...(await said(page.getByRole("list", { name: "What is in the project" }).getByRole("listitem"))),
      ...(await said(page.locator("section[aria-labelledby=next-title] li > span"))),
      ...(await said(page.locator("section[aria-labelledby=imports-title] tbody td:nth-child(n+3):not(:last-child)"))),
    ],
    told: async () => {
      const { counts, next, imports } = await machine.call("open_project", { folder });
      const labelled = counts.items_without_answers > 0 ? `${counts.labelled} labelled, ${counts.items_without_answers} without answers` : `${counts.labelled} of them labelled`;
      return [
        `${counts.pairs} pairs with a chosen and a rejected answer`,
        `${counts.items} items ${labelled}`,
        `${many(counts.runs, "run")} ${counts.runs_with_adapter} with an adapter`,
        `${many(counts.evaluations, "evaluation")} of the answers of two models`,
        ...next.map((step) => step.sentence),
        ...imports.flatMap(({ kind, added, duplicates, refused }) => [many(added, ...WHAT[kind]), String(duplicates), String(refused)]),
      ];
    },
  },
  data: {
    hash: "#/data",
    seen: async (page) => [...(await said(page.locator("header .beside span"))).filter((text) => text !== "·"), ...(await said(page.locator("search .total")))],
    told: async () => {
      const { pairs, items, labelled } = await counts();
      return [many(pairs, "pair"), `${many(items, "item")}, ${labelled} labelled`, many(pairs, "pair")];
    },
  },
  label: {
    hash: "#/label",
    seen: async (page) => {
      const text = (await said(page.getByLabel("Items judged").locator("..")))[0] ?? "";
      return [number(text, /(\d+) of \d+/), number(text, /\d+ of (\d+)/), number(text, /(\d+) skipped/) || 0];
    },
    told: async () => {
      const { done, total, skipped } = await ask("label_state", { annotator: "Ada", ahead: 1 });
      return [done, total, skipped];
    },
  },
  names: {
    hash: "#/label",
    seen: async (page) => (await said(page.getByLabel("Annotator").locator("option"))).slice(0, -1).toSorted(),
    told: async () => [...new Set(["Ada", ...(await machine.call("open_project", { folder })).annotators])].toSorted(),
  },
  agreement: {
    hash: "#/label/agreement",
    seen: async (page) => said(page.locator("section").filter({ hasText: "Annotators" }).first().locator("tbody tr").locator("th, td:nth-child(2)")),
    told: async () => (await ask("agreement")).annotators.flatMap(({ annotator, judged }) => [annotator, String(judged)]),
  },
  train: {
    hash: "#/train",
    seen: async (page) => said(page.locator("tbody tr").locator("a, td:nth-child(3)")),
    told: async () => (await ask("runs")).flatMap(({ name, state }) => [name, state]),
  },
  plan: {
    hash: "#/train/+new",
    seen: async (page) => said(page.locator("dl.numbers > div").filter({ has: page.getByText("Pairs", { exact: true }) }).locator("dd")),
    told: async () => {
      const request = await ask("default_settings");
      const { pairs, held_out } = await machine.call("plan_run", { request, theme: "light" });
      return [`${pairs} to train on, ${held_out} held out`];
    },
  },
  evaluate: {
    hash: "#/evaluate",
    seen: async (page) => said(page.locator("tbody tr").locator("td:nth-child(4)")),
    told: async () => (await ask("evaluations")).map(({ judged, prompts }) => `${judged} of ${prompts}`),
  },
  evaluating: {
    hash: "#/evaluate/+new",
    // The last is none of them.
    seen: async (page) => (await said(page.getByLabel("Run", { exact: true }).locator("option"))).slice(0, -1),
    told: async () => (await ask("runs")).filter((run) => run.has_adapter).map(({ name, state, step }) => `${name}, ${state === "finished" ? many(step, "step") : `${state} at step ${step}`}`),
  },
  export: {
    hash: "#/export",
    seen: async (page) => [
      ...(await said(page.getByText(/Every judgement ever given/))).map((text) => number(text, /(\d+) items? labelled/)),
      ...(await said(page.getByText(/The project's preference pairs/))).map((text) => number(text, /(\d+) pairs?\.$/)),
      ...(await said(page.getByLabel("Run", { exact: true }).locator("option"))),
      ...(await said(page.getByLabel("Evaluation").locator("option"))).slice(1).map((text) => number(text, /(\d+) prompt/)),
    ],
    told: async (page) => {
      const { labelled, pairs } = await counts();
      const runs = (await ask("runs")).filter((run) => run.has_adapter);
      const chosen = runs.length > 0 ? await page.getByLabel("Run", { exact: true }).inputValue() : "";
      const evaluations = (await ask("evaluations")).filter(({ run }) => run === chosen);
      return [labelled, pairs, ...runs.map(({ name, step }) => `${name}, ${many(step, "step")}`), ...evaluations.map(({ judged }) => judged)];
    },
  },
};

/** Waits until a window says what the program says. What a window says for a moment only, it need not say again. */
async function agrees(name, page, after) {
  const { seen, told } = SCREENS[name];
  const end = Date.now() + 20_000;
  for (;;) {
    const [shown, right] = [await seen(page), await told(page)];
    if (isDeepStrictEqual(shown, right)) return;
    if (Date.now() > end) assert.deepEqual(shown, right, `${name}, after ${after}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const allAgree = (after) => Promise.all(Object.entries(windows).map(([name, page]) => agrees(name, page, after)));

/** Another person judges the next item. */
async function judge(annotator, verdict) {
  const { queue } = await ask("label_state", { annotator, ahead: 1 });
  const { item, showing } = queue[0];
  await ask("judge", { annotator, item, showing, verdict, milliseconds: 1000, note: null });
}

async function bringIn(name, text) {
  const { upload } = await machine.send(name, text);
  const { mapping } = await ask("preview_import", { upload, mapping: null });
  return ask("import", { upload, mapping });
}

test("after labelling, every screen that one walks to says what the program says", async () => {
  const page = windows.label;
  for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "s", "ArrowLeft"]) {
    const before = await page.getByRole("region", { name: "Prompt", exact: true }).innerText();
    await page.keyboard.press(key);
    await page.waitForFunction((before) => document.querySelector("[aria-label=Prompt]")?.innerText !== before, before);
  }
  await until(async () => (await counts()).labelled === 4, "the judgements to arrive");
  for (const [name, { hash }] of Object.entries(SCREENS)) {
    await page.evaluate((hash) => (window.location.hash = hash), hash);
    await agrees(name, page, "labelling");
  }
  await page.evaluate((hash) => (window.location.hash = hash), SCREENS.label.hash);
  assert.equal((await counts()).labelled, 4);
});

test("every window follows what another one labels, takes back, edits, removes and brings in", async () => {
  await allAgree("labelling");
  await judge("Grace", "left");
  await judge("Grace", "right");
  await allAgree("another person's judgements");
  await ask("undo", { annotator: "Grace" });
  await allAgree("an undo");
  await ask("second_pass", { annotator: "Ada", share: 1 });
  await allAgree("a second pass");

  const { rows } = await ask("pairs", { query: { text: "", source: null, category: null, offset: 0, limit: 1 } });
  const { id, ...pair } = await ask("pair", { id: rows[0].id });
  const text = (chosen) => ({ id, who: "Grace", prompt: pair.prompt, chosen, rejected: pair.rejected });
  const labelled = (await counts()).labelled;
  const another = "Another answer altogether.";
  await ask("edit_pair", text(typeof pair.chosen === "string" ? another : [{ role: "assistant", content: another }]));
  assert.equal((await counts()).labelled, labelled - 1, "an edited text is not labelled any more");
  await allAgree("an edit");
  await ask("edit_pair", text(pair.chosen));
  await allAgree("the edit taken back");
  await ask("remove_pair", { id, who: "Grace", removed: true });
  await allAgree("a removal");
  await ask("remove_pair", { id, who: "Grace", removed: false });
  await bringIn("pairs.jsonl", pairs(30));
  await allAgree("an import");
  const { queue } = await ask("label_state", { annotator: "Edsger", ahead: 1 });
  await ask("edit_answer", { annotator: "Edsger", item: queue[0].item, showing: queue[0].showing, side: "left", text: "An answer that nobody has judged." });
  await allAgree("an edit while labelling");
});

test("every window follows candidates, runs and evaluations, their verdicts, and what others do in the folder", async () => {
  await bringIn("prompts.jsonl", ["One?", "Two?", "Three?"].map((prompt) => JSON.stringify({ prompt })).join("\n"));
  await allAgree("an import of prompts");
  const { job } = await ask("generate_candidates", { limit: 2, temperature: 1, max_new_tokens: 8 });
  await until(async () => (await machine.call("jobs", {})).find((each) => each.job === job).state === "done", "the candidates");
  await allAgree("candidates");

  const first = await trained(machine, folder, { name: "first" }, { max_steps: 4 });
  await allAgree("a run");
  const second = await trained(machine, folder, { name: "second" }, { max_steps: 4000, save_steps: 1000 }, "running");
  await allAgree("the beginning of a run");
  await ask("stop_run", { run: second, pause: false });
  await until(async () => (await ask("run", { run: second })).summary.state === "stopped", "the run to stop");
  await allAgree("the end of a run");

  await windows.export.getByLabel("Run", { exact: true }).selectOption(second);
  const request = { project: folder, run: second, prompts: "held_out", max_prompts: 20, temperature: 1, max_new_tokens: 40, seed: 1 };
  for (const judge of [{ kind: "rule", rule: "shorter" }, { kind: "human" }]) {
    const { evaluation } = await machine.call("start_evaluation", { request: { ...request, judge } });
    await allAgree("the beginning of an evaluation");
    const now = async () => (await ask("evaluation", { evaluation, theme: "light" })).summary;
    await until(async () => (({ answered, prompts, state }) => answered === prompts && state !== "answering")(await now()), "the answers");
    await allAgree("an evaluation");
    if (judge.kind !== "human") continue;
    const who = { evaluation, annotator: "Grace" };
    for (const verdict of ["left", "right"]) await ask("judge_blind", { ...who, id: (await ask("blind_item", who)).id, verdict, milliseconds: 900 });
    assert.equal((await now()).judged, 2);
    await allAgree("people's verdicts");
    await ask("undo_blind", who);
    await allAgree("a verdict taken back");
  }

  rmSync(join(folder, "runs", first), { recursive: true });
  await allAgree("the removal of a run's folder");
  const file = join(machine.folder, "more.jsonl");
  writeFileSync(file, JSON.stringify({ prompt: "By another program?", chosen: "Yes.", rejected: "Perhaps not." }));
  const { status, stderr } = spawnSync(program, ["import", file, "--project", folder], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  await allAgree("an import by the command line");
  for (const page of Object.values(windows)) assert.deepEqual(page.complaints, []);
});
