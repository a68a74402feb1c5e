// Long texts compared by a worker, once for both sides that show them.

import type { Sides } from "./diff";
import type { Asked, Told } from "./diff.worker";

/** A comparison that takes longer is given up, and said to be. */
export const LONGEST_SECONDS = 20;
/** Comparisons that are remembered: two answers are looked at side by side, and again. */
const KEPT = 4;

const kept: { first: string; second: string; found: Promise<Sides | null> }[] = [];
const waiting = new Map<number, (found: Sides | null) => void>();
let worker: Worker | null = null;
let asked = 0;

/** Both texts in pieces; null where it takes too long, or where nothing can be computed beside the page. */
export function compare(first: string, second: string): Promise<Sides | null> {
  const known = kept.find((entry) => entry.first === first && entry.second === second);
  if (known) return known.found;
  const found = ask(first, second);
  kept.unshift({ first, second, found });
  kept.length = Math.min(kept.length, KEPT);
  return found;
}

function ask(first: string, second: string): Promise<Sides | null> {
  if (typeof Worker === "undefined") return Promise.resolve(null);
  worker ??= begin();
  const id = ++asked;
  const request: Asked = { id, first, second, milliseconds: LONGEST_SECONDS * 1000 };
  worker.postMessage(request);
  return new Promise((resolve) => waiting.set(id, resolve));
}

function begin(): Worker {
  const made = new Worker(new URL("./diff.worker.ts", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { id, found } }: MessageEvent<Told>) => {
    waiting.get(id)?.(found);
    waiting.delete(id);
  };
  // A worker that does not start, or that memory ran out in, answers nothing any more.
  made.onerror = () => {
    for (const resolve of waiting.values()) resolve(null);
    waiting.clear();
    kept.length = 0;
    worker = null;
  };
  return made;
}
