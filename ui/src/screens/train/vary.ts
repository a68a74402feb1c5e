// Settings that vary over the runs of a sweep, as they are typed.

import type { RangeScale, Search, StopRule, Vary } from "../../client/bindings";
import { SETTINGS, type Setting, type SettingKey, numberFrom } from "./settings";

/** A setting that varies, as its fields hold it. */
export type Varied = { key: SettingKey; text: string; isRange: boolean; low: string; high: string; scale: RangeScale };

/** Settings of one number, one choice or a switch. */
export const VARIABLE: Setting[] = SETTINGS.filter(({ kind }) => typeof kind === "object" || kind === "number" || kind === "whole" || kind === "switch" || kind === "losses");

export const settingOf = (key: SettingKey): Setting => SETTINGS.find((setting) => setting.key === key) as Setting;
export const isNumber = ({ kind }: Setting): boolean => kind === "number" || kind === "whole";

/** How values of a setting are to be written. */
export function howToWrite({ kind }: Setting): string {
  if (kind === "switch") return "on, off";
  if (kind === "losses") return "sigmoid, ipo, sigmoid+sft";
  if (typeof kind === "object") return kind.choices.map(({ value }) => value).join(", ");
  return kind === "whole" ? "8, 16, 32" : "1e-5, 5e-5, 2e-4";
}

/** What was typed as values of the setting; a text that is none stays one, to be refused by name. */
export function valuesFrom(setting: Setting, text: string): unknown[] {
  const parts = text.split(/[,;\s]+/).filter(Boolean);
  return parts.map((part) => {
    if (setting.absent !== undefined && part === "none") return null;
    if (setting.kind === "losses") return part.split("+");
    if (part === "on" || part === "true") return setting.kind === "switch" || typeof setting.kind === "object" ? true : part;
    if (part === "off" || part === "false") return setting.kind === "switch" || typeof setting.kind === "object" ? false : part;
    if (!isNumber(setting)) return part;
    const number = numberFrom(part);
    return Number.isFinite(number) ? number : part;
  });
}

export function varyFrom(varied: Varied): Vary {
  const { key, text, isRange, low, high, scale } = varied;
  if (isRange) return { key, values: { kind: "range", low: numberFrom(low), high: numberFrom(high), scale } };
  return { key, values: { kind: "list", values: valuesFrom(settingOf(key), text) } };
}

/** Whether every field holds something that can be asked about. */
export function isTyped(varied: Varied): boolean {
  if (varied.isRange) return Number.isFinite(numberFrom(varied.low)) && Number.isFinite(numberFrom(varied.high));
  return valuesFrom(settingOf(varied.key), varied.text).length > 0;
}

/** By which rule runs are stopped early, as it is typed; none by default. */
export type RuleTyped = { kind: "none" | StopRule["kind"]; after: string; eta: string; firstStep: string };

export function ruleFrom({ kind, after, eta, firstStep }: RuleTyped): StopRule | null {
  const whole = (text: string) => Math.max(0, Math.round(numberFrom(text) || 0));
  if (kind === "median") return { kind, after: whole(after) };
  return kind === "successive_halving" ? { kind, eta: whole(eta), first_step: whole(firstStep) } : null;
}

export function searchFrom(isRandom: boolean, trials: string, seed: string): Search {
  return isRandom ? { kind: "random", trials: Math.max(0, Math.round(numberFrom(trials) || 0)), seed: Math.max(0, Math.round(numberFrom(seed) || 0)) } : { kind: "grid" };
}
