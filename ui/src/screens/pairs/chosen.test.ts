import { expect, test } from "vitest";
import { Chosen } from "./chosen.svelte";

test("pairs are chosen one by one, up to another, and all at once", () => {
  const chosen = new Chosen();
  chosen.toggle(4, 40);
  expect(chosen.upTo(2)).toEqual([2, 4]);
  chosen.add([20, 30, 40]);
  expect(chosen.count).toBe(3);
  expect(chosen.upTo(7)).toEqual([2, 7]);
  chosen.toggle(2, 20);
  expect([chosen.has(20), chosen.has(30)]).toEqual([false, true]);
  expect([chosen.ids, chosen.count]).toEqual([[40, 30], 2]);
  chosen.drop(30);
  expect(chosen.ids).toEqual([40]);
  chosen.all(900);
  expect([chosen.count, chosen.has(1)]).toEqual([900, true]);
  expect([chosen.ids, chosen.isAll]).toEqual([null, true]);
  chosen.toggle(0, 1);
  expect(chosen.count).toBe(0);
});

test("rows without a pair are not chosen, and rows that have not come yet are asked for", async () => {
  const chosen = new Chosen();
  const rows = [10, null, 12, undefined, undefined];
  const asked: number[][] = [];
  const fetch = async (first: number, count: number) => {
    asked.push([first, count]);
    return [10, null, 12, 13, null].slice(first, first + count);
  };
  const choose = (index: number, upTo: boolean) => chosen.choose(index, upTo, (at) => rows[at], fetch);
  expect(await choose(0, false)).toBe(0);
  expect(await choose(1, false)).toBe(1);
  expect([chosen.ids, asked]).toEqual([[10], []]);
  expect(await choose(2, true)).toBe(1);
  expect([chosen.ids, asked]).toEqual([[10, 12], []]);
  expect(await choose(4, true)).toBe(1);
  expect([chosen.ids, asked]).toEqual([[10, 12, 13], [[2, 3]]]);
});

test("what was seen is the list as it was when the first was chosen", () => {
  let now = "7";
  const chosen = new Chosen(() => now);
  expect(chosen.seen).toBe(null);
  chosen.toggle(0, 1);
  now = "9";
  chosen.toggle(1, 2);
  expect(chosen.seen).toBe("7");
  chosen.saw("8");
  expect(chosen.seen).toBe("8");
  chosen.all(30);
  expect(chosen.seen).toBe("9");
  chosen.clear();
  chosen.saw("10");
  expect(chosen.seen).toBe(null);
  now = "11";
  chosen.toggle(1, 2);
  expect(chosen.seen).toBe("11");
});
