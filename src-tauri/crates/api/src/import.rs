//! Bringing pairs into a project.

use crate::context::Context;
use crate::error::Result;
use prefs::store::Project;
use prefs::{Refused, jsonl};
use serde::Serialize;
use std::path::PathBuf;

/// Files to bring in.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// JSONL files of pairs.
    pub files: Vec<PathBuf>,
    /// The project's folder, made where it is not there.
    pub project: PathBuf,
}

/// What became of one file's rows. `rows = added + duplicates + refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportReply {
    /// The file.
    pub file: PathBuf,
    /// Rows that are not blank.
    pub rows: usize,
    /// Pairs that are new to the project.
    pub added: usize,
    /// Pairs that the project, or an earlier row, had already.
    pub duplicates: usize,
    /// Rows that are no pair, by line and reason.
    pub refused: Vec<Refused>,
    /// Pairs in the project now.
    pub total: usize,
}

/// Imports files, each wholly or not at all.
///
/// # Errors
/// When a file cannot be read or the project cannot be written.
pub fn import(request: &ImportRequest, context: &mut Context) -> Result<Vec<ImportReply>> {
    let mut project = Project::open_or_create(&request.project)?;
    let mut replies = Vec::new();
    for file in &request.files {
        context.check()?;
        let reading = jsonl::read_pairs(file)?;
        let import = project.add_import(&reading, &file.display().to_string())?;
        replies.push(ImportReply {
            file: file.clone(),
            rows: reading.pairs.len() + reading.refused.len(),
            added: import.added,
            duplicates: import.duplicates,
            refused: reading.refused,
            total: project.count()?,
        });
    }
    Ok(replies)
}
