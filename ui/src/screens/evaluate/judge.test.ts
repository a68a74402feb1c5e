import { describe, expect, it } from "vitest";
import { FIRST, type JudgeForm, judgeOf } from "./judge";

const judge = (form: Partial<JudgeForm>) => judgeOf({ ...FIRST, ...form });

describe("a judge", () => {
  it.each<[Partial<JudgeForm>, unknown]>([
    [{ who: "human" }, { kind: "human" }],
    [{ who: "rule", rule: "plain", words: " 45 " }, { kind: "rule", rule: "plain:45" }],
    [{ who: "rule", rule: "shorter", text: "left from before" }, { kind: "rule", rule: "shorter" }],
    [{ who: "rule", rule: "contains", text: "a: b" }, { kind: "rule", rule: "contains:a: b" }],
    [{ who: "command", command: " judge --strict " }, { kind: "command", command: "judge --strict" }],
    [{ who: "endpoint", model: "m", keyFrom: "variable", keyEnv: "OPENAI_API_KEY" }, { kind: "endpoint", url: FIRST.url, model: "m", key_env: "OPENAI_API_KEY", key_from: null }],
    [{ who: "endpoint", model: "m", keyEnv: "left" }, { kind: "endpoint", url: FIRST.url, model: "m", key_env: null, key_from: null }],
    [{ who: "endpoint", model: "m", keyFrom: "session", key: "sk-1" }, { kind: "endpoint", url: FIRST.url, model: "m", key_env: null, key_from: "session" }],
    [{ who: "endpoint", model: "m", keyFrom: "session", key: "sk-1", keep: true }, { kind: "endpoint", url: FIRST.url, model: "m", key_env: null, key_from: "keyring" }],
    [{ who: "endpoint", model: "m", keyFrom: "keyring" }, { kind: "endpoint", url: FIRST.url, model: "m", key_env: null, key_from: "keyring" }],
  ])("is asked for as the program writes it: %o", (form, asked) => {
    expect(judge(form)).toEqual({ judge: asked, wrong: null });
  });

  it.each<[Partial<JudgeForm>, string]>([
    [{ who: "rule", rule: "plain", words: "many" }, "how many words"],
    [{ who: "rule", rule: "plain", words: "0" }, "how many words"],
    [{ who: "rule", rule: "lacks", text: "" }, "the text"],
    [{ who: "command", command: "  " }, "the program"],
    [{ who: "endpoint", url: "localhost:8000", model: "m" }, "whole address"],
    [{ who: "endpoint", url: "javascript:alert(1)", model: "m" }, "whole address"],
    [{ who: "endpoint", model: " " }, "model's name"],
    [{ who: "endpoint", model: "m", keyFrom: "variable", keyEnv: "sk-abc123" }, "not the key itself"],
  ])("that is not whole says what is missing: %o", (form, sentence) => {
    const { judge: made, wrong } = judge(form);
    expect(made).toBeNull();
    expect(wrong).toContain(sentence);
  });
});
