// Every setting of a run as the form shows it: what it does in one sentence, its safe range in words, and how its field reads.
//
// What is wrong or doubtful about a value is the program's to say (`check_run`). Keys are TRL's and PEFT's.

import type { HeldOutMetric, LoraConfig, Remark, Settings } from "../../client/bindings";
import { patternsText } from "./patterns";

export { patternsFrom, patternsText } from "./patterns";

/** As a settings file spells it: those of the adapter stand in its table `lora`. */
export type SettingKey = Exclude<keyof Settings, "lora"> | `lora.${keyof LoraConfig}`;
/** By field: the first of each, which is a refusal where there is one. */
export type Remarks = Partial<Record<SettingKey | "name" | "model" | "held_out_share" | "data", Remark>>;

type Kind = "number" | "whole" | "switch" | "losses" | "weights" | "modules" | "text" | "patterns" | { choices: Choice[] };
export type Choice = { value: string; sentence: string };
export type Group = "data" | "first" | "loss" | "reference" | "length" | "rate" | "batch" | "adapter" | "record" | "best";

export type Setting = {
  key: SettingKey;
  group: Group;
  kind: Kind;
  /** What it does, in one sentence. */
  sentence: string;
  /** The safe range, in words. */
  safe: string;
  /** What is written in the field when the setting is absent (null). */
  absent?: string;
};

export const GROUPS: { group: Group; title: string }[] = [
  { group: "first", title: "The few that matter first" },
  { group: "loss", title: "Loss" },
  { group: "reference", title: "Reference" },
  { group: "length", title: "Length" },
  { group: "rate", title: "Learning rate and optimiser" },
  { group: "batch", title: "Batches and memory" },
  { group: "adapter", title: "Adapter (LoRA)" },
  { group: "record", title: "Logging, checks and checkpoints" },
  { group: "best", title: "Best step and early end" },
];

const METRICS: HeldOutMetric[] = [
  "eval_rewards/accuracies",
  "eval_rewards/margins",
  "eval_rewards/chosen",
  "eval_rewards/rejected",
  "eval_logps/chosen",
  "eval_logps/rejected",
  "eval_loss",
];

