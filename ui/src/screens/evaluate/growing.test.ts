import { expect, it } from "vitest";
import { Growing } from "./growing";

const answer = (index: number, side: string, text: string) => ({ type: "answer" as const, job: 1, index, side, text });

it("answers grow in their place, and the newest are kept", () => {
  const growing = new Growing();
  for (let index = 0; index < 4; index += 1) growing.take(answer(index, "base", "a"));
  growing.take(answer(1, "base", "ab"));
  expect(growing.latest().map((shown) => shown.text)).toEqual(["a", "ab", "a", "a"]);
  growing.take(answer(1, "tuned", "new"));
  expect(growing.latest().map((shown) => `${shown.index} ${shown.side}`)).toEqual(["1 base", "2 base", "3 base", "1 tuned"]);
});

it("of a very long answer the end is kept", () => {
  const growing = new Growing();
  growing.take(answer(0, "base", `${"x".repeat(1_000_000)}end`));
  expect(growing.latest()[0]?.text.length).toBeLessThan(1000);
  expect(growing.latest()[0]?.text.endsWith("end")).toBe(true);
});
