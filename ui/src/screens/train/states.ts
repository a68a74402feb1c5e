import type { RunState, RunView } from "../../client/bindings";
import { capitalised } from "../../format";

type Tone = "neutral" | "accent" | "good" | "warn" | "bad";

/** A run's state in words, and how it is tinted. */
export const STATES: Record<RunState, { word: string; tone: Tone }> = {
  prepared: { word: "not begun", tone: "warn" },
  queued: { word: "queued", tone: "neutral" },
  running: { word: "running", tone: "accent" },
  interrupted: { word: "interrupted", tone: "warn" },
  finished: { word: "finished", tone: "good" },
  paused: { word: "paused", tone: "neutral" },
  stopped: { word: "stopped", tone: "neutral" },
  failed: { word: "failed", tone: "bad" },
};

/** What rewards/accuracies of held-out pairs is called: also where it stands beside the others of an evaluation. */
export const BY_REWARD = "held-out accuracy by reward";

export const isLive = (state: RunState) => state === "running";
export const mayResume = (state: RunState) => state === "prepared" || state === "paused" || state === "stopped" || state === "interrupted" || state === "failed";

/** What a run is doing now: the program's words, as a label. */
export function stageWords({ stage }: Pick<RunView, "stage">): string {
  return stage === "" ? "Starting" : capitalised(stage);
}
