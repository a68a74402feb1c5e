//! Sweeps: ordinary runs in the queue that are alike but for some settings, on the same pairs; and what the settings do.
//!
//! A sweep is a small file in the project's `sweeps/` that names its runs. Everything else is read from the runs themselves.

mod outcome;
mod rule;
mod start;
mod starting;
mod trials;
mod view;

pub(crate) use rule::RunJudge;
pub(super) use rule::{let_go_on, told as stopped_by_rule};
pub(super) use start::{plan_sweep, start_sweep};
pub(super) use view::{sweep, sweep_figure, sweep_of_run, sweeps};

use super::OpenProject;
use super::types::{Search, Vary};
use crate::error::{Error, Result};
use runs::StopRule;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// The folder of a project's sweeps.
const SWEEPS: &str = "sweeps";

/// A sweep as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    name: String,
    /// Milliseconds since 1970.
    created_at: u64,
    vary: Vec<Vary>,
    search: Search,
    /// By what its runs are stopped early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<StopRule>,
    runs: Vec<RecordedRun>,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RecordedRun {
    /// The name of its folder.
    run: String,
    name: String,
    /// The values of the settings that vary, in their order.
    values: Vec<Value>,
}

impl Record {
    fn read(project: &OpenProject, sweep: &str) -> Result<Self> {
        let file = super::training::inside(&project.folder().join(SWEEPS), &format!("{sweep}.json"));
        let Some(file) = file.filter(|file| file.is_file()) else {
            let message = format!("there is no sweep {sweep:?} in this project");
            return Err(Error::new("no_sweep", message, "Its file was moved or removed; choose another sweep."));
        };
        let text = std::fs::read(&file).map_err(Error::file(&file))?;
        serde_json::from_slice(&text).map_err(|error| {
            let message = format!("{}: {error}", file.display());
            Error::new("sweep", message, "Move this file away: its runs stay as they are.")
        })
    }
}

/// The names of a project's sweeps.
fn names(project: &OpenProject) -> Vec<String> {
    let entries = std::fs::read_dir(project.folder().join(SWEEPS)).into_iter().flatten().flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let is_record = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let mut names: Vec<String> =
        files.iter().filter(is_record).filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}
