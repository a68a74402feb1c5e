import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import { ApiError } from "./error";

/** Whether the page is in the desktop window, which can do what a browser does itself or not at all. */
export const inWindow = "__TAURI_INTERNALS__" in window;

/** Saves a file where the user wants it: the window asks, a browser has its own way. False where the user thought better of it. */
export async function saveFile(blob: Blob, name: string): Promise<boolean> {
  if (inWindow) {
    try {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      return (await invoke("save_file", bytes, { headers: { name: encodeURIComponent(name) } })) !== null;
    } catch (thrown) {
      throw ApiError.from(thrown);
    }
  }
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return true;
}

/** Asks for a folder of this machine, in the window alone; null where the dialog was closed. */
export function chooseFolder(title: string): Promise<string | null> {
  return invoke("choose_folder", { title });
}

/** Asks for a file of this machine, in the window alone; null where the dialog was closed. */
export function chooseFile(title: string): Promise<string | null> {
  return invoke("choose_file", { title });
}

/** Calls `chosen` with what is chosen in the window's menu: a screen, or `palette`. Returns a function that ends it. */
export function onMenu(chosen: (entry: string) => void): () => void {
  if (!inWindow) return () => {};
  const listening = listen<string>("menu", ({ payload }) => chosen(payload));
  return () => void listening.then((end) => end());
}
