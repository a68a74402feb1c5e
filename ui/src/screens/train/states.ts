import type { RunState, RunView } from "../../client/bindings";

type Tone = "neutral" | "accent" | "good" | "warn" | "bad";

/** A run's state in words, and how it is tinted. */
export const STATES: Record<RunState, { word: string; tone: Tone }> = {
  prepared: { word: "not begun", tone: "warn" },
  running: { word: "running", tone: "accent" },
  interrupted: { word: "interrupted", tone: "warn" },
  finished: { word: "finished", tone: "good" },
  paused: { word: "paused", tone: "neutral" },
  stopped: { word: "stopped", tone: "neutral" },
  failed: { word: "failed", tone: "bad" },
};

export const isLive = (state: RunState) => state === "running";
export const mayResume = (state: RunState) => state === "prepared" || state === "paused" || state === "stopped" || state === "interrupted" || state === "failed";

/** What a run is doing now: the program's words, as a label. */
export function stageWords({ stage }: Pick<RunView, "stage">): string {
  return stage === "" ? "Starting" : stage.charAt(0).toUpperCase() + stage.slice(1);
}
