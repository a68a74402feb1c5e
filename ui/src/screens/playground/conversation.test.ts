import { describe, expect, it } from "vitest";
import { askedAlike, messagesFor, type Turn } from "./conversation.svelte";

const turn = (user: string, text: string | null): Turn => ({
  user,
  growing: "",
  answer: text === null ? null : { text, tokens: 1, seconds: 1, is_cut: false, is_stopped: false, is_plain_text: false, probabilities: null },
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
});
