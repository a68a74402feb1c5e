//! Merged weights of a run, handed out into the project's `exports/`: a job, as a real model takes a while.

use super::overview::{EXPORTS, folders};
use super::training::{RunIdentity, new_folder, run_identity};
use super::types::{ExportMerged, Exported, Job, JobKind, WeightType};
use super::{Backend, OpenProject, Working, exports};
use crate::error::Result;
use crate::export::{MERGED, Merging, WholeFolder};
use model::FloatType;
use std::path::Path;
use train::folder::ADAPTER;

/// Starts the job; the one that is at work already, where there is one.
pub(super) fn export_merged(backend: &Backend, request: ExportMerged) -> Result<Job> {
    let project = backend.project(&request.project)?;
    let named = project.name_of_folder();
    if let Some(job) = backend.running_job(JobKind::Merge, &named) {
        return Ok(job);
    }
    let run = run_identity(backend, &project, &request.run)?;
    let title = format!("Merge the adapter of {}", run.name);
    let dtype = match request.dtype {
        WeightType::F32 => FloatType::F32,
        WeightType::Bf16 => FloatType::Bf16,
        WeightType::F16 => FloatType::F16,
    };
    backend.start_job(JobKind::Merge, &named, &title, move |working| {
        working.hands_out(merge(&project, &run, dtype, working)?);
        Ok(())
    })
}

fn merge(project: &OpenProject, run: &RunIdentity, dtype: FloatType, working: &Working) -> Result<Exported> {
    let all = project.folder().join(EXPORTS);
    remove_left_overs(&all)?;
    let folder = new_folder(&all, &run.name)?;
    let merged = merge_into(&folder, run, dtype, working);
    if merged.is_err() {
        // Nothing is in it; the first error is the one to report.
        let _ = std::fs::remove_dir(&folder);
    }
    merged.map(exports::of)
}

fn merge_into(folder: &Path, run: &RunIdentity, dtype: FloatType, working: &Working) -> Result<crate::Exported> {
    let backend = working.backend();
    let adapter = run.folder.join(ADAPTER);
    // Kept to the end: what was written is loaded where the run's model was.
    let mut loaded = backend.models_alone(working)?;
    let opened = backend.take_model(&mut loaded, &run.model, run.config.dtype, Some(&adapter), working)?;
    let merging = Merging::begin(&run.folder, &opened.path, run.config.dtype, dtype, folder)?;
    let live = working.with_context(|context| merging.live(&opened, context))?;
    drop(opened);
    working.with_context(|context| merging.finish(&live, context))
}

/// Removes what was left when the program was killed while it merged: it is as large as a model.
fn remove_left_overs(exports: &Path) -> Result<()> {
    for folder in folders(exports)? {
        if WholeFolder::remove_left_over(&folder.join(MERGED))? {
            // Where other things were handed out beside it, it stays.
            let _ = std::fs::remove_dir(&folder);
        }
    }
    Ok(())
}
