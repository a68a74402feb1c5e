import { expect, test } from "vitest";
import { besideText, besideTurns, isPlain, lastText, messagesOf, textOf } from "./content";

const call = [{ type: "function", function: { name: "weather", arguments: { place: "Oslo" } } }];
const called = { role: "assistant", content: null, tool_calls: call, name: null };

test("turns are found with tools and without", () => {
  const asked = { role: "user", content: "Rain?" };
  expect(messagesOf("Rain?")).toBeNull();
  expect(messagesOf([asked])).toEqual([asked]);
  const withTools = { messages: [asked], tools: [{ name: "weather" }], chat_template_kwargs: { enable_thinking: false } };
  expect(messagesOf(withTools)).toEqual([asked]);
  expect(besideTurns(withTools)).toEqual([["tools", [{ name: "weather" }]], ["enable_thinking", false]]);
  expect(besideTurns([asked])).toEqual([]);
});

test("the last turn's text is found with tools and without, and where there is one text or none", () => {
  const turns = [{ role: "user", content: "Rain?" }, { role: "assistant", content: [{ type: "text", text: "N" }, { type: "text", text: "o." }] }];
  expect([lastText("Rain?"), lastText(turns), lastText({ messages: turns, tools: [{ name: "weather" }] }), lastText([])]).toEqual(["Rain?", "No.", "No.", ""]);
  expect(lastText([...turns, called])).toBe("");
});

test("a message's text and all else that it says are told apart", () => {
  expect(textOf(called)).toBe("");
  expect(besideText(called)).toEqual([["tool_calls", call]]);
  const parts = { role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }, { type: "thinking", thinking: "c" }] };
  expect(textOf(parts)).toBe("ab");
  expect(besideText(parts)).toEqual([["part", { type: "thinking", thinking: "c" }]]);
  expect([isPlain(called), isPlain(parts), isPlain({ role: "user", content: "a" })]).toEqual([false, false, true]);
});
