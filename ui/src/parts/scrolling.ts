import type { Attachment } from "svelte/attachments";

/** A part of the page that scrolls by itself where it is too narrow; then, and only then, the keyboard reaches it by this name. */
export function scrolling(name: string): Attachment<HTMLElement> {
  return (element) => {
    element.role = "region";
    element.ariaLabel = name;
    const look = () => {
      if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    };
    const watch = new ResizeObserver(look);
    watch.observe(element);
    // What stands in it can grow without it.
    for (const child of element.children) watch.observe(child);
    return () => watch.disconnect();
  };
}
