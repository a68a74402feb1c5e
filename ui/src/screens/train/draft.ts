// A run that is not started yet: from the defaults, or from another run with changes.

import type { ApiError, Remedy, RunRequest, Settings, RunView } from "../../client/bindings";
import { numberText } from "./settings";

/** The request that would start `view` again, under a new name, with `changed` settings. */
export function duplicate(project: string, view: RunView, taken: string[], changed: Partial<Settings> = {}): RunRequest {
  return {
    project,
    name: nextName(view.summary.name, taken),
    model: view.summary.model,
    held_out_share: view.held_out_share,
    from: view.summary.run,
    data: view.data,
    settings: fitted({ ...view.settings, ...changed }),
  };
}

/** How often a new run looks at its held-out pairs, as long as the user has not said so. */
export type Preset = {
  /** What decides how many steps there are, as the run was begun. */
  key: string;
  /** What was preset then, and what is now. */
  first: number;
  now: number;
};

/** What decides how many steps a run has. */
const lengthOf = ({ held_out_share, data, settings }: RunRequest): string =>
  JSON.stringify([held_out_share, data ?? null, settings.max_steps, settings.num_train_epochs, settings.per_device_train_batch_size, settings.gradient_accumulation_steps]);

export function presetOf(request: RunRequest): Preset {
  const { eval_steps } = request.settings;
  return { key: lengthOf(request), first: eval_steps, now: eval_steps };
}

/** `eval_steps` for a run of another length: `usual` follows from its steps. What the user has typed stays as it is. */
export function followed(preset: Preset, planned: RunRequest, usual: number): number {
  const { eval_steps } = planned.settings;
  if (eval_steps !== preset.now) return eval_steps;
  return lengthOf(planned) === preset.key ? preset.first : usual;
}

/** Loss weights belong to their losses: with other losses and no weights of their own, all count 1. */
function fitted(settings: Settings): Settings {
  const { loss_type, loss_weights } = settings;
  return loss_weights && loss_weights.length !== loss_type.length ? { ...settings, loss_weights: null } : settings;
}

/** A run tells the last part of its model's path: the model known by that name, by its id or by its whole path. */
export function modelNamed(name: string, known: string[]): string {
  return known.find((model) => model === name) ?? known.find((model) => model.split(/[\\/]/).at(-1) === name) ?? name;
}

/** "first" becomes "first 2", "first 2" becomes "first 3", or the next number nobody has. */
export function nextName(name: string, taken: string[]): string {
  const match = /^(.*\S)\s+(\d{1,6})$/.exec(name);
  const stem = match?.[1] ?? name;
  let number = match ? Number(match[2]) + 1 : 2;
  while (taken.includes(`${stem} ${number}`)) number += 1;
  return `${stem} ${number}`;
}

/** What to try after a failure, as changes to the run's settings. */
export function remediesFor(error: ApiError, settings: Settings): Remedy[] {
  const remedies: Remedy[] = [];
  // A process that is gone without a word was most often killed for its memory.
  if (error.code === "out_of_memory" || error.code === "interrupted" || (error.code === "tensor" && /memory/i.test(error.message))) {
    if (settings.gradient_checkpointing !== true) {
      remedies.push({ label: "Turn gradient_checkpointing on", settings: { gradient_checkpointing: true } });
    }
    const size = settings.per_device_train_batch_size;
    if (size > 1) {
      const smaller = Math.ceil(size / 2);
      // The pairs per step stay the same, so that the run is still comparable.
      const count = Math.ceil((size * settings.gradient_accumulation_steps) / smaller);
      remedies.push({
        label: `${smaller} pairs at once instead of ${size}`,
        settings: { per_device_train_batch_size: smaller, gradient_accumulation_steps: count },
      });
    }
    if (settings.max_length > 128) {
      const shorter = Math.floor(settings.max_length / 2);
      remedies.push({ label: `max_length ${shorter} instead of ${settings.max_length}`, settings: { max_length: shorter } });
    }
  }
  if (error.code === "non_finite_loss" || error.code === "non_finite_gradient") {
    const rate = Number((settings.learning_rate / 10).toPrecision(3));
    remedies.push({ label: `A tenth of the learning rate (${numberText(rate)})`, settings: { learning_rate: rate } });
    if (settings.max_grad_norm === 0 || settings.max_grad_norm > 1) {
      remedies.push({ label: "max_grad_norm 1", settings: { max_grad_norm: 1 } });
    }
    if (settings.warmup_steps === 0 && settings.warmup_ratio === 0 && settings.lr_scheduler_type !== "constant") {
      remedies.push({ label: "Warm up over a tenth of the run", settings: { warmup_ratio: 0.1 } });
    }
  }
  if (error.code === "no_pairs" && settings.max_length > 0) {
    remedies.push({ label: `max_length ${settings.max_length * 2}`, settings: { max_length: settings.max_length * 2 } });
  }
  return remedies;
}
