import { describe, expect, it } from "vitest";
import type { RunView } from "../../client/bindings";
import { duplicate, followed, modelNamed, nextName, presetOf, remediesFor } from "./draft";
import { DEFAULTS } from "./defaults.fixture";

const none = { loss: null, margin: null, accuracy: null, accuracy_interval: null, pairs: 0, chosen: null, rejected: null, grad_norm: null, learning_rate: null, tokens_per_second: null, peak_memory_bytes: null };
const view: RunView = {
  summary: { run: "r1", name: "first", state: "failed", queued: null, has_adapter: false, step: 3, total_steps: 9, started_at: 0, seconds_left: null, loss: null, accuracy: null, accuracy_interval: null, held_out_accuracy: null, held_out_accuracy_interval: null, model: "m", notes: { note: "", tags: [], archived: false } },
  folder: "f", computed_on: [], settings: { ...DEFAULTS, loss_type: ["sigmoid", "ipo"], loss_weights: [1, 0.5] }, selection: null, stopped_by_rule: null, sweep: null, from: null, from_name: null, held_out_share: 0.2, data_says: [], data: null,
  now: none, error: null, warnings: [], findings: [], samples: [], stage: "", stage_done: 0, stage_total: 0,
};

describe("a duplicate", () => {
  it("has the run's settings, a name of its own and the changes", () => {
    const request = duplicate("p", view, ["first"], { beta: 0.3 });
    expect(request).toMatchObject({ project: "p", name: "first 2", model: "m", held_out_share: 0.2, from: "r1" });
    expect(request.settings).toEqual({ ...view.settings, beta: 0.3 });
    expect(view.settings.beta).toBe(0.1);
  });

  it("drops weights that no longer fit the losses", () => {
    expect(duplicate("p", view, [], { loss_type: ["sigmoid", "ipo", "sft"] }).settings.loss_weights).toBeNull();
    expect(duplicate("p", view, [], { loss_type: ["sigmoid", "sft"], loss_weights: [1, 1] }).settings.loss_weights).toEqual([1, 1]);
  });

  it("finds its model by the end of its path", () => {
    const known = ["smol", "/models/llama-1b", "C:\\models\\qwen"];
    expect(["smol", "llama-1b", "qwen", "gone"].map((name) => modelNamed(name, known))).toEqual(["smol", "/models/llama-1b", "C:\\models\\qwen", "gone"]);
  });

  it("counts up past names that are taken", () => {
    expect(nextName("first 2", [])).toBe("first 3");
    expect(nextName("first", ["first 2", "first 3"])).toBe("first 4");
    expect(nextName("2026", [])).toBe("2026 2");
  });
});

describe("how often a new run looks at its held-out pairs", () => {
  const begun = { project: "p", name: "n", model: "m", held_out_share: 0.1, from: null, settings: { ...DEFAULTS, eval_steps: 17 } };
  const changed = (settings: Partial<typeof DEFAULTS>) => ({ ...begun, settings: { ...begun.settings, ...settings } });
  const preset = presetOf(begun);

  it("follows the number of its steps until the user says so, and comes back with them", () => {
    expect(followed(preset, begun, 16)).toBe(17);
    expect(followed(preset, changed({ max_steps: 12 }), 1)).toBe(1);
    expect(followed({ ...preset, now: 1 }, changed({ eval_steps: 1 }), 16)).toBe(17);
    expect(followed(preset, changed({ max_steps: 12, eval_steps: 4 }), 1)).toBe(4);
    expect(followed(preset, changed({ learning_rate: 1 }), 16)).toBe(17);
  });
});

describe("what to try after a failure", () => {
  it("out of memory: fewer pairs at once with as many per step, then shorter ones", () => {
    const error = { code: "out_of_memory", message: "", hint: "" };
    const remedies = remediesFor(error, { ...DEFAULTS, gradient_checkpointing: false });
    expect(remedies.map((remedy) => remedy.settings)).toEqual([
      { gradient_checkpointing: true },
      { per_device_train_batch_size: 4, gradient_accumulation_steps: 2 },
      { max_length: 512 },
    ]);
    const least = remediesFor(error, { ...DEFAULTS, per_device_train_batch_size: 1, max_length: 0, gradient_checkpointing: true });
    expect(least).toEqual([]);
  });

  it("not finite: a lower rate, a limit, a warm-up", () => {
    const remedies = remediesFor({ code: "non_finite_loss", message: "", hint: "" }, { ...DEFAULTS, max_grad_norm: 0 });
    expect(remedies.map((remedy) => remedy.settings)).toEqual([{ learning_rate: 5e-6 }, { max_grad_norm: 1 }, { warmup_ratio: 0.1 }]);
  });

  it("anything else: nothing is made up", () => {
    expect(remediesFor({ code: "read", message: "", hint: "" }, DEFAULTS)).toEqual([]);
  });
});
