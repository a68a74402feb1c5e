import type { News } from "../../client/bindings";

type Answer = Extract<News, { type: "answer" }>;
export type Shown = { index: number; side: string; text: string };

const MOST = 4;
/** Of a long answer its end is shown. */
const END = 600;

/** The answers that grow now, each whole as last told. Only the newest are kept. */
export class Growing {
  #answers: Shown[] = [];

  take({ index, side, text }: Answer): void {
    const shown = { index, side, text: text.slice(-END) };
    const place = this.#answers.findIndex((answer) => answer.index === index && answer.side === side);
    if (place >= 0) this.#answers[place] = shown;
    else this.#answers = [...this.#answers, shown].slice(-MOST);
  }

  /** In the order they began; a new list each time. */
  latest(): Shown[] {
    return [...this.#answers];
  }
}
