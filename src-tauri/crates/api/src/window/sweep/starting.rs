//! A sweep that is being started: which runs were written for it, so that what a program that ended midway has left is not taken
//! for runs that somebody asked for.

use super::super::queue;
use super::super::{OpenProject, overview::RUNS};
use super::{Record, SWEEPS, names};
use crate::error::{Error, Result};
use runs::{Queue, Waiting};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use train::folder::{is_held, is_untouched};

/// The beginning of the names of such records, beside those of sweeps.
const STARTING: &str = ".starting-";

/// The record of a sweep that is being started, locked by the program that does.
pub(super) struct Starting {
    path: PathBuf,
    file: File,
}

impl Starting {
    pub(super) fn begin(project: &OpenProject) -> Result<Self> {
        let folder = project.folder().join(SWEEPS);
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let path = folder.join(format!("{STARTING}{}-{}", super::super::now(), std::process::id()));
        let file = File::create(&path).map_err(Error::file(&path))?;
        file.lock().map_err(Error::file(&path))?;
        Ok(Self { path, file })
    }

    /// Notes the folder of a run, before anything is in it.
    pub(super) fn note(&mut self, run: &Path) -> Result<()> {
        let name = run.file_name().unwrap_or_default().to_string_lossy();
        let written = writeln!(self.file, "{name}").and_then(|()| self.file.sync_all());
        written.map_err(Error::file(&self.path))
    }

    /// All is written and waits, or nothing is left.
    pub(super) fn ended(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::file(&self.path))
    }
}

/// Ends what a program that is gone had begun: a sweep whose record was written waits as a whole, of any other nothing is left.
///
/// # Errors
/// When a record cannot be read, or something cannot be removed.
pub(super) fn finish_broken_off(project: &OpenProject) -> Result<()> {
    let entries = fs::read_dir(project.folder().join(SWEEPS)).into_iter().flatten().flatten();
    let is_record = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STARTING));
    for path in entries.map(|entry| entry.path()).filter(is_record) {
        let file = File::open(&path).map_err(Error::file(&path))?;
        // Whoever starts it holds it.
        if file.try_lock().is_err() {
            continue;
        }
        let written = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let records = names(project).into_iter().filter_map(|name| Record::read(project, &name).ok());
        let of_sweeps: HashSet<String> = records.flat_map(|record| record.runs).map(|run| run.run).collect();
        let known = Queue::read(project.folder())?;
        let mut waiting = Vec::new();
        for run in written.lines() {
            let folder = project.folder().join(RUNS).join(run);
            if run.is_empty() || !folder.is_dir() || !is_untouched(&folder) || is_held(&folder)? || known.knows(run) {
                continue;
            }
            if of_sweeps.contains(run) {
                waiting.push(Waiting::now(run, None, false));
            } else {
                fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
            }
        }
        queue::add(project, waiting)?;
        fs::remove_file(&path).map_err(Error::file(&path))?;
    }
    Ok(())
}
