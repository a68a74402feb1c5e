import { announcer } from "./announce.svelte";

export type Toast = { id: number; text: string; undo: (() => void) | null };

const SHOWN_FOR = 8000;

/** Short messages about what was just done, with a way back where there is one. */
class Toasts {
  list = $state.raw<Toast[]>([]);
  #next = 1;

  /** Shows a message for a while. Its number closes it before. */
  show(text: string, undo: (() => void) | null = null): number {
    const id = this.#next++;
    this.list = [...this.list, { id, text, undo }].slice(-3);
    announcer.say(undo ? `${text} You can undo this.` : text);
    setTimeout(() => this.close(id), SHOWN_FOR);
    return id;
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
