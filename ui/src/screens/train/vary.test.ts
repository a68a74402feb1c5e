import { expect, test } from "vitest";
import { isTyped, ruleFrom, searchFrom, settingOf, valuesFrom, varyFrom } from "./vary";

const typed = { key: "learning_rate" as const, text: "", isRange: false, low: "", high: "", scale: "log" as const };

test("values are read as their setting has them, and what is none stays to be refused", () => {
  expect(valuesFrom(settingOf("learning_rate"), "1e-5, 0.0002;5e-5")).toEqual([1e-5, 2e-4, 5e-5]);
  expect(valuesFrom(settingOf("learning_rate"), "fast, 1e-5")).toEqual(["fast", 1e-5]);
  expect(valuesFrom(settingOf("shuffle"), "on off")).toEqual([true, false]);
  expect(valuesFrom(settingOf("loss_type"), "sigmoid, sigmoid+sft")).toEqual([["sigmoid"], ["sigmoid", "sft"]]);
  expect(valuesFrom(settingOf("lr_scheduler_type"), "linear, cosine")).toEqual(["linear", "cosine"]);
  expect(valuesFrom(settingOf("gradient_checkpointing"), "auto, true")).toEqual(["auto", true]);
  expect(valuesFrom(settingOf("ld_alpha"), "none, 0.5")).toEqual([null, 0.5]);
});

test("a range and a search are asked for as they are typed", () => {
  const range = { ...typed, isRange: true, low: "1e-6", high: "1e-3" };
  expect(varyFrom(range)).toEqual({ key: "learning_rate", values: { kind: "range", low: 1e-6, high: 1e-3, scale: "log" } });
  expect([isTyped(range), isTyped({ ...range, low: "" }), isTyped(typed), isTyped({ ...typed, text: "1" })]).toEqual([true, false, false, true]);
  expect(searchFrom(true, "12", "7")).toEqual({ kind: "random", trials: 12, seed: 7 });
  expect(searchFrom(true, "many", "")).toEqual({ kind: "random", trials: 0, seed: 0 });
  expect(searchFrom(false, "12", "7")).toEqual({ kind: "grid" });
});

test("a rule is asked for with its numbers, and none is the default", () => {
  const typed = { kind: "none" as const, after: "20", eta: "3", firstStep: "10" };
  expect(ruleFrom(typed)).toBeNull();
  expect(ruleFrom({ ...typed, kind: "median" })).toEqual({ kind: "median", after: 20 });
  expect(ruleFrom({ ...typed, kind: "successive_halving", eta: "x" })).toEqual({ kind: "successive_halving", eta: 0, first_step: 10 });
});
