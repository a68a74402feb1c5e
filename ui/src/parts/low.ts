import { MediaQuery } from "svelte/reactivity";

/** Whether there is little height, as the style sheets have it: 720×450 is a laptop's window at 200 % zoom. Never where no window can tell. */
export const low: { readonly current: boolean } = typeof window.matchMedia === "function" ? new MediaQuery("(max-height: 560px)") : { current: false };
