/** A guideline that is being written, and the version it was begun from. */
export type Draft = { text: string; before: number | null };

const left = new Map<string, Draft>();

/** Guidelines that were left without being saved or cancelled, by project: the editor brings them back. */
export const drafts = {
  of: (project: string): Draft | null => left.get(project) ?? null,
  keep: (project: string, draft: Draft) => void left.set(project, draft),
  forget: (project: string) => void left.delete(project),
};
