import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { beforeEach, expect, it, vi } from "vitest";
import { client } from "../../client/client";
import { ApiError } from "../../client/error";
import { settings } from "../../state/settings.svelte";
import Blind from "./Blind.svelte";

const item = (id: number) => ({ id, prompt: `prompt ${id}`, left: `left ${id}`, right: `right ${id}`, done: id, total: 3, can_undo: id > 0 });
const onjudged = vi.fn();

beforeEach(() => {
  settings.annotator = "Ada";
  onjudged.mockReset();
});

function answering(reply: (operation: string, request: unknown) => unknown) {
  return vi.spyOn(client, "call").mockImplementation(async (operation, request) => reply(operation, request) as never);
}

it("is judged by the keys of labelling, and shows the next pair", async () => {
  const call = answering((operation, request) => {
    if (operation === "blind_item") return item(0);
    return operation === "judge_blind" ? item((request as { id: number }).id + 1) : item(0);
  });
  render(Blind, { evaluation: "e", answered: 3, version: 0, onjudged });
  await screen.findByText("left 0");
  await fireEvent.keyDown(window, { key: "ArrowLeft", shiftKey: true });
  await screen.findByText("left 1");
  expect(call).toHaveBeenLastCalledWith("judge_blind", expect.objectContaining({ id: 0, verdict: "left_much", annotator: "Ada", evaluation: "e" }));
  expect(onjudged).toHaveBeenCalledOnce();
  await fireEvent.keyDown(window, { key: "z" });
  await screen.findByText("left 0");
  expect(call.mock.lastCall?.[0]).toBe("undo_blind");
});

it("keeps the pair on screen when its verdict could not be kept", async () => {
  let broken = true;
  answering((operation) => {
    if (operation === "blind_item") return item(0);
    if (broken) throw new ApiError({ code: "unreachable", message: "The program does not answer.", hint: "Start it again." });
    return item(1);
  });
  render(Blind, { evaluation: "e", answered: 3, version: 0, onjudged });
  await screen.findByText("left 0");
  await fireEvent.keyDown(window, { key: "ArrowRight" });
  await screen.findByText("The program does not answer.");
  expect(screen.getByText("left 0")).toBeTruthy();
  expect(onjudged).not.toHaveBeenCalled();
  broken = false;
  await fireEvent.keyDown(window, { key: "ArrowRight" });
  await screen.findByText("left 1");
});

it("asks once when all is judged, and says so", async () => {
  const call = answering(() => null);
  render(Blind, { evaluation: "e", answered: 3, version: 0, onjudged });
  await screen.findByText("All that is answered is judged");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(call).toHaveBeenCalledOnce();
});

it("asks for a name first, and no key judges before", async () => {
  settings.annotator = "";
  const call = answering(() => item(0));
  render(Blind, { evaluation: "e", answered: 3, version: 0, onjudged });
  await fireEvent.keyDown(window, { key: "ArrowLeft" });
  expect(call).not.toHaveBeenCalled();
  await fireEvent.input(screen.getByLabelText("Your name"), { target: { value: " Grace " } });
  await fireEvent.click(screen.getByText("Begin"));
  await screen.findByText("left 0");
  await waitFor(() => expect(call).toHaveBeenCalledWith("blind_item", expect.objectContaining({ annotator: "Grace" })));
});
