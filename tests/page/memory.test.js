// A run that does not fit into memory: said before it is started, explained where it is started all the same, and mended by
// one button.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";

// Kilobytes that the program may map: enough for itself and for the tiny model, not for one microbatch of all pairs.
const LIMIT = 1_000_000;
const PAIRS = 160;

let machine, browser;
before(async () => {
  machine = await new Machine().start(LIMIT);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

test("a run that needs more memory than there is says so, names what would fit, and fits with it", { skip: process.platform !== "linux" }, async () => {
  const answer = (word, at) => `${word} ${at} `.repeat(60);
  const rows = Array.from({ length: PAIRS }, (_, at) => JSON.stringify({ prompt: `Say ${at}`, chosen: answer("plain", at), rejected: answer("wordy", at) }));
  const folder = await machine.project("Large", "pairs.jsonl", rows.join("\n"), "pairs");
  const request = await machine.call("default_settings", { project: folder });
  Object.assign(request, { name: "too large", held_out_share: 0 });
  Object.assign(request.settings, { per_device_train_batch_size: PAIRS, max_length: 0, max_steps: 1, eval_steps: 0, gradient_checkpointing: true });
  const plan = await machine.call("plan_run", { request, theme: "light" });
  assert.equal(plan.fits, false);
  assert.match(plan.advice, /per_device_train_batch_size = \d+/);

  await machine.call("start_run", { request });
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Large" }).waitFor();
  await goTo(page, "t");
  await page.getByText("too large").first().click();
  await page.getByText("failed", { exact: true }).first().waitFor({ timeout: 60_000 });
  await page.getByText(/Not enough memory: .* are needed, .* are free\./).first().waitFor();
  await page.getByText(/Set per_device_train_batch_size = \d+ and gradient_accumulation_steps = \d+/).first().waitFor();
  await page.getByRole("button", { name: `${PAIRS / 2} pairs at once instead of ${PAIRS}` }).click();
  assert.equal(await page.getByLabel("per_device_train_batch_size", { exact: true }).inputValue(), String(PAIRS / 2));
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
