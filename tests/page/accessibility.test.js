// Axe finds nothing on any screen, light or dark; the page can be used at 1024×700, and what is longer than the window scrolls
// in one place.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { lived, screens } from "./screens.js";

const SIZES = [[1440, 900], [720, 450], [1024, 700]];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let machine, browser, project;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await lived(machine);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

for (const colorScheme of ["light", "dark"]) {
  test(`every screen is clean and fits, ${colorScheme}`, async () => {
    // The page's own policy would keep axe's script out; it is checked elsewhere.
    const page = await open(browser, machine, { colorScheme, viewport: { width: 1024, height: 700 }, bypassCSP: true });
    const found = [];
    for (const [name, go] of screens(project)) {
      await go(page);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, help, nodes } of violations) found.push(`${name}: ${id} (${help}): ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (overflow > 0) found.push(`${name}: ${overflow} pixels wider than the window`);
      for (const [width, height] of colorScheme === "light" ? SIZES : []) {
        await page.setViewportSize({ width, height });
        const { below, beside, sideways } = await settled(page);
        if (sideways > 0) found.push(`${name}, ${width}×${height}: the screen scrolls sideways by ${sideways} pixels`);
        if (below > 0) found.push(`${name}, ${width}×${height}: the document scrolls by ${below} pixels`);
        if (beside > 0) found.push(`${name}, ${width}×${height}: a screen whose parts scroll does so too, by ${beside} pixels`);
      }
    }
    assert.deepEqual(found, []);
    await page.context().close();
  });
}

/** How far the page scrolls at its new size, once it has found it: while it is laid out anew, nothing is said yet. */
async function settled(page) {
  for (let looks = 1; ; looks++) {
    const found = await page.evaluate(scrolling);
    if (looks === 10 || Object.values(found).every((past) => past <= 0)) return found;
    await page.waitForTimeout(100);
  }
}

/** Runs in the page: by how many pixels the document scrolls, the screen where it is its parts that do, and the screen sideways. */
function scrolling() {
  const past = (element) => element.scrollHeight - element.clientHeight;
  const main = document.querySelector("main");
  const beside = main.querySelector(":scope .filled") ? past(main) : 0;
  return { below: past(document.documentElement), beside, sideways: main.scrollWidth - main.clientWidth };
}
