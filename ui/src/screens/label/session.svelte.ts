import type { Among, LabelItem, LabelState, Operations, Verdict } from "../../client/bindings";
import { ApiError } from "../../client/error";
import { annotatorsWithUnsent, type Given, Unsent } from "./unsent";

/** How many items are kept ahead of the one being judged. */
export const AHEAD = 5;

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15_000;

/** `shown` is the item as it was on screen; null for a judgement from before the page was loaded. */
type Judgement = { kind: "judge"; given: Given; shown: LabelItem | null };
type Undo = { kind: "undo" };
type Edit = { kind: "edit"; item: LabelItem; side: "left" | "right"; text: string; settle: (error: ApiError | null) => void };
type Step = Judgement | Undo | Edit;

/** The part of the client a session needs. */
export interface Caller {
  call<K extends keyof Operations>(operation: K, request: Operations[K][0]): Promise<Operations[K][1]>;
}

/** What went wrong with something the annotator did. `item`, where it is known, is back at the head of the queue. */
export type Trouble = { kind: "unreachable" | "refused"; error: ApiError; verdict: Verdict | null; note: string | null; item: LabelItem | null };

/** Whether the program may not have seen the request at all, so that sending it again is right. */
function unreached(error: ApiError): boolean {
  return error.code === "unreachable" || error.code === "http";
}

/**
 * One annotator at work on one project. A verdict shows the next item at once; sending happens behind, one step after the
 * other in the order they were made. What could not be sent stays in `unsent` and is sent again; what was refused comes
 * back to be judged again. Nothing leaves `unsent` before the program has said that it has it; judgements are written down
 * in the browser until then, so that a page that is closed or reloaded sends them when it is opened again.
 */
export class LabelSession {
  /** The items to judge, the one on screen first. */
  queue = $state.raw<LabelItem[]>([]);
  /** Progress and pace as the program last told them; null before the first answer. */
  state = $state.raw<LabelState | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  readonly #kept: Unsent;
  #unsent = $state.raw<Step[]>([]);
  #sending = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT;
  #shownAt = 0;

  constructor(
    readonly project: string,
    readonly annotator: string,
    private readonly caller: Caller,
    private readonly now: () => number = () => performance.now(),
    storage: Storage = localStorage,
    /** Only these items; null for all. */
    readonly among: Among | null = null,
  ) {
    this.#kept = new Unsent(storage, project, annotator);
    this.#unsent = this.#kept.all().map((given) => ({ kind: "judge", given, shown: null }));
  }

  get current(): LabelItem | null {
    return this.queue[0] ?? null;
  }

  /** Judgements the program has not confirmed yet. */
  get unsaved(): number {
    return this.#unsent.filter((step) => step.kind === "judge").length;
  }

  /** Items judged, with those still on their way. */
  get done(): number {
    const onTheWay = this.#unsent.filter((step) => step.kind === "judge" && step.given.verdict !== "skip").length;
    return (this.state?.done ?? 0) + onTheWay;
  }

  get canUndo(): boolean {
    return this.#unsent.length > 0 || (this.state?.can_undo ?? false);
  }

  /** Asks for the queue and takes it as it is. */
  async load(): Promise<void> {
    const state = await this.caller.call("label_state", { project: this.project, annotator: this.annotator, ahead: AHEAD, among: this.among });
    this.#take(state, false);
    // What was left from before the page was loaded.
    void this.#send();
  }

