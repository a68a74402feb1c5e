import type { ChatAnswer, Job, Message, News } from "../../client/bindings";
import { client } from "../../client/client";
import { jobs } from "../../state/jobs.svelte";

/** A turn: what was asked, and what one model answered; while it answers, how far it is. */
export type Turn = { user: string; answer: ChatAnswer | null; growing: string };
/** A model beside others: the run that it is of, or the project's own, and its part of the conversation. */
export type Speaker = { run: string | null; turns: Turn[] };

export const MOST_MODELS = 4;

export const message = (role: string, content: string): Message => ({ role, content });

/** What is sent to a model for its newest turn: the system prompt, where there is one, and all turns before with their answers. */
export function messagesFor(system: string, turns: Turn[]): Message[] {
  const before = turns.slice(0, -1).flatMap(({ user, answer }) => [message("user", user), message("assistant", answer?.text ?? "")]);
  const newest = turns.at(-1);
  return [...(system.trim() === "" ? [] : [message("system", system.trim())]), ...before, ...(newest ? [message("user", newest.user)] : [])];
}

/** The conversations of the playground. They stay while the page is open, whichever screen is shown. */
class Conversation {
  project = "";
  speakers = $state<Speaker[]>([{ run: null, turns: [] }]);
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
    this.speakers = [{ run: null, turns: [] }];
    this.job = this.answered = this.kept = null;
    this.system = this.draft = "";
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
  choose(place: number, run: string | null): void {
    const speaker = this.speakers[place];
    if (!speaker || speaker.run === run) return;
    this.clear();
    speaker.run = run;
  }

  add(run: string | null): void {
    if (this.speakers.length >= MOST_MODELS) return;
    this.clear();
    this.speakers.push({ run, turns: [] });
  }

  remove(place: number): void {
    this.speakers.splice(place, 1);
  }

  /** Asks all models what is written. */
  async ask(sampling: { temperature: number; top_p: number; max_new_tokens: number; seed: number }, allow_changed_base: boolean): Promise<void> {
    const user = this.draft.trim();
    const turn = (): Turn => ({ user, answer: null, growing: "" });
    const asked = this.speakers.map(({ run, turns }) => ({ run, messages: messagesFor(this.system, [...turns, turn()]) }));
    const job = await client.call("start_chat", { project: this.project, chats: asked, ...sampling, allow_changed_base });
    for (const speaker of this.speakers) speaker.turns.push(turn());
    this.draft = "";
    this.answered = null;
    this.job = job.job;
    jobs.began(job);
  }

  grow(news: Extract<News, { type: "answer" }>): void {
    if (news.job !== this.job) return;
    const turn = this.speakers[news.index]?.turns.at(-1);
    if (turn) turn.growing = news.text;
  }

  /** Takes what the models have answered so far. A turn of which nothing came is asked again. */
  async take(job: Job): Promise<void> {
    const { answers } = await client.call("chat_answers", { job: job.job });
    if (this.job !== job.job) return;
    this.speakers.forEach(({ turns }, place) => {
      const turn = turns.at(-1);
      if (turn) turn.answer = answers[place] ?? turn.answer;
    });
    if (job.state === "running") return;
    if (this.speakers.every(({ turns }) => turns.at(-1)?.answer)) this.answered ??= Date.now();
    else if (this.speakers.some(({ turns }) => turns.length > 0)) {
      const user = this.speakers[0]?.turns.at(-1)?.user ?? "";
      for (const speaker of this.speakers) speaker.turns.pop();
      if (this.draft.trim() === "") this.draft = user;
    }
  }
}

export const conversation = new Conversation();
