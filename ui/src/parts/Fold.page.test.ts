import { render, screen } from "@testing-library/svelte";
import { createRawSnippet, tick } from "svelte";
import { expect, it } from "vitest";
import Fold from "./Fold.svelte";

const children = createRawSnippet(() => ({ render: () => "<p>All of it.</p>" }));
const told = (count: number) => Array.from({ length: count }, (_, at) => ({ tone: at === 1 ? ("warning" as const) : ("info" as const), title: `Thing \`${at}\`` }));
const details = () => document.querySelector("details");

it("a single thing stands as it is, several are a line that names them and takes on the worst tone", async () => {
  const { rerender } = render(Fold, { told: told(1), one: "finding", children });
  expect(details()?.open).toBe(true);
  expect(details()?.className).toContain("bare");
  await rerender({ told: told(3) });
  expect(screen.getByText("3 findings")).toBeTruthy();
  expect(details()?.className).toContain("warning");
  expect(details()?.open).toBe(false);
  expect(document.querySelector("[data-titles]")?.getAttribute("data-titles")).toBe("Thing 0 · Thing 1 · Thing 2");
});

it("what was opened stays open while things come and go", async () => {
  const { rerender } = render(Fold, { told: told(2), one: "finding", children });
  details()!.querySelector("summary")!.click();
  await tick();
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const count of [1, 0, 2]) await rerender({ told: told(count) });
  await tick();
  expect(details()?.open).toBe(true);
});