export const SETTINGS: Setting[] = [
  {
    key: "beta",
    group: "first",
    kind: "number",
    sentence: "How strongly the policy is held to the reference: small lets it move far, large keeps it close.",
    safe: "0.05 to 0.5; start at 0.1",
  },
  {
    key: "learning_rate",
    group: "first",
    kind: "number",
    sentence: "How far one step moves the adapter; the highest value of the schedule.",
    safe: "5e-6 to 3e-4 for a LoRA; start at 5e-5, higher for small models",
  },
  {
    key: "num_train_epochs",
    group: "first",
    kind: "number",
    sentence: "How often every pair is seen; counts only where max_steps is not set.",
    safe: "1 to 3",
  },
  {
    key: "max_steps",
    group: "first",
    kind: "whole",
    sentence: "Optimiser steps of the whole run; -1 to go by num_train_epochs.",
    safe: "-1, or 1 and more",
  },
  {
    key: "max_length",
    group: "first",
    kind: "whole",
    sentence: "Longest prompt and answer together, in tokens; what is longer is cut. 0 for no limit.",
    safe: "512 to 2048, as memory allows; look at the lengths beside",
  },
  {
    key: "per_device_train_batch_size",
    group: "first",
    kind: "whole",
    sentence: "Pairs computed at once: more is faster and needs more memory.",
    safe: "1 to 16, as memory allows",
  },
  {
    key: "loss_type",
    group: "loss",
    kind: "losses",
    sentence: "What is minimised: one loss, or several added together.",
    safe: "sigmoid; sigmoid and sft when both rewards fall",
  },
  {
    key: "loss_weights",
    group: "loss",
    kind: "weights",
    sentence: "How much each of several losses counts; all count 1 where this is empty.",
    safe: "one number for each loss, such as 1, 1",
    absent: "all 1",
  },
  {
    key: "label_smoothing",
    group: "loss",
    kind: "number",
    sentence: "The share of labels taken to be wrong; used by robust, exo_pair, aot and aot_unpaired.",
    safe: "0; 0.1 for robust, 0.001 for exo_pair",
  },
  {
    key: "f_divergence_type",
    group: "loss",
    kind: {
      choices: [
        { value: "reverse_kl", sentence: "The KL divergence of DPO." },
        { value: "forward_kl", sentence: "KL the other way round: exponential in the reward, and easily unstable." },
        { value: "js_divergence", sentence: "Jensen and Shannon's: bounded above, mild." },
        { value: "alpha_divergence", sentence: "Between the two, by f_alpha_divergence_coef." },
      ],
    },
    sentence: "Which divergence holds the policy to the reference (f-DPO).",
    safe: "reverse_kl, or js_divergence for answers that keep their variety",
  },
  {
    key: "f_alpha_divergence_coef",
    group: "loss",
    kind: "number",
    sentence: "α of alpha_divergence: towards 1 it is reverse_kl, towards 0 forward_kl.",
    safe: "0.3 to 0.7; start at 0.5",
  },
  {
    key: "ld_alpha",
    group: "loss",
    kind: "number",
    sentence: "How much tokens count that one answer has beyond the length of the other (LD-DPO), against ever longer answers.",
    safe: "empty, or 0.3 to 0.8",
    absent: "in full",
  },
  {
    key: "use_weighting",
    group: "loss",
    kind: "switch",
    sentence: "Pairs count by how likely the policy itself is to answer so (WPO).",
    safe: "off; on where another model wrote the pairs",
  },
  {
    key: "ref_adapter",
    group: "reference",
    kind: "text",
    sentence: "Folder of an adapter, such as one of supervised fine-tuning, that makes the reference and that training starts from: its own rank, scale and layers count then.",
    safe: "empty, or the adapter folder of a run of this model",
    absent: "none",
  },
  {
    key: "init_adapter",
    group: "reference",
    kind: "text",
    sentence: "Folder of an adapter to start from, where that is not the reference's own. Without ref_adapter the reference is the model alone; TRL takes this adapter.",
    safe: "empty",
    absent: "the reference's",
  },
  {
    key: "sync_ref_model",
    group: "reference",
    kind: "switch",
    sentence: "The reference follows the policy (TR-DPO), which then may go further; costs a forward for each batch.",
    safe: "off; on for long runs",
  },
  {
    key: "ref_model_mixup_alpha",
    group: "reference",
    kind: "number",
    sentence: "How far the reference goes towards the policy each time; at 1 it becomes the policy.",
    safe: "0.5 to 0.7; start at 0.6",
  },
  {
    key: "ref_model_sync_steps",
    group: "reference",
    kind: "whole",
    sentence: "Steps from one time to the next.",
    safe: "a few times in a run; 512 for long ones",
  },
  {
    key: "max_prompt_length",
    group: "length",
    kind: "whole",
    sentence: "Longest prompt in tokens; longer ones lose their beginning, or are too long with drop and refuse.",
    safe: "empty, or about half of max_length",
    absent: "no limit",
  },
  {
    key: "truncation",
    group: "length",
    kind: {
      choices: [
        { value: "prompt_left", sentence: "The beginning of its prompt is cut off; answers stay whole." },
        { value: "drop", sentence: "It is left out; nothing is cut." },
        { value: "refuse", sentence: "The run does not start." },
        { value: "keep_start", sentence: "The end of its answers is cut off (TRL)." },
        { value: "keep_end", sentence: "The beginning of prompt and answers is cut off (TRL)." },
      ],
    },
    sentence: "What becomes of a pair that is longer than max_length.",
    safe: "prompt_left: answers stay whole",
  },
  {
    key: "lr_scheduler_type",
    group: "rate",
    kind: {
      choices: [
        { value: "linear", sentence: "Falls evenly to 0." },
        { value: "cosine", sentence: "Falls slowly, then fast, then slowly to 0." },
        { value: "constant", sentence: "Stays as it is." },
      ],
    },
    sentence: "How the learning rate falls over the run.",
    safe: "linear or cosine",
  },
  {
    key: "warmup_ratio",
    group: "rate",
    kind: "number",
    sentence: "Share of the run over which the learning rate rises from 0; counts where warmup_steps is 0.",
    safe: "0 to 0.1",
  },
  {
    key: "warmup_steps",
    group: "rate",
    kind: "whole",
    sentence: "Steps over which the learning rate rises from 0.",
    safe: "0 to a tenth of the run",
  },
  {
    key: "weight_decay",
    group: "rate",
    kind: "number",
    sentence: "Pulls the adapter's weights towards 0 at every step.",
    safe: "0 to 0.1",
  },
  {
    key: "max_grad_norm",
    group: "rate",
    kind: "number",
    sentence: "A gradient longer than this is scaled down to it; 0 for no limit.",
    safe: "0.3 to 1",
  },
  {
    key: "gradient_accumulation_steps",
    group: "batch",
    kind: "whole",
    sentence: "Batches added up before each step: a larger batch without more memory.",
    safe: "so that pairs per step come to 8 to 64",
  },
  {
    key: "gradient_checkpointing",
    group: "batch",
    kind: {
      choices: [
        { value: "auto", sentence: "Done only where keeping all layers would take more than half of the memory that is free." },
        { value: "true", sentence: "Always: the least memory, about a third more work." },
        { value: "false", sentence: "Never: the fastest." },
      ],
    },
    sentence: "Computes each layer again in the backward pass instead of keeping it: the same numbers from less memory.",
    safe: "auto",
  },
  {
    key: "dtype",
    group: "batch",
    kind: {
      choices: [
        { value: "auto", sentence: "As the file has them: the numbers of f32 in less memory." },
        { value: "f32", sentence: "Expanded once: the fastest, and 4 bytes for each weight." },
        { value: "bf16", sentence: "Rounded to 2 bytes." },
        { value: "f16", sentence: "Rounded to 2 bytes, finer than bf16; very large weights are refused." },
        { value: "q8", sentence: "Rounded to 8 bits: about 1 byte for each weight." },
        { value: "q4", sentence: "Rounded to 4 bits (QLoRA): about 0.6 bytes for each weight; the base itself gets a little worse." },
      ],
    },
    sentence: "How the weights of the base are kept in memory; the adapter is always f32.",
    safe: "auto; q4 or q8 where a model would not fit",
  },
  {
    key: "products",
    group: "batch",
    kind: {
      choices: [
        { value: "f32", sentence: "As exact as the weights are kept." },
        { value: "bf16", sentence: "Both sides rounded to 2 bytes: faster on processors that multiply so, refused on others." },
        { value: "auto", sentence: "Takes bf16 where the processor has it and the weights are kept in fewer bits than f32; else f32." },
      ],
    },
    sentence: "What products with the weights are computed in on the CPU; sums, norms, attention and loss are always f32.",
    safe: "auto; f32 to repeat others' numbers",
  },
  {
    key: "shuffle",
    group: "batch",
    kind: "switch",
    sentence: "Takes the pairs in another order each epoch.",
    safe: "on",
  },
  {
    key: "seed",
    group: "batch",
    kind: "whole",
    sentence: "Start of everything random: the same seed on the same machine gives the same run.",
    safe: "any whole number",
  },
  {
    key: "lora.r",
    group: "adapter",
    kind: "whole",
    sentence: "Rank of the adapter: how much it can learn, and how large it is.",
    safe: "8 to 64",
  },
  {
    key: "lora.lora_alpha",
    group: "adapter",
    kind: "number",
    sentence: "The adapter is scaled by lora_alpha / r.",
    safe: "once or twice r",
  },
  {
    key: "lora.lora_dropout",
    group: "adapter",
    kind: "number",
    sentence: "Probability that an input of the adapter is left out at a step.",
    safe: "0 to 0.1",
  },
  {
    key: "lora.target_modules",
    group: "adapter",
    kind: "modules",
    sentence: "Which layers get an adapter: names, or a regular expression for whole names, as PEFT reads a text; all linear ones where this is empty.",
    safe: "empty, or such as q_proj, v_proj or .*\\.(q|v)_proj",
    absent: "all-linear",
  },
  {
    key: "lora.use_rslora",
    group: "adapter",
    kind: "switch",
    sentence: "Scale by lora_alpha / √r instead of lora_alpha / r (rsLoRA), so that a high rank is not weakened.",
    safe: "off; on for ranks of 64 and more, with a smaller lora_alpha",
  },
  {
    key: "lora.use_dora",
    group: "adapter",
    kind: "switch",
    sentence: "Train direction and length of each layer's rows apart (DoRA): learns more at low ranks, and takes longer.",
    safe: "off; on for ranks of 8 and less",
  },
  {
    key: "lora.rank_pattern",
    group: "adapter",
    kind: "patterns",
    sentence: "Other ranks by name or pattern; the first that matches the end of a layer's name counts.",
    safe: "empty, or such as down_proj = 32",
  },
  {
    key: "lora.alpha_pattern",
    group: "adapter",
    kind: "patterns",
    sentence: "Other values of lora_alpha in the same way.",
    safe: "empty, or such as down_proj = 64",
  },
  {
    key: "logging_steps",
    group: "record",
    kind: "whole",
    sentence: "The figures get a point every so many steps.",
    safe: "1 to 10",
  },
  {
    key: "eval_steps",
    group: "record",
    kind: "whole",
    sentence: "Held-out pairs are scored every so many steps, and at the end; 0 for only at the end.",
    safe: "a tenth of the run",
  },
  {
    key: "sample_prompts",
    group: "data",
    kind: "whole",
    sentence: "Held-out prompts answered as training goes.",
    safe: "1 to 16",
  },
  {
    key: "save_steps",
    group: "record",
    kind: "whole",
    sentence: "A checkpoint every so many steps, and at the end; 0 for only at the end.",
    safe: "20 to 100",
  },
  {
    key: "save_total_limit",
    group: "record",
    kind: "whole",
    sentence: "How many of the newest checkpoints are kept; 0 for all.",
    safe: "2",
  },
  {
    key: "load_best_model_at_end",
    group: "best",
    kind: "switch",
    sentence: "The run's adapter is that of its best evaluation instead of its last step.",
    safe: "on where there are 50 held-out pairs or more",
  },
  {
    key: "metric_for_best_model",
    group: "best",
    kind: { choices: METRICS.map((value) => ({ value, sentence: "" })) },
    sentence: "By which number of the held-out pairs an evaluation is the best.",
    safe: "eval_rewards/accuracies; eval_loss for few pairs",
  },
  {
    key: "greater_is_better",
    group: "best",
    kind: {
      choices: [
        { value: "true", sentence: "The largest is the best." },
        { value: "false", sentence: "The smallest is the best." },
      ],
    },
    sentence: "Whether a larger number is better.",
    safe: "by its name, which takes a smaller loss and a larger anything else",
    absent: "by its name",
  },
  {
    key: "early_stopping_patience",
    group: "best",
    kind: "whole",
    sentence: "The run ends after so many evaluations without an improvement.",
    safe: "empty, or 3 to 5",
    absent: "never",
  },
  {
    key: "early_stopping_threshold",
    group: "best",
    kind: "number",
    sentence: "What an evaluation must gain to count as an improvement.",
    safe: "0",
  },
];

