import type { News, Operations, Upload } from "./bindings";
import type { Client } from "./client";
import { ApiError } from "./error";
import { readEvents } from "./events";

const STORED_TOKEN = "tiebreak.token";
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5_000;

/** The transport to `tiebreak serve`: JSON over HTTP, and news as server-sent events. */
export class HttpClient implements Client {
  readonly #token: string;

  constructor() {
    this.#token = takeToken(window.location, window.sessionStorage, window.history);
  }

  async call<K extends keyof Operations>(operation: K, request: Operations[K][0], signal?: AbortSignal): Promise<Operations[K][1]> {
    const init: RequestInit = { method: "POST", headers: this.#headers("application/json"), body: JSON.stringify(request) };
    if (signal) init.signal = signal;
    return answer<Operations[K][1]>(`/api/${operation}`, init);
  }

  async send(file: File): Promise<Upload> {
    const init: RequestInit = { method: "POST", headers: this.#headers("application/octet-stream"), body: file };
    return answer<Upload>(`/upload?name=${encodeURIComponent(file.name)}`, init);
  }

  readonly download = async (project: string, exported: string, whole: boolean): Promise<string> => {
    const init: RequestInit = { method: "POST", headers: this.#headers("application/json"), body: JSON.stringify({ project, export: exported, whole }) };
    return (await answer<{ address: string }>("/download", init)).address;
  };

  news(listener: (news: News) => void, gone: (why: ApiError | null) => void): () => void {
    const stop = new AbortController();
    void this.#follow(listener, gone, stop.signal);
    return () => stop.abort();
  }

  /**
   * Reads the stream of news until `signal`. When it breaks off, asks again at once, and after a growing wait where nobody
   * answers: that is told with the first silence, and not when the user next asks for something.
   */
  async #follow(listener: (news: News) => void, gone: (why: ApiError | null) => void, signal: AbortSignal): Promise<void> {
    let wait = 0;
    const longer = () => (wait = wait === 0 ? FIRST_WAIT : Math.min(wait * 2, LONGEST_WAIT));
    while (!signal.aborted) {
      try {
        const reply = await fetch("/api/news", { headers: this.#headers("application/json"), signal });
        // A wrong token does not become right by asking again.
        if (reply.status === 401 || reply.status === 403) return gone(await refusal(reply));
        if (reply.ok && reply.body) {
          gone(null);
          const began = performance.now();
          await readEvents(reply.body, (data) => listener(JSON.parse(data) as News)).catch(() => {}); // cut off: asked again
          wait = performance.now() - began > FIRST_WAIT ? 0 : FIRST_WAIT;
        } else {
          gone(await refusal(reply));
          longer();
        }
      } catch {
        if (signal.aborted) return;
        gone(unreachable());
        longer();
      }
      await pause(wait, signal);
    }
  }

  #headers(type: string): Record<string, string> {
    return { Authorization: `Bearer ${this.#token}`, "Content-Type": type };
  }
}

/**
 * The token from the address (`#token=…`), which then disappears from the address bar and from the history, or the one
 * this tab was opened with before.
 */
export function takeToken(location: Location, storage: Storage, history: History): string {
  const match = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (match?.[1]) {
    const token = decodeURIComponent(match[1]);
    storage.setItem(STORED_TOKEN, token);
    const rest = match[2] ? `#${match[2]}` : "";
    history.replaceState(null, "", location.pathname + location.search + rest);
    return token;
  }
  return storage.getItem(STORED_TOKEN) ?? "";
}

async function answer<T>(path: string, init: RequestInit): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(path, init);
  } catch (thrown) {
    if (init.signal?.aborted) throw thrown;
    throw unreachable();
  }
  if (reply.ok) return (await reply.json()) as T;
  throw await refusal(reply);
}

function unreachable(): ApiError {
  return new ApiError({ code: "unreachable", message: "The program does not answer.", hint: "See that `tiebreak serve` is still running, then try again." });
}

async function refusal(reply: Response): Promise<ApiError> {
  if (reply.status === 401) {
    return new ApiError({ code: "token", message: "This page is not allowed to ask the program.", hint: "Open the address that `tiebreak serve` printed: it holds the key." });
  }
  try {
    return ApiError.from(await reply.json());
  } catch {
    return new ApiError({ code: "http", message: `The program answered with status ${reply.status}.`, hint: "Try again. If it happens again, look at what `tiebreak serve` printed." });
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
