import type { ChatAnswer, Job, LocalSide, Message, News } from "../../client/bindings";
import { client } from "../../client/client";
import { jobs } from "../../state/jobs.svelte";

/** A turn: what was asked, and what one model answered; while it answers, how far it is. */
export type Turn = {
  user: string;
  answer: ChatAnswer | null;
  growing: string;
  /** The job that made the answer, while its tokens are known, and its place there. */
  of?: Made | null;
  /** The answer that is gone on from, until the new one is there. */
  before?: { answer: ChatAnswer; of: Made } | null;
};
export type Made = { job: number; place: number };
/** Who answers: a run, another model of this machine, or where both are null the project's own. */
export type Who = { run: string | null; side: LocalSide | null };
/** A model beside others, and its part of the conversation. */
export type Speaker = Who & { id: number; turns: Turn[] };
type Sampled = { temperature: number; top_p: number; max_new_tokens: number; seed: number };

export const MOST_MODELS = 4;

export const message = (role: string, content: string): Message => ({ role, content });

/** What is sent to a model for its newest turn: the system prompt, where there is one, and all turns before with their answers. */
export function messagesFor(system: string, turns: Turn[]): Message[] {
  const before = turns.slice(0, -1).flatMap(({ user, answer }) => [message("user", user), message("assistant", answer?.text ?? "")]);
  const newest = turns.at(-1);
  return [...(system.trim() === "" ? [] : [message("system", system.trim())]), ...before, ...(newest ? [message("user", newest.user)] : [])];
}

/** Whether two models were asked the same, with the same answers before: only then do their newest answers make a pair. */
export const askedAlike = (one: Turn[], other: Turn[]): boolean =>
  one.length === other.length && one.every(({ user, answer }, at) => user === other[at]?.user && (at === one.length - 1 || answer?.text === other[at]?.answer?.text));

export const BASE: Who = { run: null, side: null };
export const isWho = (one: Who, other: Who): boolean => one.run === other.run && one.side?.model === other.side?.model && one.side?.adapter === other.side?.adapter;

/** What a reload of the page does not lose: all but the answers that are being given. */
export type KeptConversation = Pick<Conversation, "system" | "draft" | "temperature" | "topP" | "tokens" | "seed" | "kept"> & { project: string; speakers: { run: string | null; side?: LocalSide | null; turns: { user: string; answer: ChatAnswer }[] }[] };

const KEPT = "tiebreak.playground";

/** The conversations of the playground. They stay in this tab, whichever screen is shown. */
class Conversation {
  project = "";
  #next = 1;
  speakers = $state<Speaker[]>([{ id: 0, ...BASE, turns: [] }]);
  /** Who was asked, in the order of the job: models may be taken away since. */
  asked = $state.raw<number[]>([]);
  system = $state("");
  draft = $state("");
  temperature = $state("0.7");
  topP = $state("1");
  tokens = $state("256");
  seed = $state("0");
  /** The job in which the models answer, or last did. */
  job = $state<number | null>(null);
  /** When the newest answers were all there. */
  answered = $state<number | null>(null);
  /** The turn of which a pair was kept. */
  kept = $state<number | null>(null);

