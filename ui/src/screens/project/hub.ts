import type { HubModel } from "../../client/bindings";
import { bytes } from "../../format";

/** Whether a text could name a model of the Hugging Face hub: `hf:…`, or owner and name. */
export const couldBeHubName = (text: string): boolean => /^hf:/.test(text) || /^\w[\w.-]*\/[\w.-]+(@[\w./+-]+)?$/.test(text);

/** Number of weights, as models are spoken of. */
export const parameters = (count: number): string => (count >= 1e9 ? `${(count / 1e9).toFixed(1)} B` : count >= 1e6 ? `${Math.round(count / 1e6)} M` : `${Math.round(count / 1e3)} k`);

/** A model of the hub by the name that is shown: without `hf:`, its commit cut short. */
export const shownName = (name: string): string => name.replace(/^hf:/, "").replace(/@([0-9a-f]{40})/, (_, commit: string) => `@${commit.slice(0, 7)}`);

/** What is known of a model of the hub. */
export function modelFacts(model: HubModel): { name: string; value: string }[] {
  const facts = [
    { name: "Commit", value: model.commit.slice(0, 7) },
    { name: "Family", value: model.family ? `${model.family}, which can be trained here` : null },
    { name: "File", value: model.file },
    { name: "Parameters", value: model.parameters === null ? null : parameters(model.parameters) },
    { name: "Licence", value: model.licence ?? "none is named: ask its authors" },
    { name: "Access", value: access(model) },
    { name: "On the disk", value: model.to_fetch < model.bytes ? `${bytes(model.bytes)}, of which ${bytes(model.bytes - model.to_fetch)} are here` : `${bytes(model.bytes)} of ${bytes(model.free)} free` },
    { name: "In memory", value: `at least ${bytes(model.weights)} for its weights` },
  ];
  return facts.filter((fact): fact is { name: string; value: string } => fact.value !== null);
}

function access(model: HubModel): string | null {
  if (model.gated) return "only for those whom its authors let in";
  return model.private ? "private" : null;
}
