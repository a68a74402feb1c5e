// Ctrl-K finds what a project holds, every item has an address that can be copied, and "?" tells the keys of the screen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, folder, evaluation, prompt;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Found", "pairs.jsonl", pairs(40), "pairs");
  const { upload } = await machine.send("survey.csv", candidates(12));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  await trained(machine, folder, { name: "Small beta" }, { max_steps: 2 });
  const request = { project: folder, run: "small-beta", judge: { kind: "rule", rule: "shorter" }, prompts: "held_out", max_prompts: 3, temperature: 0, max_new_tokens: 8, seed: 1 };
  ({ evaluation } = await machine.call("start_evaluation", { request }));
  await until(async () => (await machine.call("evaluations", { project: folder }))[0].state === "done", "the evaluation");
  const { rows } = await machine.call("eval_items", { project: folder, evaluation, filter: "all", offset: 2, limit: 1 });
  prompt = (await machine.call("find_prompts", { project: folder, text: "", limit: 5 }), rows[0].prompt);
  page = await open(browser, machine);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("heading", { name: "Found" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const palette = () => page.getByRole("dialog", { name: "Commands" });
const group = (name) => palette().getByRole("group", { name, exact: true });
const text = (content) => (typeof content === "string" ? content : content.messages?.[0]?.content ?? content[0].content);

async function find(words) {
  if (!(await palette().isVisible())) await page.keyboard.press("Control+k");
  await page.getByLabel("Find a command").fill(words);
}

test("runs, evaluations, settings, pairs and prompts are found by their words and opened by keyboard", async () => {
  await find("small beta");
  await group("Runs").getByRole("option", { name: /^Small beta/ }).waitFor();
  await group("Evaluations").getByRole("option", { name: /^Small beta/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => window.location.hash === "#/train/small-beta");

  await find("#7");
  await group("Pairs").getByRole("option", { name: "Pair 7" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Pair 7" }).waitFor();

  const words = text((await machine.call("pair", { project: folder, id: 9 })).prompt);
  await find(words);
  await group("Pairs").getByRole("option").first().waitFor();
  await group("Pairs").getByRole("option").first().click();
  await page.getByRole("heading", { name: /^Pair \d+$/ }).waitFor();

  await find(text(prompt));
  await group("Prompts of evaluations").getByRole("option").first().click();
  await page.waitForFunction((hash) => window.location.hash === hash, `#/evaluate/${evaluation}/answers/2`);
  await page.getByText("3 of 3").waitFor();

  await find("lora.r rank");
  await group("Settings of a new run").getByRole("option", { name: /^lora\.r\b/ }).first().click();
  await page.waitForFunction(() => document.activeElement?.closest("[data-setting]")?.getAttribute("data-setting")?.startsWith("lora."));

  await find("nothing is like this at all");
  await palette().getByText("Nothing here has these words.").waitFor();
  await page.keyboard.press("Escape");
});

test("of what is typed quickly only the last is found", async () => {
  await find("");
  await page.keyboard.type("small beta", { delay: 15 });
  await group("Runs").getByRole("option").first().waitFor();
  await page.getByLabel("Find a command").fill("weight_decay");
  await group("Settings of a new run").getByRole("option", { name: /^weight_decay/ }).waitFor();
  await group("Runs").waitFor({ state: "hidden" });
  await page.keyboard.press("Escape");
});

test("a link leads back to what was open, holds no key, and is taken by the palette and by the bar", async () => {
  const places = ["#/data/5", "#/train/small-beta", `#/evaluate/${evaluation}/answers/1`];
  const links = [];
  for (const place of places) {
    await page.evaluate((place) => (window.location.hash = place), place);
    await page.waitForFunction((place) => window.location.hash === place, place);
    await page.waitForTimeout(300);
    await find("Copy a link");
    await page.keyboard.press("Enter");
    await page.getByText(/^Copied a link/).first().waitFor();
    links.push(await page.evaluate(() => navigator.clipboard.readText()));
  }
  for (const [at, link] of links.entries()) {
    assert.ok(!link.includes(machine.token));
    assert.ok(link.startsWith(`${machine.origin}/#open=`), link);
    await goTo(page, "p");
    await find(link);
    await group("Link").getByRole("option").waitFor();
    await page.keyboard.press("Enter");
    await page.waitForFunction((place) => window.location.hash === place, places[at]);
  }
  // From another project, by the address alone.
  await machine.call("create_project", { name: "Elsewhere", folder: null });
  await page.evaluate(() => sessionStorage.removeItem("tiebreak.project"));
  await page.goto("about:blank");
  await page.goto(links[0]);
  await page.getByRole("heading", { name: "Pair 5" }).waitFor();
  assert.equal(await page.evaluate(() => window.location.hash), "#/data/5");
  const { folder: other } = await machine.call("create_project", { name: "A third", folder: null });
  await page.evaluate((hash) => (window.location.hash = hash), `#open=${encodeURIComponent(other)}&go=/train`);
  await page.getByText("No pairs yet").waitFor();
  await page.evaluate((link) => (window.location.hash = new URL(link).hash), links[1]);
  await page.getByRole("heading", { name: "Small beta" }).waitFor();
});

test("? tells the keys of the screen that one is on, and not while one writes", async () => {
  const keys = page.getByRole("dialog", { name: "Keys of this screen" });
  const told = async () => {
    await page.locator("#main").focus();
    await page.keyboard.press("?");
    await keys.waitFor();
    const terms = await keys.locator("dt").allInnerTexts();
    await page.keyboard.press("Escape");
    await keys.waitFor({ state: "hidden" });
    return terms;
  };
  await page.evaluate((hash) => (window.location.hash = hash), `#/evaluate/${evaluation}/answers`);
  await page.getByText(/ of 3$/).waitFor();
  const onAnswers = await told();
  for (const title of ["Next answers", "Show differences", "Train", "Keys of this screen"]) assert.ok(onAnswers.includes(title), title);
  await goTo(page, "d");
  await page.getByRole("searchbox").waitFor();
  const onData = await told();
  assert.ok(onData.includes("One row up or down") && !onData.includes("Next answers"), onData.join());
  await page.getByRole("searchbox").fill("why");
  await page.getByRole("searchbox").press("?");
  assert.equal(await page.getByRole("searchbox").inputValue(), "why?");
  assert.ok(!(await keys.isVisible()));
  await page.getByRole("searchbox").fill("");
  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByLabel("Left answer, text").waitFor();
  assert.ok((await told()).includes("Left is better"));
  assert.deepEqual(page.complaints, []);
});