/** The table a setting stands in, and its name there. */
function placeOf(settings: Settings, key: SettingKey): [Record<string, unknown>, string] {
  return key.startsWith("lora.") ? [settings.lora, key.slice("lora.".length)] : [settings, key];
}

/** The value of a setting; a table that is left out is empty. */
export function valueOf(settings: Settings, key: SettingKey): unknown {
  const [table, name] = placeOf(settings, key);
  return table[name] === undefined ? {} : table[name];
}

export function setValue(settings: Settings, key: SettingKey, value: unknown): void {
  const [table, name] = placeOf(settings, key);
  table[name] = value;
}

/** The setting that names the adapter a run starts from, whose own settings then count instead of those of the group "adapter". */
export function startsFrom({ init_adapter, ref_adapter }: Settings): SettingKey | null {
  return init_adapter !== null ? "init_adapter" : ref_adapter !== null ? "ref_adapter" : null;
}

export function settingsOf(group: Group): Setting[] {
  return SETTINGS.filter((setting) => setting.group === group);
}

export function byField(remarks: Remark[]): Remarks {
  return Object.fromEntries([...remarks].reverse().map((remark) => [remark.key, remark]));
}

export function isRefused(remarks: Remarks): boolean {
  return Object.values(remarks).some((remark) => remark.level === "refuse");
}

