import type { Content } from "../../client/bindings";

/** The texts of a pair as they are being edited. */
export type PairTexts = { prompt: Content; chosen: Content; rejected: Content };

/** Edits that were left without being saved or cancelled, by project and pair: opening the pair's editor brings them back. */
const left = new Map<string, PairTexts>();

const key = (project: string, id: number) => `${id} ${project}`;

export const unsaved = {
  of: (project: string, id: number): PairTexts | null => left.get(key(project, id)) ?? null,
  keep: (project: string, id: number, texts: PairTexts) => void left.set(key(project, id), texts),
  forget: (project: string, id: number) => void left.delete(key(project, id)),
};
