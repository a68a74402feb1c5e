import { Channel, invoke } from "@tauri-apps/api/core";
import type { News, Operations, Upload } from "./bindings";
import type { Client } from "./client";
import { ApiError } from "./error";

/** The transport inside the desktop window: three commands, `call`, `upload` and `news`. */
export class TauriClient implements Client {
  async call<K extends keyof Operations>(operation: K, request: Operations[K][0], signal?: AbortSignal): Promise<Operations[K][1]> {
    const reply = await asked<Operations[K][1]>(invoke("call", { operation, request }));
    // The window cannot take a call back; a reply that nobody waits for any more is dropped here.
    signal?.throwIfAborted();
    return reply;
  }

  async send(file: File): Promise<Upload> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    // Header values are ASCII only.
    return asked<Upload>(invoke("upload", bytes, { headers: { name: encodeURIComponent(file.name) } }));
  }

  readonly download = null;

  news(listener: (news: News) => void): () => void {
    let on = true;
    const channel = new Channel<News>();
    channel.onmessage = (news) => {
      if (on) listener(news);
    };
    void invoke("news", { channel });
    return () => {
      on = false;
    };
  }
}

async function asked<T>(reply: Promise<unknown>): Promise<T> {
  try {
    return (await reply) as T;
  } catch (thrown) {
    throw ApiError.from(thrown);
  }
}
