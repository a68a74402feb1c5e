// Every screen and state worth looking at, with something on it: what the accessibility test looks through and what the
// pictures show. In this order: some begin or end what another shows.

import { join } from "node:path";
import { goTo } from "./browser.js";
import { promptsOnly, rows, stateOf, survey, until } from "./lived.js";

export { lived, trained, until } from "./lived.js";

/** A survey in which some rows lack an answer. */
const WITH_REFUSED = `${survey(150, 180)}\n"Only a question?",,,"how-to"\n"Half an answer?","Yes.",,"how-to"\n`;

/** Each screen: its name, and how to get there. */
export function screens({ machine, folder, empty, first, hurried, failed, long, evaluation, blind, stream }) {
  let prompts = "";
  let streaming = "";
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
    ["data", at("#/data")],
    ["data-search", at("#/data", async (page) => {
      await page.getByRole("searchbox").fill("kettle of nothing");
      await page.getByText("No pair is like this").waitFor();
    })],
    ["data-pair", at("#/data/3")],
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

    ["train", at("#/train")],
    ["train-new", at("#/train/+new", async (page) => page.getByText("nothing is cut").waitFor())],
    ["train-new-cut", at("#/train/+new", async (page) => {
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
    ["train-compare", at(`#/train/+compare/${first}/${hurried}`)],
    ["train-running", async (page) => {
      if ((await stateOf(machine, folder, long)) !== "running") await machine.call("resume_run", run(long));
      await at(`#/train/${long}`)(page);
      await until(async () => (await machine.call("run", run(long))).summary.step % 500 > 60, "sixty steps");
      await quiet(page);
    }],
    ["train-list-running", at("#/train")],
    ["train-stopped", async (page) => {
      await machine.call("stop_run", { ...run(long), pause: false });
      await until(async () => (await stateOf(machine, folder, long)) === "stopped", "the long run to stop");
      await at(`#/train/${long}`)(page);
    }],

    ["evaluate", at("#/evaluate")],
    ["evaluate-new", at("#/evaluate/+new")],
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
