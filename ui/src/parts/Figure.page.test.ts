import { fireEvent, render, screen } from "@testing-library/svelte";
import { expect, it } from "vitest";
import type { FigureView } from "../client/bindings";
import Figure from "./Figure.svelte";

const view: FigureView = {
  name: "loss",
  svg: `<svg xmlns="http://www.w3.org/2000/svg"><script>window.drawn = true</script></svg>`,
  description: "Loss by step, falling from 0.69 to 0.2",
  axes: {
    width: 100, height: 100, left: 0, top: 0, right: 100, bottom: 100, x_min: 0, x_max: 10, y_min: 0, y_max: 1,
    x_label: "step", y_label: "loss", series: [{ name: "training", points: [[1, 0.69], [5, 0.4], [9, 0.2]] }],
  },
};

it("a figure is an image with its description, and is read by keys", async () => {
  const { container } = render(Figure, { view });
  expect(screen.getByRole("img").getAttribute("alt")).toBe(view.description);
  expect(container.querySelector("script")).toBeNull();
  const slider = screen.getByRole("slider");
  await fireEvent.focus(slider);
  expect(slider.getAttribute("aria-valuetext")).toBe("step 9: training 0.2");
  await fireEvent.keyDown(slider, { key: "ArrowLeft" });
  expect(slider.getAttribute("aria-valuetext")).toBe("step 5: training 0.4");
  await fireEvent.keyDown(slider, { key: "Home" });
  expect(slider.getAttribute("aria-valuenow")).toBe("1");
  await fireEvent.keyDown(slider, { key: "ArrowLeft" });
  expect(slider.getAttribute("aria-valuenow")).toBe("1");
  await fireEvent.keyDown(slider, { key: "End" });
  await fireEvent.keyDown(slider, { key: "ArrowRight" });
  expect(slider.getAttribute("aria-valuetext")).toBe("step 9: training 0.2");
});
