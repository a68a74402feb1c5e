//! The menu. Each entry is a command of the page, which has them all in its palette too.

use tauri::menu::{Menu, MenuBuilder, MenuEvent, MenuItemBuilder, SubmenuBuilder};
use tauri::{AppHandle, Emitter, Runtime};

/// Screens in the order of the page's rail, under the names that the page knows them by.
const SCREENS: [(&str, &str); 7] = [
    ("project", "Project"),
    ("data", "Data"),
    ("label", "Label"),
    ("train", "Train"),
    ("evaluate", "Evaluate"),
    ("export", "Export"),
    ("playground", "Playground"),
];

pub(crate) fn build<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<Menu<R>> {
    let file = SubmenuBuilder::new(app, "File").close_window().separator().quit().build()?;
    // macOS takes copy and paste from the menu; elsewhere the page's own keys must reach the page.
    let edit = SubmenuBuilder::new(app, "Edit").undo().redo().separator().cut().copy().paste().select_all().build()?;
    let mut go = SubmenuBuilder::new(app, "Go");
    for (place, (id, title)) in SCREENS.iter().enumerate() {
        let item = MenuItemBuilder::with_id(*id, *title).accelerator(format!("Alt+{}", place + 1)).build(app)?;
        go = go.item(&item);
    }
    let palette = MenuItemBuilder::with_id("palette", "All commands…").accelerator("CmdOrCtrl+K").build(app)?;
    let go = go.separator().item(&palette).build()?;
    let menu = MenuBuilder::new(app).item(&file);
    let menu = if cfg!(target_os = "macos") { menu.item(&edit) } else { menu };
    menu.item(&go).build()
}

/// Tells the page what was chosen.
// The signature is Tauri's.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn chosen<R: Runtime>(app: &AppHandle<R>, event: MenuEvent) {
    // A page that is just being loaded hears nothing: the user chooses again.
    let _ = app.emit("menu", event.id().as_ref());
}
