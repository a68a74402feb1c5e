// Pictures of every screen, in two sizes, light and dark, into `screenshots/` (ignored by git): `npm run screenshots`.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { lived, screens } from "./screens.js";

const folder = process.env.TIEBREAK_SCREENSHOTS ?? "screenshots";
const SIZES = [[1024, 700], [1440, 900]];

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
        await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
      }
      await page.context().close();
    }
  }
} finally {
  await browser.close();
  await machine.end();
}
