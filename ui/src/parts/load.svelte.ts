import { ApiError } from "../client/error";

/** Something asked of the back end for a screen: its value once it is there, and the error where it failed. */
export class Load<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  #turn = 0;

  constructor(private readonly ask: () => Promise<T>) {}

  /** Asks again. What was there stays shown meanwhile; of several requests only the last one counts. */
  readonly again = async (): Promise<void> => {
    const turn = ++this.#turn;
    this.busy = true;
    try {
      const value = await this.ask();
      if (turn !== this.#turn) return;
      this.value = value;
      this.error = null;
    } catch (thrown) {
      if (turn === this.#turn) this.error = ApiError.from(thrown);
    } finally {
      if (turn === this.#turn) this.busy = false;
    }
  };
}
