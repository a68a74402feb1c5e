// Every setting of a run: what it does in one sentence, its safe range, and what is wrong with a value.
//
// A value outside the safe range warns and may be used; one without meaning is refused, as the program would refuse it
// (`RunConfig::validate`). Keys are TRL's.

import type { RunRequest, RunSettings } from "../../client/bindings";
import { lossNamed } from "./losses";
import { patternsText } from "./patterns";

export { patternsFrom, patternsText } from "./patterns";

export type SettingKey = keyof RunSettings;
export type Remark = { level: "warn" | "refuse"; sentence: string };
export type Remarks = Partial<Record<SettingKey | "name" | "model" | "held_out_share" | "sample_prompts", Remark>>;

type Kind = "number" | "whole" | "switch" | "losses" | "weights" | "names" | "text" | "patterns" | { choices: Choice[] };
export type Choice = { value: string; sentence: string };
export type Group = "first" | "loss" | "reference" | "length" | "rate" | "batch" | "adapter" | "record" | "best";

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
  check?: (settings: RunSettings) => Remark | null;
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

const refuse = (sentence: string): Remark => ({ level: "refuse", sentence });
const warn = (sentence: string): Remark => ({ level: "warn", sentence });

/** Checks a number: refused outside [min, max], warned about outside the safe range. */
function range(
  value: number,
  limits: { min?: number; above?: number; max?: number; below?: number; whole?: boolean; hint: string },
  safe?: { from: number; to: number; low: string; high: string },
): Remark | null {
  const { min, above, max, below, whole, hint } = limits;
  if (!Number.isFinite(value)) return refuse(`This is not a number. ${hint}`);
  if (whole && !Number.isSafeInteger(value)) return refuse(`This must be a whole number. ${hint}`);
  const outside =
    (min !== undefined && value < min) ||
    (above !== undefined && value <= above) ||
    (max !== undefined && value > max) ||
    (below !== undefined && value >= below);
  if (outside) return refuse(hint);
  if (safe && value < safe.from) return warn(safe.low);
  if (safe && value > safe.to) return warn(safe.high);
  return null;
}

/** Losses of a margin of two rewards, which another divergence than KL may make; sft it leaves alone. */
const DIVERGING = ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"];

const METRICS = [
  "eval_rewards/accuracies",
  "eval_rewards/margins",
  "eval_rewards/chosen",
  "eval_rewards/rejected",
  "eval_logps/chosen",
  "eval_logps/rejected",
  "eval_loss",
];

function patternRemark(patterns: Record<string, number>, good: (value: number) => boolean, wanted: string): Remark | null {
  const wrong = Object.entries(patterns).find(([name, value]) => name === "" || !good(value));
  return wrong ? refuse(`Write a name and ${wanted}, such as down_proj = 32, with commas between several.`) : null;
}

/** Evaluations on the way are needed to tell which is the best. */
function selectionRemark({ eval_steps }: RunSettings): Remark | null {
  return eval_steps === 0 ? refuse("Set eval_steps to 1 or more: the best step is looked for among those evaluated.") : null;
}

