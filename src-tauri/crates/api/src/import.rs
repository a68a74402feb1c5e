//! Bringing pairs into a project.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::find_model;
use crate::window::rendered;
use crate::window::types::PreviewRow;
use chat::Tokenizer;
use prefs::Refused;
use prefs::mapping::ImportKind;
use prefs::reader::{self, Choices, Opened};
use prefs::store::{Brought, DATABASE, Project};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are shown of what an import would bring.
const SHOWN: usize = 3;

/// Data to bring in.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files, folders of shards or patterns, of pairs, of answers to label, of demonstrations or of prompts, in any form that is
    /// known.
    pub files: Vec<PathBuf>,
    /// What is said about how they are read.
    pub choices: Choices,
    /// The project's folder, made where it is not there.
    pub project: PathBuf,
    /// Says what would be brought in, and brings nothing.
    pub dry_run: bool,
    /// A model by whose template and tokenizer the shown rows are rendered.
    pub model: Option<PathBuf>,
}

/// What became, or would become, of a data set's rows. `rows = added + duplicates + refused_count`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct ImportReply {
    pub file: PathBuf,
    /// Nothing was brought in.
    pub dry_run: bool,
    /// What its rows became.
    pub kind: ImportKind,
    /// How it was read.
    pub how: String,
    /// What of it was left out or done otherwise, as sentences.
    pub notices: Vec<String>,
    /// Rows that are not blank.
    pub rows: usize,
    /// Pairs, items to label or single answers that are new to the project.
    pub added: usize,
    /// Rows of pairs that say that neither answer is better: they are items to label.
    pub to_label: usize,
    /// Rows with a labelled answer whose prompt has none of the other label: they are kept as single labels.
    pub single_labels: usize,
    /// Pairs that the project, or an earlier row, had already.
    pub duplicates: usize,
    /// The first rows that were not taken, by line and reason.
    pub refused: Vec<Refused>,
    /// How many were not taken.
    pub refused_count: usize,
    /// Pairs in the project now; none where nothing was brought in.
    pub total: Option<usize>,
    /// The first rows, where nothing was brought in.
    pub first: Vec<PreviewRow>,
}

/// Imports data sets, each wholly or not at all.
///
/// # Errors
/// When a file cannot be read, no row of one can be taken, or the project cannot be written.
pub fn import(request: &ImportRequest, context: &mut Context) -> Result<Vec<ImportReply>> {
    let files = request.files.iter().map(|file| hub_paths::data(file, context)).collect::<Result<_>>()?;
    let request = &ImportRequest { files, ..request.clone() };
    // All are opened before the first is brought in: one that cannot be read leaves the project as it was.
    let mut files = Vec::new();
    for file in &request.files {
        context.check()?;
        files.push((file, reader::open(file, &request.choices, &|| !context.stop.load(Ordering::Relaxed))?));
    }
    let tokenizer = match &request.model {
        Some(model) => Some(Tokenizer::open(&find_model(model, context)?)?),
        None => None,
    };
    let mut replies = Vec::new();
    for (file, opened) in files {
        context.check()?;
        replies.push(if request.dry_run {
            would_import(request, file, opened, tokenizer.as_ref())?
        } else {
            import_one(request, file, opened, context.stop)?
        });
    }
    Ok(replies)
}

fn import_one(request: &ImportRequest, file: &Path, opened: Opened, stop: &AtomicBool) -> Result<ImportReply> {
    let mut project = Project::open_or_create(&request.project)?;
    let is_wanted = || !stop.load(Ordering::Relaxed);
    let source = file.display().to_string();
    let brought = project.import_wanted(&opened.table, &opened.mapping, &source, &is_wanted)?;
    Ok(ImportReply { total: Some(project.count()?), ..reply(file, opened, brought) })
}

fn would_import(
    request: &ImportRequest,
    file: &Path,
    opened: Opened,
    tokenizer: Option<&Tokenizer>,
) -> Result<ImportReply> {
    // A project that is not there yet has none of the rows.
    let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
    let is_there = request.project.join(DATABASE).is_file();
    let project = if is_there { Project::open(&request.project)? } else { Project::open_or_create(folder.path())? };
    let mut would = project.preview_table(&opened.table, &opened.mapping, &file.display().to_string(), SHOWN)?;
    let first = std::mem::take(&mut would.first).iter().map(|row| rendered::row(row, tokenizer)).collect();
    Ok(ImportReply { dry_run: true, first, ..reply(file, opened, would) })
}

fn reply(file: &Path, opened: Opened, brought: Brought) -> ImportReply {
    let Opened { how, mut notices, .. } = opened;
    notices.extend(reader::sentences(&brought.notes, &brought.ignored_keys));
    ImportReply {
        file: file.to_path_buf(),
        dry_run: false,
        kind: brought.kind,
        how,
        notices,
        rows: brought.rows,
        added: brought.added,
        to_label: brought.to_label,
        single_labels: brought.single_labels,
        duplicates: brought.duplicates,
        refused: brought.refused,
        refused_count: brought.refused_count,
        total: None,
        first: Vec::new(),
    }
}
