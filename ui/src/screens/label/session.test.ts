import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LabelItem, LabelState, Operations } from "../../client/bindings";
import { ApiError } from "../../client/error";
import { type Caller, LabelSession, sendLeft } from "./session.svelte";

const item = (id: number, showing = id * 10): LabelItem => ({ item: id, showing, prompt: `prompt ${id}`, left: "l", right: "r", category: null, second_pass: false, changed: false });

const state = (done: number, ...queue: LabelItem[]): LabelState => ({
  annotator: "ada", done, total: 100, skipped: 0, seconds_per_item: null, seconds_left: null, can_undo: done > 0, left_share: null, queue,
});

const items = (...ids: number[]) => ids.map((id) => item(id));
const refusal = () => new ApiError({ code: "stale", message: "This showing is not known.", hint: "Judge it again." });
const outage = () => new ApiError({ code: "unreachable", message: "The program does not answer.", hint: "Start it." });

/** A program whose answers the test gives one by one. */
class Program implements Caller {
  asked: { operation: string; request: unknown; answer: (state: LabelState) => Promise<void>; fail: (error: ApiError) => Promise<void> }[] = [];

  call<K extends keyof Operations>(operation: K, request: Operations[K][0]): Promise<Operations[K][1]> {
    return new Promise((resolve, reject) => {
      const settled = async () => void (await vi.advanceTimersByTimeAsync(0));
      this.asked.push({
        operation,
        request,
        answer: (reply) => (resolve(reply as Operations[K][1]), settled()),
        fail: (error) => (reject(error), settled()),
      });
    });
  }

  get last() {
    return this.asked.at(-1)!;
  }
}

let program: Program;
let session: LabelSession;
let clock = 0;
const shown = () => session.queue.map(({ item }) => item);

beforeEach(async () => {
  vi.useFakeTimers();
  localStorage.clear();
  clock = 0;
  program = new Program();
  session = new LabelSession("p", "ada", program, () => clock);
  const loaded = session.load();
  await program.last.answer(state(0, ...items(1, 2, 3)));
  await loaded;
});

afterEach(() => vi.useRealTimers());