  /** Asks how much there is to judge now; what is on screen stays. */
  async refresh(): Promise<void> {
    const before = this.state;
    const state = await this.caller.call("label_state", { project: this.project, annotator: this.annotator, ahead: AHEAD, among: this.among });
    // Whatever was judged meanwhile brings a newer word.
    if (this.state === before && this.#unsent.length === 0) this.#take(state, true);
  }

  judge(verdict: Verdict, note: string | null = null): void {
    const item = this.current;
    if (!item) return;
    const milliseconds = Math.round(this.now() - this.#shownAt);
    const given = { item: item.item, showing: item.showing, verdict, milliseconds, note };
    if (this.trouble?.kind === "refused") this.trouble = null;
    this.#kept.add(given);
    this.#show(this.queue.slice(1));
    this.#unsent = [...this.#unsent, { kind: "judge", given, shown: item }];
    void this.#send();
  }

  undo(): void {
    const last = this.#unsent.at(-1);
    const waits = this.#unsent.length > 1 || !this.#sending;
    if (last?.kind === "judge" && waits) {
      // Not sent yet: nothing to undo but here.
      this.#unsent = this.#unsent.slice(0, -1);
      this.#kept.remove(last.given);
      if (last.shown) this.#show([last.shown, ...this.queue]);
      else void this.load().catch(() => {}); // the program still has the item in its queue, and shows it when it can be asked
      if (this.#unsent.length === 0) this.#calm();
      return;
    }
    if (!this.canUndo) return;
    this.#unsent = [...this.#unsent, { kind: "undo" }];
    void this.#send();
  }

  /** Replaces one answer of the item on screen. Ends when the program has it, and throws what it says against it. */
  async edit(side: "left" | "right", text: string): Promise<void> {
    const item = this.current;
    if (!item) return;
    const error = await new Promise<ApiError | null>((settle) => {
      this.#unsent = [...this.#unsent, { kind: "edit", item, side, text, settle }];
      void this.#send();
    });
    if (error) throw error;
  }

  /** Marks a share of the items judged for a second look. */
  async secondPass(share: number): Promise<void> {
    this.#take(await this.caller.call("second_pass", { project: this.project, annotator: this.annotator, share }), true);
  }

  /** Sends what could not be sent, now. */
  again(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    void this.#send();
  }

  /** Goes on without the item that was refused. */
  leave(): void {
    const item = this.trouble?.item;
    this.trouble = null;
    if (item) this.#show(this.queue.filter((other) => other.item !== item.item));
  }

  async #send(): Promise<void> {
    if (this.#sending || this.#retry !== undefined) return;
    this.#sending = true;
    let step: Step | undefined;
    while ((step = this.#unsent[0])) {
      try {
        const state = await this.#ask(step);
        this.#drop(step);
        this.#calm();
        this.#take(state, step.kind === "judge");
        if (step.kind === "edit") step.settle(null);
      } catch (thrown) {
        const error = ApiError.from(thrown);
        if (unreached(error) && step.kind !== "edit") {
          this.trouble = { kind: "unreachable", error, verdict: null, note: null, item: null };
          this.#retry = setTimeout(() => this.again(), this.#wait);
          this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
          break;
        }
        this.#drop(step);
        await this.#refused(step, error);
      }
    }
    this.#sending = false;
  }

  /** Takes away the first step: the program has it, or will not have it. */
  #drop(step: Step): void {
    this.#unsent = this.#unsent.slice(1);
    if (step.kind === "judge") this.#kept.remove(step.given);
  }

  #ask(step: Step): Promise<LabelState> {
    const who = { project: this.project, annotator: this.annotator, among: this.among };
    switch (step.kind) {
      case "judge":
        return this.caller.call("judge", { ...who, ...step.given });
      case "undo":
        return this.caller.call("undo", who);
      case "edit": {
        const { item, showing } = step.item;
        return this.caller.call("edit_answer", { ...who, item, showing, side: step.side, text: step.text });
      }
    }
  }

  async #refused(step: Step, error: ApiError): Promise<void> {
    if (step.kind === "edit") {
      step.settle(error); // the text is still in the field it was written in
      return;
    }
    const judged = step.kind === "judge" ? step : null;
    const item = judged?.shown ?? null;
    this.trouble = { kind: "refused", error, verdict: judged?.given.verdict ?? null, note: judged?.given.note ?? null, item };
    if (!judged) return;
    if (item) this.#show([item, ...this.queue.filter((other) => other.item !== item.item)]);
    // The showing may be what was refused: a fresh one, where the program still has the item in its queue.
    try {
      const state = await this.caller.call("label_state", { project: this.project, annotator: this.annotator, ahead: AHEAD, among: this.among });
      this.#take(state, true);
      const fresh = state.queue.find((other) => other.item === item?.item);
      if (fresh) this.#show(this.queue.map((other) => (other.item === fresh.item ? fresh : other)));
    } catch {
      // The item is back in any case; the next request says what is wrong.
    }
  }

  #calm(): void {
    this.#wait = FIRST_WAIT;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.trouble?.kind === "unreachable") this.trouble = null;
  }

  /**
   * Takes the program's word. With `keepHead`, what is on screen stays there; an item already judged here does not come
   * back because the program had not heard of it when it answered.
   */
  #take(state: LabelState, keepHead: boolean): void {
    this.state = state;
    const judged = new Set(this.#unsent.flatMap((step) => (step.kind === "judge" ? [step.given.item] : [])));
    const open = state.queue.filter((item) => !judged.has(item.item));
    const head = keepHead ? this.current : null;
    const rest = open.filter((item) => item.item !== head?.item);
    this.#show(head ? [head, ...rest] : rest);
  }

  #show(queue: LabelItem[]): void {
    if (queue[0]?.item !== this.current?.item) this.#shownAt = this.now();
    this.queue = queue;
  }
}

const sessions = new Map<string, LabelSession>();

/** The session of an annotator on a project. It outlives the screen, so that leaving it loses nothing on its way. */
export function sessionOf(project: string, annotator: string, caller: Caller, among: Among | null = null): LabelSession {
  const key = JSON.stringify([project, annotator, among]);
  let session = sessions.get(key);
  if (!session) {
    session = new LabelSession(project, annotator, caller, undefined, undefined, among);
    sessions.set(key, session);
  }
  return session;
}

/** Sends what is left in the browser from before the page was loaded, whoever of the project's annotators gave it. */
export function sendLeft(project: string, caller: Caller, storage: Storage = localStorage): void {
  for (const annotator of annotatorsWithUnsent(storage, project)) sessionOf(project, annotator, caller).again();
}

/** Judgements of all sessions that are not saved yet: the page must not be closed. */
export function unsavedJudgements(): number {
  return [...sessions.values()].reduce((sum, session) => sum + session.unsaved, 0);
}
