import type { DeletedProject } from "../../client/bindings";
import { client } from "../../client/client";
import type { Act } from "../../parts/act.svelte";
import { router } from "../../router.svelte";
import { project } from "../../state/project.svelte";
import { toasts } from "../../state/toasts.svelte";

/** Deletes a project into the bin of the projects folder, says what went, and offers to put it back. */
export function deleteProject(act: Act, folder: string, changed: () => void): Promise<boolean> {
  return act.run(async () => {
    const gone = await client.call("delete_project", { folder });
    const wasOpen = project.folder === folder;
    if (wasOpen) {
      project.close();
      router.go("project");
    }
    toasts.show(`${gone.name} is in the bin, with ${gone.holds}.`, () => void putProjectBack(act, gone, changed, wasOpen));
    changed();
  });
}

export function putProjectBack(act: Act, { entry, name }: DeletedProject, changed: () => void, show = false): Promise<boolean> {
  return act.run(async () => {
    const view = await client.call("put_project_back", { entry });
    if (show) project.show(view);
    toasts.show(`${name} is back in its place.`);
    changed();
  });
}
