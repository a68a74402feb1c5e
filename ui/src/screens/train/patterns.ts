// Numbers by the name or pattern of a layer, as they are typed: "down_proj = 32, layers.0.* = 8". The order is kept, which
// decides where several match.

/** Splits at the last "=", since a pattern may hold one; commas within brackets belong to the pattern. */
export function patternsFrom(text: string): Record<string, number> {
  const patterns: Record<string, number> = {};
  for (const part of parts(text)) {
    const at = part.lastIndexOf("=");
    const value = part.slice(at + 1).trim();
    patterns[(at < 0 ? part : part.slice(0, at)).trim()] = at < 0 || value === "" ? Number.NaN : Number(value);
  }
  return patterns;
}

export function patternsText(patterns: Record<string, number>): string {
  return Object.entries(patterns)
    .map(([name, value]) => `${name} = ${value}`)
    .join(", ");
}

function parts(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "\\") at += 1;
    else if (letter === "(" || letter === "[" || letter === "{") depth += 1;
    else if (letter === ")" || letter === "]" || letter === "}") depth -= 1;
    else if (letter === "," && depth === 0) {
      found.push(text.slice(start, at));
      start = at + 1;
    }
  }
  found.push(text.slice(start));
  return found.map((part) => part.trim()).filter((part) => part !== "");
}
