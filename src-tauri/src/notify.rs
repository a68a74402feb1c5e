//! A notification when a run ends while the user looks elsewhere.

use api::window::Backend;
use api::window::types::News;
use serde_json::json;
use std::collections::HashMap;
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

/// Watches the news on a thread of its own, for as long as the program runs.
pub(crate) fn when_runs_end(app: AppHandle, backend: &Backend) {
    let (backend, news) = (backend.clone(), backend.subscribe());
    std::thread::spawn(move || {
        let mut states: HashMap<String, String> = HashMap::new();
        for news in news {
            let News::Run { project, run } = news else { continue };
            let Ok(view) = backend.call("run", json!({ "project": project, "run": run })) else { continue };
            let text = |key: &str| view["summary"][key].as_str().unwrap_or_default().to_owned();
            let (name, state) = (text("name"), text("state"));
            let before = states.insert(format!("{project}\n{run}"), state.clone());
            let watched = before.is_some_and(|before| before != state);
            let sentence = match state.as_str() {
                "finished" => format!("“{name}” is trained."),
                "failed" => format!("“{name}” failed: {}", view["error"]["message"].as_str().unwrap_or_default()),
                _ => continue,
            };
            if watched && !in_front(&app) {
                // A system without notifications shows none; the window tells the same.
                let _ = app.notification().builder().title("Tiebreak").body(sentence).show();
            }
        }
    });
}

fn in_front(app: &AppHandle) -> bool {
    app.get_webview_window("main").is_some_and(|window| window.is_focused().unwrap_or(false))
}
