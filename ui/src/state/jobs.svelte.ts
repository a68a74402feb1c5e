import type { Job } from "../client/bindings";
import { client } from "../client/client";
import { announcer } from "./announce.svelte";
import { onNews, onNewsResumed } from "./news";

/** Long work in progress: fetching a model, generating candidates, evaluating. */
class Jobs {
  #byId = $state.raw<ReadonlyMap<number, Job>>(new Map());

  get all(): Job[] {
    return [...this.#byId.values()];
  }

  get running(): Job[] {
    return this.all.filter((job) => job.state === "running");
  }

  /** The running job of a kind in a project, or the last one that ended while the page was open. */
  latest(kind: Job["kind"], project: string): Job | null {
    return this.all.findLast((job) => job.kind === kind && job.project === project) ?? null;
  }

  get(id: number): Job | null {
    return this.#byId.get(id) ?? null;
  }

  /** Takes over what the back end says of a job. The reply that it began may come after the news that it ended. */
  update(job: Job): void {
    const before = this.#byId.get(job.job)?.state;
    if (job.state === "running" && before !== undefined && before !== "running") return;
    this.#byId = new Map(this.#byId).set(job.job, job);
    if (before === "running" && job.state !== "running") announcer.say(`${job.title}: ${job.state}.`);
  }

  dismiss(id: number): void {
    const rest = new Map(this.#byId);
    rest.delete(id);
    this.#byId = rest;
  }

  async load(): Promise<void> {
    const before = this.#byId;
    const jobs = await client.call("jobs", {});
    // What ended while the list was on its way is not in it.
    const ended = [...this.#byId].filter(([id, job]) => job.state !== "running" && before.get(id) !== job);
    this.#byId = new Map([...jobs.map((job): [number, Job] => [job.job, job]), ...ended]);
  }

  async cancel(id: number): Promise<void> {
    this.update(await client.call("cancel_job", { job: id }));
  }
}

export const jobs = new Jobs();

onNews("job", ({ job }) => jobs.update(job));
onNewsResumed(() => void jobs.load().catch(() => {}));
