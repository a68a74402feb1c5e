import type { ColumnMapping, ImportKind } from "../../client/bindings";

/** What a file can hold. */
export const IMPORT_KINDS: Record<ImportKind, { title: string; sentence: string }> = {
  pairs: { title: "Pairs", sentence: "Each row has a prompt, an answer that was chosen and one that was rejected." },
  candidates: { title: "Candidates", sentence: "Each row has a prompt and two answers; which is better is still to be labelled." },
  prompts: { title: "Prompts", sentence: "Each row has only a prompt; the project's model can write the answers to label." },
};

export type MappedField = Exclude<keyof ColumnMapping, "kind">;

/** The columns a kind needs and may have, in the order they are asked for. */
export const FIELDS: Record<ImportKind, { field: MappedField; title: string; help: string; needed: boolean }[]> = {
  pairs: [
    { field: "prompt", title: "prompt", help: "What was asked. Leave it out if the answers are whole conversations.", needed: false },
    { field: "chosen", title: "chosen", help: "The better answer.", needed: true },
    { field: "rejected", title: "rejected", help: "The worse answer.", needed: true },
    { field: "system", title: "system", help: "A system message before the prompt.", needed: false },
    { field: "context", title: "context", help: "Text that the prompt is about, put before it.", needed: false },
    { field: "category", title: "category", help: "Results are also shown by category.", needed: false },
  ],
  candidates: [
    { field: "prompt", title: "prompt", help: "What was asked.", needed: true },
    { field: "answer_a", title: "answer a", help: "One answer.", needed: true },
    { field: "answer_b", title: "answer b", help: "The other answer.", needed: true },
    { field: "preference", title: "preference", help: "Which answer is better, where the file says so for some rows.", needed: false },
    { field: "system", title: "system", help: "A system message before the prompt.", needed: false },
    { field: "context", title: "context", help: "Text that the prompt is about, put before it.", needed: false },
    { field: "category", title: "category", help: "Results are also shown by category.", needed: false },
  ],
  prompts: [
    { field: "prompt", title: "prompt", help: "What is asked.", needed: true },
    { field: "system", title: "system", help: "A system message before the prompt.", needed: false },
    { field: "context", title: "context", help: "Text that the prompt is about, put before it.", needed: false },
    { field: "category", title: "category", help: "Results are also shown by category.", needed: false },
  ],
};

/** The needed columns a mapping does not name yet. */
export function missing(mapping: ColumnMapping): string[] {
  return FIELDS[mapping.kind].filter(({ field, needed }) => needed && mapping[field] === null).map(({ title }) => title);
}

/** The mapping for another kind: what was named as the better answer is then one of two, and the other way round. */
export function withKind(mapping: ColumnMapping, kind: ImportKind): ColumnMapping {
  const { chosen, rejected, answer_a, answer_b } = mapping;
  const first = chosen ?? answer_a;
  const second = rejected ?? answer_b;
  const answers = {
    pairs: { chosen: first, rejected: second, answer_a: null, answer_b: null },
    candidates: { chosen: null, rejected: null, answer_a: first, answer_b: second },
    prompts: { chosen: null, rejected: null, answer_a: null, answer_b: null },
  };
  return { ...mapping, ...answers[kind], preference: kind === "candidates" ? mapping.preference : null, kind };
}
