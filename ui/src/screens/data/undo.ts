import { client } from "../../client/client";
import { ApiError } from "../../client/error";
import { hashOf, router, type Route } from "../../router.svelte";
import { project } from "../../state/project.svelte";
import { toasts } from "../../state/toasts.svelte";
import type { PairTexts } from "./unsaved";

/** Something done to pairs that can be taken back, and where it was done. */
type Done = { project: string; text: string; at: Route; undo: () => Promise<string>; toast: number };

/** What was done to pairs since the page was opened, the last of it last: a message that has gone can still be undone by key. */
class PairUndo {
  #done: Done[] = [];

  /** Says what was done, with the way back: `undo` says what it came to. */
  did(text: string, undo: () => Promise<string>): void {
    const done: Done = { project: project.folder, text, at: router.route, undo, toast: -1 };
    done.toast = toasts.show(text, () => void this.#take(done));
    this.#done.push(done);
  }

  /** Takes back what was done last to pairs of the open project, and goes back to where that was. True where that is elsewhere. */
  async last(): Promise<boolean> {
    const done = this.#done.findLast(({ project: folder }) => folder === project.folder);
    if (!done) {
      toasts.show("There is nothing to take back.");
      return false;
    }
    // A key takes back what one has just seen: what was done elsewhere is named first.
    if (done.at.screen !== router.screen) {
      toasts.show(`Here nothing was done. Last was, elsewhere: ${done.text}`, () => void this.#take(done));
      return false;
    }
    if (!(await this.#take(done))) return false;
    const moves = hashOf(router.screen, ...router.route.rest) !== hashOf(done.at.screen, ...done.at.rest);
    if (moves) router.go(done.at.screen, ...done.at.rest);
    return moves;
  }

  async #take(done: Done): Promise<boolean> {
    this.#done = this.#done.filter((other) => other !== done);
    toasts.close(done.toast);
    try {
      toasts.show(await done.undo());
      project.again();
      return true;
    } catch (thrown) {
      const { message, hint } = ApiError.from(thrown);
      toasts.show(`It was not taken back. ${message} ${hint}`.trim());
      return false;
    }
  }
}

export const pairUndo = new PairUndo();

const same = (one: PairTexts, other: PairTexts) => JSON.stringify(one) === JSON.stringify(other);

export const textsOf = ({ prompt, chosen, rejected }: PairTexts): PairTexts => ({ prompt, chosen, rejected });

/** Gives a pair the texts that it had, as a new revision. Refused where it has others by now than those that were given to it. */
export async function restore(folder: string, id: number, who: string, given: PairTexts, before: PairTexts): Promise<void> {
  const now = textsOf(await client.call("pair", { project: folder, id }));
  if (!same(now, given)) throw new ApiError({ code: "changed", message: "its texts were changed again since", hint: "Its history has the texts that it had." });
  await client.call("edit_pair", { project: folder, id, who, before: [given.prompt, given.chosen, given.rejected], ...before });
}
