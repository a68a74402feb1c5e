import { ApiError } from "../client/error";

/** One thing a button does: whether it is going on, and how it failed. */
export class Act {
  busy = $state(false);
  error = $state.raw<ApiError | null>(null);

  /** Does `work`, unless it is going on already. True if it went well. */
  async run(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = null;
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
}
