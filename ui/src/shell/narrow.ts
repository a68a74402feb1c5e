import { MediaQuery } from "svelte/reactivity";

/** So narrow is a window at 200 % zoom: the rail is folded to its signs. The style sheets have the same number. */
export const narrow = new MediaQuery("max-width: 800px");
