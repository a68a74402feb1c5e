import { fireEvent, render, screen } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, beforeAll, expect, it } from "vitest";
import { type Command, commands } from "../commands.svelte";
import Palette from "./Palette.svelte";

// jsdom has no modal dialogs, and nothing to scroll.
beforeAll(() => {
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) { this.open = true; };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) { this.open = false; };
  Element.prototype.scrollIntoView ??= () => {};
});

const [general, run] = [{}, {}];
afterEach(() => [general, run].forEach((place) => commands.remove(place)));

const titles = (of = {}) => screen.getAllByRole("option", { hidden: true, ...of }).map((option) => option.textContent.trim());
const chosen = () => titles({ selected: true });

it("a command that is chosen stays chosen, and in its place, where others come and go", async () => {
  const ran: string[] = [];
  const command = (title: string): Command => ({ id: title, title, run: () => ran.push(title) });
  commands.put(general, [command("Go to Data"), command("Go to Train")]);
  commands.put(run, [command("Pause"), command("Stop"), command("Duplicate")]);
  render(Palette, { open: true });
  const field = screen.getByRole("combobox", { hidden: true });

  await fireEvent.keyDown(field, { key: "ArrowUp" });
  expect(chosen()).toEqual(["Duplicate"]);
  commands.put(general, [command("Go to Data")]);
  commands.put(run, [command("Resume"), command("Duplicate")]);
  await tick();
  expect(titles()).toEqual(["Go to Data", "Resume", "Duplicate"]);
  expect(chosen()).toEqual(["Duplicate"]);

  await fireEvent.keyDown(field, { key: "ArrowDown" });
  expect(chosen()).toEqual(["Go to Data"]);
  await fireEvent.keyDown(field, { key: "ArrowUp" });
  await fireEvent.keyDown(field, { key: "Enter" });
  expect(ran).toEqual(["Duplicate"]);
});
