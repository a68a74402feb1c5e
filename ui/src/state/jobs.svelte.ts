import type { Job } from "../client/bindings";
import { client } from "../client/client";
import { announcer } from "./announce.svelte";
import { onNews, onNewsMissed } from "./news";

/** Long work in progress: fetching a model, generating candidates, evaluating. */
class Jobs {
  #byId = $state.raw<ReadonlyMap<number, Job>>(new Map());
  #runs = $state.raw<ReadonlyMap<number, string>>(new Map());

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

  /** Takes over news of a job. */
  update(job: Job): void {
    const before = this.#byId.get(job.job)?.state;
    this.#byId = new Map(this.#byId).set(job.job, job);
    if (before === "running" && job.state !== "running") announcer.say(`${job.title}: ${job.state}.`);
  }

  /** The run that a job was begun for in this window; unknown where another window or program began it. */
  runOf(job: Job): string | null {
    return this.#runs.get(job.job) ?? null;
  }

  /** Takes over a reply that a job began. It is as old as the question: news of the job, where there are any, are newer. */
  began(job: Job, run?: string): void {
    if (run !== undefined) this.#runs = new Map(this.#runs).set(job.job, run);
    if (!this.#byId.has(job.job)) this.update(job);
  }

  dismiss(id: number): void {
    const rest = new Map(this.#byId);
    rest.delete(id);
    this.#byId = rest;
  }

  async load(): Promise<void> {
    const before = this.#byId;
    // A program that was started anew counts its jobs from one: the same numbers may be other jobs now.
    this.#runs = new Map();
    const jobs = await client.call("jobs", {});
    // News that came while the list was on its way are newer.
    const news = [...this.#byId].filter(([id, job]) => before.get(id) !== job);
    this.#byId = new Map([...jobs.map((job): [number, Job] => [job.job, job]), ...news]);
  }

  async cancel(id: number): Promise<void> {
    await client.call("cancel_job", { job: id });
  }
}

export const jobs = new Jobs();

onNews("job", ({ job }) => jobs.update(job));
onNewsMissed(() => void jobs.load().catch(() => {}));
