import { expect, test } from "vitest";
import type { PairQuery } from "../../client/bindings";
import { Chosen } from "./chosen.svelte";

const query: PairQuery = { text: "x", source: null, category: null, offset: 0, limit: 0 };

test("pairs are chosen one by one, up to another, and all at once", () => {
  const chosen = new Chosen();
  chosen.toggle(4, 40);
  expect(chosen.upTo(2)).toEqual([2, 4]);
  chosen.add([20, 30, 40]);
  expect(chosen.count).toBe(3);
  expect(chosen.upTo(7)).toEqual([2, 7]);
  chosen.toggle(2, 20);
  expect([chosen.has(20), chosen.has(30)]).toEqual([false, true]);
  expect(chosen.asked({ query, finding: null })).toEqual({ ids: [40, 30], query: null, finding: null, expected: 2 });
  chosen.all(900);
  expect([chosen.count, chosen.has(1)]).toEqual([900, true]);
  expect(chosen.asked({ query, finding: null })).toEqual({ ids: [], query, finding: null, expected: 900 });
  chosen.toggle(0, 1);
  expect(chosen.count).toBe(0);
});
