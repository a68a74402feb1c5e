// Before a run starts: settings explained, lengths against the limits, which pairs are cut, memory, and time from two
// measured steps.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";

let machine, browser, page;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  const long = (n) => JSON.stringify({ prompt: `Long question ${n}?`, chosen: "word ".repeat(900), rejected: "No." });
  await machine.project("Planned", "pairs.jsonl", [pairs(40), long(1), long(2), long(3)].join("\n"), "pairs");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Planned" }).waitFor();
  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  // All pairs are trained on, so that the numbers below are those of the file.
  await set(page, "Held-out share", "0");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const panel = () => page.getByRole("region", { name: "What this run will do" });
const line = (name) => panel().locator("dl.numbers > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");

test("every setting is explained in a sentence with its safe range; what is out of range is said, and stops the start", async () => {
  const settings = await page.locator(".setting").allTextContents();
  assert.ok(settings.length >= 25, `${settings.length} settings`);
  for (const text of settings) assert.match(text, /\w[^]*[.!]\s+Safe: [^]+\./, text);
  await set(page, "beta", "0.9");
  await page.getByText(/^Careful: /).waitFor();
  await set(page, "beta", "-1");
  await page.getByText("Correct what is marked in red first.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Start training" }).isDisabled());
  await set(page, "beta", "0.1");
  await page.getByText("The run goes on when you close this window.").waitFor();
});

test("with an adapter to begin from, the settings of a new one are greyed, and the page says why", async () => {
  const own = ["lora.r", "lora.lora_alpha", "lora.lora_dropout", "lora.target_modules", "lora.use_rslora", "lora.use_dora", "lora.rank_pattern", "lora.alpha_pattern"];
  const greyed = async () => {
    const disabled = await Promise.all(own.map((key) => page.getByLabel(key, { exact: true }).isDisabled()));
    return own.filter((key, at) => disabled[at]);
  };
  const group = page.locator("details").filter({ hasText: "Adapter (LoRA)" });
  for (const key of ["ref_adapter", "init_adapter"]) {
    await set(page, key, join(machine.model, "adapter"));
    await group.getByText(`The adapter in ${key} brings its own rank`).waitFor();
    await group.locator("summary").getByText(`not used: the adapter in ${key} brings its own`).waitFor();
    assert.deepEqual(await greyed(), own);
    assert.equal(await page.getByLabel("beta", { exact: true }).isDisabled(), false);
    await line("Pairs").getByText("40 to train on").waitFor();
  }
  await set(page, "init_adapter", "");
  await group.getByText("The adapter in ref_adapter brings its own rank").waitFor();
  await set(page, "ref_adapter", "");
  await group.locator("summary").getByText("lora.r, lora.lora_alpha").waitFor();
  assert.deepEqual(await greyed(), []);
});

test("what the model's files hold and is not computed with is said before a run starts", async () => {
  const other = join(machine.model, "consolidated.safetensors");
  const said = panel().getByText(/of the same folder these are not read: consolidated\.safetensors/);
  writeFileSync(other, "");
  await set(page, "beta", "0.2");
  await said.waitFor();
  rmSync(other);
  await set(page, "beta", "0.1");
  await said.waitFor({ state: "detached" });
});

test("the histogram shows lengths against the limits, and one click shows which pairs are cut", async () => {
  await line("Pairs").getByText("40 to train on, 0 held out").waitFor();
  await line("Too long").getByText("0 prompts and 0 answers cut, 3 pairs left out").waitFor();
  await line("Too long").getByText(/Of 3 pairs the chosen answer alone is too long for max_length = 1024 \(pairs \d+, \d+, \d+\)\./).waitFor();
  const histogram = panel().getByRole("img");
  const drawn = await histogram.getAttribute("src");
  assert.match(await histogram.getAttribute("alt"), /43 values.*max_length 1024/);
  await panel().getByRole("button", { name: "Show them" }).click();
  const cut = page.getByRole("region", { name: "Pairs that are cut or dropped" }).getByRole("listitem");
  await cut.nth(2).waitFor();
  const shown = await cut.allInnerTexts();
  assert.deepEqual(shown.map((text) => text.split("\n")[0]), ["Long question 1?", "Long question 2?", "Long question 3?"]);
  assert.match(shown[0], /chosen 1,8\d\d, rejected \d+ tokens/);

  // Another limit is another plan: nothing is cut any more, and the figure is drawn anew.
  await set(page, "max_length", "2048");
  await line("Too long").getByText("nothing is cut").waitFor();
  assert.notEqual(await histogram.getAttribute("src"), drawn);
});

test("memory needed stands against memory free, and follows the settings", async () => {
  const bytes = async () => {
    const [, needed, unit, free] = /about ([\d.]+) (MB|GB) needed, ([\d.]+ [MGT]B) free/.exec(await line("Memory").innerText());
    assert.ok(free);
    return Number(needed) * (unit === "GB" ? 1000 : 1);
  };
  const before = await bytes();
  await set(page, "per_device_train_batch_size", "32");
  await line("Steps").getByText("6 (2 per epoch").waitFor();
  assert.ok((await bytes()) > before, "four times the pairs at once need no more memory");
});

test("the time is estimated from two steps that are measured on a click", async () => {
  await set(page, "per_device_train_batch_size", "4");
  await line("Time").getByText("not known until two steps are measured").waitFor();
  await line("Time").getByRole("button", { name: "Measure" }).click();
  await line("Time").getByText(/about \d+ (s|min), from two measured steps/).waitFor();
  // Ten times the passes over the pairs take about ten times as long, without measuring again.
  const seconds = async () => {
    const [, count, unit] = /about (\d+) (s|min)/.exec(await line("Time").innerText());
    return Number(count) * (unit === "min" ? 60 : 1);
  };
  const before = await seconds();
  await set(page, "num_train_epochs", "30");
  await line("Steps").getByText("330 (11 per epoch").waitFor();
  assert.ok((await seconds()) > 5 * before, "ten times the steps take no longer");
  // Another adapter is another measurement, and is found again by what that adapter is.
  await set(page, "ref_adapter", join(machine.model, "adapter"));
  await line("Time").getByText("not known until two steps are measured").waitFor();
  await line("Time").getByRole("button", { name: "Measure" }).click();
  await line("Time").getByText(/about \d+ (s|min), from two measured steps/).waitFor();
  assert.deepEqual(await machine.call("runs", { project: (await machine.call("home", {})).recent[0].folder }), [], "measuring left a run behind");
  assert.deepEqual(page.complaints, []);
});
