// Merged weights through the page: a job that is seen to go on, can be stopped, and says where it wrote and what it found.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { until } from "./screens.js";

let machine, browser, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Plain answers", "pairs.jsonl", pairs(40), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "first", held_out_share: 0.25 });
  Object.assign(request.settings, { sample_prompts: 0, max_steps: 6, per_device_train_batch_size: 4, learning_rate: 1e-2 });
  const { summary } = await machine.call("start_run", { request });
  await until(async () => (await machine.call("run", { project: folder, run: summary.run })).summary.state === "finished", "the run to finish");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

async function exportScreen() {
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Plain answers" }).waitFor();
  await goTo(page, "x");
  await page.getByRole("heading", { name: "Merged weights" }).waitFor();
  return page;
}

const card = (page) => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Merged weights" }) });
const handedOut = () => (existsSync(join(folder, "exports")) ? readdirSync(join(folder, "exports")) : []);

test("merged weights are written, checked, and shown with where they are and how to load them", async () => {
  const page = await exportScreen();
  const merged = card(page);
  assert.ok(await merged.getByRole("radio", { name: /^bf16/ }).isChecked(), "bf16 is chosen at first");
  await merged.getByRole("radio", { name: /^f32/ }).check();
  await merged.getByRole("button", { name: "Export merged weights" }).click();
  await merged.getByText(/Reloaded: log-probabilities of 4 held-out pairs/).waitFor({ timeout: 60_000 });
  const path = await merged.locator("code").innerText();
  assert.ok(path.startsWith(join(folder, "exports")), path);
  const config = JSON.parse(readFileSync(join(path, "config.json")));
  assert.equal(config.dtype ?? config.torch_dtype, "float32");
  for (const file of ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]) assert.ok(existsSync(join(path, file)), file);
  const load = await merged.locator("pre").innerText();
  assert.match(load, /AutoModelForCausalLM\.from_pretrained/);
  assert.match(load, /vllm serve/);
  assert.ok(load.includes(path), load);

  // The other type goes into a folder of its own, and what was written first stays.
  await merged.getByRole("radio", { name: /^bf16/ }).check();
  await merged.getByRole("button", { name: "Export merged weights" }).click();
  await merged.getByText(/the rounding to bf16/).waitFor({ timeout: 60_000 });
  const half = await merged.locator("code").innerText();
  assert.notEqual(half, path);
  const size = (of) => statSync(join(of, "model.safetensors")).size;
  assert.ok(size(half) < 0.6 * size(path), `${size(half)} of ${size(path)} bytes`);

  // Whoever opens the page again sees it still.
  await page.reload();
  await page.getByText(half).first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("a GGUF file and an adapter as one are written, checked, and shown with how to load them", async () => {
  const page = await exportScreen();
  const gguf = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "GGUF" }) });
  assert.ok(await gguf.getByRole("radio", { name: /^Q4_K/ }).isChecked(), "Q4_K is chosen at first");
  await gguf.getByRole("radio", { name: /^Q8_0/ }).check();
  await gguf.getByRole("button", { name: "Export GGUF" }).click();
  await gguf.getByText(/the rounding to Q8_0/).waitFor({ timeout: 60_000 });
  const path = await gguf.locator("code").innerText();
  assert.ok(path.startsWith(join(folder, "exports")), path);
  assert.equal(readFileSync(join(path, "model-q8_0.gguf")).subarray(0, 4).toString(), "GGUF");
  assert.match(readFileSync(join(path, "Modelfile"), "utf8"), /^FROM \.\/model-q8_0\.gguf\nTEMPLATE """/);
  assert.match(await gguf.locator("pre").innerText(), /llama-cli -m .*model-q8_0\.gguf/);

  await gguf.getByRole("radio", { name: /^Adapter alone/ }).check();
  await gguf.getByRole("button", { name: "Export GGUF" }).click();
  await gguf.getByText(/Write the adapter of .* as GGUF: done/).waitFor({ timeout: 60_000 });
  const adapter = await gguf.locator("code").innerText();
  assert.match(readFileSync(join(adapter, "Modelfile"), "utf8"), /\nADAPTER \.\/adapter\.gguf\n/);

  // The base of this project is a folder, which has no block types.
  await gguf.getByRole("radio", { name: /^As the base/ }).check();
  await gguf.getByRole("button", { name: "Export GGUF" }).click();
  await gguf.getByText(/Choose f16, q8_0 or q4_k/).waitFor({ timeout: 60_000 });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("pairs are written in the forms that are chosen, and what was written for labellers comes back", async () => {
  const page = await exportScreen();
  const pairsCard = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Pairs", exact: true }) });
  const form = (name) => pairsCard.getByRole("checkbox", { name, exact: true });
  assert.deepEqual(await Promise.all(["JSON Lines", "Parquet", "Argilla", "Label Studio"].map((name) => form(name).isChecked())), [true, true, false, false]);
  for (const name of ["JSON Lines", "Parquet"]) await form(name).uncheck();
  await pairsCard.getByText("Choose at least one form.").waitFor();
  assert.ok(await pairsCard.getByRole("button", { name: "Export pairs" }).isDisabled());
  for (const name of ["Argilla", "Label Studio"]) await form(name).check();
  await pairsCard.getByRole("button", { name: "Export pairs" }).click();
  await pairsCard.locator("code").nth(1).waitFor();
  const [argilla, tasks] = await pairsCard.locator("code").allInnerTexts();
  assert.match(await pairsCard.locator("pre").first().innerText(), /argilla\.Dataset\.from_disk/);
  await pairsCard.getByText(/40 of the 40 pairs have no vote/).nth(1).waitFor();
  assert.ok(existsSync(tasks.replace(/json$/, "xml")));
  for (const [path, read] of [[join(argilla, "records.json"), (row) => row.fields.response_a], [tasks, (row) => row.data.answer1]]) {
    const rows = JSON.parse(readFileSync(path));
    assert.equal(rows.length, 40);
    assert.equal(typeof read(rows[0]), "string");
    const { upload } = await machine.send("rows.json", readFileSync(path, "utf8"));
    const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
    const reply = await machine.call("import", { project: folder, upload, mapping });
    assert.deepEqual([reply.added, reply.duplicates], [0, 40], JSON.stringify(reply));
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("a merge waits for the model, shows that, and leaves nothing where it is cancelled", async () => {
  const before = handedOut();
  const page = await exportScreen();
  const merged = card(page);
  // The model is busy with answers meanwhile, more than it can give while this test runs: the merge would be over before
  // anybody could stop it.
  const prompts = Array.from({ length: 6000 }, (_, i) => JSON.stringify({ prompt: `What is the use of thing ${i}?` })).join("\n");
  const { upload } = await machine.send("prompts.jsonl", prompts);
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  const answers = await machine.call("generate_candidates", { project: folder, limit: 6000, temperature: 1, max_new_tokens: 256 });
  const state = async ({ job }) => (await machine.call("jobs", {})).find((other) => other.job === job);
  await until(async () => (await state(answers)).done > 0, "the first answer");

  await merged.getByRole("button", { name: "Export merged weights" }).click();
  await merged.getByText("wait for another job").waitFor();
  assert.ok(await merged.getByRole("radio", { name: /^f16/ }).isDisabled());
  await merged.getByRole("button", { name: "Cancel the export of merged weights" }).click();
  await merged.getByText("Cancelled: nothing was written.").waitFor();
  assert.ok(await merged.getByRole("button", { name: "Export merged weights" }).isEnabled());
  assert.deepEqual(handedOut(), before);
  assert.equal((await state(answers)).state, "running", "the other job is left alone");
  await machine.call("cancel_job", { job: answers.job });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
