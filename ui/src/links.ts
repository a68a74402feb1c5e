import { inWindow } from "./client/shell";
import { router } from "./router.svelte";
import { project } from "./state/project.svelte";
import { toasts } from "./state/toasts.svelte";

/** A place in a project: the project's folder, and the address of the place within the page (`#/train/run-3`). */
export type Link = { folder: string; hash: string };

const SCHEME = "tiebreak:";

/**
 * A link to a place: in a browser the page's address without its token, in the window a text that the palette takes.
 */
export function linkTo({ folder, hash }: Link): string {
  const place = `open=${encodeURIComponent(folder)}&go=${hash.replace(/^#/, "")}`;
  return inWindow ? SCHEME + place : `${window.location.origin}${window.location.pathname}#${place}`;
}

/** The place that a link names, whichever form it has; null of what is no link. */
export function readLink(text: string): Link | null {
  const match = /^\s*(?:tiebreak:|(?:https?:\/\/[^#\s]+)?#)open=([^&\s]+)(?:&go=(\/\S*))?\s*$/.exec(text);
  if (!match?.[1]) return null;
  try {
    return { folder: decodeURIComponent(match[1]), hash: `#${match[2] ?? "/project"}` };
  } catch {
    return null; // written by hand, with a stray %
  }
}

/** Goes to the place, in its project. */
export async function follow({ folder, hash }: Link): Promise<void> {
  if (project.folder !== folder) await project.open(folder);
  router.goTo(hash);
}

/** Copies a link to what is open now. */
export async function copyLink(): Promise<void> {
  try {
    await navigator.clipboard.writeText(linkTo({ folder: project.folder, hash: window.location.hash }));
    toasts.show(inWindow ? "Copied a link. Paste it into Ctrl-K to come back here." : "Copied a link, without the key: it opens in a tab that has been opened with the key.");
  } catch {
    toasts.show("The browser does not allow copying here. Copy the address from its bar.");
  }
}
