import { fireEvent, render, screen } from "@testing-library/svelte";
import { expect, it } from "vitest";
import type { Remark, Settings } from "../../client/bindings";
import { DEFAULTS } from "./defaults.fixture";
import SettingField from "./SettingField.svelte";
import { SETTINGS, type SettingKey, valueOf } from "./settings";

type Other = { from?: Settings; unused?: string; refused?: string };

function field(key: SettingKey, settings: Settings, { from, unused, refused }: Other = {}) {
  const setting = SETTINGS.find((entry) => entry.key === key);
  if (!setting) throw new Error(key);
  const remark: Remark | undefined = refused === undefined ? undefined : { key, level: "refuse", sentence: refused };
  render(SettingField, { setting, settings, remark, from: from ?? null, unused: unused ?? null });
}

it.each<[SettingKey, string, unknown]>([
  ["learning_rate", "3e-4", 3e-4],
  ["beta", "0,2", 0.2],
  ["beta", "much", "much"],
  ["max_prompt_length", "much", "much"],
  ["seed", "9007199254740993", "9007199254740993"],
  ["max_steps", "1.5", 1.5],
  ["max_prompt_length", "", null],
  ["max_prompt_length", "256", 256],
  ["lora.target_modules", "q_proj, v_proj", ["q_proj", "v_proj"]],
  ["lora.target_modules", ".*_proj", ".*_proj"],
  ["loss_weights", "1, 0.5", [1, 0.5]],
  ["ref_adapter", " runs/sft/adapter ", "runs/sft/adapter"],
  ["lora.rank_pattern", "q_proj = 4, v_proj = 8", { q_proj: 4, v_proj: 8 }],
])("what is typed is the setting: %s %s", async (key, text, value) => {
  const settings: Settings = { ...structuredClone(DEFAULTS), max_prompt_length: 12 };
  field(key, settings);
  const input = screen.getByRole("textbox") as HTMLInputElement;
  await fireEvent.input(input, { target: { value: text } });
  expect(valueOf(settings, key)).toEqual(value);
  expect(input.value).toBe(text);
});

it("what is chosen may be nothing", async () => {
  const settings: Settings = { ...DEFAULTS, greater_is_better: false };
  field("greater_is_better", settings);
  const select = screen.getByRole("combobox") as HTMLSelectElement;
  expect(select.value).toBe("false");
  await fireEvent.change(select, { target: { value: "true" } });
  expect(settings.greater_is_better).toBe(true);
  await fireEvent.change(select, { target: { value: "by its name" } });
  expect(settings.greater_is_better).toBeNull();
});

it("a refused value is marked and explained where it stands", () => {
  field("beta", { ...DEFAULTS, beta: -1 }, { refused: "Set it above 0." });
  const input = screen.getByRole("textbox");
  expect(input.getAttribute("aria-invalid")).toBe("true");
  const described = input.getAttribute("aria-describedby")?.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ");
  expect(described).toContain("Set it above 0");
  expect(described).toContain("0.05 to 0.5");
});

it("a changed value says what it was", () => {
  field("beta", { ...DEFAULTS, beta: 0.3 }, { from: DEFAULTS });
  expect(screen.getByText(/Was 0\.1\./)).toBeTruthy();
});

it.each<SettingKey>(["lora.r", "lora.use_dora", "lora.rank_pattern"])("what does not count cannot be set, and says why: %s", (key) => {
  const why = document.body.appendChild(document.createElement("p"));
  why.id = "why";
  field(key, { ...DEFAULTS, ref_adapter: "sft" }, { unused: "why" });
  const control = screen.getByRole(key === "lora.use_dora" ? "checkbox" : "textbox") as HTMLInputElement;
  expect(control.disabled).toBe(true);
  expect(control.getAttribute("aria-describedby")?.split(" ")[0]).toBe("why");
  why.remove();
});

it("what has no meaning can be corrected even where it does not count", () => {
  field("lora.r", { ...DEFAULTS, ref_adapter: "sft", lora: { ...DEFAULTS.lora, r: 0 } }, { unused: "why", refused: "Set the rank." });
  const input = screen.getByRole("textbox") as HTMLInputElement;
  expect(input.disabled).toBe(false);
  expect(input.getAttribute("aria-invalid")).toBe("true");
});
