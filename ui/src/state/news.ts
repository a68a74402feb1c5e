import type { News } from "../client/bindings";
import { client } from "../client/client";
import { connection } from "./connection.svelte";

type Of<T extends News["type"]> = Extract<News, { type: T }>;
type Listener = { type: News["type"]; call: (news: News) => void };

const listeners = new Set<Listener>();

/** Calls `listener` with all news of one type. The function returned ends it. */
export function onNews<T extends News["type"]>(type: T, listener: (news: Of<T>) => void): () => void {
  const entry: Listener = { type, call: listener as (news: News) => void };
  listeners.add(entry);
  return () => listeners.delete(entry);
}

/** Calls `listener` when a stream of news begins, at first or after a break: some may have been missed, so ask again. */
export function onNewsMissed(listener: () => void): () => void {
  return onNews("listening", listener);
}

/** Starts the one stream of news for the whole page. */
export function startNews(): () => void {
  return client.news(
    (news) => {
      for (const listener of [...listeners]) if (listener.type === news.type) listener.call(news);
    },
    (why) => connection.set(why),
  );
}
