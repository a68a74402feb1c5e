// From a file with foreign column names to a win rate and an adapter, in a browser.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { goTo, launch, open, set } from "./browser.js";
import { Machine } from "./program.js";
import { candidates } from "./rows.js";

let machine, browser;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** The number of items judged, as the screen tells it. */
const judged = (page) => page.getByLabel("Items judged").evaluate((progress) => progress.value);

test("import, map, label by keyboard, train, judge, read the win rate, export", async () => {
  const page = await open(browser, machine);

  await page.getByRole("button", { name: "New project" }).first().click();
  await page.getByLabel("Name").fill("Plain answers");
  await page.getByRole("button", { name: "Make project" }).click();
  await page.getByRole("heading", { name: "Plain answers" }).waitFor();
  await page.getByLabel("Or a model by its path, or its name on the Hugging Face hub").fill(machine.model);
  await page.getByRole("button", { name: "Use this model" }).click();
  await page.getByRole("list", { name: "Models on this machine" }).getByText("Chosen").waitFor();

  await goTo(page, "d");
  const file = { name: "survey.csv", mimeType: "text/csv", buffer: Buffer.from(candidates(24)) };
  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByText("Guessed from their names").waitFor();
  assert.equal(await page.getByLabel("The file holds").inputValue(), "candidates");
  // The guess can be changed: a column that is taken away is asked for, and given back it counts.
  const prompt = page.getByLabel("prompt (optional)", { exact: true });
  assert.equal(await prompt.inputValue(), "question");
  await prompt.selectOption("");
  await page.getByText(/Choose the column that holds the prompt/).waitFor();
  await prompt.selectOption("question");
  await page.getByRole("button", { name: "Import 24 items to label" }).click();
  await page.getByText(/24 items to label imported/).first().waitFor();

  // Twenty by keyboard alone, and one taken back on the way.
  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Left answer", exact: true }).first().waitFor();
  const left = page.getByLabel("Left answer, text");
  for (let done = 0; done < 20; done += 1) {
    // Plain answers are the better ones: a rule that the keyboard can follow.
    const plain = (await left.innerText()).includes("plainly");
    await page.keyboard.press(plain ? "ArrowLeft" : "ArrowRight");
    await page.waitForFunction((count) => Number(document.querySelector("progress[aria-label='Items judged']")?.value) === count, done + 1);
    if (done === 6) {
      await page.keyboard.press("z");
      await page.waitForFunction(() => Number(document.querySelector("progress[aria-label='Items judged']")?.value) === 6);
      const again = (await left.innerText()).includes("plainly");
      await page.keyboard.press(again ? "ArrowLeft" : "ArrowRight");
      await page.waitForFunction(() => Number(document.querySelector("progress[aria-label='Items judged']")?.value) === 7);
    }
  }
  assert.equal(await judged(page), 20);

  await goTo(page, "t");
  await page.getByRole("button", { name: "New run" }).first().click();
  await page.getByLabel("Held-out share").fill("0.5");
  await page.getByLabel("Held-out share").press("Tab");
  await set(page, "learning_rate", "0.002");
  await set(page, "num_train_epochs", "8");
  await set(page, "per_device_train_batch_size", "2");
  await page.getByRole("button", { name: "Start training" }).click();
  await page.getByText("running", { exact: true }).or(page.getByText("finished", { exact: true })).first().waitFor({ timeout: 60_000 });
  await page.getByText("finished", { exact: true }).first().waitFor({ timeout: 120_000 });
  const figure = page.getByRole("img", { name: /Reward accuracies/i }).first();
  await figure.waitFor();

  await page.getByRole("button", { name: "Evaluate" }).click();
  await page.getByLabel("A person", { exact: false }).first().check();
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByRole("button", { name: "Judge blind" }).or(page.getByRole("link", { name: /Judge/ })).first().click();
  for (let done = 0; done < 10; done += 1) {
    await page.getByRole("region", { name: "Left answer" }).waitFor({ timeout: 60_000 });
    await page.keyboard.press(done % 5 === 4 ? "ArrowUp" : "ArrowLeft");
    // An item stays until its verdict is kept, and takes no other key meanwhile.
    const kept = page.getByText(new RegExp(`^\\s*${done + 1} of \\d+\\s*$`)).or(page.getByText("All that is answered is judged"));
    await kept.first().waitFor();
  }
  await page.getByText("All that is answered is judged").waitFor({ timeout: 30_000 });
  await page.getByRole("button", { name: "See the result" }).click();
  await page.getByRole("region", { name: "Verdict" }).getByText(/win rate|95 %/i).first().waitFor();

  await goTo(page, "x");
  await page.getByRole("button", { name: "Export adapter" }).click();
  await page.getByText(/adapter_model|exports/).first().waitFor();
  const folder = (await machine.call("home", {})).recent[0].folder;
  const [adapter] = await machine.call("export", { project: folder, run: (await machine.call("runs", { project: folder }))[0].run, evaluation: null, what: ["adapter"] });
  assert.ok(existsSync(`${adapter.path}/adapter_model.safetensors`), adapter.path);
  assert.equal(JSON.parse(readFileSync(`${adapter.path}/adapter_config.json`)).peft_type, "LORA");
  assert.deepEqual(page.complaints, []);
});