export const SETTINGS: Setting[] = [
  {
    key: "beta",
    group: "first",
    kind: "number",
    sentence: "How strongly the policy is held to the reference: small lets it move far, large keeps it close.",
    safe: "0.05 to 0.5; start at 0.1",
    check: ({ beta }) =>
      range(beta, { above: 0, hint: "Set it above 0; 0.1 is usual." }, {
        from: 0.05,
        to: 0.5,
        low: "Below 0.05 the model may drift far from the reference and start to repeat itself.",
        high: "Above 0.5 the model hardly moves away from the reference.",
      }),
  },
  {
    key: "learning_rate",
    group: "first",
    kind: "number",
    sentence: "How far one step moves the adapter; the highest value of the schedule.",
    safe: "5e-6 to 3e-4 for a LoRA; start at 5e-5, higher for small models",
    check: ({ learning_rate }) =>
      range(learning_rate, { above: 0, hint: "Set it above 0; 5e-5 is usual for a LoRA." }, {
        from: 5e-6,
        to: 3e-4,
        low: "Below 5e-6 an adapter learns very little. (1e-6 is for training all weights.)",
        high: "Above 3e-4 training may become unstable: watch grad_norm and the sample answers.",
      }),
  },
  {
    key: "num_train_epochs",
    group: "first",
    kind: "number",
    sentence: "How often every pair is seen; counts only where max_steps is not set.",
    safe: "1 to 3",
    check: ({ num_train_epochs, max_steps }) =>
      max_steps > 0
        ? null
        : range(num_train_epochs, { above: 0, max: 1e6, hint: "Set it above 0; 1 to 3 is usual." }, {
            from: 0,
            to: 3,
            low: "",
            high: "Above 3 epochs DPO usually memorises the pairs: watch the held-out accuracy.",
          }),
  },
  {
    key: "max_steps",
    group: "first",
    kind: "whole",
    sentence: "Optimiser steps of the whole run; -1 to go by num_train_epochs.",
    safe: "-1, or 1 and more",
    check: ({ max_steps }) =>
      max_steps === -1
        ? null
        : range(max_steps, { min: 1, whole: true, hint: "Set it to 1 or more, or -1 to go by num_train_epochs." }),
  },
  {
    key: "max_length",
    group: "first",
    kind: "whole",
    sentence: "Longest prompt and answer together, in tokens; what is longer is cut. 0 for no limit.",
    safe: "512 to 2048, as memory allows; look at the lengths beside",
    check: ({ max_length, max_prompt_length }) => {
      const remark = range(max_length, { min: 0, whole: true, hint: "Set it to 2 tokens or more, or 0 for no limit." }, {
        from: 0,
        to: 8192,
        low: "",
        high: "Sequences this long need much memory: look at the memory beside.",
      });
      if (remark?.level === "refuse") return remark;
      if (max_length === 1) return refuse("Set it to 2 tokens or more, or 0 for no limit.");
      if (max_length > 0 && max_prompt_length !== null && max_prompt_length >= max_length) {
        return warn("max_prompt_length is not below max_length: the longest prompts leave no room for an answer.");
      }
      if (max_length > 0 && max_length < 64) return warn("So few tokens cut most pairs: look at the lengths beside.");
      return remark;
    },
  },
  {
    key: "per_device_train_batch_size",
    group: "first",
    kind: "whole",
    sentence: "Pairs computed at once: more is faster and needs more memory.",
    safe: "1 to 16, as memory allows",
    check: ({ per_device_train_batch_size: size }) =>
      range(size, { min: 1, whole: true, hint: "Set it to 1 or more." }, {
        from: 1,
        to: 64,
        low: "",
        high: "So many pairs at once need much memory: look at the memory beside.",
      }),
  },
  {
    key: "loss_type",
    group: "loss",
    kind: "losses",
    sentence: "What is minimised: one loss, or several added together.",
    safe: "sigmoid; sigmoid and sft when both rewards fall",
    check: ({ loss_type, label_smoothing }) => {
      if (loss_type.length === 0) return refuse("Choose at least one loss, such as sigmoid.");
      const stranger = loss_type.find((name) => !lossNamed(name));
      if (stranger !== undefined) return refuse(`There is no loss called ${stranger}.`);
      if (loss_type.includes("exo_pair") && label_smoothing === 0) {
        return refuse("The loss exo_pair is infinite with label_smoothing 0: set that above 0, such as 0.001.");
      }
      if (loss_type.includes("robust") && label_smoothing >= 0.5) {
        return refuse("The loss robust needs label_smoothing below 0.5; 0.1 is usual.");
      }
      if (loss_type.length === 1 && loss_type[0] === "sft") {
        return warn("sft alone looks at the chosen answers only: the rejected ones teach nothing.");
      }
      return null;
    },
  },
  {
    key: "loss_weights",
    group: "loss",
    kind: "weights",
    sentence: "How much each of several losses counts; all count 1 where this is empty.",
    safe: "one number for each loss, such as 1, 1",
    absent: "all 1",
    check: ({ loss_type, loss_weights }) => {
      if (loss_weights === null) return null;
      if (loss_weights.some((weight) => !Number.isFinite(weight))) return refuse("Write numbers, such as 1, 0.5.");
      if (loss_weights.length !== loss_type.length) {
        return refuse(`There are ${loss_weights.length} weights for ${loss_type.length} losses: give one for each.`);
      }
      if (loss_weights.some((weight) => weight < 0)) return warn("A weight below 0 maximises that loss.");
      return null;
    },
  },
  {
    key: "label_smoothing",
    group: "loss",
    kind: "number",
    sentence: "The share of labels taken to be wrong; used by robust, exo_pair, aot and aot_unpaired.",
    safe: "0; 0.1 for robust, 0.001 for exo_pair",
    check: ({ label_smoothing, loss_type }) => {
      const remark = range(label_smoothing, { min: 0, max: 0.5, hint: "Set it between 0 and 0.5." });
      if (remark) return remark;
      if (label_smoothing > 0 && !loss_type.some((name) => lossNamed(name)?.smoothed)) {
        return warn("None of the chosen losses uses label_smoothing.");
      }
      return null;
    },
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
    check: ({ f_divergence_type, loss_type }) => {
      if (f_divergence_type === "reverse_kl") return null;
      const wrong = loss_type.find((name) => !DIVERGING.includes(name));
      if (wrong !== undefined) return refuse(`The loss ${wrong} knows no divergence but reverse_kl: choose another loss, or reverse_kl.`);
      return f_divergence_type === "forward_kl" ? warn("forward_kl grows exponentially where the policy gives an answer up: watch grad_norm.") : null;
    },
  },
  {
    key: "f_alpha_divergence_coef",
    group: "loss",
    kind: "number",
    sentence: "α of alpha_divergence: towards 1 it is reverse_kl, towards 0 forward_kl.",
    safe: "0.3 to 0.7; start at 0.5",
    check: ({ f_alpha_divergence_coef, f_divergence_type }) =>
      range(f_alpha_divergence_coef, { hint: "Set it to a number; 0.5 is usual." }) ??
      (f_alpha_divergence_coef !== 0.5 && f_divergence_type !== "alpha_divergence" ? warn("Only alpha_divergence uses it.") : null),
  },
  {
    key: "ld_alpha",
    group: "loss",
    kind: "number",
    sentence: "How much tokens count that one answer has beyond the length of the other (LD-DPO), against ever longer answers.",
    safe: "empty, or 0.3 to 0.8",
    absent: "in full",
    check: ({ ld_alpha }) =>
      ld_alpha === null
        ? null
        : range(ld_alpha, { min: 0, max: 1, hint: "Set it between 0 and 1, or leave it empty." }, {
            from: 0.1,
            to: 1,
            low: "The ends of longer answers hardly count.",
            high: "",
          }),
  },
  {
    key: "use_weighting",
    group: "loss",
    kind: "switch",
    sentence: "Pairs count by how likely the policy itself is to answer so (WPO).",
    safe: "off; on where another model wrote the pairs",
    check: ({ use_weighting, loss_type }) => {
      const wrong = use_weighting ? loss_type.find((name) => ["aot", "aot_unpaired", "sft"].includes(name)) : undefined;
      return wrong === undefined ? null : refuse(`The loss ${wrong} is not that of one pair, which could be weighed: choose another loss.`);
    },
  },
  {
    key: "ref_adapter",
    group: "reference",
    kind: "text",
    sentence: "Folder of an adapter, such as one of supervised fine-tuning, that makes the reference and is gone on from: its own rank, scale and layers count then.",
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
    check: ({ ref_model_mixup_alpha }) =>
      range(ref_model_mixup_alpha, { above: 0, max: 1, hint: "Set it above 0 and to at most 1; 0.6 is usual." }),
  },
  {
    key: "ref_model_sync_steps",
    group: "reference",
    kind: "whole",
    sentence: "Steps from one time to the next.",
    safe: "a few times in a run; 512 for long ones",
    check: ({ ref_model_sync_steps, sync_ref_model, max_steps }) =>
      range(ref_model_sync_steps, { min: 1, whole: true, hint: "Set it to 1 or more." }) ??
      (sync_ref_model && max_steps > 0 && ref_model_sync_steps >= max_steps ? warn("The run ends before the reference moves.") : null),
  },
  {
    key: "max_prompt_length",
    group: "length",
    kind: "whole",
    sentence: "Longest prompt in tokens; longer ones lose their beginning.",
    safe: "empty, or about half of max_length",
    absent: "no limit",
    check: ({ max_prompt_length }) =>
      max_prompt_length === null
        ? null
        : range(max_prompt_length, { min: 1, whole: true, hint: "Set it to 1 token or more, or leave it empty." }),
  },
  {
    key: "truncation",
    group: "length",
    kind: {
      choices: [
        { value: "keep_start", sentence: "The end is cut off." },
        { value: "keep_end", sentence: "The beginning is cut off." },
      ],
    },
    sentence: "Which end of what is longer than max_length is kept.",
    safe: "keep_start",
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
    check: ({ warmup_ratio, warmup_steps, lr_scheduler_type }) => {
      const remark = range(warmup_ratio, { min: 0, max: 1, hint: "Set it between 0 and 1." }, {
        from: 0,
        to: 0.3,
        low: "",
        high: "The learning rate is still rising for much of the run.",
      });
      if (remark) return remark;
      const unused = lr_scheduler_type === "constant" && (warmup_ratio > 0 || warmup_steps > 0);
      return unused ? warn("The schedule constant has no warm-up: choose linear or cosine.") : null;
    },
  },
  {
    key: "warmup_steps",
    group: "rate",
    kind: "whole",
    sentence: "Steps over which the learning rate rises from 0.",
    safe: "0 to a tenth of the run",
    check: ({ warmup_steps, max_steps }) => {
      const remark = range(warmup_steps, { min: 0, whole: true, hint: "Set it to 0 or more." });
      if (remark) return remark;
      if (max_steps > 0 && warmup_steps >= max_steps) return warn("The run ends before the warm-up does.");
      return null;
    },
  },
  {
    key: "weight_decay",
    group: "rate",
    kind: "number",
    sentence: "Pulls the adapter's weights towards 0 at every step.",
    safe: "0 to 0.1",
    check: ({ weight_decay }) =>
      range(weight_decay, { min: 0, hint: "Set it to 0 or more." }, {
        from: 0,
        to: 0.1,
        low: "",
        high: "Above 0.1 the adapter is pulled back strongly.",
      }),
  },
  {
    key: "max_grad_norm",
    group: "rate",
    kind: "number",
    sentence: "A gradient longer than this is scaled down to it; 0 for no limit.",
    safe: "0.3 to 1",
    check: ({ max_grad_norm }) => {
      const remark = range(max_grad_norm, { min: 0, hint: "Set it to 0 (no limit) or more; 1 is usual." }, {
        from: 0,
        to: 10,
        low: "",
        high: "So high a limit hardly ever holds anything back.",
      });
      if (remark) return remark;
      return max_grad_norm === 0 ? warn("Without a limit, one odd pair can throw the adapter off.") : null;
    },
  },
  {
    key: "gradient_accumulation_steps",
    group: "batch",
    kind: "whole",
    sentence: "Batches added up before each step: a larger batch without more memory.",
    safe: "so that pairs per step come to 8 to 64",
    check: ({ gradient_accumulation_steps: count }) => range(count, { min: 1, whole: true, hint: "Set it to 1 or more." }),
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
    check: ({ seed }) => range(seed, { min: 0, whole: true, hint: "Set it to a whole number from 0." }),
  },
  {
    key: "lora_r",
    group: "adapter",
    kind: "whole",
    sentence: "Rank of the adapter: how much it can learn, and how large it is.",
    safe: "8 to 64",
    check: ({ lora_r }) =>
      range(lora_r, { min: 1, whole: true, hint: "Set the rank to 1 or more; 8 to 64 is usual." }, {
        from: 4,
        to: 128,
        low: "So small a rank can learn little.",
        high: "So large a rank needs memory and memorises more easily.",
      }),
  },
  {
    key: "lora_alpha",
    group: "adapter",
    kind: "number",
    sentence: "The adapter is scaled by lora_alpha / lora_r.",
    safe: "once or twice lora_r",
    check: ({ lora_alpha, lora_r }) => {
      const remark = range(lora_alpha, { above: 0, hint: "Set it above 0; once or twice lora_r is usual." });
      if (remark) return remark;
      return lora_alpha > 4 * lora_r ? warn("Above four times lora_r it acts like a much higher learning rate.") : null;
    },
  },
  {
    key: "lora_dropout",
    group: "adapter",
    kind: "number",
    sentence: "Probability that an input of the adapter is left out at a step.",
    safe: "0 to 0.1",
    check: ({ lora_dropout }) =>
      range(lora_dropout, { min: 0, below: 1, hint: "Set it to 0 or more and below 1." }, {
        from: 0,
        to: 0.3,
        low: "",
        high: "Above 0.3 little of the adapter is left at each step.",
      }),
  },
  {
    key: "target_modules",
    group: "adapter",
    kind: "names",
    sentence: "Which layers get an adapter; all linear ones where this is empty.",
    safe: "empty, or names such as q_proj, v_proj",
    absent: "all-linear",
    check: ({ target_modules }) =>
      target_modules !== null && target_modules.length === 0 ? refuse("Name at least one layer, or leave it empty.") : null,
  },
  {
    key: "target_pattern",
    group: "adapter",
    kind: "text",
    sentence: "The same as a regular expression for whole names, as PEFT reads a text in target_modules.",
    safe: "empty, or such as .*\\.(q|v)_proj",
    absent: "none",
    check: ({ target_pattern, target_modules }) =>
      target_pattern !== null && target_modules !== null ? refuse("Give names or a pattern, not both.") : null,
  },
  {
    key: "use_rslora",
    group: "adapter",
    kind: "switch",
    sentence: "Scale by lora_alpha / √lora_r instead of lora_alpha / lora_r (rsLoRA), so that a high rank is not weakened.",
    safe: "off; on for ranks of 64 and more, with a smaller lora_alpha",
    check: ({ use_rslora, lora_alpha, lora_r }) =>
      use_rslora && lora_alpha / Math.sqrt(lora_r) > 8 ? warn("The adapter is scaled by more than 8: lower lora_alpha.") : null,
  },
  {
    key: "use_dora",
    group: "adapter",
    kind: "switch",
    sentence: "Train direction and length of each layer's rows apart (DoRA): learns more at low ranks, and takes longer.",
    safe: "off; on for ranks of 8 and less",
    check: ({ use_dora, target_modules }) =>
      use_dora && target_modules?.includes("lm_head") ? refuse("use_dora is not supported on lm_head: leave it out of target_modules.") : null,
  },
  {
    key: "rank_pattern",
    group: "adapter",
    kind: "patterns",
    sentence: "Other ranks by name or pattern; the first that matches the end of a layer's name counts.",
    safe: "empty, or such as down_proj = 32",
    check: ({ rank_pattern }) => patternRemark(rank_pattern, (rank) => Number.isSafeInteger(rank) && rank >= 1, "a whole rank of 1 or more"),
  },
  {
    key: "alpha_pattern",
    group: "adapter",
    kind: "patterns",
    sentence: "Other values of lora_alpha in the same way.",
    safe: "empty, or such as down_proj = 64",
    check: ({ alpha_pattern }) => patternRemark(alpha_pattern, (alpha) => Number.isFinite(alpha) && alpha > 0, "a number above 0"),
  },
  {
    key: "logging_steps",
    group: "record",
    kind: "whole",
    sentence: "The figures get a point every so many steps.",
    safe: "1 to 10",
    check: ({ logging_steps }) =>
      range(logging_steps, { min: 1, whole: true, hint: "Set it to 1 or more." }, {
        from: 1,
        to: 50,
        low: "",
        high: "With so few points the doctor sees trouble late.",
      }),
  },
  {
    key: "eval_steps",
    group: "record",
    kind: "whole",
    sentence: "Held-out pairs are scored every so many steps, and at the end; 0 for only at the end.",
    safe: "a tenth of the run",
    check: ({ eval_steps }) => range(eval_steps, { min: 0, whole: true, hint: "Set it to 0 or more." }),
  },
  {
    key: "save_steps",
    group: "record",
    kind: "whole",
    sentence: "A checkpoint every so many steps, and at the end; 0 for only at the end.",
    safe: "20 to 100",
    check: ({ save_steps }) => {
      const remark = range(save_steps, { min: 0, whole: true, hint: "Set it to 0 or more." });
      if (remark) return remark;
      return save_steps === 0 ? warn("Without checkpoints a run that is cut off starts again from the beginning.") : null;
    },
  },
  {
    key: "save_total_limit",
    group: "record",
    kind: "whole",
    sentence: "How many of the newest checkpoints are kept; 0 for all.",
    safe: "2",
    check: ({ save_total_limit }) => range(save_total_limit, { min: 0, whole: true, hint: "Set it to 0 or more." }),
  },
  {
    key: "load_best_model_at_end",
    group: "best",
    kind: "switch",
    sentence: "The run's adapter is that of its best evaluation instead of its last step.",
    safe: "on where there are 50 held-out pairs or more",
    check: (settings) => (settings.load_best_model_at_end ? selectionRemark(settings) : null),
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
    check: ({ greater_is_better, metric_for_best_model }) =>
      greater_is_better !== null && greater_is_better === metric_for_best_model.endsWith("loss")
        ? warn("This looks for the worst step.")
        : null,
  },
  {
    key: "early_stopping_patience",
    group: "best",
    kind: "whole",
    sentence: "The run ends after so many evaluations without an improvement.",
    safe: "empty, or 3 to 5",
    absent: "never",
    check: (settings) =>
      settings.early_stopping_patience === null
        ? null
        : (range(settings.early_stopping_patience, { min: 1, whole: true, hint: "Set it to 1 or more, or leave it empty." }) ??
          selectionRemark(settings)),
  },
  {
    key: "early_stopping_threshold",
    group: "best",
    kind: "number",
    sentence: "What an evaluation must gain to count as an improvement.",
    safe: "0",
    check: ({ early_stopping_threshold }) => range(early_stopping_threshold, { min: 0, hint: "Set it to 0 or more." }),
  },
];

