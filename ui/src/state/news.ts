import type { News } from "../client/bindings";
import { client } from "../client/client";

type Of<T extends News["type"]> = Extract<News, { type: T }>;
type Listener = { type: News["type"]; call: (news: News) => void };

const listeners = new Set<Listener>();
const resumed = new Set<() => void>();

/** Calls `listener` with all news of one type. The function returned ends it. */
export function onNews<T extends News["type"]>(type: T, listener: (news: Of<T>) => void): () => void {
  const entry: Listener = { type, call: listener as (news: News) => void };
  listeners.add(entry);
  return () => listeners.delete(entry);
}

/** Calls `listener` when the stream was broken and is back: news may have been missed, so ask again. */
export function onNewsResumed(listener: () => void): () => void {
  resumed.add(listener);
  return () => resumed.delete(listener);
}

/** Starts the one stream of news for the whole page. */
export function startNews(): () => void {
  return client.news(
    (news) => {
      for (const listener of [...listeners]) if (listener.type === news.type) listener.call(news);
    },
    () => {
      for (const listener of [...resumed]) listener();
    },
  );
}
