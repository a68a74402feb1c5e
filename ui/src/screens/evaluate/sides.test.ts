import { expect, it } from "vitest";
import { SIDES_OF_NONE, type SideForm, sideForm, sideOf, wrongTogether } from "./sides";

const side = (form: Partial<SideForm>) => sideOf({ ...sideForm("adapter"), ...form }, "first");

it.each<[Partial<SideForm>, unknown]>([
  [{ kind: "adapter", run: "left from before" }, { kind: "run", run: "first", step: null }],
  [{ kind: "run", run: "second", step: "50" }, { kind: "run", run: "second", step: 50 }],
  [{ kind: "base", model: "left" }, { kind: "base" }],
  [{ kind: "model", model: " owner/name " }, { kind: "model", model: "owner/name" }],
  [{ kind: "answers", upload: "u" }, { kind: "answers", upload: "u" }],
  [{ kind: "chosen" }, { kind: "chosen" }],
])("a side is asked for as it was chosen: %o", (form, asked) => {
  expect(side(form)).toEqual({ side: asked, wrong: null });
});

it.each<[Partial<SideForm>, string]>([
  [{ kind: "run" }, "Choose a run"],
  [{ kind: "model", model: " " }, "Choose a model"],
  [{ kind: "answers" }, "Choose a file"],
])("a side that is not whole says what is missing: %o", (form, sentence) => {
  expect(side(form).wrong).toContain(sentence);
});

it("of no run there is no adapter of its own", () => {
  expect(sideOf(sideForm("adapter"), "").wrong).toContain("Choose what stands");
  expect(sideOf(sideForm("base"), "").side).toEqual({ kind: "base" });
  expect(SIDES_OF_NONE.map(({ value }) => value)).not.toContain("adapter");
});

it("nothing is compared with itself", () => {
  expect(wrongTogether({ kind: "base" }, { kind: "base" })).toContain("the same");
  expect(wrongTogether({ kind: "run", run: "a", step: null }, { kind: "run", run: "a", step: 5 })).toBeNull();
});
