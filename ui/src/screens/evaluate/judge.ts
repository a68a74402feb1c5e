// Who judges, as it is chosen on the page, and what is wrong with the choice.

import type { EvalSummary, JudgeChoice } from "../../client/bindings";
import { client } from "../../client/client";

export type Who = JudgeChoice["kind"];
export type RuleName = "plain" | "shorter" | "longer" | "contains" | "lacks";

export const WHO: { value: Who; title: string; sentence: string }[] = [
  { value: "human", title: "A person", sentence: "You judge, with the keys you label with, without knowing whose answer is whose." },
  { value: "rule", title: "A rule", sentence: "Quick, and anyone can check it; it sees only what it was made to see." },
  { value: "command", title: "A program", sentence: "Reads a pair of answers as JSON, writes a, b or tie; it does not learn which model wrote which." },
  { value: "endpoint", title: "A model", sentence: "At an OpenAI-compatible address, here or elsewhere: prompts and answers are sent there." },
];

export const RULES: { name: RuleName; sentence: string; asks: "words" | "text" | null }[] = [
  { name: "plain", sentence: "One or two sentences without filler, lists or mark-up win.", asks: "words" },
  { name: "shorter", sentence: "The answer with fewer words wins.", asks: null },
  { name: "longer", sentence: "The answer with more words wins.", asks: null },
  { name: "contains", sentence: "The answer that holds a text wins.", asks: "text" },
  { name: "lacks", sentence: "The answer that does not hold a text wins.", asks: "text" },
];

/** Everything the form holds, also for the judges not chosen now. */
export type JudgeForm = {
  who: Who;
  rule: RuleName;
  words: string;
  text: string;
  command: string;
  url: string;
  model: string;
  /** Where the key comes from, where one is needed. */
  keyFrom: "none" | "session" | "keyring" | "variable";
  keyEnv: string;
  /** A key that is typed; it leaves the page once. */
  key: string;
  keep: boolean;
};

export const FIRST: JudgeForm = { who: "human", rule: "plain", words: "40", text: "", command: "", url: "http://127.0.0.1:11434/v1", model: "", keyFrom: "none", keyEnv: "", key: "", keep: false };

export const KEYS: { value: JudgeForm["keyFrom"]; label: string }[] = [
  { value: "none", label: "No key" },
  { value: "session", label: "Typed here, for as long as the program runs" },
  { value: "keyring", label: "From the system's keyring" },
  { value: "variable", label: "In an environment variable" },
];

/** Sends a key that was typed, before its judge is asked for; it is then not in the form any more. */
export async function giveKey(form: JudgeForm): Promise<void> {
  if (form.who !== "endpoint" || form.keyFrom !== "session" || form.key === "") return;
  await client.call("use_judge_key", { url: form.url.trim(), key: form.key, keep: form.keep });
  if (form.keep) form.keyFrom = "keyring";
  form.key = "";
}

/** The judge as it is asked for, or a sentence that says what is missing. */
export function judgeOf(form: JudgeForm): { judge: JudgeChoice; wrong: null } | { judge: null; wrong: string } {
  const wrong = (sentence: string) => ({ judge: null, wrong: sentence });
  const good = (judge: JudgeChoice) => ({ judge, wrong: null });
  switch (form.who) {
    case "human":
      return good({ kind: "human" });
    case "rule": {
      const { asks } = RULES.find((rule) => rule.name === form.rule) ?? { asks: null };
      if (asks === null) return good({ kind: "rule", rule: form.rule });
      if (asks === "words") {
        if (!/^[1-9]\d{0,5}$/.test(form.words.trim())) return wrong("Say how many words a plain answer may have, such as 40.");
        return good({ kind: "rule", rule: `plain:${form.words.trim()}` });
      }
      if (form.text === "") return wrong("Write the text that the rule looks for.");
      return good({ kind: "rule", rule: `${form.rule}:${form.text}` });
    }
    case "command":
      if (form.command.trim() === "") return wrong("Write the program and its arguments.");
      return good({ kind: "command", command: form.command.trim() });
    case "endpoint": {
      const url = form.url.trim();
      if (!isWebAddress(url)) return wrong("Write the whole address, such as http://127.0.0.1:11434/v1.");
      if (form.model.trim() === "") return wrong("Write the model's name as the address knows it.");
      const variable = form.keyEnv.trim();
      if (form.keyFrom === "variable" && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
        return wrong("Write the name of an environment variable, not the key itself: a key is typed by another choice above.");
      }
      const key_from = form.keyFrom === "session" && form.keep && form.key !== "" ? "keyring" : form.keyFrom === "session" || form.keyFrom === "keyring" ? form.keyFrom : null;
      return good({ kind: "endpoint", url, model: form.model.trim(), key_env: form.keyFrom === "variable" ? variable : null, key_from });
    }
  }
}

function isWebAddress(text: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

/** Whether people judge: then nobody may see whose answer is whose before it is judged. */
export function isHuman(summary: EvalSummary): boolean {
  return /^(human|people|a person)\b/i.test(summary.judge);
}
