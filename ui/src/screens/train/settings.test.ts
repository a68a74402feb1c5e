import { describe, expect, it } from "vitest";
import type { RunRequest, RunSettings } from "../../client/bindings";
import { DEFAULTS } from "./defaults.fixture";
import { LOSSES } from "./losses";
import { SETTINGS, changes, isRefused, numberFrom, numberText, remarksOn, startsFrom, valueText } from "./settings";

function request(settings: Partial<RunSettings> = {}, other: Partial<RunRequest> = {}): RunRequest {
  return { project: "p", name: "first", model: "m", held_out_share: 0.1, sample_prompts: 4, settings: { ...DEFAULTS, ...settings }, ...other };
}

describe("settings", () => {
  it("are explained one and all, each once, with a safe range", () => {
    expect(SETTINGS.map((setting) => setting.key).sort()).toEqual(Object.keys(DEFAULTS).sort());
    for (const { sentence, safe } of SETTINGS) {
      expect(sentence).toMatch(/\.$/);
      expect(safe).not.toBe("");
    }
    expect(new Set(LOSSES.map((loss) => loss.name)).size).toBe(15);
  });

  it("of an adapter do not count where one is given, and then need no care", () => {
    expect(startsFrom(DEFAULTS)).toBeNull();
    expect(startsFrom({ ...DEFAULTS, ref_adapter: "sft" })).toBe("ref_adapter");
    expect(startsFrom({ ...DEFAULTS, ref_adapter: "sft", init_adapter: "dpo" })).toBe("init_adapter");
    const careless = { lora_r: 8, lora_alpha: 64, beta: 0.9 };
    expect(Object.keys(remarksOn(request(careless)))).toEqual(["beta", "lora_alpha"]);
    expect(Object.keys(remarksOn(request({ ...careless, init_adapter: "dpo" })))).toEqual(["beta"]);
    expect(remarksOn(request({ lora_r: 0, ref_adapter: "sft" })).lora_r?.level).toBe("refuse");
  });

  it("at their defaults are beyond reproach", () => {
    expect(remarksOn(request())).toEqual({});
  });

  it.each<[Partial<RunSettings>, keyof RunSettings]>([
    [{ beta: 0.01 }, "beta"],
    [{ beta: 0.6 }, "beta"],
    [{ learning_rate: 1e-6 }, "learning_rate"],
    [{ learning_rate: 1e-3 }, "learning_rate"],
    [{ num_train_epochs: 5 }, "num_train_epochs"],
    [{ max_length: 256, max_prompt_length: 256 }, "max_length"],
    [{ max_length: 40 }, "max_length"],
    [{ label_smoothing: 0.1 }, "label_smoothing"],
    [{ loss_type: ["sft"] }, "loss_type"],
    [{ max_steps: 10, warmup_steps: 10 }, "warmup_steps"],
    [{ lr_scheduler_type: "constant", warmup_ratio: 0.1 }, "warmup_ratio"],
    [{ max_grad_norm: 0 }, "max_grad_norm"],
    [{ save_steps: 0 }, "save_steps"],
    [{ lora_r: 8, lora_alpha: 64 }, "lora_alpha"],
    [{ f_divergence_type: "forward_kl" }, "f_divergence_type"],
    [{ f_alpha_divergence_coef: 0.7 }, "f_alpha_divergence_coef"],
    [{ ld_alpha: 0 }, "ld_alpha"],
    [{ sync_ref_model: true, max_steps: 100 }, "ref_model_sync_steps"],
    [{ greater_is_better: false }, "greater_is_better"],
    [{ use_rslora: true, lora_alpha: 64 }, "use_rslora"],
  ])("outside their safe range warn and can be used: %o", (settings, key) => {
    const remarks = remarksOn(request(settings));
    expect(remarks[key]?.level).toBe("warn");
    expect(isRefused(remarks)).toBe(false);
  });

  it.each<[Partial<RunSettings>, keyof RunSettings]>([
    [{ beta: 0 }, "beta"],
    [{ beta: Number.NaN }, "beta"],
    [{ learning_rate: -1 }, "learning_rate"],
    [{ learning_rate: Number.POSITIVE_INFINITY }, "learning_rate"],
    [{ num_train_epochs: 0 }, "num_train_epochs"],
    [{ max_steps: 0 }, "max_steps"],
    [{ max_steps: 1.5 }, "max_steps"],
    [{ max_length: 1 }, "max_length"],
    [{ max_prompt_length: 0 }, "max_prompt_length"],
    [{ per_device_train_batch_size: 0 }, "per_device_train_batch_size"],
    [{ loss_type: [] }, "loss_type"],
    [{ loss_type: ["dpo"] }, "loss_type"],
    [{ loss_type: ["exo_pair"] }, "loss_type"],
    [{ loss_type: ["robust"], label_smoothing: 0.5 }, "loss_type"],
    [{ loss_type: ["sigmoid", "sft"], loss_weights: [1] }, "loss_weights"],
    [{ loss_weights: [Number.NaN] }, "loss_weights"],
    [{ label_smoothing: 0.6 }, "label_smoothing"],
    [{ warmup_ratio: 1.1 }, "warmup_ratio"],
    [{ lora_r: 0 }, "lora_r"],
    [{ lora_dropout: 1 }, "lora_dropout"],
    [{ target_modules: [] }, "target_modules"],
    [{ seed: 2 ** 60 }, "seed"],
    [{ f_divergence_type: "js_divergence", loss_type: ["sigmoid", "apo_zero"] }, "f_divergence_type"],
    [{ use_weighting: true, loss_type: ["aot"] }, "use_weighting"],
    [{ ld_alpha: 1.5 }, "ld_alpha"],
    [{ ref_model_mixup_alpha: 0 }, "ref_model_mixup_alpha"],
    [{ ref_model_sync_steps: 0 }, "ref_model_sync_steps"],
    [{ load_best_model_at_end: true }, "load_best_model_at_end"],
    [{ early_stopping_patience: 2 }, "early_stopping_patience"],
    [{ early_stopping_patience: 0, eval_steps: 5 }, "early_stopping_patience"],
    [{ early_stopping_threshold: -1 }, "early_stopping_threshold"],
    [{ target_pattern: ".*", target_modules: ["q_proj"] }, "target_pattern"],
    [{ rank_pattern: { q_proj: 1.5 } }, "rank_pattern"],
    [{ alpha_pattern: { q_proj: Number.NaN } }, "alpha_pattern"],
    [{ use_dora: true, target_modules: ["lm_head"] }, "use_dora"],
    [{ logging_steps: 0 }, "logging_steps"],
  ])("without meaning are refused: %o", (settings, key) => {
    const remarks = remarksOn(request(settings));
    expect(remarks[key]?.level).toBe("refuse");
    expect(isRefused(remarks)).toBe(true);
  });

  it("leave the epochs alone where max_steps counts", () => {
    expect(remarksOn(request({ max_steps: 20, num_train_epochs: 0 })).num_train_epochs).toBeUndefined();
  });

  it("come with a name, a model and a share to hold out", () => {
    const remarks = remarksOn(request({}, { name: " ", model: "", held_out_share: 1 }));
    expect(remarks.name?.level).toBe("refuse");
    expect(remarks.model?.level).toBe("refuse");
    expect(remarks.held_out_share?.level).toBe("refuse");
    expect(remarksOn(request({}, { held_out_share: 0 })).held_out_share?.level).toBe("warn");
    const best = { load_best_model_at_end: true, eval_steps: 5 };
    expect(remarksOn(request(best, { held_out_share: 0 })).held_out_share?.level).toBe("refuse");
    expect(remarksOn(request(best))).toEqual({});
  });
});

