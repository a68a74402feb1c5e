import type { EvalSummary, PairSetView, RunSummary, Screen, SweepSummary } from "../client/bindings";
import { client } from "../client/client";
import { capitalised, counted } from "../format";
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

/** Places that have no entry in the rail, with other words that they are looked for by. */
const PLACES: { id: string; title: string; more: string; words: string; at: [Screen, ...string[]] }[] = [
  { id: "imports", title: "Imports", more: "files that came in, also to take back or hold out", words: "files", at: ["data", "files"] },
  { id: "sets", title: "Sets of pairs", more: "what runs train on, by name", words: "", at: ["data", "sets"] },
  { id: "judged", title: "What was labelled", more: "", words: "judged votes", at: ["label", "judged"] },
  { id: "disagreements", title: "Disagreements", more: "to be decided", words: "adjudication differ", at: ["label", "disagreements"] },
  { id: "agreement", title: "Agreement of the annotators", more: "", words: "kappa", at: ["label", "agreement"] },
  { id: "audits", title: "Audit the labels of files", more: "", words: "audits check", at: ["label", "audits"] },
  { id: "guideline", title: "Guideline", more: "", words: "instructions", at: ["label", "guideline"] },
  { id: "new-run", title: "New run", more: "with all its settings", words: "train sweep settings", at: ["train", "+new"] },
  { id: "sweeps", title: "Runs and sweeps", more: "", words: "queue", at: ["train"] },
  { id: "leaderboard", title: "Leaderboard", more: "evaluations beside each other", words: "ranking best", at: ["evaluate", "+leaderboard"] },
  { id: "bin", title: "Disk and bin", more: "what was deleted, and what takes the room", words: "trash deleted", at: ["project", "disk"] },
];

export function placesLike(text: string): Hit[] {
  const like = PLACES.filter(({ title, words }) => holds(`${title} ${words}`, text));
  return like.slice(0, MOST).map(({ id, title, more, at: [screen, ...rest] }) => ({ id: `place-${id}`, title, more, run: () => router.go(screen, ...rest) }));
}

function setsLike(sets: PairSetView[], text: string): Hit[] {
  const like = sets.filter(({ name }) => holds(`set ${name}`, text));
  return like.slice(0, MOST).map(({ set, name, count }) => ({ id: `set-${set}`, title: name, more: counted(count, "pair"), run: () => router.go("data", `set-${set}`) }));
}

function sweepsLike(sweeps: SweepSummary[], text: string): Hit[] {
  const like = sweeps.filter(({ name, keys }) => holds(`sweep ${name} ${keys.join(" ")}`, text));
  return like.slice(0, MOST).map(({ sweep, name, runs }) => ({ id: `sweep-${sweep}`, title: name, more: counted(runs, "run"), run: () => router.go("train", "+sweep", sweep) }));
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
  #sets: PairSetView[] = [];
  #sweeps: SweepSummary[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop = new AbortController();

  /** Looks what there is to find in the open project. */
  async begin(): Promise<void> {
    this.end();
    this.#runs = [];
    this.#evaluations = [];
    this.#sets = [];
    this.#sweeps = [];
    const folder = project.folder;
    if (folder === "") return;
    const asked = { project: folder };
    const [runs, evaluations, sets, sweeps] = await Promise.allSettled([client.call("runs", asked), client.call("evaluations", asked), client.call("pair_sets", asked), client.call("sweeps", asked)]);
    // One that cannot be read is told of on its own screen.
    if (runs.status === "fulfilled") this.#runs = runs.value;
    if (evaluations.status === "fulfilled") this.#evaluations = evaluations.value;
    if (sets.status === "fulfilled") this.#sets = sets.value;
    if (sweeps.status === "fulfilled") this.#sweeps = sweeps.value;
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
      { title: "Sets", hits: setsLike(this.#sets, text) },
      { title: "Sweeps", hits: sweepsLike(this.#sweeps, text) },
      { title: "Places", hits: placesLike(text) },
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
