import type { Content, PairQuery, PairRatings, PairRow, PairSort, PairSource, PairView } from "../../client/bindings";
import { count, date, figure } from "../../format";
import { messagesOf, textOf } from "../../parts/content";
import type { Part } from "../../parts/pages.svelte";

export type PairFilter = Omit<PairQuery, keyof Part>;

/** The orders in which pairs are listed, by their names in the page. */
export const ORDERS = {
  number: { label: "By number", sort: "number", descending: false },
  newest: { label: "Newest first", sort: "date", descending: true },
  oldest: { label: "Oldest first", sort: "date", descending: false },
  prompt_longest: { label: "Longest prompt first", sort: "prompt_length", descending: true },
  prompt_shortest: { label: "Shortest prompt first", sort: "prompt_length", descending: false },
  chosen_longest: { label: "Longest chosen answer first", sort: "chosen_length", descending: true },
  chosen_shortest: { label: "Shortest chosen answer first", sort: "chosen_length", descending: false },
  rejected_longest: { label: "Longest rejected answer first", sort: "rejected_length", descending: true },
  difference_longer: { label: "Chosen longer than rejected first", sort: "length_difference", descending: true },
  difference_shorter: { label: "Chosen shorter than rejected first", sort: "length_difference", descending: false },
  score_highest: { label: "Highest rated chosen answer first", sort: "score", descending: true },
  score_lowest: { label: "Lowest rated chosen answer first", sort: "score", descending: false },
  margin_largest: { label: "Largest margin of ratings first", sort: "margin", descending: true },
  margin_smallest: { label: "Smallest margin of ratings first", sort: "margin", descending: false },
  category: { label: "By category", sort: "category", descending: false },
  file: { label: "By file", sort: "import", descending: false },
} as const satisfies Record<string, { label: string; sort: PairSort; descending: boolean }>;

export type Order = keyof typeof ORDERS;

/** The filters that are folded away, as they are typed: texts where nothing is asked for. */
export type MoreFilters = { file: string; annotator: string; from: string; until: string; shortest: string; longest: string; leastScore: string; mostScore: string; leastMargin: string; mostMargin: string; agreement: "" | "agree" | "differ"; set: string };

export const NO_FILTERS: MoreFilters = { file: "", annotator: "", from: "", until: "", shortest: "", longest: "", leastScore: "", mostScore: "", leastMargin: "", mostMargin: "", agreement: "", set: "" };

/** A day as `<input type=date>` has it, as the moment at which it begins here. */
const beginning = (day: string, later = 0) => {
  const [year, month, date] = day.split("-").map(Number);
  return year && month && date ? new Date(year, month - 1, date + later).getTime() : null;
};

const WHOLE = /^\d{1,9}$/;
const REAL = /^[+-]?(\d{1,9}(\.\d{0,6})?|\.\d{1,6})$/;
const number = (text: string, form: RegExp) => (form.test(text.trim()) ? Number(text) : null);

/** Why what was typed is no filter, of those that are numbers. */
export const notWhole = (text: string) => (text.trim() === "" || WHOLE.test(text.trim()) ? null : "A whole number.");
export const notReal = (text: string) => (text.trim() === "" || REAL.test(text.trim()) ? null : "A number, such as 7.5.");

/** What they ask for. A day is meant whole. */
export function asked(more: MoreFilters): Partial<PairFilter> {
  return {
    import: more.file === "" ? null : Number(more.file),
    annotator: more.annotator === "" ? null : more.annotator,
    from: beginning(more.from),
    until: beginning(more.until, 1),
    shortest: number(more.shortest, WHOLE),
    longest: number(more.longest, WHOLE),
    least_score: number(more.leastScore, REAL),
    most_score: number(more.mostScore, REAL),
    least_margin: number(more.leastMargin, REAL),
    most_margin: number(more.mostMargin, REAL),
    disputed: more.agreement === "" ? null : more.agreement === "differ",
    set: more.set === "" ? null : Number(more.set),
  };
}

/** A filter in words, such as that of a set. */
export function inWords(filter: PairFilter, fileOf: (id: number) => string): string {
  const day = (moment: number) => date(moment);
  const parts = [
    filter.source ? SOURCES[filter.source].title.toLowerCase() : null,
    filter.held_out == null ? null : filter.held_out ? "held out with their file" : "of no file that is held out",
    filter.text === "" ? null : `with “${filter.text}”`,
    filter.category === null ? null : `category ${filter.category}`,
    filter.import == null ? null : `from ${fileOf(filter.import)}`,
    filter.annotator == null ? null : `labelled by ${filter.annotator}`,
    filter.from == null ? null : `from ${day(filter.from)} on`,
    filter.until == null ? null : `until ${day(filter.until - 1)}`,
    filter.shortest == null ? null : `${count(filter.shortest)} characters or more`,
    filter.longest == null ? null : `${count(filter.longest)} characters or fewer`,
    filter.least_score == null ? null : `chosen answer rated ${figure(filter.least_score)} or higher`,
    filter.most_score == null ? null : `chosen answer rated ${figure(filter.most_score)} or lower`,
    filter.least_margin == null ? null : `rated better by ${figure(filter.least_margin)} or more`,
    filter.most_margin == null ? null : `rated better by ${figure(filter.most_margin)} or less`,
    filter.disputed == null ? null : filter.disputed ? "annotators differ" : "annotators agree",
  ].filter((part) => part !== null);
  return parts.length === 0 ? "all pairs" : parts.join(", ");
}

export const SOURCES: Record<PairSource, { title: string; tone: "neutral" | "accent" | "good" | "warn" }> = {
  imported: { title: "Imported", tone: "neutral" },
  labelled: { title: "Labelled", tone: "good" },
  // Its texts were edited, or its answers swapped: the history says which.
  edited: { title: "Changed", tone: "accent" },
  to_judge: { title: "To judge again", tone: "warn" },
  removed: { title: "Removed", tone: "warn" },
  taken_back: { title: "Taken back", tone: "warn" },
};

/** Whether such a pair is trained on, unless its file is held out. */
export const trains = (source: PairSource): boolean => source === "imported" || source === "labelled" || source === "edited";

/** What a pair is called: a labelled one, which the program numbers below zero, by its item. */
export function nameOf(id: number): string {
  return id < 0 ? `item ${count(-id)}` : `pair ${count(id)}`;
}

/** What the file says of the two answers: `rated 8.5 and 5`. */
export function rated({ chosen, rejected, order }: PairRatings): string {
  return `${order === "lower_is_better" ? "ranked" : "rated"} ${figure(chosen)} and ${figure(rejected)} in the file`;
}

/** Characters of each text that a row of the table holds. */
const SHOWN = 200;

/** The text of a prompt or answer without its roles. */
export function plain(content: Content): string {
  return typeof content === "string" ? content : (messagesOf(content) ?? []).map(textOf).join("\n");
}

/** A row of the table for a pair that has changed. What is sorted by comes with the next page. */
export function rowOf(old: PairRow, pair: PairView): PairRow {
  const short = (content: Content) => plain(content).slice(0, SHOWN);
  return { ...old, prompt: short(pair.prompt), chosen: short(pair.chosen), rejected: short(pair.rejected), category: pair.category, source: pair.source };
}
