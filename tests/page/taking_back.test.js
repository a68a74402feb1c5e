// What was done to pairs is taken back in the order in which it was done, edits too, and the pair that it was done to is shown; a
// text of before comes back from the history; keys that can do nothing say why, and none is lost while a pair comes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Taken back", "pairs.jsonl", pairs(20), "pairs");
  const { upload } = await machine.send("survey.csv", candidates(3));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  run = await trained(machine, folder, { name: "first" }, { max_steps: 4, per_device_train_batch_size: 4 });
  page = await open(browser, machine);
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
  await page.reload();
  await page.getByRole("heading", { name: "Taken back" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const pair = (id) => machine.call("pair", { project: folder, id });
const texts = async (id) => {
  const { prompt, chosen, rejected } = await pair(id);
  return JSON.stringify({ prompt, chosen, rejected });
};
const at = (hash) => page.evaluate((hash) => (window.location.hash = hash), hash);
const opened = (id) => page.getByRole("heading", { name: `Pair ${id}`, exact: true }).waitFor();
const messages = () => page.getByRole("region", { name: "Messages" });

test("z takes back the edit that came last, and no other pair's decision", async () => {
  await at(`#/train/${run}/pairs`);
  const list = page.getByRole("listbox", { name: "Pairs of this run" });
  await list.getByRole("option").first().waitFor();
  await list.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  const { rows } = await machine.call("run_pairs", { query: { project: folder, run, by: "training", only: "all", text: "", order: "margin", descending: false }, offset: 0, limit: 3 });
  const [one, two] = rows.map(({ id }) => id);
  await opened(one);
  const [first, second] = [await texts(one), await texts(two)];
  await page.keyboard.press("s");
  await opened(two);
  assert.notEqual(await texts(one), first);
  await messages().getByText(`Pair ${one}: the answers have changed places.`).waitFor();

  // E puts the cursor into a text, Ctrl and Enter saves it.
  await page.keyboard.press("e");
  const field = page.getByLabel(/^prompt/).first();
  await until(async () => field.evaluate((element) => element === document.activeElement), "the cursor in a text");
  await page.keyboard.press("Control+End");
  await page.keyboard.type(" Really?");
  await page.keyboard.press("Control+Enter");
  await messages().getByText(`Pair ${two}: your changes are saved.`).waitFor();
  assert.match(await texts(two), /Really\?/);
  const swapped = await texts(one);

  await page.keyboard.press("z");
  await until(async () => (await texts(two)) === second, "the edit to be taken back");
  assert.equal(await texts(one), swapped, "the swap of the other pair stands");
  assert.equal((await pair(two)).history.length, 3, "what was written stays in the history");
  // Then what was before it, and its pair is shown again; Ctrl and Z is the same key.
  await page.keyboard.press("Control+z");
  await until(async () => (await texts(one)) === first, "the swap to be taken back");
  await opened(one);
  await page.keyboard.press("z");
  await messages().getByText("There is nothing to take back.").waitFor();
});

test("z on another screen names what was done, and leaves it to a click", async () => {
  await at("#/data/9");
  await opened(9);
  await page.keyboard.press("x");
  await messages().getByText("Pair 9 is removed.").waitFor();
  await at(`#/train/${run}/pairs`);
  const list = page.getByRole("listbox", { name: "Pairs of this run" });
  await list.getByRole("option").first().waitFor();
  await list.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^Pair \d+$/ }).waitFor();
  await page.keyboard.press("z");
  const said = messages().locator(".toast").filter({ hasText: "Here nothing was done. Last was, elsewhere: Pair 9 is removed." });
  await said.waitFor();
  assert.equal((await pair(9)).source, "removed");
  await said.getByRole("button", { name: "Undo" }).click();
  await until(async () => (await pair(9)).source !== "removed", "the pair to be back");
  await page.keyboard.press("Escape");
});

test("an edit whose text was changed again since is not taken back over that", async () => {
  await at("#/data/5");
  await opened(5);
  await page.keyboard.press("s");
  await messages().getByText("Pair 5: the answers have changed places.").waitFor();
  const { prompt, chosen, rejected } = await pair(5);
  await machine.call("edit_pair", { project: folder, id: 5, who: "Ben", prompt, chosen, rejected: rejected.map((message) => ({ ...message, content: "Ben wrote this." })) });
  const now = await texts(5);
  await page.keyboard.press("z");
  await messages().getByText(/It was not taken back\. Its texts were changed again since/).waitFor();
  assert.equal(await texts(5), now);
});

test("the history brings a text of before back, as a change of its own", async () => {
  const before = await texts(7);
  const { prompt, chosen, rejected } = await pair(7);
  await machine.call("edit_pair", { project: folder, id: 7, who: "Ben", prompt, rejected, chosen: chosen.map((message) => ({ ...message, content: "Worse." })) });
  await at("#/data/7");
  await opened(7);
  await page.getByText("Before and after").first().click();
  await page.getByRole("button", { name: "Back to the text before" }).first().click();
  await until(async () => (await texts(7)) === before, "the text of before");
  assert.deepEqual((await pair(7)).history.map(({ who }) => who), ["Ada", "Ben", "import"]);
});

test("keys that come while pairs load are each done, in their order", async () => {
  await at(`#/train/${run}/pairs`);
  await page.getByLabel("Which pairs").selectOption({ label: "Not decided on yet" });
  const query = async () => (await machine.call("run_pairs", { query: { project: folder, run, by: "training", only: "open", text: "", order: "margin", descending: false }, offset: 0, limit: 9 })).rows.map(({ id }) => id);
  const [one, two, three, four] = await query();
  const list = page.getByRole("listbox", { name: "Pairs of this run" });
  await list.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await opened(one);
  for (const key of ["c", "c", "x"]) await page.keyboard.press(key);
  await opened(four);
  await until(async () => (await pair(three)).source === "removed", "the third key");
  assert.deepEqual([(await pair(one)).confirmed, (await pair(two)).confirmed], [true, true]);
});

test("a key that can do nothing to a pair says why, and ? tells the keys of what is open", async () => {
  await goTo(page, "l");
  await page.getByRole("group", { name: "Verdict" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  const labelled = async () => (await machine.call("pairs", { project: folder, query: { text: "", source: "labelled", category: null, offset: 0, limit: 1 }, finding: null })).rows[0];
  await until(async () => (await labelled()) !== undefined, "a labelled pair");
  const { id } = await labelled();
  const was = await texts(id);
  await at(`#/data/${id}`);
  await page.getByRole("heading", { name: `Labelled item ${-id}` }).waitFor();
  await page.keyboard.press("s");
  await messages().getByText(/Item \d+ keeps its answers as they are: people judged it\./).waitFor();
  assert.equal(await texts(id), was);
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys of this screen" });
  for (const words of ["Swap the answers", "Take back what was done last", "Choose the row, or no longer", "Choose rows one after the other"]) await keys.getByText(words, { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(page.complaints, []);
});
