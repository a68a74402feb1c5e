//! Evaluations of any two sides: what the page asks for becomes what stands in the evaluation's folder, and is computed.

use super::super::training::{RunIdentity, check_grounds, run_folder, run_identity};
use super::super::types::{Checkpoints, EvalRequest, RunOf, SideRequest};
use super::super::uploads::name_of;
use super::super::{Backend, OpenProject, Working};
use super::{About, AboutSide};
use crate::error::{Error, Result};
use crate::evaluate::{self, write_whole};
use crate::sides::{self, NamedSide, SideChoice};
use std::path::{Path, PathBuf};
use train::folder::EVAL_PAIRS;

/// Which checkpoints a run has.
pub(in crate::window) fn checkpoints(backend: &Backend, request: RunOf) -> Result<Checkpoints> {
    let project = backend.project(&request.project)?;
    Ok(Checkpoints { steps: train::checkpoint::steps(&run_folder(&project, &request.run)?)? })
}

/// A side that can be evaluated.
pub(super) struct Ready {
    pub(super) about: AboutSide,
    /// A file that is to be kept in the evaluation's folder.
    file: Option<PathBuf>,
}

/// Both sides; none where these are the run's adapter and its base.
///
/// # Errors
/// When one of them cannot be had.
pub(super) fn sides(
    backend: &Backend,
    project: &OpenProject,
    request: &EvalRequest,
    allow_changed_base: bool,
) -> Result<Option<[Ready; 2]>> {
    let Some([tuned, base]) = &request.sides else { return Ok(None) };
    let usual = SideRequest::Run { run: request.run.clone(), step: None };
    if !request.run.is_empty() && *tuned == usual && *base == SideRequest::Base {
        return Ok(None);
    }
    if tuned == base {
        let message = "both sides are the same";
        return Err(Error::new("same_sides", message, "Choose two that differ: their answers would be the same."));
    }
    let ready = |side| ready(backend, project, &request.run, side, allow_changed_base);
    Ok(Some([ready(tuned)?, ready(base)?]))
}

/// A side, where it can be had; `of` is the run that the evaluation is of, empty where it is of none.
fn ready(
    backend: &Backend,
    project: &OpenProject,
    of: &str,
    side: &SideRequest,
    allow_changed_base: bool,
) -> Result<Ready> {
    let (choice, name, model, file) = match side {
        SideRequest::Run { run, .. } if run.is_empty() => {
            return Err(Error::new("no_run", "a side names no run", "Choose a run, or something else for this side."));
        }
        SideRequest::Run { run, step } => {
            let run = run_identity(backend, project, run)?;
            let model = Some(run.model.clone());
            if let Some(step) = step {
                let folder = run.folder.join(train::checkpoint::folder_of(*step));
                if !folder.is_dir() {
                    let message = format!("the run {} has no checkpoint of step {step} any more", run.name);
                    let hint = "Choose another; `save_total_limit` says how many a run keeps.";
                    return Err(Error::new("no_checkpoint", message, hint));
                }
                (SideChoice::Checkpoint(folder), format!("{}, step {step}", run.name), model, None)
            } else {
                crate::suspects::refuse_unready(&run.folder)?;
                check_grounds(backend, &run, allow_changed_base)?;
                (SideChoice::Run(run.folder), run.name, model, None)
            }
        }
        // Of no run, the project's own model is the base.
        SideRequest::Base if of.is_empty() => {
            let model = project.model()?;
            (SideChoice::Model(model.clone().into()), format!("base {}", last_part(&model)), Some(model), None)
        }
        SideRequest::Base => {
            let run = run_identity(backend, project, of)?;
            (SideChoice::Base, format!("base of {}", run.name), Some(run.model), None)
        }
        SideRequest::Model { model } => {
            let model = backend.model_named(model.trim())?;
            let name = last_part(&model).to_owned();
            (SideChoice::Model(model.clone().into()), name, Some(model), None)
        }
        SideRequest::Answers { upload } => {
            let path = backend.uploaded(upload)?;
            let name = name_of(&path);
            (SideChoice::Answers(path.clone()), name, None, Some(path))
        }
        SideRequest::Chosen => (SideChoice::Chosen, "chosen answers".to_owned(), None, None),
    };
    Ok(Ready { about: AboutSide { choice: choice.to_string(), name, model }, file })
}

/// The last part of a path or a name.
fn last_part(model: &str) -> &str {
    model.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(model)
}

/// Takes files that were sent into the evaluation's folder: they are gone when it is resumed.
///
/// # Errors
/// When a file cannot be copied.
pub(super) fn keep(sides: Option<[Ready; 2]>, folder: &Path) -> Result<Option<[AboutSide; 2]>> {
    let Some([tuned, base]) = sides else { return Ok(None) };
    let kept = |side: Ready, name: &str| -> Result<AboutSide> {
        let Some(file) = side.file else { return Ok(side.about) };
        let copy = folder.join(name);
        write_whole(&copy, &std::fs::read(&file).map_err(Error::file(&file))?)?;
        Ok(AboutSide { choice: SideChoice::Answers(copy).to_string(), ..side.about })
    };
    Ok(Some([kept(tuned, "answers-tuned.jsonl")?, kept(base, "answers-base.jsonl")?]))
}

/// Lets both sides answer, one model after the other, and the judge judge.
///
/// # Errors
/// When something has changed since, a side cannot answer, or the job is stopped.
pub(super) fn evaluate(
    working: &Working,
    run: Option<&RunIdentity>,
    about: &About,
    sides: &[AboutSide; 2],
    mut request: evaluate::EvalRequest,
) -> Result<()> {
    let named: [NamedSide; 2] = [sides[0].named()?, sides[1].named()?];
    if let Some(run) = run {
        request.pairs = Some(run.folder.join(EVAL_PAIRS)).filter(|path| path.is_file());
        // No adapter of the run's own stands on a side that does not name it; that of the reference makes the base.
        let has_reference = train::folder::reference_of(&run.folder.join(train::folder::ADAPTER)).is_some();
        request.choice.adapter = request.choice.adapter.filter(|_| has_reference);
    }
    let mut comparison = working.with_context(|context| sides::begin(&request, &named, context))?;
    let at_work: Vec<_> =
        comparison.at_work().into_iter().map(|(side, speaker)| (side, speaker.choice.clone())).collect();
    for (side, choice) in at_work {
        let about = if side == eval::answers::Side::Tuned { &sides[0] } else { &sides[1] };
        let model = about.model.clone().or_else(|| run.map(|run| run.model.clone())).unwrap_or_default();
        let how = super::super::models::LoadOptions {
            dtype: choice.dtype,
            products: choice.products,
            allow_changed_base: choice.allow_changed_base,
        };
        working.backend().with_model(&model, how, choice.adapter.as_deref(), working, |opened| {
            let mut grown = |side: eval::answers::Side, prompt: usize, text: &str| {
                working.answer(prompt, &side.to_string(), text.to_owned());
            };
            working.with_context(|context| sides::answer(&mut comparison, side, opened, &request, &mut grown, context))
        })?;
    }
    let path = request.output_dir.clone();
    working.with_context(|context| evaluate::judge_in(comparison.folder, &about.judge, &path, context)).map(|_| ())
}
