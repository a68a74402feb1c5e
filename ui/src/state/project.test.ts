import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { News, ProjectView } from "../client/bindings";
import { client } from "../client/client";
import { startNews } from "./news";
import { project } from "./project.svelte";

const view = (folder: string, labelled: number): ProjectView => ({
  folder, name: folder, note: "", is_demo: false, model: null, imports: [], annotators: [], next: [],
  counts: { pairs: 0, items: 9, items_without_answers: 0, labelled, single_labels: 0, demonstrations: 0, runs: 0, runs_with_adapter: 0, evaluations: 0 },
});

let replies: ((view: ProjectView) => void)[] = [];
let tell: (news: News) => void = () => {};
const labelled = () => project.view?.counts.labelled;
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  replies = [];
  vi.spyOn(client, "call").mockImplementation(() => new Promise((resolve) => replies.push(resolve as never)));
  vi.spyOn(client, "news").mockImplementation((listener) => ((tell = listener), () => {}));
  startNews();
  project.show(view("p", 1));
});
afterEach(async () => {
  project.close();
  for (const reply of replies) reply(view("p", 0));
  await vi.advanceTimersByTimeAsync(5000);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("counts follow news of the open project, and of no other", async () => {
  tell({ type: "project", project: "q" });
  expect(replies).toHaveLength(0);
  tell({ type: "project", project: "p" });
  replies[0]!(view("p", 2));
  await settled();
  expect(labelled()).toBe(2);
});

it("news that come while an answer is on its way are asked for afterwards", async () => {
  for (let times = 0; times < 5; times += 1) tell({ type: "project", project: "p" });
  expect(replies).toHaveLength(1);
  replies[0]!(view("p", 2));
  await vi.advanceTimersByTimeAsync(1000);
  expect(replies).toHaveLength(2);
  replies[1]!(view("p", 6));
  await settled();
  expect(labelled()).toBe(6);
});

it("an answer that was overtaken changes nothing", async () => {
  const first = project.reload();
  const second = project.reload();
  replies[1]!(view("p", 3));
  await second;
  replies[0]!(view("p", 2));
  await first;
  expect(labelled()).toBe(3);
});

it("a reply that is older than what is shown is asked for again", async () => {
  tell({ type: "project", project: "p" });
  replies[0]!(view("p", 5));
  await vi.advanceTimersByTimeAsync(1000);
  // The answer to a change of the model was made before the judgements were.
  project.show(view("p", 4));
  expect(replies).toHaveLength(2);
  replies[1]!(view("p", 5));
  await settled();
  expect(labelled()).toBe(5);
});

it("a stream of news that begins anew asks again: some may have been missed", async () => {
  tell({ type: "listening" });
  replies[0]!(view("p", 7));
  await settled();
  expect(labelled()).toBe(7);
});
