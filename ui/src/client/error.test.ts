import { expect, it } from "vitest";
import { ApiError, sentence } from "./error";

it("makes a sentence of the message and takes the hint as it is", () => {
  const error = new ApiError({ code: "x", message: "the model x is not on this machine yet", hint: "Fetch it first: `tiebreak fetch x`." });
  expect([error.message, error.hint]).toEqual(["The model x is not on this machine yet.", "Fetch it first: `tiebreak fetch x`."]);
  expect(new ApiError({ code: "x", message: "no", hint: "" }).hint).toBe("");
});

it("begins a sentence with a capital and ends it with a full stop", () => {
  expect(sentence("the run ended early")).toBe("The run ended early.");
  expect(sentence("is it there?")).toBe("Is it there?");
  expect(sentence("try again (it may work)")).toBe("Try again (it may work).");
  expect(sentence("resume it: it goes on after step 3")).toBe("Resume it: it goes on after step 3.");
});

it("lets sentences stand", () => {
  for (const good of ["", "The model is gone.", "/tmp/x is no folder!", "Why?", "Already one."]) expect(sentence(good)).toBe(good);
});

it("leaves names and paths as they are", () => {
  expect(sentence("/models/a: no such file")).toBe("/models/a: no such file.");
  expect(sentence("see that the folder is /models/b")).toBe("See that the folder is /models/b");
  expect(sentence("learning_rate must be above 0")).toBe("learning_rate must be above 0.");
  expect(sentence("`beta` is 0.1 by default")).toBe("`beta` is 0.1 by default.");
  expect(sentence("pairs.jsonl: line 3: no prompt")).toBe("pairs.jsonl: line 3: no prompt.");
  expect(sentence("C:\\data\\pairs.jsonl")).toBe("C:\\data\\pairs.jsonl");
});
