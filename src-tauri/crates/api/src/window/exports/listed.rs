//! What was exported before: the folders of `exports/`, with a record of what each was made from.

use super::super::housekeeping::{bytes_of, name_of, notes_of};
use super::super::overview::{EXPORTS, folders};
use super::super::types::{ExportSummary, InProject, ItemKind, Notes};
use super::super::{Backend, now, training};
use super::download::page_of;
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// In the folder of an export, hidden from other programs, which read all files there.
const RECORD: &str = ".export.json";

/// What an export was made from. What earlier versions exported has none.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::window) struct Record {
    /// When, in milliseconds since 1970 (UTC).
    made_at: u64,
    /// The run: its folder's name, and what it was called.
    run: Option<String>,
    run_name: Option<String>,
    /// Whether all was written that it was to have; not known of what earlier versions exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_whole: Option<bool>,
}

/// Notes what an export is made from, before anything else is in its folder.
pub(in crate::window) fn record(folder: &Path, run: Option<(&str, &str)>) -> Result<()> {
    let (run, run_name) = run.map(|(run, name)| (run.to_owned(), name.to_owned())).unzip();
    write_json(&folder.join(RECORD), &Record { made_at: now(), run, run_name, is_whole: Some(false) })
}

/// Notes that all of an export is in its folder.
pub(in crate::window) fn is_whole(folder: &Path) -> Result<()> {
    write_json(&folder.join(RECORD), &Record { is_whole: Some(true), ..Record::read(folder)? })
}

impl Record {
    /// What is known of an export.
    ///
    /// # Errors
    /// When the record is there and cannot be read.
    pub(in crate::window) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("{}: {error}", path.display());
                Error::new("export", message, "Remove this file: it says only what the export was made from.")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let written = folder.metadata().and_then(|about| about.modified()).ok();
                let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                Ok(Self { made_at: written.map_or(0, |since| since.as_millis() as u64), ..Self::default() })
            }
            Err(error) => Err(Error::file(&path)(error)),
        }
    }

    /// Says so of one that was not written to its end.
    fn broken_off(&self) -> Option<String> {
        let is_half = self.is_whole == Some(false);
        is_half.then(|| "It broke off while it was written, and is not whole. Delete it, and export again.".to_owned())
    }

    /// The run that it was made from.
    pub(in crate::window) fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }
}

/// What a part of an export is, by the name of its file or folder.
fn part(name: &str) -> &str {
    match name {
        "adapter" => "adapter",
        "merged" => "merged weights",
        "gguf" => "GGUF",
        "lora-gguf" => "adapter as GGUF",
        "report" => "report",
        "labels.jsonl" => "labels",
        "pairs.jsonl" => "pairs as JSON Lines",
        "pairs.parquet" => "pairs as Parquet",
        "argilla" => "pairs for Argilla",
        "label-studio.json" => "pairs for Label Studio",
        other => other,
    }
}

/// All exports of a project, the newest first.
pub(in crate::window) fn exports(backend: &Backend, request: InProject) -> Result<Vec<ExportSummary>> {
    let project = backend.project(&request.project)?;
    let mut all = Vec::new();
    for folder in folders(&project.folder().join(EXPORTS))? {
        let mut parts: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let name = entry.map_err(Error::file(&folder))?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                parts.push(part(&name).to_owned());
            }
        }
        parts.sort();
        // One of which something cannot be read can be downloaded and deleted all the same.
        let (record, notes) = (Record::read(&folder), notes_of(ItemKind::Export, &folder));
        let error = [record.as_ref().err(), notes.as_ref().err()].into_iter().flatten().next().cloned();
        let is_at_work = backend.job_using(&folder).is_some();
        let (record, mut notes) = (record.unwrap_or_default(), notes.unwrap_or_default());
        notes.damaged = match error {
            Some(error) => Notes::of_damaged(&error).damaged,
            None => record.broken_off().filter(|_| !is_at_work),
        };
        // By the name that its run has now.
        let named = record.run().and_then(|run| training::run_identity(backend, &project, run).ok());
        all.push(ExportSummary {
            export: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            name: name_of(backend, &project, ItemKind::Export, &folder),
            notes,
            parts,
            is_page: page_of(&folder).is_some(),
            run: named.as_ref().and(record.run.clone()),
            run_name: named.map(|run| run.name).or(record.run_name),
            made_at: record.made_at,
            bytes: bytes_of(&folder)?,
            folder: folder.display().to_string(),
        });
    }
    all.sort_by(|a, b| b.made_at.cmp(&a.made_at).then_with(|| a.export.cmp(&b.export)));
    Ok(all)
}
