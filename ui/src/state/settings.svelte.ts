import type { Theme } from "../client/bindings";
import { DEFAULT_KEYS, type KeyBindings, readBindings } from "../keys";

export type ThemeChoice = Theme | "system";

const ANNOTATOR = "tiebreak.annotator";
const THEME = "tiebreak.theme";
const KEYS = "tiebreak.keys";
const GUIDELINE = "tiebreak.guideline";

/** What one person at one machine prefers. Kept in the browser: it belongs to nobody's project. */
class Settings {
  #annotator = $state(localStorage.getItem(ANNOTATOR) ?? "");
  #theme = $state<ThemeChoice>(readTheme(localStorage.getItem(THEME)));
  #keys = $state.raw<KeyBindings>(readBindings(localStorage.getItem(KEYS)));
  #systemDark = $state(false);
  #guideline = $state(localStorage.getItem(GUIDELINE) !== "folded");

  constructor() {
    const dark = window.matchMedia?.("(prefers-color-scheme: dark)");
    if (!dark) return;
    this.#systemDark = dark.matches;
    dark.addEventListener("change", (event) => {
      this.#systemDark = event.matches;
      this.showTheme();
    });
  }

  /** Who labels. Empty until they have said so. */
  get annotator(): string {
    return this.#annotator;
  }

  set annotator(name: string) {
    this.#annotator = name;
    localStorage.setItem(ANNOTATOR, name);
  }

  /** Whether the guideline stands beside the answers, where there is room for it. */
  get guidelineShown(): boolean {
    return this.#guideline;
  }

  set guidelineShown(shown: boolean) {
    this.#guideline = shown;
    localStorage.setItem(GUIDELINE, shown ? "shown" : "folded");
  }

  get themeChoice(): ThemeChoice {
    return this.#theme;
  }

  set themeChoice(choice: ThemeChoice) {
    this.#theme = choice;
    localStorage.setItem(THEME, choice);
    this.showTheme();
  }

  /** The theme in use: figures are asked for in it. */
  get theme(): Theme {
    if (this.#theme !== "system") return this.#theme;
    return this.#systemDark ? "dark" : "light";
  }

  showTheme(): void {
    document.documentElement.dataset.theme = this.theme;
  }

  get keys(): KeyBindings {
    return this.#keys;
  }

  set keys(bindings: KeyBindings) {
    this.#keys = bindings;
    localStorage.setItem(KEYS, JSON.stringify(bindings));
  }

  resetKeys(): void {
    this.#keys = DEFAULT_KEYS;
    localStorage.removeItem(KEYS);
  }
}

function readTheme(stored: string | null): ThemeChoice {
  return stored === "light" || stored === "dark" ? stored : "system";
}

export const settings = new Settings();
