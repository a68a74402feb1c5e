// Every screen with something on it: what accessibility tests look through and what screenshots show.

import { goTo } from "./browser.js";
import { candidates, pairs } from "./rows.js";

/** A project in which everything has happened: pairs, labels by two annotators, a finished run, an evaluation. */
export async function lived(machine) {
  const folder = await machine.project("Plain answers", "pairs.jsonl", pairs(40), "pairs");
  const { upload } = await machine.send("survey.csv", candidates(24));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  for (const annotator of ["Ada", "Grace"]) {
    for (let i = 0; i < 8; i += 1) {
      const { queue } = await machine.call("label_state", { project: folder, annotator, ahead: 1 });
      const plain = queue[0].left.includes("plainly");
      const verdict = annotator === "Grace" && i === 3 ? "tie_good" : plain ? "left" : "right";
      const { item, showing } = queue[0];
      await machine.call("judge", { project: folder, annotator, item, showing, verdict, milliseconds: 2400 + 300 * i, note: null });
    }
  }
  const run = await trained(machine, folder, { name: "first", sample_prompts: 2 }, { max_steps: 24, eval_steps: 6 });
  const evaluation = {
    project: folder, run, judge: { kind: "rule", rule: "shorter" }, prompts: "held_out",
    max_prompts: 10, temperature: 0, max_new_tokens: 24, seed: 1,
  };
  await machine.call("start_evaluation", { request: evaluation });
  const list = () => machine.call("evaluations", { project: folder });
  await until(async () => (await list())[0]?.state === "done", "the evaluation to finish");
  return { folder, run, evaluation: (await list())[0].evaluation };
}

/** A run of a project, begun with these wishes and finished. */
export async function trained(machine, project, wishes, settings) {
  const request = await machine.call("default_settings", { project });
  Object.assign(request, { held_out_share: 0.25, sample_prompts: 0, ...wishes });
  Object.assign(request.settings, { per_device_train_batch_size: 4, learning_rate: 1e-3, ...settings });
  const { summary } = await machine.call("start_run", { request });
  await until(async () => (await machine.call("run", { project, run: summary.run })).summary.state === "finished", "the run to finish");
  return summary.run;
}

export async function until(holds, what, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Each screen: its name, and how to get there. */
export function screens({ run, evaluation }) {
  const at = (hash) => async (page) => {
    await page.evaluate((hash) => (window.location.hash = hash), hash);
    await settled(page);
  };
  return [
    ["project", at("#/project")],
    ["data", at("#/data")],
    ["label", async (page) => {
      await at("#/label")(page);
      if (await page.getByRole("button", { name: "Ada" }).isVisible()) await page.getByRole("button", { name: "Ada" }).click();
      await settled(page);
    }],
    ["label-agreement", at("#/label/agreement")],
    ["train", at("#/train")],
    ["train-new", at("#/train/+new")],
    ["train-run", at(`#/train/${run}`)],
    ["evaluate", at("#/evaluate")],
    ["evaluate-new", at("#/evaluate/+new")],
    ["evaluate-result", at(`#/evaluate/${evaluation}`)],
    ["evaluate-answers", at(`#/evaluate/${evaluation}/answers`)],
    ["export", at("#/export")],
    ["palette", async (page) => {
      await goTo(page, "p");
      await page.keyboard.press("Control+k");
      await settled(page);
    }],
  ];
}

/** Nothing has changed on the page for a moment, and nothing is being asked for. */
async function settled(page) {
  await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => {});
  await page.waitForTimeout(400);
}
