//! The window. It opens, forwards calls and news, and asks the system for files; all else is in `api`.
//!
//! `tiebreak-desktop [PROJECT | --demo]`. The same program is the worker of the runs that are started from the window:
//! `tiebreak-desktop worker FOLDER`.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod commands;
mod menu;
mod notify;
mod worker;

use anyhow::Context;
use api::DeviceChoice;
use api::window::{Backend, BackendOptions};
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;
use tauri::{App, Manager, WebviewWindow};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let outcome = match arguments.next() {
        Some(first) if first == "worker" => return worker::run(arguments.next().map(PathBuf::from), arguments.next()),
        Some(first) if first == "next" => return worker::begin_next(arguments.next().map(PathBuf::from)),
        project => open(project),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the window, on the project that is named, or the demo's, or the one that was open last.
fn open(project: Option<OsString>) -> anyhow::Result<()> {
    if !has_display() {
        anyhow::bail!(
            "there is no display here for a window; use `tiebreak serve` and a browser, or `tiebreak` on the command line"
        );
    }
    let program = std::env::current_exe().context("the program's own path is not known")?;
    tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, _, _| {
            if let Some(window) = app.get_webview_window("main") {
                bring_to_front(&window);
            }
        }))
        .plugin(tauri_plugin_window_state::Builder::new().build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .menu(menu::build)
        .on_menu_event(menu::chosen)
        .invoke_handler(tauri::generate_handler![
            commands::call,
            commands::upload,
            commands::news,
            commands::choose_file,
            commands::choose_folder,
            commands::save_file
        ])
        .setup(move |app| {
            let backend = Backend::new(settings(app, program)?)?;
            // The page begins with the project that was opened last.
            match project.as_deref() {
                None => {}
                Some(demo) if demo == "--demo" => drop(backend.call("open_demo", json!({}))?),
                Some(folder) => drop(backend.call("open_project", json!({ "folder": absolute(folder)? }))?),
            }
            notify::when_runs_end(app.handle().clone(), &backend);
            app.manage(backend);
            Ok(())
        })
        .run(tauri::generate_context!())
        .context("the window could not be opened")
}

/// The folders of this system's conventions; `TIEBREAK_DATA` and `TIEBREAK_PROJECTS` name others, and `TIEBREAK_DEVICE`
/// another device than the one that is found.
fn settings(app: &App, program: PathBuf) -> anyhow::Result<BackendOptions> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let paths = app.path();
    // The same as `tiebreak serve` uses, so that both know the same recent projects.
    let data_folder = match named("TIEBREAK_DATA") {
        Some(folder) => folder,
        None => paths.local_data_dir()?.join("tiebreak"),
    };
    let projects_folder = match named("TIEBREAK_PROJECTS") {
        Some(folder) => folder,
        None => paths.document_dir().or_else(|_| paths.home_dir())?.join("Tiebreak"),
    };
    let device = match std::env::var("TIEBREAK_DEVICE") {
        Ok(name) if !name.is_empty() => name.parse()?,
        _ => DeviceChoice::Auto,
    };
    Ok(BackendOptions {
        data_folder,
        projects_folder,
        may_choose_folders: true,
        allowed_roots: Vec::new(),
        model_folders: std::env::var_os("TIEBREAK_MODELS")
            .map(|list| std::env::split_paths(&list).collect())
            .unwrap_or_default(),
        program,
        device,
    })
}

/// As text, which is how operations are asked.
fn absolute(folder: &OsStr) -> anyhow::Result<String> {
    let path = std::path::absolute(folder).with_context(|| format!("{} is no folder", folder.display()))?;
    path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("{} is not plain text", path.display()))
}

fn bring_to_front(window: &WebviewWindow) {
    // A window manager that refuses leaves the window where it is: nothing is lost.
    let _ = window.unminimize();
    let _ = window.set_focus();
}

/// GTK ends the program where there is no display, so this is asked first.
fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
