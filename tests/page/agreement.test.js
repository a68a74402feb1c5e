// Agreement of two annotators, of one with herself, and side bias: the numbers on the screen against numbers worked out by hand.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { candidates } from "./rows.js";
import { until } from "./screens.js";

// What each annotator says of ten items: the first answer, the second, or a tie.
//
//   alike on 7 of 10                              agreement 70 %
//   by chance .6·.5 + .3·.3 + .1·.2 = .41         kappa (.7 − .41) / (1 − .41) = .492
//   20 verdicts, of them 11 F, 6 S, 3 T:
//   1 − (11·10 + 6·5 + 3·2) / (20·19) = .6158     alpha 1 − .3 / .6158 = .513
const ADA = "FFFFFFSSST";
const GRACE = "FFFFSTSSFT";

let machine, browser, page, folder;
/** How often each annotator pressed left, and either side. */
const pressed = { Ada: { left: 0, sides: 0 }, Grace: { left: 0, sides: 0 } };

before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  folder = await machine.project("Two minds", "survey.csv", candidates(10), "candidates");
  for (const [annotator, verdicts] of [["Ada", ADA], ["Grace", GRACE]]) {
    for (let done = 0; done < 10; done += 1) {
      const { queue } = await machine.call("label_state", { project: folder, annotator, ahead: 1 });
      const verdict = pressing(queue[0], verdicts[queue[0].item - 1]);
      if (verdict !== "tie_good") pressed[annotator].sides += 1;
      if (verdict === "left") pressed[annotator].left += 1;
      await machine.call("judge", { project: folder, annotator, item: queue[0].item, showing: queue[0].showing, verdict, milliseconds: 1000 * (done + 1), note: null });
    }
  }
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Two minds" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** What to press for a meaning: the file has the plain answer first in every other row. */
function pressing({ item, left }, meaning) {
  if (meaning === "T") return "tie_good";
  const plainIsFirst = item % 2 === 1;
  const leftIsFirst = left.includes("plainly") === plainIsFirst;
  return (meaning === "F") === leftIsFirst ? "left" : "right";
}

const row = (name) => page.getByRole("row", { name }).getByRole("cell").allInnerTexts();

test("percent, kappa, alpha and side bias are those worked out by hand", async () => {
  await goTo(page, "l");
  await page.getByRole("button", { name: "Ada" }).click();
  await page.getByRole("button", { name: "Agreement" }).click();
  await page.getByRole("row", { name: /^Ada and Grace/ }).waitFor();
  const value = (name) => page.locator("dl > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd").first().innerText();
  assert.equal(await value("Agreement"), "70.0 %");
  assert.equal(await value("Krippendorff's alpha"), "0.513");
  assert.deepEqual(await row(/^Ada and Grace/), ["10", "70.0 %", "0.492"]);

  // Wilson's interval of the share of choices that fell on the left.
  const percent = (share) => Number((share * 100).toFixed(1));
  for (const name of ["Ada", "Grace"]) {
    const { left, sides } = pressed[name];
    const [share, z] = [left / sides, 1.959964];
    const middle = (share + z ** 2 / (2 * sides)) / (1 + z ** 2 / sides);
    const half = (z / (1 + z ** 2 / sides)) * Math.sqrt((share * (1 - share)) / sides + z ** 2 / (4 * sides ** 2));
    const [judged, seconds, chose, interval, self] = await row(new RegExp(`^${name} \\d`));
    // The median of 1, 2, … 10 seconds.
    assert.deepEqual([judged, seconds, self], ["10", "5.5 s", "–"]);
    assert.deepEqual([chose, interval].map((cell) => cell.match(/[\d.]+/g).map(Number)), [[percent(share)], [percent(middle - half), percent(middle + half)]]);
  }
});

test("a second pass asks a share of the items again and tells how steady the annotator is", async () => {
  await page.getByRole("button", { name: "Back to labelling" }).click();
  await page.getByText("All 10 items judged").waitFor();
  await page.getByRole("button", { name: "Second pass" }).click();
  const dialog = page.getByRole("dialog", { name: "Second pass" });
  await dialog.getByLabel("Share of your items, in percent").fill("50");
  await dialog.getByRole("button", { name: "Start the second pass" }).click();
  const state = () => machine.call("label_state", { project: folder, annotator: "Ada", ahead: 1 });
  await dialog.waitFor({ state: "hidden" });
  // As before on four items; on one the other way.
  for (let done = 0; done < 5; done += 1) {
    await page.getByText("Second pass", { exact: true }).first().waitFor();
    const [item] = (await state()).queue;
    assert.ok(item.second_pass);
    await page.getByLabel("Left answer, text").getByText(item.left.slice(0, 20)).waitFor();
    const before = ADA[item.item - 1];
    const now = done > 0 ? before : before === "F" ? "S" : "F";
    const key = { left: "ArrowLeft", right: "ArrowRight", tie_good: "ArrowUp" }[pressing(item, now)];
    await page.keyboard.press(key);
    await until(async () => (await state()).queue[0]?.item !== item.item, "the judgement to arrive");
  }
  await page.getByRole("button", { name: "Agreement" }).click();
  await page.getByRole("row", { name: /^Ada and Grace/ }).waitFor();
  await page.getByRole("cell", { name: "80.0 % of 5" }).waitFor();
  // What is said a second time does not count against the other annotator.
  assert.deepEqual(await row(/^Ada and Grace/), ["10", "70.0 %", "0.492"]);
  assert.deepEqual(page.complaints, []);
});
