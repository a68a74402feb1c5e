// Compares long texts beside the page, which stays usable meanwhile.

import { sides, type Sides } from "./diff";

export type Asked = { id: number; first: string; second: string; milliseconds: number };
export type Told = { id: number; found: Sides | null };

self.onmessage = ({ data: { id, first, second, milliseconds } }: MessageEvent<Asked>) => {
  const told: Told = { id, found: sides(first, second, milliseconds) };
  self.postMessage(told);
};
