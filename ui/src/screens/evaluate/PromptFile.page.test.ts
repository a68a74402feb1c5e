import { fireEvent, render, screen } from "@testing-library/svelte";
import { expect, it, vi } from "vitest";
import type { PromptsPreview } from "../../client/bindings";
import { client } from "../../client/client";
import PromptFile from "./PromptFile.svelte";

const preview = (how: string, has_template = true): PromptsPreview => ({ how, notices: [], prompts: 2, plain_text: 2, preset: has_template ? "as_user_message" : "as_is", refused: [], refused_total: 0, first: [], has_template });
const settled = () => new Promise((resolve) => setTimeout(resolve));

it("of two files the one chosen last counts, and it is read again for another run with its own default", async () => {
  const replies: ((preview: PromptsPreview) => void)[] = [];
  vi.spyOn(client, "send").mockImplementation(async (file) => ({ upload: file.name }) as never);
  const call = vi.spyOn(client, "call").mockImplementation(() => new Promise((resolve) => replies.push(resolve as never)));
  const { rerender } = render(PromptFile, { run: "bare", upload: null, plainText: "as_user_message" });
  const choose = async (name: string) => {
    await fireEvent.change(screen.getByLabelText("File with prompts"), { target: { files: [new File(["x"], name)] } });
    await settled();
  };
  await choose("first.csv");
  await choose("second.csv");
  replies[1]!(preview("second", false));
  await settled();
  replies[0]!(preview("first"));
  await settled();
  expect(screen.getByText("second")).toBeTruthy();
  expect(screen.queryByText("first")).toBeNull();

  await rerender({ run: "with a template" });
  await settled();
  expect(call.mock.calls.at(-1)?.slice(0, 2)).toEqual(["preview_prompts", { project: "", run: "with a template", upload: "second.csv" }]);
  expect(client.send).toHaveBeenCalledTimes(2);
  replies[2]!(preview("second"));
  await settled();
  expect(screen.getByRole<HTMLInputElement>("radio", { name: /^As a user's message/ }).checked).toBe(true);
});
