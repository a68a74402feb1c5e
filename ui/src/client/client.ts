import type { News, Operations, Upload } from "./bindings";
import type { ApiError } from "./error";
import { HttpClient } from "./http";
import { TauriClient } from "./tauri";

export { ApiError } from "./error";

/** The one way to the back end. Every failure is thrown as an `ApiError`. */
export interface Client {
  call<K extends keyof Operations>(operation: K, request: Operations[K][0], signal?: AbortSignal): Promise<Operations[K][1]>;
  /** Sends a file's bytes; the reply names the upload for `preview_import` and others. */
  send(file: File): Promise<Upload>;
  /**
   * The address from which a browser saves an export, once and soon; null in the window, whose files are on this machine
   * already.
   */
  readonly download: ((project: string, exported: string, whole: boolean) => Promise<string>) | null;
  /**
   * Calls `listener` with everything that happens from now on, and `gone` when the program is not there any more, or is again.
   * Returns a function that ends it.
   */
  news(listener: (news: News) => void, gone: (why: ApiError | null) => void): () => void;
}

export const client: Client = "__TAURI_INTERNALS__" in window ? new TauriClient() : new HttpClient();
