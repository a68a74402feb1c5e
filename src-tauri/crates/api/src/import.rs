//! Bringing pairs into a project.

use crate::context::Context;
use crate::error::Result;
use crate::hub_paths;
use crate::reading::refuse_nothing;
use prefs::Refused;
use prefs::mapping::{ImportKind, Mapped, MappedContent};
use prefs::reader::{self, Choices};
use prefs::store::Project;
use serde::Serialize;
use std::path::PathBuf;

/// Files to bring in.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files of pairs, of answers to label or of prompts, in any form that is known.
    pub files: Vec<PathBuf>,
    /// What is said about how they are read.
    pub choices: Choices,
    /// The project's folder, made where it is not there.
    pub project: PathBuf,
}

/// What became of one file's rows. `rows = added + duplicates + refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct ImportReply {
    pub file: PathBuf,
    /// What its rows became.
    pub kind: ImportKind,
    /// How it was read.
    pub how: String,
    /// What of it was left out or done otherwise, as sentences.
    pub notices: Vec<String>,
    /// Rows that are not blank.
    pub rows: usize,
    /// Pairs or items to label that are new to the project.
    pub added: usize,
    /// Rows of pairs that say that neither answer is better: they are items to label.
    pub to_label: usize,
    /// Pairs that the project, or an earlier row, had already.
    pub duplicates: usize,
    /// Rows that were not taken, by line and reason.
    pub refused: Vec<Refused>,
    /// Pairs in the project now.
    pub total: usize,
}

fn to_label(mapped: &Mapped) -> usize {
    mapped.rows.iter().filter(|row| matches!(row.content, MappedContent::Candidates(_))).count()
}

/// Imports files, each wholly or not at all.
///
/// # Errors
/// When a file cannot be read or the project cannot be written.
pub fn import(request: &ImportRequest, context: &mut Context) -> Result<Vec<ImportReply>> {
    let files = request.files.iter().map(|file| hub_paths::data(file, context)).collect::<Result<_>>()?;
    let request = &ImportRequest { files, ..request.clone() };
    // All are read before the first is brought in: one that cannot be read leaves the project as it was.
    let mut files = Vec::new();
    for file in &request.files {
        context.check()?;
        let read = reader::read(file, &request.choices)?;
        refuse_nothing(file, &read)?;
        files.push((file, read));
    }
    let mut project = Project::open_or_create(&request.project)?;
    let mut replies = Vec::new();
    for (file, read) in files {
        context.check()?;
        let import = project.import_mapped(&read.mapped, &file.display().to_string())?;
        replies.push(ImportReply {
            file: file.clone(),
            kind: import.kind,
            how: read.how,
            notices: read.notices,
            rows: read.mapped.rows.len() + read.mapped.refused.len(),
            added: import.added,
            to_label: if import.kind == ImportKind::Pairs { to_label(&read.mapped) } else { 0 },
            duplicates: import.duplicates,
            refused: read.mapped.refused,
            total: project.count()?,
        });
    }
    Ok(replies)
}
