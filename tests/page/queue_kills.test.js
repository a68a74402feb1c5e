// The queue under attack: whoever begins runs is killed at the moment a run's process appears, with two programs on one project.
// Each run is trained once and none is lost. And a run that waits for memory begins when there is enough.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine, workers } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";
import { remove } from "../folder.mjs";

const linux = { skip: process.platform !== "linux" };
const SHORT = { max_steps: 12 };
const LONG = { max_steps: 20_000 };

/** Processes that begin what waits for a run in a folder. */
function beginners(folder) {
  const command = (id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // ended meanwhile
    }
  };
  const begins = ([, what, where]) => what === "next" && where.startsWith(`${folder}/`);
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && begins(command(name))).map(Number);
}

/** Kills a process that may have ended. */
function kill(process_id) {
  try {
    process.kill(process_id, "SIGKILL");
  } catch {
    // It has ended by itself meanwhile.
  }
}

class Attacked {
  constructor(machine, folder) {
    Object.assign(this, { machine, folder });
  }
  async started(name, settings) {
    const request = await this.machine.call("default_settings", { project: this.folder });
    Object.assign(request, { name, held_out_share: 0.25 });
    Object.assign(request.settings, { sample_prompts: 0, per_device_train_batch_size: 4, learning_rate: 1e-4, eval_steps: 0, save_steps: 20, ...settings });
    return (await this.machine.call("start_run", { request })).summary.run;
  }
  events(run) {
    const path = join(this.folder, "runs", run, "events.jsonl");
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)) : [];
  }
  of(run, kind) {
    return this.events(run).filter(({ type }) => type === kind).length;
  }
  state = async (run) => (await this.machine.call("run", { project: this.folder, run })).summary.state;
  queue = () => this.machine.call("queue", { project: this.folder });
}

test("whoever begins a run is killed as its process appears: no run is begun twice, and none is lost", linux, async () => {
  const machine = await new Machine().start();
  const other = new Machine();
  await remove(other.folder);
  Object.assign(other, { folder: machine.folder, projects: machine.projects });
  try {
    const folder = await machine.project("Attacked", "pairs.jsonl", pairs(24), "pairs");
    const project = new Attacked(machine, folder);
    const long = await project.started("long", LONG);
    await until(async () => (await project.state(long)) === "running", "the long run to train");
    const runs = [];
    for (let i = 1; i <= 6; i += 1) runs.push(await project.started(`r${i}`, SHORT));
    await other.start();
    await other.call("open_project", { folder });
    await machine.call("stop_run", { project: folder, run: long, pause: false });

    let seen = new Set(workers(folder));
    let kills = 0;
    const end = Date.now() + 240_000;
    while (!runs.every((run) => project.of(run, "finished") > 0)) {
      assert.ok(Date.now() < end, `not all were trained: ${runs.map((run) => `${run} ${project.events(run).at(-1)?.type}`)}`);
      const now = workers(folder);
      if (now.some((id) => !seen.has(id)) && kills < 6) {
        kills += 1;
        for (const id of beginners(folder)) kill(id);
        await Promise.all([machine.kill(), other.kill()]);
        await machine.start();
        await machine.call("open_project", { folder });
        await other.start();
        await other.call("open_project", { folder });
      }
      seen = new Set(now);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.ok(kills >= 3, `only ${kills} were killed`);
    for (const run of runs) {
      // A process that takes a run says so by `resumed`, also one that begins it.
      const counted = ["resumed", "run_started", "finished", "failed"].map((kind) => project.of(run, kind));
      assert.deepEqual(counted, [1, 1, 1, 0], run);
    }
    await until(async () => (await project.queue()).waiting.length === 0, "the queue to be empty");
    assert.deepEqual((await project.queue()).failed, []);
  } finally {
    await other.kill();
    await machine.end();
  }
});

test("a run's process is killed with the program that begins it: it goes on, or is named, and the others are trained", linux, async () => {
  const machine = await new Machine().start();
  try {
    const folder = await machine.project("Dark", "pairs.jsonl", pairs(24), "pairs");
    const project = new Attacked(machine, folder);
    const long = await project.started("long", LONG);
    await until(async () => (await project.state(long)) === "running", "the long run to train");
    const runs = [];
    for (let i = 1; i <= 3; i += 1) runs.push(await project.started(`d${i}`, SHORT));
    await machine.call("stop_run", { project: folder, run: long, pause: false });
    const before = new Set(workers(folder));
    await until(() => workers(folder).some((id) => !before.has(id)), "the first of them to begin");
    // The lights go out.
    for (const id of beginners(folder)) kill(id);
    await machine.kill();
    for (const id of workers(folder)) kill(id);
    await machine.start();
    await machine.call("open_project", { folder });
    await until(async () => (await project.state(runs[2])) === "finished", "the last one to be trained");
    const [first, second] = [await project.state(runs[0]), await project.state(runs[1])];
    assert.equal(second, "finished");
    const { failed, waiting } = await project.queue();
    assert.deepEqual(waiting, []);
    if (first === "interrupted") assert.deepEqual(failed.map(({ run, what }) => [run, what]), [[runs[0], "was broken off: its process is gone"]]);
    else assert.equal(first, "finished");
  } finally {
    await machine.end();
  }
});

// Kilobytes that the program may map: with one small run at work, there is no room beside it for a run of large microbatches.
const LIMIT = 1_000_000;

test("a run waits where memory does not suffice, says so in numbers, and begins when it does", linux, async () => {
  const machine = await new Machine().start(LIMIT);
  const browser = await launch();
  try {
    const answer = (word, at) => `${word} ${at} `.repeat(60);
    const rows = Array.from({ length: 80 }, (_, at) => JSON.stringify({ prompt: `Say ${at}`, chosen: answer("plain", at), rejected: answer("wordy", at) }));
    const folder = await machine.project("Narrow", "pairs.jsonl", rows.join("\n"), "pairs");
    const project = new Attacked(machine, folder);
    await machine.call("set_at_most", { project: folder, at_most: 2 });
    const small = await project.started("small", { ...LONG, max_length: 0, per_device_train_batch_size: 1 });
    await until(async () => (await project.state(small)) === "running", "the small run to train");
    const large = await project.started("large", { max_length: 0, max_steps: 1, per_device_train_batch_size: 60, gradient_checkpointing: true });
    const last = await project.started("last", { ...SHORT, max_length: 0, per_device_train_batch_size: 1 });

    const { waiting, memory_free } = await project.queue();
    assert.deepEqual(waiting.map(({ run }) => run), [large, last], "who comes later does not overtake");
    assert.ok(waiting[0].memory_needed > memory_free, `${waiting[0].memory_needed} of ${memory_free}`);
    assert.match(waiting[0].why, /^waits for memory: it needs \d+ MB, and small will leave \d+ MB of what is free$/);
    assert.equal(waiting[1].why, "after large");
    const page = await open(browser, machine);
    await page.getByRole("heading", { name: "Narrow", exact: true }).waitFor();
    await goTo(page, "t");
    await page.getByText(/waits for memory: it needs \d+ MB, and small will leave \d+ MB of what is free/).first().waitFor();
    assert.deepEqual(project.events(large), [], "it has not begun");

    await machine.call("stop_run", { project: folder, run: small, pause: false });
    await until(async () => (await project.state(large)) === "finished", "the large run to be trained");
    await until(async () => (await project.state(last)) === "finished", "the last run to be trained");
    assert.deepEqual([large, last].map((run) => project.of(run, "run_started")), [1, 1]);
    assert.deepEqual(page.complaints, []);
  } finally {
    await browser.close();
    await machine.end();
  }
});
