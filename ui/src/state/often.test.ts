import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { atMost } from "./often";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("many wishes in a short time are one piece of work now and one afterwards", async () => {
  let done = 0;
  const often = atMost(500, async () => void (done += 1));
  for (let wish = 0; wish < 20; wish += 1) often.ask();
  expect(done).toBe(1);
  await vi.advanceTimersByTimeAsync(499);
  expect(done).toBe(1);
  await vi.advanceTimersByTimeAsync(2);
  expect(done).toBe(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(done).toBe(2);
  often.ask();
  expect(done).toBe(3);
});

it("slow work is not started twice", async () => {
  let running = 0;
  let most = 0;
  const often = atMost(10, async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    running -= 1;
  });
  for (let wish = 0; wish < 5; wish += 1) {
    often.ask();
    await vi.advanceTimersByTimeAsync(300);
  }
  await vi.advanceTimersByTimeAsync(5000);
  expect(most).toBe(1);
});

it("nothing is done after the end", async () => {
  let done = 0;
  const often = atMost(10, async () => void (done += 1));
  often.ask();
  often.ask();
  often.stop();
  await vi.advanceTimersByTimeAsync(1000);
  often.ask();
  expect(done).toBe(1);
});
