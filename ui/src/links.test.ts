import { describe, expect, it } from "vitest";
import { linkTo, readLink } from "./links";

describe("links", () => {
  it("name a place in a project and are read again", () => {
    const place = { folder: "/home/a b/Plain & simple", hash: "#/train/run-1/pairs/h3" };
    const link = linkTo(place);
    expect(link).toContain("#open=%2Fhome%2Fa%20b%2FPlain%20%26%20simple&go=/train/run-1/pairs/h3");
    expect(readLink(link)).toEqual(place);
    expect(readLink(` tiebreak:open=%2Fp&go=/data/3\n`)).toEqual({ folder: "/p", hash: "#/data/3" });
    expect(readLink("#open=%2Fp")).toEqual({ folder: "/p", hash: "#/project" });
  });

  it("are told from other text", () => {
    for (const text of ["", "open=/p", "a #open=/p", "tiebreak:open=", "#open=%zz&go=/data", "https://example.org/", "#token=x&open=/p"]) expect(readLink(text)).toBeNull();
  });
});
