// Code in an answer, cut into pieces of one kind each, to be coloured.
//
// The code is untrusted. `lowlight` gives a tree of its text, never HTML; what is made of it here is text with the name of
// its kind.

import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

/** Kinds that have a colour; everything else is plain. */
export type Kind = "keyword" | "string" | "number" | "comment" | "name" | "added" | "removed";
export type Piece = { text: string; kind: Kind | null };

/** Longer code is shown plain: colours would cost more time than they are worth. */
const LONGEST = 20_000;

const KINDS: Record<string, Kind> = {
  keyword: "keyword",
  built_in: "keyword",
  literal: "keyword",
  selector: "keyword",
  tag: "keyword",
  string: "string",
  regexp: "string",
  symbol: "string",
  number: "number",
  comment: "comment",
  doctag: "comment",
  quote: "comment",
  title: "name",
  function_: "name",
  class_: "name",
  type: "name",
  attr: "name",
  attribute: "name",
  name: "name",
  addition: "added",
  deletion: "removed",
};

const known = createLowlight({ bash, c, cpp, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml });

type Node = { type: string; value?: string; properties?: { className?: unknown }; children?: Node[] };

/** The code in pieces; one plain piece where the language is not known or the code is long. */
export function highlighted(code: string, language: string): Piece[] {
  const name = language.trim().split(/\s/)[0]?.toLowerCase() ?? "";
  if (code.length > LONGEST || !known.registered(name)) return [{ text: code, kind: null }];
  const pieces: Piece[] = [];
  walk(known.highlight(name, code) as Node, null, pieces);
  return pieces;
}

function walk(node: Node, kind: Kind | null, pieces: Piece[]) {
  if (node.type === "text") pieces.push({ text: node.value ?? "", kind });
  const own = Array.isArray(node.properties?.className) ? node.properties.className.map((name) => KINDS[String(name).replace(/^hljs-/, "")]) : [];
  for (const child of node.children ?? []) walk(child, own.find((found) => found !== undefined) ?? kind, pieces);
}
