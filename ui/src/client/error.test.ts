import { expect, it } from "vitest";
import { ApiError, sentence } from "./error";

const said = (message: string, hint: string) => ((error) => [error.message, error.hint])(new ApiError({ code: "x", message, hint }));

it("makes sentences of what the program says", () => {
  expect(said("the model x is not on this machine yet", "fetch it first: `tiebreak fetch x`")).toEqual([
    "The model x is not on this machine yet.",
    "Fetch it first: `tiebreak fetch x`.",
  ]);
  expect(said("Already one.", "is it there?")).toEqual(["Already one.", "Is it there?"]);
  expect(said("", "try again (it may work)")).toEqual(["", "Try again (it may work)."]);
});

it("lets sentences stand", () => {
  for (const good of ["", "The model is gone.", "/tmp/x is no folder!", "Why?"]) expect(sentence(good)).toBe(good);
  expect(sentence("resume it: it goes on after step 3")).toBe("Resume it: it goes on after step 3.");
});

it("leaves names and paths as they are", () => {
  expect(said("/models/a: no such file", "see that the folder is /models/b")).toEqual(["/models/a: no such file.", "See that the folder is /models/b"]);
  expect(said("learning_rate must be above 0", "`beta` is 0.1 by default")).toEqual(["learning_rate must be above 0.", "`beta` is 0.1 by default."]);
  expect(said("pairs.jsonl: line 3: no prompt", "C:\\data\\pairs.jsonl")).toEqual(["pairs.jsonl: line 3: no prompt.", "C:\\data\\pairs.jsonl"]);
});
