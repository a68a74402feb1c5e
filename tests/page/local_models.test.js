// Models on this machine: in folders that are named with --models and in the cache of the hub they are listed with what they are,
// and used although they lie outside the projects folder; what cannot be trained is listed with the reason.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine, repository } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const NAME = `hf:org/cached@${COMMIT}`;
const llama = join(repository, "tests/golden/llama");

let models, elsewhere, machine, browser, page, folder;
before(async () => {
  models = mkdtempSync(join(tmpdir(), "tiebreak-models-"));
  elsewhere = mkdtempSync(join(tmpdir(), "tiebreak-elsewhere-"));
  cpSync(llama, join(models, "deep/down/mine"), { recursive: true });
  cpSync(llama, join(elsewhere, "model"), { recursive: true });
  cpSync(join(llama, "adapter"), join(models, "an-adapter"), { recursive: true });
  cpSync(llama, join(models, "unknown-family"), { recursive: true });
  const config = join(models, "unknown-family/config.json");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config)), model_type: "mamba", architectures: ["MambaForCausalLM"] }));
  machine = new Machine({ HF_HUB_CACHE: "", HF_HUB_OFFLINE: "1" }, ["--models", models]);
  const repo = join(machine.folder, "hf/hub/models--org--cached");
  cpSync(llama, join(repo, "snapshots", COMMIT), { recursive: true });
  mkdirSync(join(repo, "refs"));
  writeFileSync(join(repo, "refs/main"), COMMIT);
  await machine.start();
  browser = await launch();
  folder = await machine.project("Local", "pairs.jsonl", pairs(24), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Local", exact: true }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
  for (const folder of [models, elsewhere]) rmSync(folder, { recursive: true, force: true });
});

const list = () => page.getByRole("list", { name: "Models on this machine" });
const modelOf = async () => (await machine.call("open_project", { folder })).model;

test("they are listed with family, size and memory, wherever they may be read", async () => {
  await list().getByText("Chosen").waitFor();
  const { models: found, folders, cut_off } = await machine.call("local_models", {});
  assert.equal(cut_off, false);
  assert.ok(folders.includes(models) && folders.includes(machine.projects));
  const told = Object.fromEntries(found.map(({ title, family, place }) => [title, [family, place]]));
  assert.deepEqual(told, { "an-adapter": [null, "folder"], mine: ["llama", "folder"], "org/cached": ["llama", "hub_cache"], "tiny-model": ["llama", "folder"], "unknown-family": [null, "folder"] });
  const mine = found.find(({ title }) => title === "mine");
  assert.ok(mine.parameters > 10_000 && mine.weights > 10_000);
  assert.match(await list().getByRole("listitem").filter({ hasText: "mine" }).innerText(), /llama · \d+ k parameters · [\d.]+ kB of memory for its weights/);
});

test("what cannot be trained is there with the reason, an adapter as one", async () => {
  await page.getByText("2 folders or files that cannot be trained").click();
  await page.getByText(/mamba/).waitFor();
  const { base_model_name_or_path: base } = JSON.parse(readFileSync(join(llama, "adapter/adapter_config.json")));
  await page.getByText(base ? `An adapter of ${base}: name it as init_adapter` : "An adapter: name it as init_adapter").waitFor();
  await assert.rejects(machine.call("set_model", { project: folder, model: join(models, "an-adapter") }), /this folder holds an adapter/);
});

test("one that lies elsewhere is refused with what to do, one in --models and one in the cache are used", async () => {
  await page.getByLabel("Or a model by its path, or its name on the Hugging Face hub").fill(join(elsewhere, "model"));
  await page.getByRole("button", { name: "Use this model" }).click();
  await page.getByText(/start `?tiebreak serve`? with --models/).waitFor();
  await list().getByRole("button", { name: "Use org/cached" }).click();
  await until(async () => (await modelOf()) === NAME, "the cached model to be the project's");
  await list().getByRole("button", { name: "Use mine" }).click();
  await until(async () => (await modelOf()).endsWith("deep/down/mine"), "the other to be the project's");
  // Nothing else in there may be opened or written.
  await assert.rejects(machine.call("create_project", { name: "x", folder: join(models, "x") }), /outside the projects folder/);
});

test("a run chooses among them, and trains", async () => {
  await page.evaluate(() => (window.location.hash = "#/train/+new"));
  await page.getByLabel("Model", { exact: true }).selectOption({ label: "org/cached (Hugging Face cache)" });
  await page.getByText(/to train on/).waitFor();
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "cached", model: NAME });
  Object.assign(request.settings, { max_steps: 2, sample_prompts: 0 });
  const { summary: { run } } = await machine.call("start_run", { request, allow_changed_base: false });
  await until(async () => (await machine.call("run", { project: folder, run })).summary.state === "finished", "the run to end");
});