const ALL_LINEAR = "all-linear";

/** `target_modules` as it is typed: names with commas between them, or a regular expression, which is more than names. */
export function modulesFrom(text: string): string | string[] {
  if (text.trim() === "") return ALL_LINEAR;
  const names = text.split(",").map((name) => name.trim());
  return names.every((name) => /^[\w.]*$/.test(name)) ? names.filter((name) => name !== "") : text.trim();
}

/** The text that is read as these. A pattern that would read as names stands in brackets, which change nothing of it. */
export function modulesText(modules: string | string[]): string {
  if (Array.isArray(modules)) return modules.join(", ");
  if (modules === ALL_LINEAR) return "";
  return Array.isArray(modulesFrom(modules)) ? `(${modules})` : modules;
}

/** A number as it was typed: "5e-5", "0,1" and " 16 " too. NaN for anything else, which the checks refuse. */
export function numberFrom(text: string): number {
  const plain = text.trim().replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : Number.NaN;
}

/** A number as a person writes it: 0.00005 as 5e-5. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "";
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential().replace("e-0", "e-");
  if (Math.abs(value) >= 1e15) return value.toExponential().replace("e+", "e");
  return String(value);
}

/** A setting's value in words, for lists of changes. */
export function valueText(value: unknown, setting?: Setting): string {
  if (value === null) return setting?.absent ?? "not set";
  if (setting?.kind === "modules") return modulesText(value as string | string[]) || ALL_LINEAR;
  if (typeof value === "number") return numberText(value) || "no number";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value)) return value.map((part) => (typeof part === "number" ? numberText(part) : String(part))).join(", ");
  return typeof value === "object" ? patternsText(value as Record<string, number>) || "none" : String(value);
}

export type Change = { key: SettingKey; from: string; to: string };

/** Which settings differ between two runs, in the order of the table. */
export function changes(from: Settings, to: Settings): Change[] {
  return SETTINGS.map((setting) => ({
    key: setting.key,
    from: valueText(valueOf(from, setting.key), setting),
    to: valueText(valueOf(to, setting.key), setting),
  })).filter((change) => change.from !== change.to);
}
