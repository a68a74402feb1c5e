import { describe, expect, it } from "vitest";
import { ACTIONS, DEFAULT_KEYS, actionOf, capsOf, chordOf, isTyping, readBindings, rebind } from "./keys";

const press = (key: string, held: Partial<KeyboardEvent> = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe("keys", () => {
  it("tells verdicts by arrow and Shift", () => {
    expect(actionOf(press("ArrowLeft"), DEFAULT_KEYS)).toBe("left");
    expect(actionOf(press("ArrowLeft", { shiftKey: true }), DEFAULT_KEYS)).toBe("left_much");
    expect(actionOf(press("ArrowUp"), DEFAULT_KEYS)).toBe("tie_good");
    expect(actionOf(press("Shift", { shiftKey: true }), DEFAULT_KEYS)).toBeNull();
  });

  it("takes Cmd for Ctrl and capital letters for small ones", () => {
    expect(actionOf(press("z", { metaKey: true }), DEFAULT_KEYS)).toBe("undo");
    expect(actionOf(press("Z"), DEFAULT_KEYS)).toBe("undo"); // caps lock
    expect(actionOf(press("s", { ctrlKey: true }), DEFAULT_KEYS)).toBeNull();
  });

  it("writes a sign without the Shift that makes it", () => {
    expect(chordOf(press("?", { shiftKey: true }))).toBe("?");
    expect(chordOf(press(" "))).toBe("Space");
  });

  it("gives no key two meanings", () => {
    const bound = rebind(DEFAULT_KEYS, "skip", "ArrowLeft");
    expect(bound.skip).toEqual(["ArrowLeft"]);
    expect(bound.left).toEqual([]);
    expect(actionOf(press("ArrowLeft"), bound)).toBe("skip");
  });

  it("reads what was stored, and falls back where it cannot", () => {
    const stored = JSON.stringify({ ...DEFAULT_KEYS, skip: ["x"], left: 7 });
    expect(readBindings(stored)).toEqual({ ...DEFAULT_KEYS, skip: ["x"] });
    for (const broken of [null, "", "null", "[", "3"]) expect(readBindings(broken)).toEqual(DEFAULT_KEYS);
    expect(Object.keys(readBindings("{}"))).toEqual([...ACTIONS]);
  });

  it("prints key caps", () => {
    expect(capsOf("Shift+ArrowLeft")).toEqual(["Shift", "←"]);
    expect(capsOf("Ctrl++")).toEqual(["Ctrl", "+"]);
    expect(capsOf("z")).toEqual(["Z"]);
  });

  it("leaves keys to fields that are written in", () => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox" });
    expect(isTyping(document.createElement("textarea"))).toBe(true);
    expect(isTyping(document.createElement("input"))).toBe(true);
    expect(isTyping(box)).toBe(false);
    expect(isTyping(document.body)).toBe(false);
  });
});
