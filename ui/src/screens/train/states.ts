import type { RunState, RunView } from "../../client/bindings";

type Tone = "neutral" | "accent" | "good" | "warn" | "bad";

/** A run's state in words, and how it is tinted. */
export const STATES: Record<RunState, { word: string; tone: Tone }> = {
  prepared: { word: "starting", tone: "accent" },
  running: { word: "running", tone: "accent" },
  interrupted: { word: "interrupted", tone: "warn" },
  finished: { word: "finished", tone: "good" },
  stopped: { word: "stopped", tone: "neutral" },
  failed: { word: "failed", tone: "bad" },
};

export const isLive = (state: RunState) => state === "running" || state === "prepared";
export const mayResume = (state: RunState) => state === "stopped" || state === "interrupted" || state === "failed";

const STAGES: Record<string, string> = {
  "": "Starting",
  start: "Starting",
  load: "Loading the model",
  model: "Loading the model",
  encode: "Turning pairs into tokens",
  reference: "Asking the reference model about every pair",
  train: "Training",
  eval: "Scoring held-out pairs",
  sample: "Writing sample answers",
  samples: "Writing sample answers",
};

/** What a run is doing now, in words. */
export function stageWords(view: Pick<RunView, "stage">): string {
  return STAGES[view.stage] ?? view.stage;
}
