// What stands on either side of an evaluation, as it is chosen on the page.

import type { SideRequest } from "../../client/bindings";

export type SideKind = "adapter" | "run" | "base" | "model" | "answers" | "chosen";

export const SIDES: { value: SideKind; label: string }[] = [
  { value: "adapter", label: "The run's adapter" },
  { value: "run", label: "Another run, or a checkpoint" },
  { value: "base", label: "The base model of the run" },
  { value: "model", label: "Another model" },
  { value: "answers", label: "Answers from a file" },
  { value: "chosen", label: "The chosen answers of the held-out pairs" },
];

/** What can stand on a side of an evaluation that is of no run. */
export const SIDES_OF_NONE: { value: SideKind; label: string }[] = [
  { value: "base", label: "The project's model" },
  { value: "model", label: "Another model" },
  { value: "run", label: "A run, or a checkpoint" },
  { value: "answers", label: "Answers from a file" },
  { value: "chosen", label: "The chosen answers of the project's pairs" },
];

/** Everything the form holds of a side, also for what is not chosen now. */
export type SideForm = {
  kind: SideKind;
  run: string;
  /** A checkpoint's step; empty for the adapter as it is now. */
  step: string;
  model: string;
  upload: string | null;
};

export const sideForm = (kind: SideKind): SideForm => ({ kind, run: "", step: "", model: "", upload: null });

/** The side as it is asked for, or a sentence that says what is missing. `run` is the run that the evaluation is of; empty of none. */
export function sideOf(form: SideForm, run: string): { side: SideRequest; wrong: null } | { side: null; wrong: string } {
  const wrong = (sentence: string) => ({ side: null, wrong: sentence });
  const good = (side: SideRequest) => ({ side, wrong: null });
  switch (form.kind) {
    case "adapter":
      if (run === "") return wrong("Choose what stands on this side.");
      return good({ kind: "run", run, step: null });
    case "run":
      if (form.run === "") return wrong("Choose a run.");
      return good({ kind: "run", run: form.run, step: form.step === "" ? null : Number(form.step) });
    case "base":
    case "chosen":
      return good({ kind: form.kind });
    case "model":
      if (form.model.trim() === "") return wrong("Choose a model.");
      return good({ kind: "model", model: form.model.trim() });
    case "answers":
      if (form.upload === null) return wrong("Choose a file of answers.");
      return good({ kind: "answers", upload: form.upload });
  }
}

/** What is wrong with both sides together; null where nothing is. */
export function wrongTogether(one: SideRequest, other: SideRequest): string | null {
  return JSON.stringify(one) === JSON.stringify(other) ? "Both sides are the same: choose two that differ." : null;
}
