/**
 * Does `work` when asked, but never twice at once and never again before `wait` milliseconds have passed: whatever is
 * asked for in between is done once, afterwards. `work` deals with its own failures.
 */
export function atMost(wait: number, work: () => Promise<void>): { ask: () => void; stop: () => void } {
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
