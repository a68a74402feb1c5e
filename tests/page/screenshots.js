// Pictures of every screen, in three sizes, light and dark, into `screenshots/` (ignored by git): `npm run screenshots`.
// Names as arguments: only the screens whose name begins with one of them.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { lived, screens } from "./screens.js";

const folder = process.env.TIEBREAK_SCREENSHOTS ?? "screenshots";
const wanted = process.argv.slice(2);
const SIZES = [[1024, 700], [1440, 900], [720, 450]];

const machine = await new Machine().start();
const browser = await launch();
try {
  mkdirSync(folder, { recursive: true });
  const project = await lived(machine);
  for (const [width, height] of SIZES) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, machine, { colorScheme, viewport: { width, height } });
      for (const [name, go] of screens(project)) {
        await go(page);
        if (wanted.length === 0 || wanted.some((start) => name.startsWith(start))) await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
      }
      await page.context().close();
    }
  }
} finally {
  await browser.close();
  await machine.end();
}
