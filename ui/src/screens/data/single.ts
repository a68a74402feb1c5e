/** What a label says of an answer. */
export function labelOf(label: boolean): { title: string; tone: "good" | "warn" } {
  return label ? { title: "Good", tone: "good" } : { title: "Bad", tone: "warn" };
}
