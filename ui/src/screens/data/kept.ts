// How the user has said that a file is to be read, by its upload: what is chosen on its page stays through a reload and Back.

import type { ColumnMapping } from "../../client/bindings";
import type { Shape } from "./kinds";

export type Chosen = { mapping: ColumnMapping; shape: Shape };

const PREFIX = "tiebreak.import.";

export function keep(upload: string, chosen: Chosen): void {
  try {
    sessionStorage.setItem(PREFIX + upload, JSON.stringify(chosen));
  } catch {
    // A full storage keeps nothing: the file is then read as guessed after a reload, which the page says.
  }
}

export function kept(upload: string): Chosen | null {
  const text = sessionStorage.getItem(PREFIX + upload);
  return text === null ? null : (JSON.parse(text) as Chosen);
}

export function forget(upload: string): void {
  sessionStorage.removeItem(PREFIX + upload);
}
