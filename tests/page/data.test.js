// Data: a file that is dropped, what was refused and why, rows as the model sees them; search, filter, a pair's history.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Dropped");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Dropped" }).waitFor();
  await goTo(page, "d");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const row = (question, better, worse, topic) => JSON.stringify({ question: [{ role: "user", content: question }], better, worse, topic });
const FILE = [
  row("What is a kettle for?", "It boils water.", "Great question! A kettle is a wonderful thing.", "kitchen"),
  row("What is a ladder for?", "To reach high places.", "Ladders are amazing. Let me tell you more!", "house"),
  "this line is not JSON",
  row("What is a lantern for?", "To give light.", undefined, "house"),
  row("What is a kettle for?", "It boils water.", "Great question! A kettle is a wonderful thing.", "kitchen"),
  row("What is a river for?", "Fish live in it.", "Rivers are a fascinating topic, so let us dive in.", "nature"),
].join("\n");

test("a file that is dropped is mapped; its refused rows have reasons, and its rows are shown as the model sees them", async () => {
  const zone = page.getByRole("heading", { name: "Drop a file here, or choose one" });
  await zone.waitFor();
  // What a browser gives the page when a file is let go over it.
  const dataTransfer = await page.evaluateHandle((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], "survey.jsonl", { type: "application/jsonl" }));
    return transfer;
  }, FILE);
  await zone.dispatchEvent("dragover", { dataTransfer });
  await page.getByText("Drop files to import them").waitFor();
  await zone.dispatchEvent("drop", { dataTransfer });

  await page.getByText(/survey\.jsonl/).waitFor();
  await page.getByLabel("The file holds").selectOption("pairs");
  await page.getByLabel("chosen", { exact: true }).selectOption("better");
  await page.getByLabel("rejected", { exact: true }).selectOption("worse");
  await page.getByText("2 rows are refused").click();
  const refused = await page.getByRole("listitem").filter({ hasText: /^line/ }).allInnerTexts();
  assert.deepEqual(refused.map((text) => text.split("\n")[0]), ["line 3", "line 4"]);
  assert.match(refused[0], /not valid JSON/i);
  assert.match(refused[1], /worse`? is empty/);

  // The template of the model around the text of the file, and where its answers begin.
  const part = async (name) => (await page.getByRole("region", { name: `Rendered ${name}` }).innerText()).trim();
  assert.match(await part("prompt"), /^prompt\s+24 tokens\s+<\|im_start\|>user\nWhat is a kettle for\?<\|im_end\|>\n<\|im_start\|>assistant$/);
  await page.getByText("answers begin here: only what follows is trained on").waitFor();
  assert.match(await part("chosen"), /^chosen\s+10 tokens\s+It boils water\.<\|im_end\|>$/);
  assert.match(await part("rejected"), /^rejected\s+29 tokens\s+Great question! A kettle is a wonderful thing\.<\|im_end\|>$/);
  await page.getByRole("button", { name: "Next" }).click();
  assert.match(await part("chosen"), /To reach high places/);

  await page.getByRole("button", { name: "Import 3 pairs" }).click();
  await page.getByText("3 pairs imported from survey.jsonl, 1 duplicate left out, 2 refused.").first().waitFor();
  assert.equal((await machine.call("open_project", { folder })).counts.pairs, 3);
});

const rows = () => page.getByRole("listbox", { name: "Pairs" }).getByRole("option");

test("pairs are searched and filtered", async () => {
  const search = page.getByLabel("Search in prompts and answers");
  const only = async (word) => {
    await page.locator("search").getByText("1 pair", { exact: true }).waitFor();
    assert.deepEqual((await rows().allInnerTexts()).map((text) => text.includes(word)), [true]);
  };
  await search.fill("boils");
  await only("kettle");
  await search.fill("no such words");
  await page.getByText("No pair is like this").waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await page.locator("search").getByText("3 pairs").waitFor();
  await page.getByLabel("Category").selectOption("nature");
  await only("river");
  await page.getByLabel("Category").selectOption("");
  await page.locator("search").getByText("3 pairs").waitFor();
});

test("what is typed is not lost by Escape or by a look at another pair", async () => {
  const chosen = () => page.getByLabel("chosen: assistant");
  await rows().filter({ hasText: "kettle" }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  const before = await chosen().inputValue();
  await chosen().fill("Half an");
  await page.keyboard.press("Escape");
  await page.getByText("Your changes to this pair are not saved yet").waitFor();
  await page.getByRole("button", { name: "Go on editing" }).click();
  assert.equal(await chosen().inputValue(), "Half an");
  await chosen().fill("Half an answer");
  await rows().filter({ hasText: "river" }).click();
  await rows().filter({ hasText: "kettle" }).click();
  await page.getByRole("button", { name: "Go on editing" }).click();
  assert.equal(await chosen().inputValue(), "Half an answer");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  assert.equal(await chosen().inputValue(), before);
  // Nothing was changed: there is nothing to keep.
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Edit" }).waitFor();
  assert.equal(await page.getByText("Your changes to this pair are not saved yet").count(), 0);
  await page.keyboard.press("Escape");
});

test("an edited pair shows both versions in its history; a removed one comes back by Undo", async () => {
  await rows().filter({ hasText: "kettle" }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("chosen: assistant").fill("It boils water for tea.");
  await page.getByLabel("Your name").fill("Ada");
  await page.getByRole("button", { name: "Save" }).click();
  const edit = page.getByRole("listitem").filter({ hasText: "Edited the chosen answer." });
  await edit.getByText("Before and after").click();
  assert.match(await edit.innerText(), /before\s+It boils water\.\s+chosen answer, after\s+It boils water for tea\.\s+Back to the text before\s*$/);
  assert.match(await edit.innerText(), /Ada/);
  assert.deepEqual(await edit.locator("mark").allInnerTexts(), [" for tea"]);

  const [{ id }] = (await machine.call("pairs", { project: folder, query: { text: "kettle", source: null, category: null, offset: 0, limit: 1 } })).rows;
  const source = async () => (await machine.call("pair", { project: folder, id })).source;
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText(`Pair ${id} is removed.`, { exact: true }).waitFor();
  assert.equal(await source(), "removed");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByText(`Pair ${id} is back.`, { exact: true }).first().waitFor();
  assert.equal(await source(), "edited");
  assert.deepEqual(page.complaints, []);
});
