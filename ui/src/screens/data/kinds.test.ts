import { describe, expect, it } from "vitest";
import type { ColumnMapping } from "../../client/bindings";
import { broughtIn, missing, shapeOf, withColumn, withShape } from "./kinds";

const columns = { answer_a: null, answer_b: null, system: null, context: null, category: null, preference: null, annotator: null, answers: null, ratings: null, rating_a: null, rating_b: null, history: null, tools: null, chat_template_kwargs: null };
const choices = { preference_scheme: null, rating_order: null, pairing: null, least_margin: null, only: null, plain_text: null, prompt_from: null, repeated_prompt: null, left_out: null };
const pairs: ColumnMapping = { ...columns, ...choices, kind: "pairs", prompt: "q", chosen: "good", rejected: "bad" };

describe("what an import brings", () => {
  const brought = { kind: "pairs" as const, added: 6, to_label: 0, single_labels: 0 };

  it("is told by what it is, and not as rows", () => {
    expect(broughtIn(brought)).toBe("6 pairs");
    expect(broughtIn({ ...brought, to_label: 2, single_labels: 1 })).toBe("3 pairs, 2 items to label and 1 single label");
    expect(broughtIn({ ...brought, single_labels: 6 })).toBe("6 single labels");
    expect(broughtIn({ ...brought, added: 0 })).toBe("0 pairs");
    expect(broughtIn({ ...brought, kind: "candidates", added: 1 })).toBe("1 item to label");
  });
});

describe("column mappings", () => {
  it("keep the answers when they are no better and worse ones any more", () => {
    const candidates = withShape(pairs, "candidates");
    expect(candidates).toMatchObject({ kind: "candidates", prompt: "q", answer_a: "good", answer_b: "bad", chosen: null, rejected: null });
    expect(shapeOf(candidates)).toBe("candidates");
    const preferences = withShape(candidates, "preferences");
    expect(preferences).toMatchObject({ kind: "pairs", answer_a: "good", answer_b: "bad" });
    expect(shapeOf(preferences)).toBe("preferences");
  });

  it("never take the first of two answers for the better one", () => {
    const candidates: ColumnMapping = { ...pairs, kind: "candidates", chosen: null, rejected: null, answer_a: "one", answer_b: "two" };
    expect(withShape(candidates, "pairs")).toMatchObject({ kind: "pairs", chosen: null, rejected: null, answer_a: null, answer_b: null });
    expect(missing(withShape(candidates, "pairs"), "pairs")).toEqual(["chosen", "rejected"]);
  });

  it("keep rated answers apart from two answers side by side", () => {
    const rated: ColumnMapping = { ...pairs, chosen: null, rejected: null, answers: "completions.*.response", ratings: "completions.*.score", pairing: "all" };
    expect(shapeOf(rated)).toBe("rated");
    expect(withShape(rated, "pairs")).toMatchObject({ answers: null, ratings: null });
    expect(withColumn(rated, "ratings", "completions.*.rank")).toMatchObject({ pairing: null, rating_order: null });
    expect(missing({ ...rated, answers: null }, "rated")).toEqual(["answers"]);
    const apart: ColumnMapping = { ...pairs, rating_a: "score_chosen", rating_b: "score_rejected", least_margin: "1" };
    expect(withColumn(apart, "rating_a", null).least_margin).toBeNull();
    expect(withShape(apart, "candidates")).toMatchObject({ rating_a: null, least_margin: null });
  });

  it("imitate the better answers, also of rated ones", () => {
    expect(withShape(pairs, "demonstrations")).toMatchObject({ kind: "demonstrations", prompt: "q", answers: "good", chosen: null, rejected: null });
    const rated: ColumnMapping = { ...pairs, chosen: null, rejected: null, answers: "completion", ratings: "label" };
    const demonstrations = withShape(rated, "demonstrations");
    expect(demonstrations).toMatchObject({ answers: "completion", ratings: null });
    expect(shapeOf(demonstrations)).toBe("demonstrations");
  });

  it("say what they still lack", () => {
    expect(missing(pairs, "pairs")).toEqual([]);
    expect(missing({ ...pairs, prompt: null, rejected: null }, "pairs")).toEqual(["rejected"]);
    expect(missing(withShape({ ...pairs, prompt: null }, "prompts"), "prompts")).toEqual(["prompt"]);
  });

  it("forget how numbers are meant when they are other numbers", () => {
    const preferences: ColumnMapping = { ...withShape(pairs, "preferences"), preference: "label", preference_scheme: "counts_from_one" };
    expect(withColumn(preferences, "category", "topic").preference_scheme).toBe("counts_from_one");
    expect(withColumn(preferences, "preference", "other")).toMatchObject({ preference: "other", preference_scheme: null });
  });
});
