// Which answers of an evaluation this browser has shown with their authors: whoever then judges them does not judge blind.

const PREFIX = "tiebreak.seen.";

const keyOf = (project: string, evaluation: string): string => `${PREFIX}${project} ${evaluation}`;

function idsOf(key: string): Set<number> {
  return new Set(JSON.parse(localStorage.getItem(key) ?? "[]") as number[]);
}

export function hasSeen(project: string, evaluation: string, id: number): boolean {
  return idsOf(keyOf(project, evaluation)).has(id);
}

export function remember(project: string, evaluation: string, id: number): void {
  const key = keyOf(project, evaluation);
  const ids = idsOf(key);
  if (ids.has(id)) return;
  ids.add(id);
  localStorage.setItem(key, JSON.stringify([...ids]));
}
