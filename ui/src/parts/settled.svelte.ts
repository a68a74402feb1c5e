import { ApiError } from "../client/error";

/** As many milliseconds nothing must have changed, so that typing a number is one question and not one for each digit. */
const WAIT = 400;

/** Something asked of the back end about settings, and asked again once they have changed and settled. */
export class Settled<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  #turn = $state(0);

  /** `question` reads the settings and returns what asks about them, or null where they are wrong. Made while a component is. */
  constructor(question: () => ((stop: AbortSignal) => Promise<T>) | null, wait = WAIT) {
    $effect(() => {
      void this.#turn;
      const ask = question();
      if (!ask) return;
      const stop = new AbortController();
      const timer = setTimeout(() => void this.#look(ask, stop.signal), wait);
      return () => {
        clearTimeout(timer);
        stop.abort();
        this.busy = false;
      };
    });
  }

  /** Asks once more although nothing has changed. */
  readonly again = (): void => {
    this.#turn += 1;
  };

  async #look(ask: (stop: AbortSignal) => Promise<T>, stop: AbortSignal): Promise<void> {
    this.busy = true;
    try {
      const value = await ask(stop);
      if (stop.aborted) return;
      this.value = value;
      this.error = null;
    } catch (thrown) {
      if (!stop.aborted) this.error = ApiError.from(thrown);
    } finally {
      if (!stop.aborted) this.busy = false;
    }
  }
}
