import { render, screen } from "@testing-library/svelte";
import { afterEach, expect, it } from "vitest";
import type { Job } from "../../client/bindings";
import { ApiError } from "../../client/error";
import { jobs } from "../../state/jobs.svelte";
import Writing from "./Writing.svelte";

const changed = { code: "changed_base", message: "The base is another one.", hint: "" };
const job = (number: number, more: Partial<Job>): Job => ({
  job: number, project: "p", kind: "merge", title: "Merge the adapter of first", state: "done", stage: "", done: 0, total: 0, seconds_left: null, error: null, evaluation: null, scores: null, exported: null, push_list: null, pushed: null, notes: [], ...more,
});
const show = (run: string, of: Job, refused: ApiError | null = null) => render(Writing, { run, job: of, refused, start: () => {}, what: "merged weights", missing: null });
const goOn = () => screen.queryByRole("button", { name: "Go on with the model as it is now" });

afterEach(() => jobs.all.forEach(({ job }) => jobs.dismiss(job)));

it("a job that failed offers to go on only while its run is the chosen one", async () => {
  const failed = job(1, { state: "failed", error: changed });
  jobs.began(failed, "first");
  const { rerender } = show("first", failed);
  expect(goOn()).toBeTruthy();
  await rerender({ run: "second" });
  expect(screen.queryByText("The base is another one.")).toBeNull();
  expect(goOn()).toBeNull();
});

it("a job whose run is not known is told by its title, and offers nothing", () => {
  show("second", job(2, { state: "failed", error: changed }));
  expect(screen.getByText("Merge the adapter of first: failed.")).toBeTruthy();
  expect(screen.getByText("The base is another one.")).toBeTruthy();
  expect(screen.queryByRole("button")).toBeNull();
});

it("a check that found something to be warned of carries no tick", async () => {
  const exported = { what: "merged", path: "/exports/first", load: "", check: "The rounding does about as much as the adapter.", check_warns: true, other_base: null, notes: [], export: "first" };
  const { rerender, container } = show("first", job(4, { exported }));
  const sign = () => container.querySelector(".check .sign path")?.getAttribute("d");
  const warning = sign();
  await rerender({ job: job(5, { exported: { ...exported, check_warns: false } }) });
  expect(sign()).toBeTruthy();
  expect(sign()).not.toBe(warning);
  expect(container.querySelector(".check .warns")).toBeNull();
});

it("what was written before does not stand below a refusal", async () => {
  const exported = { what: "merged", path: "/exports/first", load: "", check: null, check_warns: false, other_base: null, notes: [], export: "first" };
  const { rerender } = show("first", job(3, { exported }));
  expect(screen.getByText("Written to")).toBeTruthy();
  await rerender({ refused: new ApiError(changed) });
  expect(screen.queryByText("Written to")).toBeNull();
  expect(goOn()).toBeTruthy();
});
