import type { ColumnMapping, ImportKind } from "../../client/bindings";
import { counted } from "../../format";

/** What a file can hold. */
export const IMPORT_KINDS: Record<ImportKind, { title: string; sentence: string }> = {
  pairs: { title: "Pairs", sentence: "Each row has a prompt, an answer that was chosen and one that was rejected." },
  candidates: { title: "Candidates", sentence: "Each row has a prompt and two answers; which is better is still to be labelled." },
  prompts: { title: "Prompts", sentence: "Each row has only a prompt; the project's model can write the answers to label." },
  demonstrations: { title: "Demonstrations", sentence: "Each row has a prompt and one answer that is to be imitated. They are kept; preference training does not use them." },
};

/** What an import brings, in numbers: `added` in all, of which some came with pairs and are none. */
type Brought = { kind: ImportKind; added: number; to_label: number; single_labels: number };

/** `3 pairs, 2 items to label and 1 single label` */
export function broughtIn({ kind, added, to_label, single_labels }: Brought): string {
  switch (kind) {
    case "candidates":
      return counted(added, "item to label", "items to label");
    case "prompts":
      return counted(added, "prompt");
    case "demonstrations":
      return counted(added, "demonstration");
    case "pairs": {
      const pairs = added - to_label - single_labels;
      const parts = [
        ...(to_label > 0 ? [counted(to_label, "item to label", "items to label")] : []),
        ...(single_labels > 0 ? [counted(single_labels, "single label")] : []),
      ];
      if (pairs > 0 || parts.length === 0) parts.unshift(counted(pairs, "pair"));
      return parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : (parts[0] ?? "");
    }
  }
}

/** What the columns of a file are: pairs come in three ways. */
export type Shape = ImportKind | "preferences" | "rated";

export const SHAPES: Record<Shape, { title: string; sentence: string }> = {
  pairs: IMPORT_KINDS.pairs,
  preferences: { title: "Pairs, by a preference", sentence: "Each row has a prompt, two answers, and says which of them is better. Ties come in to be labelled." },
  rated: { title: "Pairs, of rated answers", sentence: "Each row has a prompt and several rated answers, or one of the answers to a prompt with its rating. Pairs are made of them. An answer that is labelled good or bad and makes no pair is kept as a single label." },
  candidates: IMPORT_KINDS.candidates,
  prompts: IMPORT_KINDS.prompts,
  demonstrations: IMPORT_KINDS.demonstrations,
};

/** The fields of a mapping that name a column. */
export type MappedField =
  | "prompt"
  | "chosen"
  | "rejected"
  | "answer_a"
  | "answer_b"
  | "preference"
  | "annotator"
  | "answers"
  | "ratings"
  | "rating_a"
  | "rating_b"
  | "system"
  | "history"
  | "context"
  | "category"
  | "tools"
  | "chat_template_kwargs";

type FieldOf = { field: MappedField; title: string; help: string; needed: boolean };

const ANSWERS: FieldOf[] = [
  { field: "answer_a", title: "answer a", help: "One answer.", needed: true },
  { field: "answer_b", title: "answer b", help: "The other answer.", needed: true },
];

const RATINGS: FieldOf[] = [
  { field: "rating_a", title: "rating of the first", help: "A number by which the two answers are told apart.", needed: false },
  { field: "rating_b", title: "rating of the second", help: "The same for the other answer.", needed: false },
];

const BESIDE: FieldOf[] = [
  { field: "system", title: "system", help: "A system message before the prompt.", needed: false },
  { field: "history", title: "history", help: "Earlier turns, before the prompt.", needed: false },
  { field: "context", title: "context", help: "Text that the prompt is about, put below it.", needed: false },
  { field: "tools", title: "tools", help: "Tools that the assistant may call.", needed: false },
  { field: "chat_template_kwargs", title: "template arguments", help: "Further arguments of the chat template.", needed: false },
  { field: "category", title: "category", help: "Results are also shown by category.", needed: false },
];

const WHO: FieldOf = { field: "annotator", title: "annotator", help: "Who says so. Without it, the file itself does: its labels are listed and compared with what people say.", needed: false };

