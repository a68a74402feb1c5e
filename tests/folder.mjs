// A temporary folder that a program has just let go of, or is about to.

import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Removes it, waiting for whoever still writes into it: a process that was ended, or one that ends by itself. */
export async function remove(folder, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      // Its own retries look at the folder once, and never see what was written into it since.
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (error.code !== "ENOTEMPTY" || Date.now() > end) throw error;
      await pause(200);
    }
  }
}
