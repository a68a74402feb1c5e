// No select and no button cuts its words, on the screens that have many of them, in the sizes of a small window.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained } from "./lived.js";

let machine, browser, folder, run;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Words", "pairs.jsonl", pairs(40), "pairs");
  run = await trained(machine, folder, { name: "A run with a name of some length" }, { max_steps: 4, eval_steps: 2 });
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** Runs in the page: what is shown of each select and button, where that is less than its words. */
function cut() {
  const canvas = document.createElement("canvas").getContext("2d");
  const shown = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 0;
  const words = [];
  for (const select of [...document.querySelectorAll("main select")].filter(shown)) {
    const style = getComputedStyle(select);
    canvas.font = style.font;
    const text = select.selectedOptions[0]?.label ?? "";
    // The arrow stands at the right.
    const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
    // A path may be longer than there is room: it is whole in the title.
    if (canvas.measureText(text).width > room + 1 && select.title !== text) words.push(`${text} (${Math.round(room)} px)`);
  }
  for (const button of [...document.querySelectorAll("main button")].filter(shown)) {
    if (button.scrollWidth > button.clientWidth + 1) words.push(button.innerText);
  }
  return words;
}

for (const [width, height] of [[1024, 700], [720, 450]]) {
  test(`at ${width}×${height} all words are there`, async () => {
    const page = await open(browser, machine, { viewport: { width, height } });
    await page.evaluate((folder) => sessionStorage.setItem("tiebreak.project", folder), folder);
    await page.reload();
    const found = [];
    for (const hash of ["#/data", `#/train/${run}/pairs`, "#/train/+new", "#/evaluate/+new", "#/evaluate", "#/export", "#/playground", "#/label", "#/label/labelled", "#/train"]) {
      await page.evaluate((hash) => (window.location.hash = hash), hash);
      await page.locator("main h1").first().waitFor();
      await page.waitForTimeout(900);
      found.push(...(await page.evaluate(cut)).map((words) => `${hash.replace(run, "RUN")}: ${words}`));
    }
    assert.deepEqual(found, []);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}
