// The real window: it opens on the demo, labels by key, trains, is closed and opened again while a run goes on.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { remove } from "../folder.mjs";
import { KEYS, screen, until, Window } from "./driver.js";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), ".cache/tiebreak-target");
const program = process.env.TIEBREAK_WINDOW ?? join(target, "debug/tiebreak-desktop");

let folder, env, xvfb;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tiebreak-window-"));
  for (const name of ["projects", "data", "cache", "home"]) mkdirSync(join(folder, name));
  cpSync(join(repository, "tests/golden/llama"), join(folder, "tiny-model"), { recursive: true });
  xvfb = await screen();
  env = {
    DISPLAY: xvfb.display, WAYLAND_DISPLAY: "", HOME: join(folder, "home"),
    XDG_CONFIG_HOME: join(folder, "home"), XDG_DATA_HOME: join(folder, "home"),
    TIEBREAK_DATA: join(folder, "data"), TIEBREAK_PROJECTS: join(folder, "projects"), TIEBREAK_CACHE: join(folder, "cache"),
  };
});
after(async () => {
  xvfb?.end();
  // What WebKit started ends a moment later than the window, and writes until then.
  await remove(folder);
});

const judged = (window) => window.run("return document.querySelector(\"progress[aria-label='Items judged']\")?.value ?? null;");

test("the window shows the demo, labels by key, trains, finds its run again, and shows a win rate", async () => {
  let window = await Window.open(program, ["--demo"], env);
  try {
    await window.shows("Demo");
    const { recent } = await window.call("home", {});
    const project = recent[0].folder;
    await window.call("set_model", { project, model: join(folder, "tiny-model") });

    await window.run("window.location.hash = '#/label';");
    await window.shows("Who labels?");
    await window.type("main input[type=text]", `Ada${KEYS.enter}`);
    await until(async () => (await judged(window)) === 0, "the first item");
    for (const [count, key] of [[1, KEYS.left], [2, KEYS.right], [3, KEYS.up]]) {
      await window.press(key);
      await until(async () => (await judged(window)) === count, `${count} judged items`);
    }
    assert.equal((await window.call("label_state", { project, annotator: "Ada", ahead: 1 })).done, 3);
    if (process.env.TIEBREAK_SCREENSHOTS) writeFileSync(join(process.env.TIEBREAK_SCREENSHOTS, "window.png"), Buffer.from(await window.screenshot(), "base64"));

    const request = await window.call("default_settings", { project });
    Object.assign(request, { name: "In the window" });
    Object.assign(request.settings, { max_steps: 300, per_device_train_batch_size: 4, learning_rate: 1e-3, max_length: 256 });
    const { summary } = await window.call("start_run", { request });
    const state = async () => (await window.call("run", { project, run: summary.run })).summary;
    await window.run("window.location.hash = '#/train/' + encodeURIComponent(arguments[0]);", summary.run);
    await until(async () => (await state()).step > 2, "the first steps");
    await window.shows("running");
    const before = (await state()).step;
    await window.close();

    window = await Window.open(program, [], env);
    const found = (await window.call("run", { project, run: summary.run })).summary;
    assert.ok(["running", "finished"].includes(found.state), `the run is ${found.state} after the window was closed`);
    assert.ok(found.step >= before, "the run went on without the window");
    await window.run("window.location.hash = '#/train/' + encodeURIComponent(arguments[0]);", summary.run);
    await window.shows("finished", 180);
    assert.equal((await window.call("run", { project, run: summary.run })).summary.step, 300);

    const evaluation = {
      project, run: summary.run, judge: { kind: "rule", rule: "shorter" }, prompts: "held_out",
      max_prompts: 8, temperature: 0, max_new_tokens: 24, seed: 1,
    };
    await window.call("start_evaluation", { request: evaluation });
    const evaluations = () => window.call("evaluations", { project });
    await until(async () => (await evaluations())[0]?.state === "done", "the evaluation");
    await window.run("window.location.hash = '#/evaluate/' + encodeURIComponent(arguments[0]);", (await evaluations())[0].evaluation);
    await window.shows("win rate");
    if (process.env.TIEBREAK_SCREENSHOTS) writeFileSync(join(process.env.TIEBREAK_SCREENSHOTS, "window-result.png"), Buffer.from(await window.screenshot(), "base64"));
  } finally {
    await window.close();
  }
});
