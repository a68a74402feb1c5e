import { describe, expect, it } from "vitest";
import type { ColumnMapping } from "../../client/bindings";
import { missing, withKind } from "./kinds";

const none = { answer_a: null, answer_b: null, system: null, context: null, category: null, preference: null };
const pairs: ColumnMapping = { ...none, kind: "pairs", prompt: "q", chosen: "good", rejected: "bad" };

describe("column mappings", () => {
  it("keep the answers when the kind changes, and come back", () => {
    const candidates = withKind(pairs, "candidates");
    expect(candidates).toMatchObject({ kind: "candidates", prompt: "q", answer_a: "good", answer_b: "bad", chosen: null, rejected: null });
    expect(withKind(candidates, "pairs")).toEqual(pairs);
  });

  it("say what they still lack", () => {
    expect(missing(pairs)).toEqual([]);
    expect(missing({ ...pairs, prompt: null, rejected: null })).toEqual(["rejected"]);
    expect(missing(withKind({ ...pairs, prompt: null }, "prompts"))).toEqual(["prompt"]);
  });
});
