//! Evaluations: folders in the project's `evals/`, each made by a job and resumed where it stopped.
//!
//! What a screen shows is read from the folder, without disturbing the job that writes to it. People's verdicts are
//! appended there too, whichever judge the evaluation has, so that the two can be compared.

mod find;
mod leaderboard;
mod people;
mod runless;
mod start;
mod versus;
mod view;

pub(super) use find::find_prompts;
pub(super) use leaderboard::leaderboard;
pub(crate) use people::finish_where_people_judge;
pub(super) use people::{blind_item, judge_blind, undo_blind};
pub(super) use start::{judge_again, preview_prompts, resume_evaluation, start_evaluation, use_judge_key};
pub(super) use versus::checkpoints;
pub(super) use view::{eval_items, evaluation, evaluations};

use super::housekeeping::in_bin;
use super::overview::EVALS;
use super::training::{self, inside};
use super::types::{ItemKind, JobKind, JobState, Nothing};
use super::{Backend, OpenProject, jobs};
use crate::error::{Error, Result};
use crate::sides::NamedSide;
use eval::evaluation::Contents;
use eval::judge::Judge;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The file of an evaluation's folder that says what was asked for.
const ABOUT: &str = "about.json";
/// The prompts of an evaluation.
const PROMPTS: &str = "prompts.jsonl";

/// What is kept of evaluations while the program runs.
#[derive(Default)]
pub(super) struct Evaluations {
    /// People's verdicts are written one at a time.
    people: Mutex<()>,
}

/// What an evaluation was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct About {
    /// The run whose adapter is judged: its folder's name; empty where it is of no run.
    run: String,
    run_name: String,
    /// The judge, as on the command line.
    judge: String,
    /// Where its prompts are from, in words; empty in evaluations from before this was told.
    #[serde(default)]
    prompts: String,
    /// When, in milliseconds since 1970 (UTC).
    created_at: u64,
    temperature: f64,
    max_new_tokens: usize,
    seed: u64,
    /// The base is another than the run was trained on, and the user chose to use it.
    #[serde(default)]
    allow_changed_base: bool,
    /// What is compared, where it is not the run's adapter with its base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sides: Option<[AboutSide; 2]>,
    /// The evaluation whose answers are judged again here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answers_of: Option<String>,
}

/// A side of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AboutSide {
    /// As on the command line.
    choice: String,
    name: String,
    /// The model as it was named, of a side for which one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

impl AboutSide {
    fn named(&self) -> Result<NamedSide> {
        let wrong = |what| Error::new("evaluation", what, "The evaluation's folder was changed: start it anew.");
        Ok(NamedSide { choice: self.choice.parse().map_err(wrong)?, name: Some(self.name.clone()) })
    }
}

impl About {
    /// The evaluation's own; one of the command line has none, and what can be told of it is.
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("{}: {error}", path.display());
                Error::new("evaluation", message, "The file was changed or damaged: start the evaluation anew.")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::told_by(folder)),
            Err(error) => Err(Error::file(&path)(error)),
        }
    }

    fn told_by(folder: &Path) -> Self {
        let contents = Contents::read(folder).ok().flatten();
        let ancestry = contents.map(|contents| contents.setup().ancestry.clone()).unwrap_or_default();
        let run = ancestry.run.or(ancestry.adapter).unwrap_or_default();
        let run = Path::new(&run).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = folder.metadata().and_then(|metadata| metadata.modified()).ok();
        let written = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        Self {
            run_name: run.clone(),
            run,
            judge: "people".into(),
            prompts: ancestry.prompts,
            created_at: written.map_or(0, |since| since.as_millis() as u64),
            temperature: 0.0,
            max_new_tokens: 0,
            seed: ancestry.seed,
            allow_changed_base: false,
            sides: None,
            answers_of: None,
        }
    }

    /// What is evaluated, in a few words.
    fn title(&self) -> String {
        match &self.sides {
            Some([tuned, base]) => format!("{} against {}", tuned.name, base.name),
            None => self.run_name.clone(),
        }
    }

    fn judge(&self, folder: &Path) -> Result<Judge> {
        // What was finished says itself who judged.
        if let Some(finished) = eval::evaluation::Evaluation::read(folder)? {
            return Ok(finished.judge);
        }
        Ok(Judge::parse(&self.judge)?)
    }
}

/// The folder of the evaluation that the page names.
pub(super) fn folder(project: &OpenProject, evaluation: &str) -> Result<PathBuf> {
    let folder = inside(&project.folder().join(EVALS), evaluation);
    folder.filter(|folder| is_evaluation(folder)).ok_or_else(|| {
        if in_bin(project, ItemKind::Evaluation, evaluation) {
            let message = format!("the evaluation {evaluation:?} is in the bin of this project");
            return Error::new("in_bin", message, "Put it back: Disk and bin, on the screen Project.");
        }
        let message = format!("there is no evaluation {evaluation:?} in this project");
        Error::new("no_evaluation", message, "Its folder was moved or removed; choose another.")
    })
}

/// The run that the evaluation in a folder is of.
pub(super) fn run_of(folder: &Path) -> Result<String> {
    Ok(About::read(folder)?.run)
}

/// The evaluation whose answers are judged again by the one in a folder.
pub(super) fn answers_of(folder: &Path) -> Result<Option<String>> {
    Ok(About::read(folder)?.answers_of)
}

/// What the run of the evaluation in a folder is called.
pub(super) fn name_of_run(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<String> {
    let about = About::read(folder)?;
    // Of no run, it is called after what stands on its sides.
    Ok(if about.run.is_empty() { about.title() } else { run_name(backend, project, &about) })
}

/// What its run is called now; as it was called, where it is not there any more.
fn run_name(backend: &Backend, project: &OpenProject, about: &About) -> String {
    match training::run_identity(backend, project, &about.run) {
        Ok(run) => run.name,
        Err(_) => about.run_name.clone(),
    }
}

/// Whether a folder holds an evaluation, or one that was just begun.
pub(super) fn is_evaluation(folder: &Path) -> bool {
    folder.join(ABOUT).is_file() || folder.join("setup.json").is_file()
}

/// The job that is at work on an evaluation.
fn job(backend: &Backend, project: &OpenProject, evaluation: &str) -> Option<u64> {
    let all = jobs::jobs(backend, Nothing {}).unwrap_or_default();
    let here = project.name_of_folder();
    all.into_iter()
        .find(|job| {
            job.kind == JobKind::Evaluation
                && job.state == JobState::Running
                && job.project == here
                && job.evaluation.as_deref() == Some(evaluation)
        })
        .map(|job| job.job)
}

/// What lies in an evaluation's folder; an error where it has not come to answers yet.
fn contents(folder: &Path) -> Result<Contents> {
    Contents::read(folder)?.ok_or_else(|| {
        let message = "this evaluation has no answers yet";
        Error::new("not_answered", message, "Wait until the model is loaded, or resume the evaluation.")
    })
}
