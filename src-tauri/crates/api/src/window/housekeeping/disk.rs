//! What things take on the disk.

use super::super::overview::{self, EXPORTS, folders};
use super::super::types::{DiskUse, InProject, ItemDisk, ItemKind};
use super::super::{Backend, OpenProject, model_scores, training};
use super::bin::BIN;
use super::name_of;
use crate::error::{Error, Result};
use prefs::store::DATABASE;
use std::fs;
use std::path::{Path, PathBuf};
use train::checkpoint;

/// What a project takes, each run, evaluation and export by itself.
pub(in crate::window) fn disk_use(backend: &Backend, request: InProject) -> Result<DiskUse> {
    let project = backend.project(&request.project)?;
    let exports = folders(&project.folder().join(EXPORTS))?;
    let all = [
        (ItemKind::Run, overview::runs(&project)?),
        (ItemKind::Evaluation, overview::evaluations(&project)?),
        (ItemKind::Export, exports),
        (ItemKind::Scores, model_scores::scored(&project)?),
    ];
    let mut items = Vec::new();
    for (kind, folders) in all {
        for folder in folders {
            items.push(of_item(backend, &project, kind, &folder)?);
        }
    }
    items.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.item.cmp(&b.item)));
    // What SQLite has beside its file is part of it.
    let mut data = 0;
    for ending in ["", "-wal", "-shm"] {
        data += bytes_of(&project.folder().join(format!("{DATABASE}{ending}")))?;
    }
    let (bytes, bin) = (bytes_of(project.folder())?, bytes_of(&project.folder().join(BIN))?);
    let told = data + bin + items.iter().map(|item| item.bytes).sum::<u64>();
    Ok(DiskUse { bytes, data, bin, other: bytes.saturating_sub(told), items })
}

fn of_item(backend: &Backend, project: &OpenProject, kind: ItemKind, folder: &Path) -> Result<ItemDisk> {
    let (checkpoints, spare) = match kind {
        ItemKind::Run => (checkpoint::steps(folder)?.len(), spare_checkpoints(backend, project, folder)?),
        ItemKind::Evaluation | ItemKind::Export | ItemKind::Scores => (0, Vec::new()),
    };
    let mut spare_bytes = 0;
    for checkpoint in &spare {
        spare_bytes += bytes_of(checkpoint)?;
    }
    Ok(ItemDisk {
        kind,
        item: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        name: name_of(backend, project, kind, folder)?,
        bytes: bytes_of(folder)?,
        checkpoints,
        checkpoint_bytes: bytes_of(&folder.join(checkpoint::FOLDER))?,
        spare: spare.len(),
        spare_bytes,
    })
}

/// The bytes of all files in a folder; 0 where it is not there. A link counts as itself, and is not followed.
///
/// # Errors
/// When it cannot be looked through.
pub(in crate::window) fn bytes_of(path: &Path) -> Result<u64> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        // Removed since it was listed: checkpoints come and go while a run trains.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Error::file(path)(error)),
    };
    if !about.is_dir() {
        return Ok(about.len());
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Error::file(path)(error)),
    };
    let mut bytes = 0;
    for entry in entries {
        bytes += bytes_of(&entry.map_err(Error::file(path))?.path())?;
    }
    Ok(bytes)
}

/// The checkpoints of a run that it does not need to be resumed: all but the last, and but the one whose adapter is the best so
/// far where the run keeps that.
pub(super) fn spare_checkpoints(backend: &Backend, project: &OpenProject, run: &Path) -> Result<Vec<PathBuf>> {
    let mut steps = checkpoint::steps(run)?;
    steps.pop();
    let best = training::best_step(backend, project, run)?;
    steps.retain(|step| Some(*step) != best);
    Ok(steps.into_iter().map(|step| run.join(checkpoint::folder_of(step))).collect())
}
