import { fireEvent, render, screen } from "@testing-library/svelte";
import { expect, it } from "vitest";
import type { RunSettings } from "../../client/bindings";
import { DEFAULTS } from "./defaults.fixture";
import SettingField from "./SettingField.svelte";
import { SETTINGS, remarksOn } from "./settings";

function field(key: keyof RunSettings, settings: RunSettings, from: RunSettings | null = null, unused: string | null = null) {
  const setting = SETTINGS.find((entry) => entry.key === key);
  if (!setting) throw new Error(key);
  const remark = remarksOn({ project: "p", name: "n", model: "m", held_out_share: 0.1, sample_prompts: 1, settings })[key];
  render(SettingField, { setting, settings, remark, from, unused });
}

it.each<[keyof RunSettings, string, unknown]>([
  ["learning_rate", "3e-4", 3e-4],
  ["beta", "0,2", 0.2],
  ["beta", "much", Number.NaN],
  ["max_prompt_length", "", null],
  ["max_prompt_length", "256", 256],
  ["target_modules", "q_proj, v_proj", ["q_proj", "v_proj"]],
  ["loss_weights", "1, 0.5", [1, 0.5]],
  ["ref_adapter", " runs/sft/adapter ", "runs/sft/adapter"],
  ["rank_pattern", "q_proj = 4, v_proj = 8", { q_proj: 4, v_proj: 8 }],
])("what is typed is the setting: %s %s", async (key, text, value) => {
  const settings: RunSettings = { ...DEFAULTS, max_prompt_length: 12 };
  field(key, settings);
  const input = screen.getByRole("textbox") as HTMLInputElement;
  await fireEvent.input(input, { target: { value: text } });
  expect(settings[key]).toEqual(value);
  expect(input.value).toBe(text);
});

it("what is chosen may be nothing", async () => {
  const settings: RunSettings = { ...DEFAULTS, greater_is_better: false };
  field("greater_is_better", settings);
  const select = screen.getByRole("combobox") as HTMLSelectElement;
  expect(select.value).toBe("false");
  await fireEvent.change(select, { target: { value: "true" } });
  expect(settings.greater_is_better).toBe(true);
  await fireEvent.change(select, { target: { value: "by its name" } });
  expect(settings.greater_is_better).toBeNull();
});

it("a refused value is marked and explained where it stands", () => {
  field("beta", { ...DEFAULTS, beta: -1 });
  const input = screen.getByRole("textbox");
  expect(input.getAttribute("aria-invalid")).toBe("true");
  const described = input.getAttribute("aria-describedby")?.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ");
  expect(described).toContain("Set it above 0");
  expect(described).toContain("0.05 to 0.5");
});

it("a changed value says what it was", () => {
  field("beta", { ...DEFAULTS, beta: 0.3 }, DEFAULTS);
  expect(screen.getByText(/Was 0\.1\./)).toBeTruthy();
});

it.each<keyof RunSettings>(["lora_r", "use_dora", "rank_pattern"])("what does not count cannot be set, and says why: %s", (key) => {
  const why = document.body.appendChild(document.createElement("p"));
  why.id = "why";
  field(key, { ...DEFAULTS, ref_adapter: "sft" }, null, "why");
  const control = screen.getByRole(key === "use_dora" ? "checkbox" : "textbox") as HTMLInputElement;
  expect(control.disabled).toBe(true);
  expect(control.getAttribute("aria-describedby")?.split(" ")[0]).toBe("why");
  why.remove();
});

it("what has no meaning can be corrected even where it does not count", () => {
  field("lora_r", { ...DEFAULTS, ref_adapter: "sft", lora_r: 0 }, null, "why");
  const input = screen.getByRole("textbox") as HTMLInputElement;
  expect(input.disabled).toBe(false);
  expect(input.getAttribute("aria-invalid")).toBe("true");
});
