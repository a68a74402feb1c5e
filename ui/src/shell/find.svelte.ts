import type { EvalSummary, RunSummary } from "../client/bindings";
import { client } from "../client/client";
import { capitalised } from "../format";
import { follow, readLink } from "../links";
import { router } from "../router.svelte";
import { nameOf } from "../screens/data/pair";
import { SETTINGS } from "../screens/train/settings";
import { project } from "../state/project.svelte";

/** Something that was found: what it is called, more about it, and how it is opened. */
export type Hit = { id: string; title: string; more?: string; run: () => void };
export type HitGroup = { title: string; hits: Hit[] };

/** Of each kind at most so many: who wants more writes more. */
const MOST = 5;
const TYPING_PAUSE = 120;

const words = (text: string) => text.toLowerCase().split(/\s+/).filter(Boolean);
const holds = (all: string, text: string) => words(text).every((word) => all.toLowerCase().includes(word));

/** The number of a pair that is written: `12`, `#12`, `pair 12`, or of an item, which is numbered below zero. */
export function pairNumber(text: string): number | null {
  const match = /^\s*(?:#|(pair|item)\s+)?([1-9]\d{0,14})\s*$/i.exec(text);
  return match ? Number(match[2]) * (match[1]?.toLowerCase() === "item" ? -1 : 1) : null;
}

export function settingsLike(text: string): Hit[] {
  const like = SETTINGS.filter(({ key, sentence }) => holds(`setting ${key} ${key.replaceAll("_", " ")} ${sentence}`, text));
  const inKey = (key: string) => Number(!holds(`${key} ${key.replaceAll("_", " ")}`, text));
  return like
    .toSorted((a, b) => inKey(a.key) - inKey(b.key))
    .slice(0, MOST)
    .map(({ key, sentence }) => ({ id: `setting-${key}`, title: key, more: sentence, run: () => router.go("train", "+new", "setting", key) }));
}

function runsLike(runs: RunSummary[], text: string): Hit[] {
  const like = runs.filter(({ run, name, notes }) => holds(`run ${name} ${run} ${notes.note} ${notes.tags.join(" ")}`, text));
  return like.slice(0, MOST).map(({ run, name, notes }) => ({ id: `run-${run}`, title: name, more: notes.note, run: () => router.go("train", run) }));
}

function evaluationsLike(evaluations: EvalSummary[], text: string): Hit[] {
  const like = evaluations.filter(({ name, run_name, judge, prompts_from, notes }) => holds(`evaluation ${name} ${run_name} ${judge} ${prompts_from} ${notes.note} ${notes.tags.join(" ")}`, text));
  return like.slice(0, MOST).map(({ evaluation, name, judge }) => ({ id: `evaluation-${evaluation}`, title: name, more: judge, run: () => router.go("evaluate", evaluation) }));
}

/** What the palette finds beside commands, while one types. */
export class Finder {
  groups = $state.raw<HitGroup[]>([]);
  #runs: RunSummary[] = [];
  #evaluations: EvalSummary[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop = new AbortController();

  /** Looks what there is to find in the open project. */
  async begin(): Promise<void> {
    this.end();
    this.#runs = [];
    this.#evaluations = [];
    const folder = project.folder;
    if (folder === "") return;
    const asked = { project: folder };
    const [runs, evaluations] = await Promise.allSettled([client.call("runs", asked), client.call("evaluations", asked)]);
    // One that cannot be read is told of on its own screen.
    if (runs.status === "fulfilled") this.#runs = runs.value;
    if (evaluations.status === "fulfilled") this.#evaluations = evaluations.value;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
    this.groups = [];
  }

  /** Finds what is like the text, soon; what was asked for before is given up. */
  ask(text: string): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
    const stop = (this.#stop = new AbortController());
    const link = readLink(text);
    if (link) {
      this.groups = [{ title: "Link", hits: [{ id: "link", title: `Open ${link.hash.slice(2)}`, more: link.folder, run: () => void follow(link) }] }];
      return;
    }
    if (text.trim() === "" || project.folder === "") {
      this.groups = [];
      return;
    }
    const here = this.#here(text);
    // What is asked for stays as it was until it is answered: the list does not jump with each letter.
    const asked = this.groups.filter(({ title }) => title === "Pairs" || title === "Prompts of evaluations");
    this.groups = [...here, ...asked].filter(({ hits }) => hits.length > 0);
    this.#timer = setTimeout(() => void this.#there(text, here, stop.signal), TYPING_PAUSE);
  }

  #here(text: string): HitGroup[] {
    return [
      { title: "Runs", hits: runsLike(this.#runs, text) },
      { title: "Evaluations", hits: evaluationsLike(this.#evaluations, text) },
      { title: "Settings of a new run", hits: settingsLike(text) },
    ];
  }

  async #there(text: string, here: HitGroup[], signal: AbortSignal): Promise<void> {
    const folder = project.folder;
    const [numbered, pairs, prompts] = await Promise.all([this.#numbered(text, signal), this.#pairs(text, signal), this.#prompts(text, signal)]);
    if (signal.aborted || folder !== project.folder) return;
    const others = pairs.filter(({ id }) => !numbered.some((hit) => hit.id === id));
    const found = [...here, { title: "Pairs", hits: [...numbered, ...others].slice(0, MOST) }, { title: "Prompts of evaluations", hits: prompts }];
    this.groups = found.filter(({ hits }) => hits.length > 0);
  }

  async #numbered(text: string, signal: AbortSignal): Promise<Hit[]> {
    const number = pairNumber(text);
    if (number === null) return [];
    // No pair may have this number.
    const found = await client.call("pair", { project: project.folder, id: number }, signal).catch(() => null);
    return found ? [{ id: `pair-${number}`, title: capitalised(nameOf(number)), run: () => router.go("data", String(number)) }] : [];
  }

  async #pairs(text: string, signal: AbortSignal): Promise<Hit[]> {
    const query = { text: text.trim(), source: null, category: null, offset: 0, limit: MOST };
    const found = await client.call("pairs", { project: project.folder, query, finding: null }, signal).catch(() => null);
    return (found?.rows ?? []).map(({ id, prompt }) => ({ id: `pair-${id}`, title: prompt, more: nameOf(id), run: () => router.go("data", String(id)) }));
  }

  async #prompts(text: string, signal: AbortSignal): Promise<Hit[]> {
    const found = await client.call("find_prompts", { project: project.folder, text: text.trim(), limit: MOST }, signal).catch(() => []);
    return found.map(({ evaluation, name, id, prompt }) => ({ id: `prompt-${evaluation}-${id}`, title: prompt, more: name, run: () => router.go("evaluate", evaluation, "answers", String(id)) }));
  }
}
