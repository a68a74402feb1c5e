// An import is in the address: a reload and Back keep what was chosen. Files that are alike are one import, and what it brought
// is told by what it is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";

let machine, browser, page, folder;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.emptyProject("Kept");
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Kept", exact: true }).waitFor();
  await goTo(page, "d");
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const file = (name, text) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
const csv = (...prompts) => ["prompt,chosen,rejected", ...prompts.map((prompt) => `${prompt},yes ${prompt},no ${prompt}`)].join("\n");
const choose = (...files) => page.locator('input[type="file"]').setInputFiles(files);
const importing = (what) => page.getByRole("button", { name: `Import ${what}`, exact: true });
const imports = async () => (await machine.call("open_project", { folder })).imports;
const message = (name) => [{ role: "user", content: name }];

test("a reload, and Back from another screen, keep the mapping and the answers to questions", async () => {
  const rows = [0, 1, 1, 0].map((label, at) => JSON.stringify({ ask: message(`Name animal ${at}.`), topic: "zoo", one: `The cat ${at}.`, other: `The dog ${at}.`, label }));
  await choose(file("labels.jsonl", rows.join("\n")));
  await page.getByText(/^labels\.jsonl · .* · JSON Lines/).waitFor();
  await page.getByLabel("The file holds").selectOption("preferences");
  await page.getByLabel(/^prompt/).selectOption("ask");
  await page.getByLabel("answer a").selectOption("one");
  await page.getByLabel("answer b").selectOption("other");
  await page.getByLabel(/^preference/).selectOption("label");
  await page.getByLabel(/^category/).selectOption("topic");
  const question = page.getByRole("group", { name: /label holds 0, 1: which answer is meant\?/ });
  const flag = question.getByRole("radio", { name: /^1 says that one is better, 0 that other is$/ });
  await flag.check();
  await importing("4 pairs").waitFor();

  const isKept = async () => {
    await importing("4 pairs").waitFor();
    assert.ok(await flag.isChecked());
    const chosen = await Promise.all([/^prompt/, "answer a", "answer b", /^preference/, /^category/].map((name) => page.getByLabel(name).inputValue()));
    assert.deepEqual(chosen, ["ask", "one", "other", "label", "topic"]);
  };
  await page.reload();
  await isKept();
  await goTo(page, "t");
  await page.getByRole("heading", { name: "Train" }).waitFor();
  await page.goBack();
  await isKept();

  // What does not name all that is needed yet is kept as well.
  await page.getByLabel("answer b").selectOption("");
  await page.getByText("Say which column holds answer b.").waitFor();
  await page.reload();
  await page.getByText("Say which column holds answer b.").waitFor();
  assert.equal(await page.getByLabel("answer a").inputValue(), "one");
  await page.getByLabel("answer b").selectOption("other");
  // Which label means which answer was said of other columns.
  await flag.check();

  await importing("4 pairs").click();
  await page.getByText("4 pairs imported from labels.jsonl.").first().waitFor();
  // Back does not come to what is done.
  assert.equal(new URL(page.url()).hash, "#/data");
});

test("several files that are alike are one import, others come after it, by the chooser", async () => {
  await choose(file("part-1.csv", csv("a", "b")), file("prompts.csv", "question\nWhy?\nHow?\n"), file("part-2.csv", csv("c", "b")));
  await page.getByText(/^2 files as one: part-1\.csv, part-2\.csv · \d+ B · CSV/).waitFor();
  await page.getByText("then 1 more import", { exact: true }).waitFor();
  await importing("3 pairs").click();
  await page.getByText("3 pairs imported from part-1.csv, part-2.csv, 1 duplicate left out.").first().waitFor();
  await page.getByText(/^prompts\.csv · /).waitFor();
  await importing("2 prompts").click();
  await page.getByText("2 prompts imported from prompts.csv.").first().waitFor();
  assert.deepEqual((await imports()).slice(0, 3).map(({ source, added }) => [source, added]), [["prompts.csv", 2], ["2 files: part-2.csv", 1], ["2 files: part-1.csv", 2]]);
});

test("the same by letting them go over the page", async () => {
  const dataTransfer = await page.evaluateHandle((texts) => {
    const transfer = new DataTransfer();
    texts.forEach((text, at) => transfer.items.add(new File([text], `dropped-${at}.csv`, { type: "text/csv" })));
    return transfer;
  }, [csv("k"), csv("l"), csv("m")]);
  await page.locator(".data").dispatchEvent("drop", { dataTransfer });
  await page.getByText(/^3 files as one: dropped-0\.csv, dropped-1\.csv, dropped-2\.csv/).waitFor();
  await importing("3 pairs").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("listbox", { name: "Pairs" }).waitFor();
});

test("the list of imports tells pairs, single labels and items to label apart", async () => {
  const rows = ["model_a", "tie", "model_b"].map((winner, at) => JSON.stringify({ prompt: message(`Tree ${at}?`), answer_a: `oak ${at}`, answer_b: `elm ${at}`, winner }));
  await choose(file("arena.jsonl", rows.join("\n")));
  await importing("2 pairs and 1 item to label").click();
  await page.getByText("2 pairs and 1 item to label imported from arena.jsonl.").first().waitFor();
  const kto = [["Single?", "good", true], ["Both?", "good", true], ["Both?", "bad", false]].map(([prompt, completion, label]) => JSON.stringify({ prompt, completion, label }));
  await choose(file("kto.jsonl", kto.join("\n")));
  await importing("1 pair and 1 single label").click();
  await page.getByText("1 pair and 1 single label imported from kto.jsonl.").first().waitFor();
  await goTo(page, "p");
  await page.getByRole("heading", { name: "Imports" }).waitFor();
  const told = await page.locator("section[aria-labelledby=imports-title] tbody tr").allInnerTexts();
  const brought = told.map((row) => row.split("\t")).map(([source, , what]) => [source.trim(), what]);
  assert.deepEqual(brought.slice(0, 3), [["kto.jsonl", "1 pair and 1 single label"], ["arena.jsonl", "2 pairs and 1 item to label"], ["prompts.csv", "2 prompts"]]);
  assert.deepEqual(page.complaints, []);
});

test("what is said of a file that cannot be read names the file, and not where the program keeps it", async () => {
  await goTo(page, "d");
  await choose(file("broken.parquet", "PAR1 and no more PAR1"));
  const error = page.getByRole("alert").first();
  await error.waitFor();
  const text = await error.innerText();
  assert.ok(text.includes("broken.parquet") && !text.includes(machine.folder) && !text.includes("uploads"), text);
});
