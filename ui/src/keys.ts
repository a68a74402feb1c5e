/** What a key can do while labelling or judging. The first six are verdicts. */
export const ACTIONS = ["left_much", "left", "right", "right_much", "tie_good", "tie_bad", "skip", "undo", "edit", "note", "differences", "guideline"] as const;
export type Action = (typeof ACTIONS)[number];

/** A chord is what `chordOf` makes of a key press: modifiers in a fixed order, then the key, joined by `+`. */
export type KeyBindings = Record<Action, string[]>;

export const DEFAULT_KEYS: KeyBindings = {
  left_much: ["Shift+ArrowLeft"],
  left: ["ArrowLeft"],
  right: ["ArrowRight"],
  right_much: ["Shift+ArrowRight"],
  tie_good: ["ArrowUp"],
  tie_bad: ["ArrowDown"],
  skip: ["s"],
  undo: ["z", "Ctrl+z"],
  edit: ["e"],
  note: ["n"],
  differences: ["d"],
  guideline: ["i"],
};

export const ACTION_TITLES: Record<Action, string> = {
  left_much: "Left is much better",
  left: "Left is better",
  right: "Right is better",
  right_much: "Right is much better",
  tie_good: "Tie, both good",
  tie_bad: "Tie, both bad",
  skip: "Skip",
  undo: "Undo",
  edit: "Edit an answer",
  note: "Write a note",
  differences: "Show differences",
  guideline: "Show the guideline",
};

type KeyPress = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

const MODIFIERS = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph", "CapsLock"]);

/** The chord of a key press, or null for a modifier alone. Cmd counts as Ctrl, so that one binding serves everywhere. */
export function chordOf(press: KeyPress): string | null {
  if (MODIFIERS.has(press.key)) return null;
  const printable = press.key.length === 1;
  const parts: string[] = [];
  if (press.ctrlKey || press.metaKey) parts.push("Ctrl");
  if (press.altKey) parts.push("Alt");
  // With a letter, Shift is told by Shift; with a sign such as ? it is already in the sign.
  if (press.shiftKey && (!printable || /\p{L}/u.test(press.key))) parts.push("Shift");
  parts.push(press.key === " " ? "Space" : printable ? press.key.toLowerCase() : press.key);
  return parts.join("+");
}

export function actionOf(press: KeyPress, bindings: KeyBindings): Action | null {
  const chord = chordOf(press);
  if (chord === null) return null;
  return ACTIONS.find((action) => bindings[action].includes(chord)) ?? null;
}

/** Gives `action` this one chord; whichever action had it loses it, so that no key ever means two things. */
export function rebind(bindings: KeyBindings, action: Action, chord: string): KeyBindings {
  const entries = ACTIONS.map((other) => [other, other === action ? [chord] : bindings[other].filter((held) => held !== chord)]);
  return Object.fromEntries(entries) as KeyBindings;
}

/** Bindings from storage. What is missing or not understood has its default, without a key that something else was given. */
export function readBindings(stored: string | null): KeyBindings {
  if (stored === null) return DEFAULT_KEYS;
  let read: unknown;
  try {
    read = JSON.parse(stored);
  } catch {
    return DEFAULT_KEYS;
  }
  if (typeof read !== "object" || read === null) return DEFAULT_KEYS;
  const given = new Set<unknown>(Object.values(read).flat());
  const entries = ACTIONS.map((action) => {
    const chords = (read as Record<string, unknown>)[action];
    const good = Array.isArray(chords) && chords.every((chord) => typeof chord === "string");
    return [action, good ? chords : DEFAULT_KEYS[action].filter((chord) => !given.has(chord))];
  });
  return Object.fromEntries(entries) as KeyBindings;
}

const KEY_SIGNS: Record<string, string> = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓",
  Enter: "Enter", Escape: "Esc", Backspace: "⌫", Delete: "Del", Shift: "Shift",
};

/** A chord as it is printed on key caps: `Shift+ArrowLeft` is `["Shift", "←"]`. */
export function capsOf(chord: string): string[] {
  const parts = chord.endsWith("++") ? [...chord.slice(0, -2).split("+"), "+"] : chord.split("+");
  return parts.map((part) => KEY_SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part));
}

/** Whether a key press belongs to a field the user is writing in. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
