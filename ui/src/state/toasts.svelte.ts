import { announcer } from "./announce.svelte";

export type Toast = { id: number; text: string; undo: (() => void) | null };

const SHOWN_FOR = 8000;

/** Short messages about what was just done, with a way back where there is one. */
class Toasts {
  list = $state.raw<Toast[]>([]);
  #next = 1;

  show(text: string, undo: (() => void) | null = null): void {
    const id = this.#next++;
    this.list = [...this.list, { id, text, undo }].slice(-3);
    announcer.say(undo ? `${text} You can undo this.` : text);
    setTimeout(() => this.close(id), SHOWN_FOR);
  }

  /** Undoes what was done last, where it can be and is still told. */
  undo(): void {
    const last = this.list.findLast((toast) => toast.undo);
    if (!last) return;
    this.close(last.id);
    last.undo?.();
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
