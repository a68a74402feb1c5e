import { expect, it } from "vitest";
import { found } from "./commands.svelte";

const titles = ["Right is much better", "Left is much better", "Left is better", "Go to Label", "Label under another name"];
const all = titles.map((title) => ({ id: title, title, run: () => {} }));
const of = (text: string) => found(all, text).map(({ title }) => title);

it("puts a command that is named by all its words before others that hold them", () => {
  expect(of("left is better")).toEqual(["Left is better", "Left is much better"]);
  expect(of("LEFT IS")).toEqual(["Left is much better", "Left is better"]);
  expect(of("label")).toEqual(["Label under another name", "Go to Label"]);
  expect(of("better left")).toEqual(["Left is much better", "Left is better"]);
  expect(of("  ")).toEqual(titles);
  expect(of("nothing like it")).toEqual([]);
});
