import { describe, expect, it } from "vitest";
import { DEFAULTS } from "./defaults.fixture";
import { LOSSES } from "./losses";
import { SETTINGS, byField, changes, isRefused, modulesFrom, modulesText, numberFrom, numberText, startsFrom, valueText } from "./settings";

describe("settings", () => {
  it("are explained one and all, each once, with a safe range", () => {
    const { lora, ...others } = DEFAULTS;
    const patterns = ["lora.rank_pattern", "lora.alpha_pattern"];
    const keys = [...Object.keys(others), ...Object.keys(lora).map((key) => `lora.${key}`), ...patterns];
    expect(SETTINGS.map((setting) => setting.key).sort()).toEqual(keys.sort());
    for (const { sentence, safe } of SETTINGS) {
      expect(sentence).toMatch(/\.$/);
      expect(safe).not.toBe("");
    }
    expect(new Set(LOSSES.map((loss) => loss.name)).size).toBe(15);
  });

  it("of an adapter do not count where one is given", () => {
    expect(startsFrom(DEFAULTS)).toBeNull();
    expect(startsFrom({ ...DEFAULTS, ref_adapter: "sft" })).toBe("ref_adapter");
    expect(startsFrom({ ...DEFAULTS, ref_adapter: "sft", init_adapter: "dpo" })).toBe("init_adapter");
  });

  it("show of several remarks the first, and are refused where one is", () => {
    const remark = (key: string, level: "warn" | "refuse", sentence: string) => ({ key, level, sentence });
    const warned = byField([remark("beta", "warn", "First."), remark("beta", "warn", "Second.")]);
    expect(warned.beta?.sentence).toBe("First.");
    expect(isRefused(warned)).toBe(false);
    expect(isRefused(byField([remark("lora.r", "refuse", "No."), remark("beta", "warn", "Hm.")]))).toBe(true);
  });
});

describe("target_modules", () => {
  it.each<[string, string | string[]]>([
    ["", "all-linear"],
    ["q_proj, v_proj", ["q_proj", "v_proj"]],
    ["layers.0.self_attn.q_proj,", ["layers.0.self_attn.q_proj"]],
    [".*\\.(q|v)_proj", ".*\\.(q|v)_proj"],
    ["layers\\.\\d{1,2}\\..*", "layers\\.\\d{1,2}\\..*"],
  ])("are names or a pattern: %s", (text, modules) => {
    expect(modulesFrom(text)).toEqual(modules);
    expect(modulesFrom(modulesText(modules))).toEqual(modules);
  });

  it("that are a pattern like a name stay one", () => {
    expect(modulesText("q_proj")).toBe("(q_proj)");
    expect(modulesFrom(modulesText("q_proj"))).toBe("(q_proj)");
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
