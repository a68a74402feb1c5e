import { MediaQuery } from "svelte/reactivity";

/** Whether a guideline has room beside two answers that can be read. */
export const roomy = new MediaQuery("(min-width: 1000px) and (min-height: 561px)");
