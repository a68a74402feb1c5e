//! Pairs scored by a model without a run: any of this machine, alone or with an adapter on it.

use super::housekeeping::{in_bin, name_of, notes_of};
use super::models::LoadOptions;
use super::overview::{SCORES, folders};
use super::training::{inside, new_folder};
use super::types::{InProject, ItemKind, Job, JobKind, LocalSide, ModelScoresView, ScoreByModel};
use super::{Backend, OpenProject, now};
use crate::error::{Error, Result};
use crate::model_scores::{Asked, FILE, ModelScores, score};
use chat::{Limits, Truncation};
use model::{BaseDtype, Products};
use prefs::store::SourcedPair;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use train::Settings;

/// What makes a folder one of an adapter.
const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Starts the job that scores pairs by a model.
pub(super) fn score_by_model(backend: &Backend, request: ScoreByModel) -> Result<Job> {
    let ScoreByModel { project, side, set, beta, allow_changed_base } = request;
    let project = backend.project(&project)?;
    let named = project.name_of_folder();
    if !(beta.is_finite() && beta > 0.0) {
        return Err(Error::new("beta", format!("beta is {beta}"), "Give a number above 0; 0.1 is usual."));
    }
    let LocalModelOf { model, adapter, title } = local_side(backend, &side)?;
    let (pairs, set) = wanted(&project, set)?;
    if let Some(job) = backend.running_job(JobKind::Suspects, &named) {
        let message = format!("another job is at work: {}", job.title);
        return Err(Error::new("busy", message, "Wait for it, or cancel it."));
    }
    let limits = usual_limits();
    let what = format!("Score {} by {title}", prefs::words::pairs(pairs.len()));
    backend.start_job(JobKind::Suspects, &named, &what, move |working| {
        let how = LoadOptions { dtype: BaseDtype::Auto, products: Products::Auto, allow_changed_base };
        let scores = working.backend().with_model(&model, how, adapter.as_deref(), working, |opened| {
            let model = (model.as_str(), adapter.as_deref());
            let asked = Asked { title: title.clone(), model, pairs, set, limits, beta, at: now() };
            working.with_context(|context| score(asked, opened, context))
        })?;
        let folder = new_folder(&project.folder().join(SCORES), &title)?;
        let written = scores.write(&folder);
        if written.is_err() {
            // The folder was made a moment ago and holds nothing; the first error is the one to report.
            let _ = std::fs::remove_dir_all(&folder);
        }
        written?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        working.scored(&name);
        working.backend().changed(&project);
        Ok(())
    })
}

/// As a new run has them in the window.
fn usual_limits() -> Limits {
    Settings { truncation: Truncation::PromptLeft, ..Settings::default() }.limits()
}

/// The pairs to score, and the name of the set that they are of.
fn wanted(project: &OpenProject, set: Option<i64>) -> Result<(Vec<SourcedPair>, Option<String>)> {
    let store = project.another_store()?;
    let mut pairs = store.training_pairs()?;
    let name = match set {
        Some(set) => {
            let of_set: HashSet<i64> = store.pairs_of_set(set)?.into_iter().collect();
            pairs.retain(|sourced| of_set.contains(&sourced.id));
            Some(store.set(set)?.name)
        }
        None => None,
    };
    if pairs.is_empty() {
        let message =
            name.map_or_else(|| "the project has no pairs".to_owned(), |name| format!("the set {name} has no pairs"));
        return Err(Error::new("no_pairs", message, "Import pairs, or label some."));
    }
    Ok((pairs, name))
}

/// A model of this machine as it is used.
pub(super) struct LocalModelOf {
    pub(super) model: String,
    pub(super) adapter: Option<PathBuf>,
    /// What it is called beside others.
    pub(super) title: String,
}

/// Finds the model that the page names, with the adapter that goes on it.
///
/// # Errors
/// When one of them is not on this machine or may not be used.
pub(super) fn local_side(backend: &Backend, side: &LocalSide) -> Result<LocalModelOf> {
    let LocalSide { model, adapter } = side;
    let model = backend.model_named(model)?;
    if backend.model_here(&model)?.is_none() {
        let message = format!("the model {model} is not on this machine");
        return Err(Error::new("model_not_here", message, "Fetch it on the Project screen, then choose it again."));
    }
    let adapter = adapter
        .as_deref()
        .map(|named| {
            let path = backend.allowed_model(Path::new(named))?;
            if path.join(ADAPTER_CONFIG).is_file() {
                return Ok(path);
            }
            let message = format!("{} is no adapter: it has no {ADAPTER_CONFIG}", path.display());
            Err(Error::new("no_adapter", message, "Choose a folder with an adapter, or none."))
        })
        .transpose()?;
    let called = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The hub's names have a commit behind them, which nobody reads.
    let base = called(Path::new(model.split('@').next().unwrap_or(&model)));
    let title = match &adapter {
        Some(adapter) => format!("{base} with {}", called(adapter)),
        None => base,
    };
    Ok(LocalModelOf { model, adapter, title })
}

/// All that were kept, the newest first.
pub(super) fn model_scores(backend: &Backend, request: InProject) -> Result<Vec<ModelScoresView>> {
    let project = backend.project(&request.project)?;
    let mut all = Vec::new();
    for folder in scored(&project)? {
        all.push(view(backend, &project, &folder)?);
    }
    all.sort_by_key(|scores: &ModelScoresView| std::cmp::Reverse(scores.at));
    Ok(all)
}

fn view(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<ModelScoresView> {
    let about = ModelScores::about(folder)?;
    Ok(ModelScoresView {
        scores: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        name: name_of(backend, project, ItemKind::Scores, folder)?,
        notes: notes_of(ItemKind::Scores, folder)?,
        model: about.model,
        adapter: about.adapter.map(|adapter| adapter.path.display().to_string()),
        set: about.set,
        pairs: about.pairs,
        at: about.at,
    })
}

/// What scores were called when they were made.
pub(super) fn first_name(folder: &Path) -> Result<String> {
    let about = ModelScores::about(folder)?;
    Ok(about.set.map_or(about.title.clone(), |set| format!("{set} by {}", about.title)))
}

/// The folders of a project's scores.
pub(super) fn scored(project: &OpenProject) -> Result<Vec<PathBuf>> {
    let mut all = folders(&project.folder().join(SCORES))?;
    all.retain(|folder| folder.join(FILE).is_file());
    Ok(all)
}

/// The folder of scores that the page names.
pub(super) fn folder(project: &OpenProject, scores: &str) -> Result<PathBuf> {
    let folder = inside(&project.folder().join(SCORES), scores);
    folder.filter(|folder| folder.join(FILE).is_file()).ok_or_else(|| {
        if in_bin(project, ItemKind::Scores, scores) {
            let message = format!("the scores {scores:?} are in the bin of this project");
            return Error::new("in_bin", message, "Put them back: Disk and bin, on the screen Project.");
        }
        let message = format!("there are no scores {scores:?} in this project");
        Error::new("no_scores", message, "Their folder was moved or removed; choose others.")
    })
}
