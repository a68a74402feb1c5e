import { render, screen } from "@testing-library/svelte";
import { createRawSnippet, tick } from "svelte";
import { describe, expect, it, vi } from "vitest";
import VirtualList from "./VirtualList.svelte";

// jsdom lays nothing out: the list has no height here, and draws only the rows beyond its view.
vi.stubGlobal("ResizeObserver", class {
  observe() {}
  unobserve() {}
  disconnect() {}
});

const row = createRawSnippet<[number]>((index) => ({ render: () => `<span>row ${index()}</span>` }));

function list(count: number) {
  const onopen = vi.fn();
  render(VirtualList, { label: "Pairs", count, rowHeight: 40, row, onopen });
  const box = screen.getByRole("listbox", { name: "Pairs" });
  const press = async (key: string) => {
    box.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await tick();
  };
  return { box, press, onopen };
}

describe("VirtualList", () => {
  it("draws a few of very many rows, and says how many there are", () => {
    list(100_000);
    const options = screen.getAllByRole("option");
    expect(options.length).toBeLessThan(20);
    expect(options[0]!.getAttribute("aria-setsize")).toBe("100000");
  });

  it("is moved and opened by keys, and stops at its ends", async () => {
    const { box, press, onopen } = list(3);
    await press("Enter");
    expect(onopen).not.toHaveBeenCalled(); // no row is chosen yet
    await press("ArrowDown");
    await press("ArrowDown");
    expect(box.getAttribute("aria-activedescendant")).toBe(screen.getByText("row 1").parentElement!.id);
    for (let times = 0; times < 5; times++) await press("ArrowDown");
    await press("Enter");
    expect(onopen).toHaveBeenLastCalledWith(2);
    await press("Home");
    await press("ArrowUp");
    await press("Enter");
    expect(onopen).toHaveBeenLastCalledWith(0);
  });
});
