//! What the page can ask of the window: three commands that forward to the back end, and the system's file dialogs.

use api::Error;
use api::window::Backend;
use api::window::types::News;
use serde_json::Value;
use std::path::PathBuf;
use tauri::ipc::{Channel, InvokeBody, Request};
use tauri::{AppHandle, State, async_runtime};
use tauri_plugin_dialog::DialogExt;

/// Runs what blocks where it does not hold up the window.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    async_runtime::spawn_blocking(work).await.unwrap_or_else(|error| Err(fault(&error.to_string())))
}

fn fault(what: &str) -> Error {
    Error {
        code: "fault".into(),
        message: format!("the program failed: {what}"),
        hint: "Try again; if it happens again, report it as a fault.".into(),
    }
}

/// One operation of `api`.
#[tauri::command]
pub(crate) async fn call(backend: State<'_, Backend>, operation: String, request: Value) -> Result<Value, Error> {
    let backend = backend.inner().clone();
    blocking(move || backend.call(&operation, request)).await
}

/// A file's bytes; its name stands in the header `name`, percent-encoded.
#[tauri::command]
pub(crate) async fn upload(backend: State<'_, Backend>, request: Request<'_>) -> Result<Value, Error> {
    let InvokeBody::Raw(bytes) = request.body() else { return Err(fault("an upload came without bytes")) };
    let name = request.headers().get("name").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let (backend, bytes, name) = (backend.inner().clone(), bytes.clone(), percent_decoded(name));
    blocking(move || {
        let upload = backend.upload(&name, &mut bytes.as_slice())?;
        serde_json::to_value(upload).map_err(|error| fault(&error.to_string()))
    })
    .await
}

/// Sends everything that happens from now on, until the page is gone.
// A command's arguments are made for it alone.
#[allow(clippy::needless_pass_by_value)]
#[tauri::command]
pub(crate) fn news(backend: State<'_, Backend>, channel: Channel<News>) {
    let backend = backend.inner().clone();
    std::thread::spawn(move || {
        // A stream ends where the page was busy for too long. The next one begins by saying so.
        while backend.subscribe().all(|news| channel.send(news).is_ok()) {}
    });
}

/// Asks for a folder; none where the dialog was closed.
#[tauri::command]
pub(crate) async fn choose_folder(app: AppHandle, title: String) -> Option<PathBuf> {
    let chosen = async_runtime::spawn_blocking(move || app.dialog().file().set_title(title).blocking_pick_folder());
    chosen.await.ok().flatten().and_then(|path| path.into_path().ok())
}

/// Asks for a file; none where the dialog was closed.
#[tauri::command]
pub(crate) async fn choose_file(app: AppHandle, title: String) -> Option<PathBuf> {
    let chosen = async_runtime::spawn_blocking(move || app.dialog().file().set_title(title).blocking_pick_file());
    chosen.await.ok().flatten().and_then(|path| path.into_path().ok())
}

/// Asks where to save a file and writes it: bytes in the body, proposed name in the header `name`. None where the dialog
/// was closed.
#[tauri::command]
pub(crate) async fn save_file(app: AppHandle, request: Request<'_>) -> Result<Option<PathBuf>, Error> {
    let InvokeBody::Raw(bytes) = request.body() else { return Err(fault("there is nothing to save")) };
    let name = request.headers().get("name").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let (bytes, name) = (bytes.clone(), percent_decoded(name));
    blocking(move || {
        let Some(path) = app.dialog().file().set_file_name(name).blocking_save_file() else { return Ok(None) };
        let path = path.into_path().map_err(|error| fault(&error.to_string()))?;
        std::fs::write(&path, bytes).map_err(|error| Error {
            code: "file".into(),
            message: format!("{}: {error}", path.display()),
            hint: "Choose another folder, or see that the disk has room.".into(),
        })?;
        Ok(Some(path))
    })
    .await
}

/// `a%20b` as `a b`. What is not well encoded stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn names_are_decoded_and_broken_ones_are_kept() {
        assert_eq!(percent_decoded("a%20b%C3%A9.jsonl"), "a bé.jsonl");
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }
}
