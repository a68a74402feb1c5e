import { render } from "@testing-library/svelte";
import { expect, it } from "vitest";
import Prompt from "./Prompt.svelte";

it("calls of tools stand letter for letter, not as Markdown", () => {
  const tool_calls = [{ function: { name: "get_weather_now", arguments: { place: "*Oslo*" } } }];
  const called = { role: "assistant", content: null, tool_calls };
  const { container } = render(Prompt, { prompt: [called] });
  expect(container.querySelector("pre")?.textContent).toBe(JSON.stringify(tool_calls, null, 1));
  expect(container.querySelector("em")).toBeNull();
  expect(container.textContent).not.toContain("(an empty answer)");
});