  /** Another project has other models. */
  open(project: string): void {
    if (this.project === project) return;
    this.project = project;
    this.speakers = [{ id: this.#next++, ...BASE, turns: [] }];
    this.job = this.answered = this.kept = null;
    this.system = this.draft = "";
    const before = readKept(sessionStorage.getItem(KEPT));
    if (before?.project !== project) return;
    const { speakers, project: _, ...rest } = before;
    Object.assign(this, rest);
    this.speakers = speakers.map(({ run, side, turns }) => ({ id: this.#next++, run, side: side ?? null, turns: turns.map((turn) => ({ ...turn, growing: "" })) }));
    if (this.hasBegun) this.answered = Date.now();
  }

  /** What a reload is to find again. */
  get keptNow(): KeptConversation {
    const { project, system, temperature, topP, tokens, seed, kept } = this;
    const whole = (turns: Turn[]) => turns.flatMap(({ user, answer }) => (answer ? [{ user, answer: $state.snapshot(answer) as ChatAnswer }] : []));
    const open = this.speakers[0]?.turns.at(-1);
    // A question that not all have answered is asked again.
    const count = Math.min(...this.speakers.map(({ turns }) => whole(turns).length));
    const draft = this.draft === "" && open && count < (this.speakers[0]?.turns.length ?? 0) ? open.user : this.draft;
    return { project, system, draft, temperature, topP, tokens, seed, kept, speakers: this.speakers.map(({ run, side, turns }) => ({ run, side: $state.snapshot(side) as LocalSide | null, turns: whole(turns).slice(0, count) })) };
  }

  keep(kept: KeptConversation): void {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // Full or forbidden: then it lasts as long as the page.
    }
  }

  get isAnswering(): boolean {
    return this.job !== null && jobs.get(this.job)?.state === "running";
  }

  get hasBegun(): boolean {
    return this.speakers.some(({ turns }) => turns.length > 0);
  }

  /** Begins anew; the newest question is there to be asked again. */
  clear(keep = true): void {
    if (keep && this.draft.trim() === "") this.draft = this.speakers[0]?.turns.at(-1)?.user ?? "";
    for (const speaker of this.speakers) speaker.turns = [];
    this.job = this.answered = this.kept = null;
  }

  /** What one model said does not go on as another's. */
  choose(id: number, who: Who): void {
    const speaker = this.speakers.find((speaker) => speaker.id === id);
    if (!speaker || isWho(speaker, who)) return;
    this.clear();
    Object.assign(speaker, who);
  }

  add(who: Who): void {
    if (this.speakers.length >= MOST_MODELS) return;
    this.clear();
    this.speakers.push({ id: this.#next++, ...who, turns: [] });
  }

  remove(id: number): void {
    this.speakers = this.speakers.filter((speaker) => speaker.id !== id);
  }

  #at(place: number): Speaker | undefined {
    return this.speakers.find(({ id }) => id === this.asked[place]);
  }

  /** Asks all models what is written. */
  async ask(sampling: Sampled, allow_changed_base: boolean): Promise<void> {
    const user = this.draft;
    const turn = (): Turn => ({ user, answer: null, growing: "" });
    const asked = this.speakers.map(({ run, side, turns }) => ({ ...asWho(run, side), messages: messagesFor(this.system, [...turns, turn()]) }));
    const job = await client.call("start_chat", { project: this.project, chats: asked, ...sampling, allow_changed_base });
    this.speakers.forEach((speaker, place) => speaker.turns.push({ ...turn(), of: { job: job.job, place } }));
    this.asked = this.speakers.map(({ id }) => id);
    this.draft = "";
    this.answered = null;
    this.job = job.job;
    jobs.began(job);
  }

  /** Goes on from the newest answer of a model, with another token in the place of one. */
  async goOn(id: number, token: number, instead: number, sampling: Sampled, allow_changed_base: boolean): Promise<void> {
    const speaker = this.speakers.find((speaker) => speaker.id === id);
    const turn = speaker?.turns.at(-1);
    if (!speaker || !turn?.answer || !turn.of || this.isAnswering) return;
    const from = { job: turn.of.job, chat: turn.of.place, token, instead };
    const chat = { ...asWho(speaker.run, speaker.side), messages: messagesFor(this.system, speaker.turns), from };
    const job = await client.call("start_chat", { project: this.project, chats: [chat], ...sampling, allow_changed_base });
    turn.before = { answer: turn.answer, of: turn.of };
    Object.assign(turn, { answer: null, growing: "", of: { job: job.job, place: 0 } });
    this.asked = [id];
    this.answered = null;
    // Another answer may be kept, too.
    this.kept = null;
    this.job = job.job;
    jobs.began(job);
  }

  /** Takes back the newest answer that was gone on to. */
  back(id: number, before: { answer: ChatAnswer; of: Made }): void {
    const turn = this.speakers.find((speaker) => speaker.id === id)?.turns.at(-1);
    if (turn && !this.isAnswering) Object.assign(turn, before, { before: null });
  }

  grow(news: Extract<News, { type: "answer" }>): void {
    if (news.job !== this.job) return;
    const turn = this.#at(news.index)?.turns.at(-1);
    if (turn) turn.growing = news.text;
  }

  /** Takes what the models have answered so far. A turn of which nothing came is asked again. */
  async take(job: Job): Promise<void> {
    const { answers } = await client.call("chat_answers", { job: job.job });
    if (this.job !== job.job) return;
    answers.forEach((answer, place) => {
      const turn = this.#at(place)?.turns.at(-1);
      if (turn && answer) turn.answer = answer;
    });
    if (job.state === "running") return;
    // Where nothing came, the answer that was gone on from stays.
    for (const speaker of this.speakers) {
      const turn = speaker.turns.at(-1);
      if (!turn?.before || turn.of?.job !== job.job) continue;
      if (!turn.answer) Object.assign(turn, turn.before);
      turn.before = null;
    }
    if (this.speakers.every(({ turns }) => turns.at(-1)?.answer)) this.answered ??= Date.now();
    else if (this.speakers.some(({ turns }) => turns.length > 0)) {
      const user = this.speakers[0]?.turns.at(-1)?.user ?? "";
      for (const speaker of this.speakers) speaker.turns.pop();
      if (this.draft.trim() === "") this.draft = user;
    }
  }
}

/** As the program takes it: what is not asked for is not sent. */
const asWho = (run: string | null, side: LocalSide | null) => (side === null ? { run } : { run: null, side: $state.snapshot(side) as LocalSide });

/** A conversation from storage; null where it is not understood. */
export function readKept(stored: string | null): KeptConversation | null {
  try {
    const kept = JSON.parse(stored ?? "null") as KeptConversation | null;
    const texts = [kept?.project, kept?.system, kept?.draft, kept?.temperature, kept?.topP, kept?.tokens, kept?.seed];
    const isTurn = (turn: { user: unknown; answer: ChatAnswer }) => typeof turn.user === "string" && typeof turn.answer.text === "string";
    const isSide = (side: LocalSide | null | undefined) => side == null || (typeof side.model === "string" && (side.adapter === null || typeof side.adapter === "string"));
    const isSpeaker = ({ run, side, turns }: { run: unknown; side?: LocalSide | null; turns: { user: unknown; answer: ChatAnswer }[] }) => (run === null || typeof run === "string") && isSide(side) && turns.every(isTurn);
    return kept && texts.every((text) => typeof text === "string") && kept.speakers.length > 0 && kept.speakers.length <= MOST_MODELS && kept.speakers.every(isSpeaker) ? kept : null;
  } catch {
    return null;
  }
}

export const conversation = new Conversation();
