// Small windows: 720×450 is a laptop's at 200 % zoom, 480 wide half of a screen. The rail folds, what is judged keeps its room,
// nothing lies over anything else, and messages cover no key.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates, pairs } from "./rows.js";
import { trained, until } from "./screens.js";

const LOW = { width: 720, height: 450 };
const SLIM = { width: 480, height: 800 };

let machine, browser, page, folder, run, evaluation;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Small", "pairs.jsonl", pairs(30), "pairs");
  const { upload } = await machine.send("survey.csv", candidates(12));
  const { mapping } = await machine.call("preview_import", { project: folder, upload, mapping: null });
  await machine.call("import", { project: folder, upload, mapping });
  run = await trained(machine, folder, { name: "first" }, { max_steps: 8 });
  const request = { project: folder, run, judge: { kind: "human" }, prompts: "held_out", max_prompts: 6, temperature: 0, max_new_tokens: 24, seed: 1 };
  ({ evaluation } = await machine.call("start_evaluation", { request }));
  await until(async () => (await machine.call("evaluation", { project: folder, evaluation, theme: "light" })).summary.answered === 6, "the answers");
  page = await open(browser, machine, { viewport: LOW });
  await page.evaluate(() => localStorage.setItem("tiebreak.annotator", "Ada"));
  await page.reload();
  await page.getByRole("heading", { name: "Small" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const at = async (hash) => {
  await page.evaluate((hash) => (window.location.hash = hash), hash);
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.waitForTimeout(700);
};
const box = async (locator) => locator.boundingBox();

/** Controls and texts that lie over one another, or that stick out of the window to the side. */
const faults = () =>
  page.evaluate(() => {
    const seen = (element) => {
      const style = getComputedStyle(element);
      return style.visibility !== "hidden" && style.clipPath === "none" && element.closest("[hidden], dialog, .unseen, .skip, details:not([open]) > :not(summary)") === null;
    };
    /** What of an element is seen within all that scrolls around it. */
    const shown = (element) => {
      let { left, top, right, bottom } = element.getBoundingClientRect();
      for (let outer = element.parentElement; outer; outer = outer.parentElement) {
        const style = getComputedStyle(outer);
        if (style.overflow === "visible") continue;
        const around = outer.getBoundingClientRect();
        [left, top, right, bottom] = [Math.max(left, around.left), Math.max(top, around.top), Math.min(right, around.right), Math.min(bottom, around.bottom)];
      }
      return { left, top, right, bottom };
    };
    const controls = [...document.querySelectorAll("button, a, input:not([type=file]), select, textarea, h1, h2, dt, dd, .badge, th, td")].filter(seen);
    const boxes = controls.map((element) => ({ element, ...shown(element) })).filter(({ left, top, right, bottom }) => right - left > 1 && bottom - top > 1);
    const named = (element) => `${element.localName} ${(element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 40)}`;
    const found = [];
    for (const [i, one] of boxes.entries()) {
      if (one.right > window.innerWidth + 1) found.push(`${named(one.element)} sticks out`);
      for (const other of boxes.slice(i + 1)) {
        if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
        const [wide, high] = [Math.min(one.right, other.right) - Math.max(one.left, other.left), Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)];
        // A bar that stays in reach lies over what scrolls beneath it.
        const stuck = [one.element, other.element].some((element) => element.closest(".foot, .plan, thead"));
        if (wide > 2 && high > 2 && !stuck) found.push(`${named(one.element)} lies over ${named(other.element)}`);
      }
    }
    if (document.documentElement.scrollWidth > window.innerWidth) found.push("the page is wider than the window");
    return found;
  });

test("the rail folds to its signs, which keep their names", async () => {
  const rail = page.getByRole("navigation", { name: "Screens" });
  assert.ok((await box(rail)).width < 60);
  for (const name of ["Project", "Data", "Label", "Train", "Evaluate", "Export"]) {
    const link = rail.getByRole("link", { name, exact: true });
    assert.equal(await link.getAttribute("title"), name);
    assert.ok((await box(link)).height >= 24);
  }
  await rail.getByRole("link", { name: "Train" }).click();
  await page.getByRole("heading", { name: "Train" }).waitFor();
  await page.setViewportSize({ width: 1024, height: 700 });
  await page.waitForFunction(() => document.querySelector("nav").getBoundingClientRect().width > 150);
  await page.setViewportSize(LOW);
});

test("at 720×450 the answers keep at least half the height, and every verdict is in reach", async () => {
  await at("#/label");
  for (const side of ["Left", "Right"]) {
    const { height, width } = await box(page.getByRole("region", { name: `${side} answer`, exact: true }));
    assert.ok(height >= LOW.height / 2, `${side}: ${height} of ${LOW.height}`);
    assert.ok(width > 280, `${side}: ${width} wide`);
  }
  await at(`#/evaluate/${evaluation}/judge`);
  for (const side of ["Left", "Right"]) {
    const { height } = await box(page.getByRole("region", { name: `${side} answer`, exact: true }));
    assert.ok(height >= LOW.height / 2, `${side}, blind: ${height} of ${LOW.height}`);
  }
  for (const place of ["#/label", `#/evaluate/${evaluation}/judge`]) {
    await at(place);
    const verdicts = page.getByRole("group", { name: "Verdict" }).getByRole("button");
    await verdicts.first().waitFor();
    for (const verdict of await verdicts.all()) {
      const { y, height } = await box(verdict);
      assert.ok(y >= 0 && y + height <= LOW.height, `${place}: ${await verdict.innerText()} is at ${y}`);
    }
  }
});

test("at 720×450 an item that was judged keeps half the height for its answers", async () => {
  await at("#/label");
  await page.keyboard.press("ArrowLeft");
  const judged = async () => (await machine.call("labelled", { project: folder, query: { text: "", annotator: null, verdict: null, standing: null, audit: null, offset: 0, limit: 1 } })).rows[0];
  await until(async () => (await judged()) !== undefined, "an item that is judged");
  await at(`#/label/judged/${(await judged()).item}`);
  for (const side of ["Left", "Right"]) {
    const { height } = await box(page.getByRole("region", { name: `${side} answer`, exact: true }));
    assert.ok(height >= LOW.height / 2, `${side}: ${height} of ${LOW.height}`);
  }
});

test("at 720×450 answers on which annotators differ keep half the height", async () => {
  // Ada prefers an answer where Grace prefers neither.
  const { queue } = await machine.call("label_state", { project: folder, annotator: "Ada", ahead: 1 });
  const [{ item }] = queue;
  const judge = (annotator, showing, verdict) => machine.call("judge", { project: folder, annotator, item, showing, verdict, milliseconds: 900, note: null });
  await judge("Ada", queue[0].showing, "left");
  for (let passed = 0; passed < 40; passed += 1) {
    const { queue: others } = await machine.call("label_state", { project: folder, annotator: "Grace", ahead: 1 });
    if (others.length === 0) break;
    const [{ item: other, showing }] = others;
    await machine.call("judge", { project: folder, annotator: "Grace", item: other, showing, verdict: "tie_good", milliseconds: 900, note: null });
  }
  await at("#/label/disagreements");
  for (const side of ["Left", "Right"]) {
    const { height } = await box(page.getByRole("region", { name: `${side} answer`, exact: true }));
    assert.ok(height >= LOW.height / 2, `${side}: ${height} of ${LOW.height}`);
  }
  assert.deepEqual(await faults(), []);
});

test("at 720×450 the button that starts a run is in view, and chosen pairs leave rows of the list", async () => {
  await at("#/train/+new");
  const start = page.getByRole("button", { name: "Start training" });
  await start.waitFor();
  const { y, height } = await box(start);
  assert.ok(y >= 0 && y + height <= LOW.height, `the button is at ${y}`);
  await at("#/data");
  const rows = page.getByRole("listbox", { name: "Pairs" });
  await page.getByRole("button", { name: "More filters" }).click();
  const before = await box(rows.getByRole("option").first());
  await rows.locator(".choose").first().click();
  await page.getByRole("group", { name: "Chosen pairs" }).waitFor();
  // Choosing one does not move the others from under the pointer.
  assert.equal((await box(rows.getByRole("option").first())).y, before.y);
  assert.ok((await box(rows)).height >= 3 * 38, `${(await box(rows)).height} px of rows`);
  await page.keyboard.press("Escape");
});

test("an open pair has the width, and the list is there again when it is closed", async () => {
  await at("#/data/3");
  const side = page.getByRole("region", { name: /^Pair 3$/ });
  await side.waitFor();
  assert.ok((await box(side)).width > 600);
  await page.keyboard.press("Escape");
  const list = page.getByRole("listbox", { name: "Pairs" });
  await list.waitFor();
  assert.ok((await box(list)).width > 600);
});

test("a table that is too wide scrolls, by keyboard too, and shows that there is more", async () => {
  await page.setViewportSize(SLIM);
  await at("#/train");
  const table = page.getByRole("region", { name: "Runs, in numbers" });
  const [wide, seen] = await table.evaluate((element) => [element.scrollWidth, element.clientWidth]);
  assert.ok(wide > seen, `${wide} in ${seen}`);
  assert.equal(await table.getAttribute("tabindex"), "0");
  assert.match(await table.evaluate((element) => getComputedStyle(element).backgroundAttachment), /local.*scroll/);
  assert.ok((await box(table.getByRole("link", { name: "first" }))).width > 20);
});

for (const [name, size] of [["720×450", LOW], ["480 wide", SLIM]]) {
  test(`${name}: nothing lies over anything else, on any screen`, async () => {
    await page.setViewportSize(size);
    const found = [];
    const places = ["#/project", "#/data", "#/data/3", "#/label", "#/label/agreement", "#/train", "#/train/+new", `#/train/${run}`, "#/evaluate", "#/evaluate/+new", `#/evaluate/${evaluation}`, `#/evaluate/${evaluation}/judge`, `#/evaluate/${evaluation}/answers`, "#/export"];
    for (const place of places) {
      await at(place);
      for (const fault of new Set(await faults())) found.push(`${place}: ${fault}`);
    }
    assert.deepEqual(found, []);
  });
}

test("a message covers no key and no verdict, in a small window and a large one", async () => {
  for (const size of [LOW, SLIM, { width: 1024, height: 700 }]) {
    await page.setViewportSize(size);
    await at("#/data/2");
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    const message = page.getByRole("region", { name: "Messages" });
    await message.getByText("Pair 2 is removed.").waitFor();
    const covered = async () => {
      const { x, y, width, height } = await box(message);
      const keys = await page.locator("main kbd, main button").all();
      const boxes = (await Promise.all(keys.map(box))).filter(Boolean);
      return boxes.filter((key) => key.x < x + width && x < key.x + key.width && key.y < y + height && y < key.y + key.height).length;
    };
    assert.equal(await covered(), 0, `${size.width}: on Data`);
    await goTo(page, "l");
    await page.getByRole("group", { name: "Verdict" }).waitFor();
    assert.equal(await message.count(), 1);
    assert.equal(await covered(), 0, `${size.width}: while labelling`);
    await message.getByRole("button", { name: "Undo" }).click();
    await message.getByText("Pair 2 is back.").waitFor();
    for (const close of await message.getByRole("button", { name: "Close message" }).all()) await close.click();
  }
  assert.deepEqual(page.complaints, []);
});
