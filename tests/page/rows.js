// Rows for tests: questions with a plain and a padded answer.

const THINGS = ["kettle", "window", "bicycle", "garden", "letter", "bridge", "candle", "river", "ladder", "basket", "lantern", "pencil"];
const QUESTIONS = ["What is a good use for a", "How do I look after a", "Where would I keep a", "Why would anybody want a"];

function rows(count) {
  return Array.from({ length: count }, (_, i) => {
    const thing = THINGS[i % THINGS.length];
    const question = `${QUESTIONS[Math.floor(i / THINGS.length) % QUESTIONS.length]} ${thing}${i >= 48 ? ` number ${i}` : ""}?`;
    const plain = `Said plainly: a ${thing} is useful at home.`;
    const padded = `What a great question! There is so much to say about a ${thing}. In short, it is useful. Let me know if you want more!`;
    return { question, plain, padded };
  });
}

/** A CSV of questions with two answers, the plain one by turns first and second. */
export function candidates(count) {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const lines = rows(count).map(({ question, plain, padded }, i) => {
    const [a, b] = i % 2 === 0 ? [plain, padded] : [padded, plain];
    return [question, a, b].map(quoted).join(",");
  });
  return ["question,response_a,response_b", ...lines].join("\n");
}

/** JSONL of pairs, plain chosen over padded. */
export function pairs(count) {
  return rows(count)
    .map(({ question, plain, padded }) =>
      JSON.stringify({
        prompt: [{ role: "user", content: question }],
        chosen: [{ role: "assistant", content: plain }],
        rejected: [{ role: "assistant", content: padded }],
      }),
    )
    .join("\n");
}
