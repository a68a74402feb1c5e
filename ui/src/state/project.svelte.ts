import type { ProjectView } from "../client/bindings";
import { client } from "../client/client";
import { onNews } from "./news";

const LAST = "tiebreak.project";

/** The open project. Whatever belongs to it is asked for with `project.folder`. */
class Project {
  view = $state.raw<ProjectView | null>(null);

  get folder(): string {
    return this.view?.folder ?? "";
  }

  /** Shows a project the back end has just opened, made or changed. */
  show(view: ProjectView): void {
    this.view = view;
    sessionStorage.setItem(LAST, view.folder);
  }

  close(): void {
    this.view = null;
    sessionStorage.removeItem(LAST);
  }

  async open(folder: string): Promise<void> {
    this.show(await client.call("open_project", { folder }));
  }

  /** Asks for the open project's counts and next steps again. */
  async reload(): Promise<void> {
    if (!this.view) return;
    const folder = this.view.folder;
    const view = await client.call("open_project", { folder });
    if (this.view?.folder === folder) this.view = view;
  }

  /** At the start of the page: the project its address names (`#open=…`), the one this tab had, or the one opened last. */
  async resume(): Promise<void> {
    const named = /^#open=(.+)$/.exec(window.location.hash)?.[1];
    if (named !== undefined) {
      history.replaceState(null, "", "#/project");
      return this.open(decodeURIComponent(named));
    }
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

onNews("project", (news) => {
  if (news.project === project.folder) void project.reload().catch(() => {});
});
