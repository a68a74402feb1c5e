import type { ApiError } from "../client/error";
import { announcer } from "./announce.svelte";

/** Whether the program behind the page is there. */
class Connection {
  /** Why it cannot be asked; null while it answers. */
  lost = $state.raw<ApiError | null>(null);

  set(why: ApiError | null): void {
    if ((why?.code ?? null) === (this.lost?.code ?? null)) return;
    announcer.say(why ? `${why.message} ${why.hint}` : "The program answers again.");
    this.lost = why;
  }
}

export const connection = new Connection();