describe("LabelSession", () => {
  it("shows the next item before the judgement has arrived", () => {
    clock = 1500;
    session.judge("left", "short");
    expect(shown()).toEqual([2, 3]);
    expect(session.done).toBe(1);
    expect(program.last.request).toEqual({ project: "p", annotator: "ada", item: 1, showing: 10, verdict: "left", milliseconds: 1500, note: "short", among: null });
  });

  it("sends one judgement at a time, in the order they were made", async () => {
    session.judge("left");
    session.judge("right");
    session.judge("tie_bad");
    expect(program.asked.length).toBe(2); // the first load and the first judgement
    await program.last.answer(state(1, ...items(2, 3, 4)));
    expect(program.last.request).toMatchObject({ item: 2, verdict: "right" });
    await program.last.answer(state(2, ...items(3, 4, 5)));
    expect(program.last.request).toMatchObject({ item: 3, verdict: "tie_bad" });
    await program.last.answer(state(3, ...items(4, 5, 6)));
    expect(session.unsaved).toBe(0);
    expect(shown()).toEqual([4, 5, 6]);
  });

  it("does not show again what was judged while an older answer was on its way", async () => {
    session.judge("left");
    session.judge("right");
    await program.last.answer(state(1, ...items(2, 3, 4))); // the program has not heard of 2 yet
    expect(shown()).toEqual([3, 4]);
  });

  it("keeps the showing on screen when the program answers with another", async () => {
    session.judge("left");
    await program.last.answer(state(1, item(2, 99), item(3, 98)));
    expect(session.queue.map(({ showing }) => showing)).toEqual([20, 98]);
  });

  it("brings a refused item back and says which verdict was not saved", async () => {
    session.judge("right_much", "why");
    session.judge("left");
    await program.last.fail(refusal());
    expect(session.trouble).toMatchObject({ kind: "refused", verdict: "right_much", note: "why" });
    expect(shown()).toEqual([1, 3]);
    await program.last.answer(state(0, item(1, 77), item(2), item(3))); // asked for a fresh showing
    expect(session.current).toMatchObject({ item: 1, showing: 77 });
    expect(program.last.request).toMatchObject({ item: 2, verdict: "left" }); // what came after is not held up
  });

  it("keeps what could not be sent, and sends it when the program is back, once", async () => {
    session.judge("left");
    session.judge("right");
    await program.last.fail(outage());
    expect(session.trouble?.kind).toBe("unreachable");
    expect(session.unsaved).toBe(2);
    session.judge("skip"); // going on is allowed
    const before = program.asked.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(program.asked.length).toBe(before + 1);
    expect(program.last.request).toMatchObject({ item: 1, verdict: "left" });
    await program.last.answer(state(1, ...items(2, 3, 4)));
    expect(session.trouble).toBeNull();
    expect(program.last.request).toMatchObject({ item: 2, verdict: "right" });
    await program.last.answer(state(2, ...items(3, 4)));
    await program.last.answer(state(2, ...items(4)));
    expect(session.unsaved).toBe(0);
    expect(shown()).toEqual([4]);
  });

  it("undoes a judgement that was not sent yet without asking", async () => {
    session.judge("left");
    session.judge("right");
    session.undo();
    expect(shown()).toEqual([2, 3]);
    await program.last.answer(state(1, ...items(2, 3, 4)));
    expect(program.asked.length).toBe(2);
  });

  it("undoes a judgement on its way after it has arrived", async () => {
    session.judge("left");
    session.undo();
    expect(program.last.operation).toBe("judge");
    await program.last.answer(state(1, ...items(2, 3, 4)));
    expect(program.last.operation).toBe("undo");
    await program.last.answer(state(0, item(1, 88), ...items(2, 3)));
    expect(session.current).toMatchObject({ item: 1, showing: 88 });
  });

  it("shows an edited answer, and throws what is said against an edit", async () => {
    const edited = session.edit("left", "better");
    expect(program.last.request).toEqual({ project: "p", annotator: "ada", item: 1, showing: 10, side: "left", text: "better", among: null });
    await program.last.answer(state(0, { ...item(1), left: "better" }, item(2)));
    await edited;
    expect(session.current?.left).toBe("better");

    const refused = session.edit("right", "");
    const thrown = expect(refused).rejects.toThrow("This showing is not known.");
    await program.last.fail(refusal());
    await thrown;
    expect(session.current?.item).toBe(1);
  });

  it("takes new items in behind the one on screen, but no word older than a judgement", async () => {
    const more = session.refresh();
    await program.last.answer({ ...state(0, ...items(2, 3, 4)), total: 140 });
    await more;
    expect([shown(), session.state?.total]).toEqual([[1, 2, 3, 4], 140]);

    const late = session.refresh();
    const { answer } = program.last;
    session.judge("left");
    await program.last.answer(state(1, ...items(2, 3)));
    await answer(state(0, ...items(1, 2, 3)));
    await late;
    expect([shown(), session.state?.done]).toEqual([[2, 3], 1]);
  });

  it("shows what waits with the texts it has now, when another has edited it", async () => {
    const more = session.refresh();
    const edited = { ...item(2, 77), left: "edited" };
    await program.last.answer(state(0, item(1, 99), edited, item(3)));
    await more;
    // What is on screen stays as it is: its verdict is about what was read.
    expect(session.queue.map(({ item, showing }) => [item, showing])).toEqual([[1, 10], [2, 77], [3, 30]]);
    expect(session.queue[1]).toEqual(edited);
  });

  it("leaves a refused item when told to", async () => {
    session.judge("left");
    await program.last.fail(refusal());
    await program.last.answer(state(0, ...items(2, 3)));
    expect(shown()).toEqual([1, 2, 3]);
    session.leave();
    expect(shown()).toEqual([2, 3]);
    expect(session.trouble).toBeNull();
  });

  it("measures an item's time from when it was shown", async () => {
    clock = 1000;
    session.judge("left");
    clock = 1400;
    await program.last.answer(state(1, ...items(2, 3)));
    session.judge("right");
    expect(program.last.request).toMatchObject({ item: 2, milliseconds: 400 });
  });

  it("writes down what is not confirmed, and a page that is opened again sends it once", async () => {
    session.judge("left", "short");
    session.judge("right_much");
    await program.last.fail(outage());

    // The page is closed and opened again.
    program = new Program();
    const opened = new LabelSession("p", "ada", program, () => clock);
    expect(opened.unsaved).toBe(2);
    const loaded = opened.load();
    await program.last.answer(state(0, ...items(1, 2, 3)));
    await loaded;
    expect(opened.queue.map(({ item }) => item)).toEqual([3]);
    expect(opened.done).toBe(2);
    expect(program.last).toMatchObject({ operation: "judge", request: { item: 1, showing: 10, verdict: "left", milliseconds: 0, note: "short" } });
    await program.last.answer(state(1, ...items(2, 3)));
    expect(program.last.request).toMatchObject({ item: 2, showing: 20, verdict: "right_much" });
    await program.last.answer(state(2, ...items(3, 4)));
    expect(opened.unsaved).toBe(0);
    expect(new LabelSession("p", "ada", program).unsaved).toBe(0);
  });

  it("keeps the judgements of others apart, and forgets what was taken back or refused", async () => {
    session.judge("left");
    expect(new LabelSession("p", "grace", program).unsaved).toBe(0);
    expect(new LabelSession("q", "ada", program).unsaved).toBe(0);
    session.judge("right");
    session.undo();
    expect(new LabelSession("p", "ada", program).unsaved).toBe(1);
    await program.last.fail(refusal());
    expect(new LabelSession("p", "ada", program).unsaved).toBe(0);
  });

  it("says that a judgement from before was refused", async () => {
    session.judge("left", "why");
    await program.last.fail(outage());
    program = new Program();
    const opened = new LabelSession("p", "ada", program, () => clock);
    opened.again();
    await program.last.fail(refusal());
    expect(opened.trouble).toMatchObject({ kind: "refused", verdict: "left", note: "why", item: null });
    await program.last.answer(state(0, ...items(1, 2)));
    expect(opened.queue.map(({ item }) => item)).toEqual([1, 2]);
  });

  it("sends what is left of every annotator of a project when it is opened", async () => {
    session.judge("left");
    await program.last.fail(outage());
    const elsewhere = new LabelSession("q", "ada", program);
    void elsewhere.load();
    await program.last.answer(state(0, ...items(7, 8)));
    elsewhere.judge("left");
    program = new Program();
    sendLeft("p", program);
    expect(program.asked).toMatchObject([{ operation: "judge", request: { project: "p", annotator: "ada", item: 1 } }]);
  });
});
