//! A run's weights, merged or as a GGUF file, exported into the project's `exports/`: a job, as a real model takes a while.

use super::models::LoadOptions;
use super::overview::{EXPORTS, folders};
use super::training::{RunIdentity, check_grounds, new_folder, run_identity};
use super::types::{ExportGguf, ExportMerged, Exported, Job, JobKind};
use super::{Backend, OpenProject, Working, exports};
use crate::error::Result;
use crate::export::{FOLDERS, Form, Merging, WholeFolder};
use model::Products;
use std::path::Path;
use train::folder::ADAPTER;

/// Starts the job; the one that is at work already, where there is one.
pub(super) fn export_merged(backend: &Backend, request: ExportMerged) -> Result<Job> {
    start(
        backend,
        (&request.project, &request.run),
        JobKind::Merge,
        Form::Merged(request.dtype),
        request.allow_changed_base,
    )
}

/// Starts the job; the one that is at work already, where there is one.
pub(super) fn export_gguf(backend: &Backend, request: ExportGguf) -> Result<Job> {
    let form = request.dtype.map_or(Form::LoraGguf, Form::Gguf);
    start(backend, (&request.project, &request.run), JobKind::Gguf, form, request.allow_changed_base)
}

fn start(backend: &Backend, (project, run): (&str, &str), kind: JobKind, form: Form, allowed: bool) -> Result<Job> {
    let project = backend.project(project)?;
    let named = project.name_of_folder();
    if let Some(job) = backend.running_job(kind, &named) {
        return Ok(job);
    }
    let run = run_identity(backend, &project, run)?;
    check_grounds(backend, &run, allowed)?;
    let title = match form {
        Form::LoraGguf => format!("Write the adapter of {} as GGUF", run.name),
        _ => format!("Merge the adapter of {}", run.name),
    };
    backend.start_job(kind, &named, &title, move |working| {
        working.uses(&run.folder);
        working.exported(export(&project, &run, form, allowed, working)?);
        Ok(())
    })
}

fn export(project: &OpenProject, run: &RunIdentity, form: Form, allowed: bool, working: &Working) -> Result<Exported> {
    let all = project.folder().join(EXPORTS);
    remove_left_overs(&all)?;
    let folder = new_folder(&all, &run.name)?;
    working.uses(&folder);
    let of_run = run.folder.file_name().unwrap_or_default().to_string_lossy();
    exports::record(&folder, Some((&of_run, &run.name)))?;
    let written = write_into(&folder, run, form, allowed, working);
    if written.is_err() {
        // Nothing is in it but the record; the first error is the one to report.
        let _ = std::fs::remove_dir_all(&folder);
    }
    let made = exports::within(exports::of(written?), &folder);
    exports::is_whole(&folder)?;
    working.backend().changed(project);
    // That the base is another one is said by itself.
    let notes = working.notes().into_iter().filter(|note| made.other_base.as_ref() != Some(note)).collect();
    Ok(Exported { notes, ..made })
}

fn write_into(
    folder: &Path,
    run: &RunIdentity,
    form: Form,
    allowed: bool,
    working: &Working,
) -> Result<crate::Exported> {
    let backend = working.backend();
    let adapter = run.folder.join(ADAPTER);
    // Kept to the end: what was written is loaded where the run's model was.
    let mut loaded = backend.models_alone(working)?;
    let how = LoadOptions { dtype: run.config.settings.dtype, products: Products::F32, allow_changed_base: allowed };
    let opened = backend.take_model(&mut loaded, &run.model, how, Some(&adapter), working)?;
    let base = (opened.path.as_path(), run.config.settings.dtype);
    let merging = working.with_context(|context| Merging::begin(&run.folder, base, form, folder, allowed, context))?;
    let live = working.with_context(|context| merging.live(&opened, context))?;
    drop(opened);
    working.with_context(|context| merging.finish(&live, context))
}

/// Removes what was left when the program was killed while it merged: it is as large as a model.
fn remove_left_overs(exports: &Path) -> Result<()> {
    for folder in folders(exports)? {
        for name in FOLDERS {
            if WholeFolder::remove_left_over(&folder.join(name))? {
                // Where other things were exported beside it, it stays.
                let _ = std::fs::remove_dir(&folder);
            }
        }
    }
    Ok(())
}
