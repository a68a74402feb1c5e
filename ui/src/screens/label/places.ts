/** What else there is on the Label screen: the part of the address after its name, and what it is called. */
export const PLACES = [
  { id: "judged", title: "What was labelled" },
  { id: "disagreements", title: "Disagreements" },
  { id: "agreement", title: "Agreement of the annotators" },
  { id: "audits", title: "Audit the labels of files" },
  { id: "guideline", title: "Guideline" },
] as const;