describe("numbers", () => {
  it.each([["5e-5", 5e-5], ["0,1", 0.1], [" 16 ", 16], ["-1", -1], [".5", 0.5], ["1E3", 1000]])("are read as typed: %s", (text, value) => {
    expect(numberFrom(text)).toBe(value);
  });

  it.each(["", " ", "abc", "1.000,5", "0x10", "1e", "Infinity", "1 2", "--1"])("that are none are refused: %s", (text) => {
    expect(numberFrom(text)).toBeNaN();
  });

  it("are written so that they read back the same", () => {
    for (const value of [5e-5, 3e-4, 0.1, 1024, -1, 0, 1.5e-6, 0.001]) expect(numberFrom(numberText(value))).toBe(value);
    expect(numberText(5e-5)).toBe("5e-5");
  });
});

describe("changes", () => {
  it("name what differs, in words", () => {
    expect(changes(DEFAULTS, { ...DEFAULTS, beta: 0.2, loss_type: ["sigmoid", "sft"], max_prompt_length: 256, shuffle: false })).toEqual([
      { key: "beta", from: "0.1", to: "0.2" },
      { key: "loss_type", from: "sigmoid", to: "sigmoid, sft" },
      { key: "max_prompt_length", from: "no limit", to: "256" },
      { key: "shuffle", from: "on", to: "off" },
    ]);
    expect(changes(DEFAULTS, { ...DEFAULTS })).toEqual([]);
    expect(valueText(null)).toBe("not set");
    expect(valueText({})).toBe("none");
    expect(valueText({ z_proj: 4, a_proj: 8 })).toBe("z_proj = 4, a_proj = 8");
  });
});
