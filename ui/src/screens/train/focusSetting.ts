import { tick } from "svelte";

/** Opens what a setting of the form is folded away in, and gives its field the focus. */
export async function focusSetting(key: string): Promise<void> {
  await tick();
  const field = document.querySelector<HTMLElement>(`[data-setting="${CSS.escape(key)}"] :is(input, select, textarea)`);
  const folded = field?.closest("details");
  if (folded) folded.open = true;
  await tick();
  field?.focus();
  field?.scrollIntoView({ block: "center" });
}
