import { ApiError } from "../client/error";

/** One thing a button does: whether it is going on, and how it failed. */
export class Act {
  busy = $state(false);
  error = $state.raw<ApiError | null>(null);
  #about = $state("");

  /** Does `work`, unless it is going on already. True if it went well. `about` names what it is done to, where that can change. */
  async run(work: () => Promise<void>, about = ""): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = null;
    this.#about = about;
    try {
      await work();
      return true;
    } catch (thrown) {
      this.error = ApiError.from(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }

  /** How it failed where it was done to `about`: whoever then does it all the same means that and nothing else. */
  errorOf(about: string): ApiError | null {
    return this.#about === about ? this.error : null;
  }
}
