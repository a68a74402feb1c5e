import { isTyping } from "../../keys";

/** Label is right, swap, remove, edit, undo. */
const KEYS = ["c", "s", "x", "e", "z"];

type Decide = (key: string) => Promise<boolean>;

/**
 * Keys that decide on the pair that is open, each done once the one before is: who works by keys is faster than pairs come. What is
 * pressed while one comes is done to that one.
 */
class Ahead {
  #waiting: string[] = [];
  #decide: Decide | null = null;
  #busy = false;

  /** Whether a key press is one of these, and meant for the pair. */
  takes(event: KeyboardEvent): boolean {
    if (event.defaultPrevented || event.repeat || event.altKey || event.shiftKey) return false;
    // Undo has a key of its own, and the one that it has everywhere.
    if ((event.ctrlKey || event.metaKey) && event.key !== "z") return false;
    return KEYS.includes(event.key) && !isTyping(event.target) && !document.querySelector("dialog[open]");
  }

  press(key: string): void {
    this.#waiting.push(key);
    void this.#go();
  }

  /** A pair that can be decided on is shown, until what comes back is called. */
  shown(decide: Decide): () => void {
    this.#decide = decide;
    void this.#go();
    return () => {
      if (this.#decide === decide) this.#decide = null;
    };
  }

  /** None is open any more: what waits was meant for one. */
  forget(): void {
    this.#waiting = [];
  }

  async #go(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#decide && this.#waiting.length > 0) {
        const decide = this.#decide;
        const moved = await decide(this.#waiting.shift() ?? "");
        // The next key is for the pair that comes, which says when it is there.
        if (moved && this.#decide === decide) this.#decide = null;
      }
    } finally {
      this.#busy = false;
    }
  }
}

export const ahead = new Ahead();
