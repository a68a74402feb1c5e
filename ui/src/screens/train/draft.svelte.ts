import type { Remedy, RunRequest, Settings, RunView } from "../../client/bindings";
import { client } from "../../client/client";
import { router } from "../../router.svelte";
import { project as openProject } from "../../state/project.svelte";
import { duplicate, followed, modelNamed, presetOf, type Preset } from "./draft";
import { varying } from "./vary.svelte";

/** The run that is being prepared, and the one it was made from. Kept while the page is open. */
class Draft {
  request = $state<RunRequest | null>(null);
  /** What it is a duplicate of: changes are shown against this. */
  from = $state.raw<{ run: string; name: string; settings: Settings } | null>(null);
  /** Of a new run alone: a duplicate looks at its held-out pairs as often as its run did. */
  #preset: Preset | null = null;

  /** Opens a duplicate of `view`, with changed settings where a remedy names some. */
  async duplicate(project: string, view: RunView, remedy?: Remedy): Promise<void> {
    const [runs, home] = await Promise.all([client.call("runs", { project }), client.call("home", {})]);
    const request = duplicate(project, view, runs.map((run) => run.name), remedy?.settings);
    const known = home.models.map((model) => model.id);
    const ofProject = openProject.view?.model;
    request.model = modelNamed(request.model, ofProject ? [ofProject, ...known] : known);
    this.request = request;
    varying.clear();
    this.#preset = null;
    this.from = { run: view.summary.run, name: view.summary.name, settings: view.settings };
    router.go("train", "+new");
  }

  /** The draft for `project`: the one begun before, or a new one from the program's defaults. */
  async begin(project: string): Promise<void> {
    if (this.request?.project === project) return;
    const request = await client.call("default_settings", { project });
    varying.clear();
    this.from = null;
    this.#preset = presetOf(request);
    this.request = request;
  }

  /** Takes over how often a run of `planned` length looks at its held-out pairs, where the user has not said so. */
  follow(planned: RunRequest, usual: number): void {
    if (!this.request || !this.#preset || this.request.settings.eval_steps !== planned.settings.eval_steps) return;
    const steps = followed(this.#preset, planned, usual);
    if (planned.settings.eval_steps === this.#preset.now) this.#preset = { ...this.#preset, now: steps };
    this.request.settings.eval_steps = steps;
  }

  clear(): void {
    this.request = null;
    this.from = null;
  }
}

export const draft = new Draft();
