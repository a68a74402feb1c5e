import { onMount } from "svelte";

type Often = { ask: () => void; stop: () => void };

/**
 * Does `work` when asked, but never twice at once and never again before `wait` milliseconds have passed: whatever is
 * asked for in between is done once, afterwards. `work` deals with its own failures.
 */
export function atMost(wait: number, work: () => Promise<void>): Often {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let busy = false;
  let again = false;
  let stopped = false;

  async function run() {
    busy = true;
    again = false;
    await work();
    if (stopped) return;
    timer = setTimeout(() => {
      timer = null;
      busy = false;
      if (again) void run();
    }, wait);
  }

  return {
    ask() {
      if (stopped) return;
      if (busy) again = true;
      else void run();
    },
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** The same for as long as the component that calls this is shown. Each of `sources` is given what asks, and returns its end. */
export function whileShown(wait: number, work: () => Promise<void>, ...sources: ((ask: () => void) => () => void)[]): Often {
  const often = atMost(wait, work);
  onMount(() => {
    const ends = [...sources.map((begin) => begin(often.ask)), often.stop];
    return () => ends.forEach((end) => end());
  });
  return often;
}
