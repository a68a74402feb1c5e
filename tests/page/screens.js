// Every screen and state worth looking at, with something on it: what the accessibility test looks through and what the
// pictures show. In this order: some begin or end what another shows.

import { join } from "node:path";
import { goTo } from "./browser.js";
import { audited, differ, promptsOnly, rows, stateOf, survey, until } from "./lived.js";

export { lived, trained, until } from "./lived.js";

/** A survey in which some rows lack an answer. */
const WITH_REFUSED = `${survey(150, 180)}\n"Only a question?",,,"how-to"\n"Half an answer?","Yes.",,"how-to"\n`;

/** A guideline with examples. */
const GUIDELINE = `# Plain answers

Prefer the answer that says the **same in fewer words**, as in [[pair 3]].

- Praise of the question counts against an answer.
- Wrong is worse than long: see [[item 2]].
- Neither is better: a tie. Both wrong: *both bad*.
`;

/** Each screen: its name, and how to get there. */
export function screens({ machine, folder, empty, first, hurried, failed, long, evaluation, blind, versus, stream }) {
  let prompts = "";
  let streaming = "";
  let waits = "";
  /** Goes to an address of the page; whatever is open over it is closed first. */
  const at = (hash, then = async () => {}) => async (page) => {
    await page.keyboard.press("Escape");
    // From elsewhere, so that a screen begins anew where it was shown before.
    await hashed(page, "#/project");
    await hashed(page, hash);
    await quiet(page);
    await then(page);
    await quiet(page);
  };
  /** The page as it starts with a project open. */
  const begin = (project, hash) => async (page) => {
    await page.evaluate(([project, hash]) => (sessionStorage.setItem("tiebreak.project", project), (window.location.hash = hash)), [project, hash]);
    await page.reload();
    await quiet(page);
  };
  const button = (name) => (page) => page.getByRole("button", { name, exact: true }).first().click();
  const key = (...chords) => async (page) => {
    for (const chord of chords) await page.keyboard.press(chord);
  };
  const menu = (of, entry) => async (page) => {
    await button(of)(page);
    await page.getByRole("menuitem", { name: entry }).click();
  };
  const as = async (page, annotator) => page.evaluate((annotator) => localStorage.setItem("tiebreak.annotator", annotator), annotator);
  const run = (name) => ({ project: folder, run: name });

  return [
    // Before there is any project.
    ["start", async (page) => {
      await page.evaluate(() => sessionStorage.removeItem("tiebreak.project"));
      // The page is gone meanwhile, so that it does not open again what it shows.
      await page.goto("about:blank");
      const { recent } = await machine.call("home", {});
      for (const project of recent) await machine.call("forget_project", { folder: project.folder });
      await page.goto(`${machine.origin}/#/project`);
      await quiet(page);
    }],
    ["start-new-project", async (page) => {
      await button("New project")(page);
      await quiet(page);
    }],
    ["start-no-project", at("#/train")],

    // A project with nothing in it: each screen says what to do.
    ["empty-project", begin(empty, "#/project")],
    ["empty-data", at("#/data")],
    ["empty-label-who", async (page) => {
      await as(page, "");
      await begin(empty, "#/label")(page);
    }],
    ["empty-label", async (page) => {
      await as(page, "Ada");
      await begin(empty, "#/label")(page);
    }],
    ["empty-agreement", at("#/label/agreement")],
    ["empty-train", at("#/train")],
    ["empty-evaluate", at("#/evaluate")],
    ["empty-evaluate-new", at("#/evaluate/+new")],
    ["empty-export", at("#/export")],

    // Prompts that wait for answers.
    ["prompts-label", async (page) => {
      prompts = await promptsOnly(machine);
      await begin(prompts, "#/label")(page);
    }],
    ["prompts-generate", async (page) => {
      await button("Generate candidates")(page);
      await quiet(page);
    }],
    ["prompts-generating", async (page) => {
      await page.getByLabel("max_new_tokens").fill("400");
      await page.getByRole("dialog").getByRole("button", { name: "Generate", exact: true }).click();
      await page.getByLabel("Answers being written").waitFor();
    }],
    ["prompts-candidates", async (page) => {
      await until(async () => (await machine.call("open_project", { folder: prompts })).counts.items_without_answers < 38, "some answers");
      const running = (await machine.call("jobs", {})).filter((job) => job.kind === "candidates" && job.state === "running");
      for (const { job } of running) await machine.call("cancel_job", { job });
      await begin(prompts, "#/label")(page);
    }],

    // One in which everything has happened.
    ["project", begin(folder, "#/project")],
    ["project-scrolled", async (page) => page.locator("#main").evaluate((main) => main.scrollTo(0, main.scrollHeight))],
    ["project-disk", async (page) => {
      // Something lies in the bin, and goes back where it was, so that nothing else is changed.
      const { entry } = await machine.call("delete_item", { project: folder, kind: "run", item: failed });
      await at("#/project/disk")(page);
      await page.getByRole("button", { name: "Put too fast back" }).waitFor();
      await machine.call("put_back", { project: folder, entry });
    }],
    ["data", at("#/data")],
    ["data-search", at("#/data", async (page) => {
      await page.getByRole("searchbox").fill("kettle of nothing");
      await page.getByText("No pair is like this").waitFor();
    })],
    ["data-pair", at("#/data/3")],
    ["data-differences", at("#/data/3", async (page) => page.getByLabel("Differences").check())],
    ["data-chosen", at("#/data", async (page) => {
      await page.getByRole("button", { name: "More filters" }).click();
      await page.getByLabel("Order").selectOption({ label: "Longest prompt first" });
      await page.getByRole("listbox", { name: "Pairs" }).focus();
      await key("Home", "Space", "Shift+ArrowDown", "Shift+ArrowDown")(page);
    })],
    ["data-imports", at("#/data/files", async (page) => page.getByRole("button", { name: /^Actions for/ }).first().click())],
    ["data-sets", async (page) => {
      // Those of an earlier walk are there.
      if ((await machine.call("pair_sets", { project: folder })).length === 0) {
        const { rows } = await machine.call("pairs", { project: folder, query: { text: "", source: null, category: null, offset: 0, limit: 40 } });
        const saved = await machine.call("save_set", { project: folder, who: "Ada", set: null, name: "To look at again", definition: { filter: null, subset: null } });
        await machine.call("act_on_pairs", { project: folder, who: "Ada", pairs: { ids: rows.map(({ id }) => id), query: null, finding: null, expected: 40 }, act: { into_set: saved.set } });
        const filter = { text: "", source: null, category: null, longest: 300, offset: 0, limit: 0 };
        await machine.call("save_set", { project: folder, who: "Ada", set: null, name: "Short ones", definition: { filter, subset: { count: 60, seed: 42 } } });
      }
      await at("#/data/sets")(page);
    }],
    ["data-scores", async (page) => {
      if ((await machine.call("model_scores", { project: folder })).length === 0) {
        const { job } = await machine.call("score_by_model", { project: folder, side: { model: machine.model, adapter: null }, set: null, beta: 0.1, allow_changed_base: false });
        await until(async () => (await machine.call("jobs", {})).some((other) => other.job === job && other.state === "done"), "the pairs to be scored");
      }
      await at("#/data/scores")(page);
    }],
    ["data-scores-new", at("#/data/scores", button("Score the pairs by a model"))],
    ["data-scores-pairs", at("#/data/scores/tiny-model", async (page) => page.getByRole("listbox", { name: "Scored pairs" }).waitFor())],
    ["data-save-set", at("#/data", async (page) => {
      await page.getByRole("searchbox").fill("a");
      await page.getByRole("button", { name: "Save as a set" }).click();
    })],
    ["data-pair-edit", at("#/data/3", button("Edit"))],
    ["data-import", at("#/data", async (page) => {
      await page.locator("input[type=file]").setInputFiles({ name: "survey.csv", mimeType: "text/csv", buffer: Buffer.from(WITH_REFUSED) });
      await page.getByText("Guessed from their names").waitFor();
    })],
    ["data-import-scrolled", async (page) => {
      await page.getByText(/rows are refused/).click();
      await page.locator("#main").evaluate((main) => main.scrollTo(0, main.scrollHeight));
      await quiet(page);
    }],
    ["data-import-lacking", async (page) => {
      await page.locator("#main").evaluate((main) => main.scrollTo(0, 0));
      await page.getByLabel(/^prompt( \(optional\))?$/).selectOption("");
      await quiet(page);
    }],

    ["single-labels", async (page) => {
      const labelled = rows.slice(0, 30).map((line, number) => ({ prompt: `${JSON.parse(line).prompt[0].content} (${number})`, completion: JSON.parse(line).chosen[0].content, label: number % 3 > 0 }));
      const { upload } = await machine.send("kto.jsonl", labelled.map((row) => JSON.stringify(row)).join("\n"));
      const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
      await machine.call("import", { project: folder, upload, mapping });
      await at("#/data/labels")(page);
    }],
    ["single-label", at("#/data/labels/3")],
    ["label", at("#/label")],
    ["label-differences", at("#/label", key("d"))],
    ["label-edit", at("#/label", key("e", "ArrowLeft"))],
    ["label-note", at("#/label", key("n"))],
    ["label-keys", at("#/label", button("Keys"))],
    ["label-second-pass", at("#/label", menu("More for labelling", "Second pass"))],
    ["label-outage", at("#/label", async (page) => {
      await page.context().setOffline(true);
      await page.keyboard.press("ArrowLeft");
      await page.getByText(/not saved yet/).waitFor();
      await page.context().setOffline(false);
    })],
    ["label-who", async (page) => {
      await page.getByText(/not saved yet/).waitFor({ state: "detached", timeout: 20_000 });
      await as(page, "");
      await begin(folder, "#/label")(page);
    }],
    ["label-nothing-left", async (page) => {
      await as(page, "Edsger");
      await begin(folder, "#/label")(page);
      await as(page, "Ada");
    }],
    ["label-agreement", at("#/label/agreement")],
    ["label-judged", async (page) => {
      await differ(machine, folder, "Grace", [10, 11]);
      await at("#/label/judged")(page);
    }],
    ["label-judged-item", at("#/label/judged", async (page) => {
      await page.getByRole("listbox", { name: "What was labelled" }).getByRole("option").first().click();
    })],
    ["label-disagreements", at("#/label/disagreements")],
    ["label-guideline-empty", at("#/label/guideline")],
    ["label-guideline-edit", async (page) => {
      const [newest] = await machine.call("guidelines", { project: folder });
      if (!newest) await machine.call("save_guideline", { project: folder, who: "Ada", text: GUIDELINE, before: null });
      await at("#/label/guideline", button("Edit"))(page);
    }],
    ["label-guideline", async (page) => {
      await button("Cancel")(page);
      await quiet(page);
    }],
    ["label-guideline-beside", at("#/label")],
    ["label-guideline-over", at("#/label", async (page) => {
      if (await page.getByRole("complementary", { name: "Guideline" }).count()) return;
      await page.keyboard.press("i");
    })],
    ["label-audits", at("#/label/audits")],
    ["label-audit", async (page) => {
      const [audit] = await machine.call("audits", { project: folder });
      if (!audit) await audited(machine, folder);
      await at("#/label/audits/1")(page);
    }],
    ["label-audit-pairs", at("#/label/audits/1/pairs/Ada")],
    ["label-audit-judge", at("#/label/audits/1/judge")],

    ["train", at("#/train")],
    ["train-described", at("#/train", async (page) => {
      await menu("What to do with in a hurry", "Rename, note, tags")(page);
      await page.getByRole("dialog").getByLabel("Note").waitFor();
    })],
    ["train-delete", at("#/train", async (page) => {
      await menu("What to do with first", "Delete")(page);
      await page.getByRole("dialog", { name: "Delete first" }).waitFor();
    })],
    ["train-new", at("#/train/+new", async (page) => page.getByText("nothing is cut").waitFor())],
    ["train-new-sets", at("#/train/+new", async (page) => {
      await page.getByLabel("Train on", { exact: true }).selectOption({ index: 2 });
      await page.getByText("Made of the sets").waitFor();
    })],
    ["train-new-cut", at("#/train/+new", async (page) => {
      await page.getByRole("button", { name: "Back to the defaults" }).click();
      // The form is made anew, and its folds with it.
      await quiet(page);
      await page.evaluate(() => document.querySelectorAll("main details").forEach((details) => (details.open = true)));
      await page.getByLabel("max_length", { exact: true }).fill("150");
      await page.getByRole("button", { name: "Show them" }).click();
    })],
    ["train-new-cut-pairs", async (page) => page.getByLabel("Pairs that are cut or dropped").scrollIntoViewIfNeeded()],
    ["train-new-refused", async (page) => {
      await page.getByLabel("beta", { exact: true }).fill("-1");
      await page.getByLabel("beta", { exact: true }).scrollIntoViewIfNeeded();
      await quiet(page);
    }],
    ["train-new-from-adapter", async (page) => {
      await page.getByLabel("beta", { exact: true }).fill("0.1");
      await page.getByLabel("ref_adapter", { exact: true }).fill(join(machine.model, "adapter"));
      await page.locator("details").filter({ hasText: "Adapter (LoRA)" }).scrollIntoViewIfNeeded();
      await page.getByText("brings its own rank").scrollIntoViewIfNeeded();
      await quiet(page);
    }],
    ["train-run", at(`#/train/${first}`)],
    ["train-run-scrolled", async (page) => {
      await page.getByRole("heading", { name: "Sample answers" }).scrollIntoViewIfNeeded();
      await page.locator("#main").evaluate((main) => main.scrollBy(0, 500));
      await quiet(page);
    }],
    ["train-pairs-of-training", at(`#/train/${first}/pairs`)],
    ["train-pairs", async (page) => {
      const { job } = await machine.call("score_pairs", { ...run(first), folds: null, allow_changed_base: false });
      await until(async () => (await machine.call("jobs", {})).some((other) => other.job === job && other.state === "done"), "the pairs to be scored");
      await at(`#/train/${first}/pairs`)(page);
    }],
    ["train-pairs-open", async (page) => {
      await page.getByRole("listbox", { name: "Pairs of this run" }).getByRole("option").first().click();
      await quiet(page);
    }],
    ["train-pairs-chosen", at(`#/train/${first}/pairs`, async (page) => {
      await page.getByRole("listbox", { name: "Pairs of this run" }).focus();
      await key("Home", "Space", "Shift+ArrowDown", "Shift+ArrowDown")(page);
    })],
    ["train-pairs-figure", async (page) => {
      await button("Show the figure")(page);
      await quiet(page);
    }],
    ["playground", at("#/playground")],
    ["playground-answers", async (page) => {
      await page.getByRole("button", { name: "Add a model" }).click();
      await page.getByText("System prompt and sampling").click();
      await page.getByLabel("max_new_tokens").fill("40");
      await page.getByLabel("Message", { exact: true }).fill("What is a good use for a kettle?");
      await page.getByLabel("Message", { exact: true }).press("Enter");
      await until(async () => (await page.getByText(/^\d+ tokens? in/).count()) === 2, "both answers");
    }],
    ["playground-alternatives", async (page) => {
      const answer = page.getByRole("article").first();
      await answer.getByRole("button", { name: "Token probabilities" }).click();
      await answer.getByRole("listbox", { name: "Tokens of the answer" }).getByRole("option").nth(4).click();
      await answer.getByRole("group", { name: /^What was likely/ }).waitFor();
    }],
    ["playground-model", async (page) => {
      await page.getByLabel("Model 1", { exact: true }).selectOption({ label: "Another model of this machine…" });
      await page.getByRole("dialog").waitFor();
    }],
    ["train-findings", at(`#/train/${hurried}`)],
    ["train-findings-open", async (page) => {
      await page.getByText(/things stand out$/).click();
      await page.getByText("Show it:").first().click();
      await page.getByText("Show it:").first().scrollIntoViewIfNeeded();
      await quiet(page);
    }],
    ["train-failed", at(`#/train/${failed}`)],
    ["train-remedy", at(`#/train/${failed}`, async (page) => {
      await page.getByRole("button", { name: /tenth of the learning rate/ }).first().click();
      await page.getByText(/to train on/).waitFor();
    })],
    ["train-new-sweep", at("#/train/+new", async (page) => {
      await page.getByText("Vary settings", { exact: true }).click();
      for (const [key, values] of [["learning_rate", "1e-4, 1e-3"], ["lora.r", "4, 8, 16"]]) {
        await page.getByLabel("Add a setting that varies").selectOption(key);
        await page.getByLabel(`Values of ${key}`).fill(values);
      }
      await page.getByRole("button", { name: "Put 6 runs into the queue" }).waitFor();
      await page.getByLabel("Stop the losers early").scrollIntoViewIfNeeded();
    })],
    ["train-sweep", async (page) => {
      const request = await machine.call("default_settings", { project: folder });
      Object.assign(request, { name: "Rates and ranks", held_out_share: 0.25 });
      Object.assign(request.settings, { max_steps: 12, sample_prompts: 0, eval_steps: 4, per_device_train_batch_size: 4 });
      const list = (values) => ({ kind: "list", values });
      const vary = [{ key: "learning_rate", values: list([1e-5, 1e-4, 1e-3]) }, { key: "lora.r", values: list([2, 8]) }];
      const { sweep } = await machine.call("start_sweep", { request, vary, search: { kind: "grid" }, rule: { kind: "successive_halving", eta: 3, first_step: 4 } });
      const ended = async () => ((now) => now.summary.ended === now.summary.runs)(await machine.call("sweep", { project: folder, sweep }));
      await until(ended, "the sweep to end");
      await at(`#/train/+sweep/${sweep}`)(page);
    }],
    ["train-sweep-table", async (page) => page.getByRole("region", { name: "Runs of this sweep" }).scrollIntoViewIfNeeded()],
    ["train-compare", at(`#/train/+compare/${first}/${hurried}`)],
    ["train-running", async (page) => {
      if ((await stateOf(machine, folder, long)) !== "running") await machine.call("resume_run", run(long));
      await at(`#/train/${long}`)(page);
      await until(async () => (await machine.call("run", run(long))).summary.step % 500 > 60, "sixty steps");
      await quiet(page);
    }],
    ["train-list-running", at("#/train")],
    ["train-queue", async (page) => {
      const request = await machine.call("default_settings", { project: folder });
      request.settings.max_steps = 20;
      for (const name of ["waits longer", "waits"]) waits = (await machine.call("start_run", { request: { ...request, name } })).summary.run;
      await at("#/train")(page);
      await page.getByRole("list", { name: "Runs that wait" }).waitFor();
    }],
    ["train-queued", (page) => at(`#/train/${waits}`)(page)],
    ["train-new-waits", at("#/train/+new", async (page) => {
      // What varies makes it a sweep.
      await button("Back to the defaults")(page);
      await page.getByRole("button", { name: "Add to the queue" }).waitFor();
      for (const { run: waiting } of (await machine.call("queue", { project: folder })).waiting) await machine.call("leave_queue", run(waiting));
    })],
    ["train-stopped", async (page) => {
      await machine.call("stop_run", { ...run(long), pause: false });
      await until(async () => (await stateOf(machine, folder, long)) === "stopped", "the long run to stop");
      await at(`#/train/${long}`)(page);
    }],

    ["evaluate", at("#/evaluate")],
    ["evaluate-leaderboard", at("#/evaluate/+leaderboard")],
    ["evaluate-new", at("#/evaluate/+new")],
    ["evaluate-new-sides", at("#/evaluate/+new", async (page) => {
      await page.getByLabel("Side A", { exact: true }).selectOption("run");
      await page.getByLabel("Side A: run").selectOption(hurried);
      await page.getByLabel("Side B", { exact: true }).selectOption("answers");
    })],
    ["evaluate-sides", at(`#/evaluate/${versus}`)],
    ["evaluate-new-endpoint", at("#/evaluate/+new", async (page) => {
      await page.getByLabel("A model", { exact: false }).first().check();
      await page.getByText("How the models answer").click();
    })],
    ["evaluate-result", at(`#/evaluate/${evaluation}`)],
    ["evaluate-result-scrolled", async (page) => page.locator("#main").evaluate((main) => main.scrollTo(0, main.scrollHeight))],
    ["evaluate-answers", at(`#/evaluate/${evaluation}/answers`)],
    ["evaluate-answers-filtered", at(`#/evaluate/${evaluation}/answers`, async (page) => {
      await page.getByLabel("Which answers").selectOption("tuned");
      await page.getByLabel("Differences").check();
    })],
    ["evaluate-covered", at(`#/evaluate/${blind}/answers`)],
    ["evaluate-blind", at(`#/evaluate/${blind}/judge`)],
    ["evaluate-blind-result", at(`#/evaluate/${blind}`)],
    ["evaluate-streaming", async (page) => {
      // On a busy machine the page may come when all is written: then another is begun.
      for (let tries = 1; ; tries++) {
        streaming = await stream();
        await page.evaluate((hash) => (window.location.hash = hash), `#/evaluate/${streaming}`);
        const seen = page.getByLabel("Answers as they are written").waitFor({ timeout: 6000 });
        if (await seen.then(() => true, () => false)) break;
        if (tries === 5) throw new Error("answers were never seen as they are written");
      }
    }],
    ["evaluate-broken-off", async (page) => {
      const { job } = await machine.call("evaluation", { project: folder, evaluation: streaming, theme: "light" });
      await machine.call("cancel_job", { job });
      await at(`#/evaluate/${streaming}`, async (page) => page.getByText("broken off").first().waitFor())(page);
    }],

    ["export", at("#/export")],
    ["export-written", at("#/export", async (page) => {
      await page.getByRole("button", { name: "Export adapter" }).click();
      await page.getByText("Written to").first().waitFor();
    })],
    ["error", at("#/evaluate/no-such-evaluation")],
    ["palette", async (page) => {
      await at("#/project")(page);
      await goTo(page, "l");
      await page.keyboard.press("Control+k");
      await quiet(page);
    }],
    ["palette-found", async (page) => {
      await page.getByLabel("Find a command").fill("first");
      await page.getByRole("group", { name: "Runs" }).waitFor();
      await quiet(page);
    }],
    ["keys-of-screen", at(`#/evaluate/${evaluation}/answers`, key("?"))],
  ];
}

/** Changes the address and waits until the page has heard of it. */
async function hashed(page, hash) {
  await page.evaluate((hash) => new Promise((resolve) => {
    if (window.location.hash === hash) return resolve();
    window.addEventListener("hashchange", () => requestAnimationFrame(resolve), { once: true });
    window.location.hash = hash;
  }), hash);
}

/** A screen is there, and nothing has changed on it for a moment, or it changes all the time. */
async function quiet(page) {
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.evaluate(() => new Promise((resolve) => {
    const [CALM, LONGEST] = [300, 2500];
    let timer = setTimeout(resolve, CALM);
    setTimeout(resolve, LONGEST);
    const watch = new MutationObserver(() => (clearTimeout(timer), (timer = setTimeout(resolve, CALM))));
    watch.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  }));
}
