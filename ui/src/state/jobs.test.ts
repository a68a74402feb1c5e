import { afterEach, expect, it, vi } from "vitest";
import type { Job } from "../client/bindings";
import { client } from "../client/client";
import { jobs } from "./jobs.svelte";

function job(number: number, state: Job["state"]): Job {
  return { job: number, project: "p", kind: "gguf", title: "Merge", state, stage: "", done: 0, total: 0, seconds_left: null, error: null, evaluation: null, scores: null, exported: null, push_list: null, pushed: null, notes: [] };
}

const states = () => jobs.all.map((each) => [each.job, each.state]);

afterEach(() => jobs.all.forEach((each) => jobs.dismiss(each.job)));

it("a job that has ended stays ended, when the reply that it began comes after the news", () => {
  jobs.update(job(1, "failed"));
  jobs.began(job(1, "running"));
  expect(states()).toEqual([[1, "failed"]]);
  jobs.update(job(2, "running"));
  jobs.update(job(2, "done"));
  expect(states()).toEqual([[1, "failed"], [2, "done"]]);
});

it("a job keeps the stage that news told, when the reply that it began comes after them", () => {
  jobs.update({ ...job(1, "running"), stage: "judge", done: 1, total: 3 });
  jobs.began(job(1, "running"));
  jobs.began(job(2, "running"));
  expect(jobs.all.map((each) => [each.job, each.stage, each.done])).toEqual([[1, "judge", 1], [2, "", 0]]);
});

it("a job is known to be of the run that it was begun for, until the program may be another", async () => {
  jobs.began(job(1, "running"), "run-1");
  jobs.began(job(2, "running"));
  expect([1, 2].map((number) => jobs.runOf(job(number, "failed")))).toEqual(["run-1", null]);
  vi.spyOn(client, "call").mockResolvedValue([job(1, "running")] as never);
  await jobs.load();
  expect(jobs.runOf(job(1, "failed"))).toBeNull();
});

it("a list that was on its way takes back nothing that ended meanwhile, and all that was before", async () => {
  jobs.update(job(1, "done"));
  jobs.update(job(2, "running"));
  let reply: (list: Job[]) => void = () => {};
  vi.spyOn(client, "call").mockImplementation(() => new Promise((resolve) => (reply = resolve as never)));
  const loaded = jobs.load();
  jobs.update(job(2, "cancelled"));
  // A program that was started anew counts its jobs from one.
  reply([job(1, "running"), job(2, "running"), job(3, "running")]);
  await loaded;
  expect(states()).toEqual([[1, "running"], [2, "cancelled"], [3, "running"]]);
});
