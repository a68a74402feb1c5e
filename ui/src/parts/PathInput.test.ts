import { fireEvent, render, screen } from "@testing-library/svelte";
import { beforeEach, expect, it, vi } from "vitest";
import PathInput from "./PathInput.svelte";

const shell = vi.hoisted(() => ({ inWindow: true, chooseFolder: vi.fn(), chooseFile: vi.fn() }));
vi.mock("../client/shell", () => shell);

const control = { id: "path", "aria-describedby": undefined, "aria-invalid": undefined };
const show = (file: boolean) => render(PathInput, { value: "/before", title: "A model", control, file });
const written = () => (screen.getByRole("textbox") as HTMLInputElement).value;

beforeEach(() => {
  shell.inWindow = true;
  shell.chooseFolder.mockReset();
  shell.chooseFile.mockReset();
});

it("takes what is chosen in the window's dialogs, and keeps what was there when one is closed", async () => {
  shell.chooseFile.mockResolvedValue("/models/a.gguf");
  shell.chooseFolder.mockResolvedValue(null);
  show(true);
  await fireEvent.click(screen.getByText("File…"));
  await vi.waitFor(() => expect(written()).toBe("/models/a.gguf"));
  expect(shell.chooseFile).toHaveBeenCalledWith("A model");
  await fireEvent.click(screen.getByText("Folder…"));
  await vi.waitFor(() => expect(shell.chooseFolder).toHaveBeenCalledOnce());
  expect(written()).toBe("/models/a.gguf");
});

it("asks for folders alone where a file will not do", () => {
  show(false);
  expect(screen.getAllByRole("button").map((button) => button.textContent?.trim())).toEqual(["Choose…"]);
});

it("has no buttons in a browser, which knows no places of the machine", () => {
  shell.inWindow = false;
  show(true);
  expect(screen.queryAllByRole("button")).toEqual([]);
  expect(written()).toBe("/before");
});
