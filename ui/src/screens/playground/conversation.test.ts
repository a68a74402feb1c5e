import { describe, expect, it } from "vitest";
import { askedAlike, messagesFor, readKept, type Turn } from "./conversation.svelte";

const turn = (user: string, text: string | null): Turn => ({
  user,
  growing: "",
  answer: text === null ? null : { text, tokens: 1, seconds: 1, is_cut: false, is_stopped: false, is_plain_text: false, steered: 0, probabilities: null },
});

describe("a conversation", () => {
  it("is the system prompt, what was said, and the newest question", () => {
    expect(messagesFor(" Be brief. ", [turn("a", "b"), turn("c", null)])).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
    ]);
    expect(askedAlike([turn("a", "x")], [turn("a", "y")])).toBe(true);
    expect(askedAlike([turn("a", "x"), turn("b", "x")], [turn("a", "x"), turn("b", "y")])).toBe(true);
    expect(askedAlike([turn("a", "x"), turn("b", "x")], [turn("a", "y"), turn("b", "y")])).toBe(false);
    expect(askedAlike([turn("a", "x")], [turn("b", "x")])).toBe(false);
    expect(messagesFor(" ", [turn("a", null)])).toEqual([{ role: "user", content: "a" }]);
  });

  it("is read from storage whole, or not at all", () => {
    const kept = { project: "p", system: "", draft: "", temperature: "0", topP: "1", tokens: "9", seed: "0", kept: null, speakers: [{ run: null, turns: [turn("a", "b")] }] };
    expect(readKept(JSON.stringify(kept))).toEqual(kept);
    for (const bad of [null, "", "{", "3", "[]", JSON.stringify({ ...kept, speakers: [] }), JSON.stringify({ ...kept, tokens: 9 }), JSON.stringify({ ...kept, speakers: [{ run: null, turns: [turn("a", null)] }] })]) {
      expect(readKept(bad)).toBe(null);
    }
  });
});
