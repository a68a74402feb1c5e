import { describe, expect, it } from "vitest";
import { GoTo } from "./screens";

const press = (key: string, held: Partial<KeyboardEvent> = {}) => ({ key, code: `Key${key.toUpperCase()}`, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, ...held });

describe("GoTo", () => {
  it("goes by g and a letter, if the letter comes soon", () => {
    const goTo = new GoTo();
    expect(goTo.press(press("g"), 0)).toBe("wait");
    expect(goTo.press(press("l"), 500)).toBe("label");
    expect(goTo.press(press("l"), 600)).toBeNull(); // the g is used up
    goTo.press(press("g"), 1000);
    expect(goTo.press(press("t"), 3000)).toBeNull();
  });

  it("goes by Alt and the digit's place", () => {
    expect(new GoTo().press(press("¡", { code: "Digit1", altKey: true }), 0)).toBe("project");
    expect(new GoTo().press(press("8", { code: "Digit8", altKey: true }), 0)).toBeNull();
  });

  it("leaves other shortcuts alone", () => {
    expect(new GoTo().press(press("g", { ctrlKey: true }), 0)).toBeNull();
  });
});
