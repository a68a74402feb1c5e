import type { ProjectView } from "../client/bindings";
import { client } from "../client/client";
import { onNews, onNewsMissed } from "./news";
import { atMost } from "./often";

const LAST = "tiebreak.project";

/** At most so often the counts are asked for again. */
const PACE = 500;

/** The open project. Whatever belongs to it is asked for with `project.folder`. */
class Project {
  view = $state.raw<ProjectView | null>(null);
  #turn = 0;
  readonly #often = atMost(PACE, () => this.reload().catch(() => {})); // what cannot be asked now is asked with the next news

  get folder(): string {
    return this.view?.folder ?? "";
  }

  /** Shows a project the back end has just opened, made or changed. */
  show(view: ProjectView): void {
    const changed = this.view?.folder === view.folder;
    this.#turn += 1;
    this.view = view;
    sessionStorage.setItem(LAST, view.folder);
    // Its counts may be older than the news that came since.
    if (changed) this.again();
  }

  close(): void {
    this.#turn += 1;
    this.view = null;
    sessionStorage.removeItem(LAST);
  }

  async open(folder: string): Promise<void> {
    this.show(await client.call("open_project", { folder }));
  }

  /** Asks for the open project's counts and next steps again. Of several questions only the last one counts. */
  async reload(): Promise<void> {
    if (!this.view) return;
    const turn = ++this.#turn;
    const view = await client.call("open_project", { folder: this.view.folder });
    if (turn === this.#turn) this.view = view;
  }

  /** The same soon, however often it is wished for. */
  again(): void {
    this.#often.ask();
  }

  /** At the start of the page, where its address names no project: the one this tab had, or the one opened last. */
  async resume(): Promise<void> {
    const last = sessionStorage.getItem(LAST);
    if (last !== null) {
      try {
        return await this.open(last);
      } catch {
        sessionStorage.removeItem(LAST); // moved or deleted since: the list of recent ones says so
      }
    }
    const { recent } = await client.call("home", {});
    const newest = recent.find((project) => project.exists);
    if (newest) await this.open(newest.folder);
  }
}

export const project = new Project();

/** Calls `listener` when something in the open project changed, whoever changed it, and when news of it may be missing. */
export function onChanged(listener: () => void): () => void {
  const ends = [onNews("project", (news) => news.project === project.folder && listener()), onNewsMissed(listener)];
  return () => ends.forEach((end) => end());
}

onChanged(() => project.again());