const asked = (needed: boolean): FieldOf => ({
  field: "prompt",
  title: "prompt",
  help: needed ? "What is asked." : "What was asked. Leave it out if the answers are whole conversations.",
  needed,
});

/** The columns a shape needs and may have, in the order they are asked for. */
export const FIELDS: Record<Shape, FieldOf[]> = {
  pairs: [
    asked(false),
    { field: "chosen", title: "chosen", help: "The better answer.", needed: true },
    { field: "rejected", title: "rejected", help: "The worse answer.", needed: true },
    ...RATINGS,
    ...BESIDE,
  ],
  preferences: [asked(false), ...ANSWERS, { field: "preference", title: "preference", help: "Which answer is better.", needed: false }, ...RATINGS, WHO, ...BESIDE],
  rated: [
    asked(false),
    { field: "answers", title: "answers", help: "The answers of a row, under a name with *, or the one answer of each row.", needed: true },
    { field: "ratings", title: "ratings", help: "Their scores, ranks or labels.", needed: false },
    WHO,
    ...BESIDE,
  ],
  candidates: [asked(false), ...ANSWERS, ...BESIDE],
  prompts: [asked(true), ...BESIDE],
  demonstrations: [asked(false), { field: "answers", title: "answer", help: "The answer. Of a conversation it is what the assistant says last.", needed: true }, ...BESIDE],
};

/** How a mapping brings its rows. */
export function shapeOf(mapping: ColumnMapping): Shape {
  if (mapping.kind === "pairs" && mapping.answers !== null && mapping.chosen === null && mapping.answer_a === null) return "rated";
  const byPreference = mapping.kind === "pairs" && (mapping.answer_a !== null || mapping.answer_b !== null);
  return byPreference ? "preferences" : mapping.kind;
}

/** The needed columns a mapping does not name yet. */
export function missing(mapping: ColumnMapping, shape: Shape): string[] {
  return FIELDS[shape].filter(({ field, needed }) => needed && mapping[field] === null).map(({ title }) => title);
}

/** The mapping with another column for a field. How numbers are meant was said of the columns as they were. */
export function withColumn(mapping: ColumnMapping, field: MappedField, column: string | null): ColumnMapping {
  const scheme = ["answer_a", "answer_b", "preference"].includes(field) ? { preference_scheme: null } : {};
  const order = ["answers", "ratings", "rating_a", "rating_b"].includes(field) ? { rating_order: null, pairing: null } : {};
  // A distance of ratings that are not there would be refused.
  const distance = ["rating_a", "rating_b"].includes(field) && column === null ? { least_margin: null } : {};
  return { ...mapping, [field]: column, ...scheme, ...order, ...distance };
}

/**
 * The mapping for another shape. A better and a worse answer are also two answers; which of two answers is the better one
 * is never taken from their order.
 */
export function withShape(mapping: ColumnMapping, shape: Shape): ColumnMapping {
  const none = { chosen: null, rejected: null, answer_a: null, answer_b: null, preference: null, preference_scheme: null, answers: null, ratings: null, rating_a: null, rating_b: null, rating_order: null, pairing: null, least_margin: null };
  const sideBySide = { answer_a: mapping.answer_a ?? mapping.chosen, answer_b: mapping.answer_b ?? mapping.rejected };
  switch (shape) {
    case "pairs":
      return { ...mapping, ...none, chosen: mapping.chosen, rejected: mapping.rejected, kind: "pairs" };
    case "preferences":
      return { ...mapping, ...none, ...sideBySide, preference: mapping.preference, kind: "pairs" };
    case "rated":
      return { ...mapping, ...none, answers: mapping.answers, ratings: mapping.ratings, kind: "pairs" };
    case "candidates":
      return { ...mapping, ...none, ...sideBySide, kind: "candidates" };
    case "prompts":
      return { ...mapping, ...none, kind: "prompts" };
    case "demonstrations":
      // The better answers are what one imitates. Without any the program looks for a column.
      return { ...mapping, ...none, answers: mapping.answers ?? mapping.chosen, kind: "demonstrations" };
  }
}
