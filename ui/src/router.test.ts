import { describe, expect, it } from "vitest";
import { hashOf, parseHash, router } from "./router.svelte";

describe("router", () => {
  it("reads screens and what is open on them", () => {
    expect(parseHash("#/train/run%203")).toEqual({ screen: "train", rest: ["run 3"] });
    expect(parseHash("#label")).toEqual({ screen: "label", rest: [] });
  });

  it("goes to the project for what it does not know", () => {
    for (const odd of ["", "#", "#/", "#/nowhere/1", "#token=abc"]) expect(parseHash(odd)).toEqual({ screen: "project", rest: [] });
    expect(parseHash("#/data/%E0%A4%A")).toEqual({ screen: "data", rest: ["%E0%A4%A"] });
  });

  it("writes what it reads", () => {
    expect(parseHash(hashOf("evaluate", "a/b c#d"))).toEqual({ screen: "evaluate", rest: ["a/b c#d"] });
  });

  it("follows the address", async () => {
    router.go("data", "12");
    await new Promise((resolve) => window.addEventListener("hashchange", resolve, { once: true }));
    expect(router.screen).toBe("data");
    expect(router.open).toBe("12");
  });
});
