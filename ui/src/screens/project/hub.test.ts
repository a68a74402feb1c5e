import { expect, test } from "vitest";
import type { HubModel } from "../../client/bindings";
import { couldBeHubName, modelFacts, shownName } from "./hub";

const commit = "0123456789012345678901234567890123456789";
const model: HubModel = {
  name: `hf:org/tiny@${commit}`,
  title: "org/tiny",
  commit,
  file: null,
  licence: null,
  parameters: 135_000_000,
  family: "llama",
  refused: null,
  unknown: null,
  gated: true,
  private: false,
  weights: 2_000_000,
  bytes: 3_000_000,
  to_fetch: 3_000_000,
  free: 5_000_000_000,
  here: false,
};

test("names of the hub are told from paths", () => {
  for (const name of ["org/name", "HuggingFaceTB/SmolLM2-360M-Instruct", "org/name@v1.0", "hf:name", "hf:a/b@main:c.gguf"]) expect(couldBeHubName(name), name).toBe(true);
  for (const path of ["/models/a", "./org/name", "../name", "a/b/c", "name", "C:\\models\\a", "~/models"]) expect(couldBeHubName(path), path).toBe(false);
});

test("a name is shown with its commit cut short", () => {
  expect(shownName(`hf:org/tiny@${commit}:a.gguf`)).toBe("org/tiny@0123456:a.gguf");
});

test("what is not known is left out, and what is missing is named", () => {
  const facts = Object.fromEntries(modelFacts(model).map(({ name, value }) => [name, value]));
  expect(facts["Family"]).toBe("llama, which can be trained here");
  expect(facts["Licence"]).toContain("none is named");
  expect(facts["Access"]).toContain("let in");
  expect(facts["Parameters"]).toBe("135 M");
  expect(facts).not.toHaveProperty("File");
  expect(modelFacts({ ...model, to_fetch: 1_000_000 }).find(({ name }) => name === "On the disk")?.value).toContain("are here");
});
