import type { FindingView, KeptFinding } from "../../client/bindings";
import { client } from "../../client/client";
import { ApiError } from "../../client/error";
import { counted } from "../../format";
import { project } from "../../state/project.svelte";
import { settings } from "../../state/settings.svelte";
import { toasts } from "../../state/toasts.svelte";

/** Pairs of a finding that were left out, until they are put back. */
type Done = KeptFinding & { project: string; message: string; count: number };

/** What was left out of the pairs since the page was opened: each can be undone. */
class Leaving {
  #done = $state.raw<Done[]>([]);

  /** Of the open project. */
  get done(): Done[] {
    return this.#done.filter((done) => done.project === project.folder);
  }

  async out(finding: KeptFinding): Promise<FindingView> {
    const folder = project.folder;
    const view = await this.#ask(folder, finding, true);
    this.#forget(folder, finding);
    this.#done = [...this.#done, { ...finding, project: folder, message: view.message, count: view.left_out }];
    const failed = (thrown: unknown) => toasts.show(`The pairs are still out: ${ApiError.from(thrown).message}`);
    toasts.show(`${counted(view.left_out, "pair")} left out.`, () => void this.back(finding).catch(failed));
    return view;
  }

  async back(finding: KeptFinding): Promise<FindingView> {
    const folder = project.folder;
    const view = await this.#ask(folder, finding, false);
    this.#forget(folder, finding);
    toasts.show("The pairs are back.");
    return view;
  }

  #ask(folder: string, { check, code }: KeptFinding, out: boolean): Promise<FindingView> {
    return client.call("leave_out", { project: folder, check, code, who: settings.annotator || "unnamed", out });
  }

  #forget(folder: string, { check, code }: KeptFinding): void {
    this.#done = this.#done.filter((done) => done.project !== folder || done.check !== check || done.code !== code);
  }
}

export const leaving = new Leaving();
