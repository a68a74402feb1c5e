import { expect, it } from "vitest";
import { ApiError, sentence } from "./error";

it("lets the program's words stand as sentences, and leaves names and signs as they are", () => {
  expect(sentence("the model is not here")).toBe("The model is not here.");
  expect(sentence("resume it: it goes on after step 3")).toBe("Resume it: it goes on after step 3.");
  for (const good of ["", "The model is gone.", "/tmp/x is no folder!", "Why?"]) expect(sentence(good)).toBe(good);
  expect(sentence("max_length is 0")).toBe("max_length is 0.");
  const error = ApiError.from({ code: "x", message: "no answer came", hint: "" });
  expect([error.message, error.hint]).toEqual(["No answer came.", ""]);
});
