import { expect, it } from "vitest";
import type { Ranked } from "../../client/bindings";
import { alikeOpponents } from "./leaderboard";

const row = (name: string, ...against: string[]) => ({ name, against }) as Ranked;

it("an order is one of models only where all met the same others", () => {
  expect(alikeOpponents([row("a", "b"), row("b", "a")])).toBe(true);
  expect(alikeOpponents([row("a", "b", "c"), row("b", "a", "c"), row("c", "a", "b")])).toBe(true);
  expect(alikeOpponents([row("a", "base"), row("b", "base"), row("base", "a", "b")])).toBe(false);
});
