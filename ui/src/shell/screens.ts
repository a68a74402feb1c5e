import type { Screen } from "../client/bindings";

export const SCREEN_TITLES: Record<Screen, string> = {
  project: "Project",
  data: "Data",
  label: "Label",
  train: "Train",
  evaluate: "Evaluate",
  export: "Export",
  playground: "Playground",
};

/** After `g`, the letter that goes to a screen. Export is `x`, as `e` is Evaluate, and the playground is `y`, as `p` is Project. */
const LETTERS: Record<string, Screen> = { p: "project", d: "data", l: "label", t: "train", e: "evaluate", x: "export", y: "playground" };

export const LETTER_OF = Object.fromEntries(Object.entries(LETTERS).map(([letter, screen]) => [screen, letter])) as Record<Screen, string>;

type KeyPress = Pick<KeyboardEvent, "key" | "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey">;

const SOON = 1200;

/** Alt with a digit, or `g` and then a letter: the screen a key press asks for. */
export class GoTo {
  #gAt = -Infinity;

  /** The screen, `"wait"` after a `g`, or null where the key is none of this. */
  press(press: KeyPress, now: number): Screen | "wait" | null {
    const afterG = now - this.#gAt < SOON;
    this.#gAt = -Infinity;
    if (press.ctrlKey || press.metaKey || press.shiftKey) return null;
    if (press.altKey) {
      // By the place of the key: with Alt, many keyboards write another sign.
      const digit = /^Digit([1-7])$/.exec(press.code)?.[1];
      const screens = Object.keys(SCREEN_TITLES) as Screen[];
      return digit ? (screens[Number(digit) - 1] ?? null) : null;
    }
    if (afterG) return LETTERS[press.key] ?? null;
    if (press.key !== "g") return null;
    this.#gAt = now;
    return "wait";
  }
}