/** The setting that names the adapter a run starts from, whose own settings then count instead of those of the group "adapter". */
export function startsFrom({ init_adapter, ref_adapter }: RunSettings): SettingKey | null {
  return init_adapter !== null ? "init_adapter" : ref_adapter !== null ? "ref_adapter" : null;
}

export function settingsOf(group: Group): Setting[] {
  return SETTINGS.filter((setting) => setting.group === group);
}

/** What is to be said about a request, by field. */
export function remarksOn(request: RunRequest): Remarks {
  const remarks: Remarks = {};
  const given = startsFrom(request.settings) !== null;
  for (const { key, group, check } of SETTINGS) {
    const remark = check?.(request.settings);
    // What does not count needs no care, but what has no meaning is refused all the same.
    if (remark && !(given && group === "adapter" && remark.level === "warn")) remarks[key] = remark;
  }
  if (request.name.trim() === "") remarks.name = refuse("Give the run a name.");
  else if (request.name.length > 100) remarks.name = refuse("Use at most 100 characters.");
  if (request.model === "") remarks.model = refuse("Choose a model.");
  const selects = request.settings.load_best_model_at_end || request.settings.early_stopping_patience !== null;
  const share = selects && request.held_out_share === 0 ? refuse("Hold some pairs out: the best step is told by them.") : range(request.held_out_share, { min: 0, max: 0.9, hint: "Set it between 0 and 0.9; 0.1 is usual." }, {
    from: 0.05,
    to: 0.5,
    low: "With so few held-out pairs their accuracy says little.",
    high: "More than half of the pairs are not trained on.",
  });
  if (share) remarks.held_out_share = share;
  const samples = range(request.sample_prompts, { min: 0, max: 100, whole: true, hint: "Set it between 0 and 100." }, {
    from: 0,
    to: 16,
    low: "",
    high: "So many sample answers take time from training.",
  });
  if (samples) remarks.sample_prompts = samples;
  return remarks;
}

export function isRefused(remarks: Remarks): boolean {
  return Object.values(remarks).some((remark) => remark.level === "refuse");
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
export function valueText(value: RunSettings[SettingKey], setting?: Setting): string {
  if (value === null) return setting?.absent ?? "not set";
  if (typeof value === "number") return numberText(value) || "no number";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "object" && !Array.isArray(value)) return patternsText(value) || "none";
  return Array.isArray(value) ? value.map((part) => (typeof part === "number" ? numberText(part) : part)).join(", ") : value;
}

export type Change = { key: SettingKey; from: string; to: string };

/** Which settings differ between two runs, in the order of the table. */
export function changes(from: RunSettings, to: RunSettings): Change[] {
  return SETTINGS.map((setting) => ({
    key: setting.key,
    from: valueText(from[setting.key], setting),
    to: valueText(to[setting.key], setting),
  })).filter((change) => change.from !== change.to);
}
