import { expect, test } from "vitest";
import { Steps } from "./steps";

test("steps are taken one after the other, each once the one before is there", async () => {
  const taken: number[] = [];
  const arrive: (() => void)[] = [];
  const steps = new Steps(async (by) => {
    taken.push(by);
    await new Promise<void>((done) => arrive.push(done));
    return true;
  });
  const [first, second] = [steps.step(1), steps.step(-1)];
  await Promise.resolve();
  expect(taken).toEqual([1]);
  arrive[0]?.();
  await first;
  await Promise.resolve();
  expect(taken).toEqual([1, -1]);
  arrive[1]?.();
  expect(await second).toBe(true);
});

test("once the list is shown again no step opens a pair, neither the one on its way nor one that waits", async () => {
  let arrive = () => {};
  const opened: number[] = [];
  const steps = new Steps(async (by, isMeant) => {
    await new Promise<void>((done) => (arrive = done));
    if (isMeant()) opened.push(by);
    return isMeant();
  });
  const [first, second] = [steps.step(1), steps.step(1)];
  await Promise.resolve();
  steps.end();
  arrive();
  expect([await first, await second]).toEqual([false, false]);
  expect(opened).toEqual([]);
});

test("a step that fails does not keep the next one from being taken", async () => {
  let fails = true;
  const steps = new Steps(async () => {
    if (fails) throw new Error("no answer");
    return true;
  });
  expect(await steps.step(1)).toBe(false);
  fails = false;
  expect(await steps.step(1)).toBe(true);
});
