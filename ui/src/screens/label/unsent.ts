import type { Verdict } from "../../client/bindings";

/** A judgement as it is sent. Sent twice, it counts once: a showing is judged one time. */
export type Given = { item: number; showing: number; verdict: Verdict; milliseconds: number; note: string | null };

const PREFIX = "tiebreak.unsent";

/**
 * Judgements that the program has not confirmed, written down in the browser. Each has an entry of its own, so that two tabs
 * of one annotator do not overwrite each other's. A browser that keeps nothing (its storage full or forbidden) leaves the
 * page as safe as it is while it stays open.
 */
export class Unsent {
  readonly #prefix: string;

  constructor(
    private readonly storage: Storage,
    project: string,
    annotator: string,
  ) {
    this.#prefix = prefix(project, annotator);
  }

  /** In the order they were given. */
  all(): Given[] {
    const found = keys(this.storage)
      .filter((key) => key.startsWith(this.#prefix))
      .map((key) => read(this.storage.getItem(key)))
      .filter((entry) => entry !== null);
    return found.toSorted((a, b) => a.at - b.at).map(({ given }) => given);
  }

  add(given: Given): void {
    try {
      const last = Math.max(0, ...keys(this.storage).filter((key) => key.startsWith(this.#prefix)).map((key) => read(this.storage.getItem(key))?.at ?? 0));
      this.storage.setItem(this.#key(given), JSON.stringify({ at: Math.max(last + 1, Date.now()), given }));
    } catch {
      // Full or forbidden: see above.
    }
  }

  remove(given: Given): void {
    try {
      this.storage.removeItem(this.#key(given));
    } catch {
      // Then it was not written either.
    }
  }

  #key(given: Given): string {
    return `${this.#prefix}${given.showing}`;
  }
}

/** Who has judgements in the browser that a project's program has not confirmed. */
export function annotatorsWithUnsent(storage: Storage, project: string): string[] {
  const names = keys(storage).flatMap((key) => {
    const [start, folder, annotator] = key.split("|");
    return start === PREFIX && folder === encodeURIComponent(project) && annotator !== undefined ? [decodeURIComponent(annotator)] : [];
  });
  return [...new Set(names)];
}

/** Encoded, no name holds the sign between the parts. */
function prefix(project: string, annotator: string): string {
  return `${PREFIX}|${encodeURIComponent(project)}|${encodeURIComponent(annotator)}|`;
}

function keys(storage: Storage): string[] {
  try {
    return Array.from({ length: storage.length }, (_, index) => storage.key(index)).filter((key) => key !== null);
  } catch {
    return [];
  }
}

/** An entry as it was written; null for anything else that got under its name. */
function read(stored: string | null): { at: number; given: Given } | null {
  try {
    const entry = JSON.parse(stored ?? "null") as { at: number; given: Given } | null;
    return typeof entry?.at === "number" && typeof entry.given?.showing === "number" && typeof entry.given.verdict === "string" ? entry : null;
  } catch {
    return null;
  }
}
