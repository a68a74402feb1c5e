//! Keeping house: runs, evaluations and exports are renamed, noted, tagged, archived, and deleted into the project's bin.
//!
//! The name of a folder never changes, since others refer to it: a new name stands in a file of its own beside what is there.
//! What is deleted goes into the bin by one rename, so that it is either in its place or in the bin, whole.

mod bin;
mod dependents;
mod disk;
mod files;
mod notes;
mod projects;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub(super) use bin::{bin, delete_item, empty_bin, put_back, remove_checkpoints};
pub(super) use bin::{gone, in_bin};
pub(super) use dependents::{dependents, in_use};
pub(super) use disk::{bytes_of, disk_use};
pub(super) use notes::{archive_item, describe_item, name_and_notes, notes_of};
pub(super) use projects::{
    archive_project, delete_project, deleted_projects, describe_project, put_project_back, remove_projects,
};

use super::overview::{EVALS, EXPORTS, RUNS, SCORES};
use super::training::{self, inside, run_folder};
use super::types::{ItemKind, ItemOf};
use super::{Backend, OpenProject, evaluation, locked, model_scores};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

/// A run, an evaluation or an export, found.
#[allow(clippy::struct_field_names)] // `item`, as the page calls it
struct Item {
    project: Arc<OpenProject>,
    kind: ItemKind,
    /// Its folder's name.
    item: String,
    folder: PathBuf,
}

impl ItemKind {
    /// The folder of the project that holds them.
    fn place(self) -> &'static str {
        match self {
            Self::Run => RUNS,
            Self::Evaluation => EVALS,
            Self::Export => EXPORTS,
            Self::Scores => SCORES,
        }
    }

    /// What one is called within a sentence.
    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Evaluation => "evaluation",
            Self::Export => "export",
            Self::Scores => "scores",
        }
    }
}

impl Item {
    /// # Errors
    /// When there is none of that name.
    fn find(backend: &Backend, project: &str, kind: ItemKind, item: &str) -> Result<Self> {
        let project = backend.project(project)?;
        let folder = match kind {
            ItemKind::Run => run_folder(&project, item)?,
            ItemKind::Evaluation => evaluation::folder(&project, item)?,
            ItemKind::Export => export_folder(&project, item)?,
            ItemKind::Scores => model_scores::folder(&project, item)?,
        };
        Ok(Self { project, kind, item: item.to_owned(), folder })
    }

    fn of(backend: &Backend, request: &ItemOf) -> Result<Self> {
        Self::find(backend, &request.project, request.kind, &request.item)
    }

    /// What it is called now.
    fn name(&self, backend: &Backend) -> Result<String> {
        name_of(backend, &self.project, self.kind, &self.folder)
    }
}

impl Backend {
    /// One renames, deletes or puts back at a time.
    fn housekeeping(&self) -> MutexGuard<'_, ()> {
        locked(&self.0.housekeeping)
    }
}

/// What the item in a folder is called, wherever the folder lies.
pub(super) fn name_of(backend: &Backend, project: &OpenProject, kind: ItemKind, folder: &Path) -> Result<String> {
    if let Some(name) = notes_of(kind, folder)?.name {
        return Ok(name);
    }
    first_name(backend, project, kind, folder)
}

/// What it was called when it was made.
fn first_name(backend: &Backend, project: &OpenProject, kind: ItemKind, folder: &Path) -> Result<String> {
    match kind {
        ItemKind::Run => training::first_name(folder),
        ItemKind::Evaluation => evaluation::name_of_run(backend, project, folder),
        ItemKind::Scores => model_scores::first_name(folder),
        ItemKind::Export => Ok(folder.file_name().unwrap_or_default().to_string_lossy().into_owned()),
    }
}

fn export_folder(project: &OpenProject, export: &str) -> Result<PathBuf> {
    let folder = inside(&project.folder().join(EXPORTS), export);
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
        let message = format!("there is no export {export:?} in this project");
        Error::new("no_export", message, "Its folder was moved or removed; choose another.")
    })
}
