import { render, screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import Diff from "./Diff.svelte";
import Markdown from "./Markdown.svelte";

const ACTING = "script, img, iframe, style, a, object, embed, form, input, svg, [onerror], [onclick], [style], [href], [src]";

describe("a model's text on the page", () => {
  it.each([
    "<script>window.hurt = true</script>",
    "<img src=x onerror=\"window.hurt = true\">",
    "[click](javascript:window.hurt=true) ![x](https://example.com/x.png)",
    "<a href='https://example.com' onclick=alert(1)>x</a>",
    "\u202e<b>سلام</b> 👩‍👩‍👧 \ufffd",
  ])("can do nothing: %s", (text) => {
    const { container } = render(Markdown, { text });
    expect(container.querySelector(ACTING)).toBeNull();
    expect((window as { hurt?: boolean }).hurt).toBeUndefined();
  });

  it("is all there, as it was written", () => {
    const text = "<script>alert('x')</script> \u202eabc 👩‍👩‍👧";
    const { container } = render(Markdown, { text });
    expect(container.textContent).toContain(text);
  });

  it("of a megabyte is cut, and all of it can be had", async () => {
    const { container } = render(Markdown, { text: "x".repeat(1_000_000) });
    expect(container.textContent?.length).toBeLessThan(20_000);
    screen.getByText("Show all").click();
    await Promise.resolve();
    expect(container.textContent?.length).toBeGreaterThanOrEqual(1_000_000);
  });

  it("that is empty says so", () => {
    render(Markdown, { text: " \n" });
    expect(screen.getByText("(an empty answer)")).toBeTruthy();
  });
});

describe("the difference on the page", () => {
  it("is marked by an element, not by colour alone, and cannot act", () => {
    const { container } = render(Diff, { text: "plain <img src=x onerror=alert(1)>", against: "plain" });
    expect(container.querySelector(ACTING)).toBeNull();
    expect(container.querySelector("mark")?.textContent).toContain("<img");
    expect(container.textContent).toContain("plain <img src=x onerror=alert(1)>");
  });
});
