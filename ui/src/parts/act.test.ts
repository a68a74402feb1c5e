import { expect, it } from "vitest";
import { Act } from "./act.svelte";

const fails = () => Promise.reject(new Error("refused"));

it("a failure stands until it is done again", async () => {
  const act = new Act();
  expect(await act.run(fails)).toBe(false);
  expect(act.error?.message).toBe("Refused.");
  expect(await act.run(async () => {})).toBe(true);
  expect(act.error).toBeNull();
});

it("a failure is told of what it was done to, also where another was chosen meanwhile", async () => {
  const act = new Act();
  let chosen = "first";
  const done = act.run(fails, chosen);
  chosen = "second";
  await done;
  expect(act.errorOf(chosen)).toBeNull();
  expect(act.errorOf("first")?.message).toBe("Refused.");
});
