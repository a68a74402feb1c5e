//! Training runs.

use super::{FigureView, Notes, QueuedRun, SweepOfRun};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use train::Settings;
use ts_rs::TS;

/// A run to be planned or started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The project's folder.
    pub project: String,
    /// The run's name.
    pub name: String,
    /// A name of the catalogue or a path.
    pub model: String,
    /// Share of the pairs that is kept for evaluation, 0 to 1.
    pub held_out_share: f64,
    /// The run that it was made from, with changes.
    #[serde(default)]
    pub from: Option<String>,
    /// Sets that it is made of; all pairs of the project where absent.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub data: Option<RunData>,
    /// All else.
    #[serde(deserialize_with = "train::settings::known_alone")]
    pub settings: Settings,
}

/// Sets of pairs that a run is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RunData {
    /// Those that are trained on; all pairs where there is none.
    pub train: Vec<SetInRun>,
    /// One that is held out, beside files that are marked so.
    pub held_out: Option<i64>,
}

/// A set that is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SetInRun {
    /// Its number.
    pub set: i64,
    /// How often its pairs are met in an epoch: 2 is twice, 0.5 every second pair.
    pub times: f64,
}

/// What a run would do and take.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPlan {
    /// Pairs to train on.
    pub pairs: usize,
    /// Pairs held out.
    pub held_out: usize,
    /// What it is made of, and what is left out for other reasons than the limits, as sentences without a full stop.
    pub data_says: Vec<String>,
    /// Pairs left out as too long.
    pub dropped: usize,
    /// Pairs left out because their answers are the same tokens once they are rendered and cut.
    pub identical: usize,
    /// Of pairs that are plain text, where the model has a chat template that they do not pass through: a sentence without a
    /// full stop.
    pub plain_text_note: Option<String>,
    /// Pairs that pass through the model's chat template.
    pub conversations: usize,
    /// Pairs whose prompt is cut.
    pub cut_prompts: usize,
    /// Pairs of which an answer is cut.
    pub cut_answers: usize,
    /// What the limits do and to which pairs, as sentences without a full stop.
    pub limits_say: Vec<String>,
    /// The numbers of the pairs that are cut or left out; the first of them.
    pub cut_pairs: Vec<i64>,
    /// Optimiser steps.
    pub steps: u64,
    /// Optimiser steps of a pass over the pairs.
    pub steps_per_epoch: u64,
    /// `eval_steps` with which so long a run looks at its held-out pairs about ten times.
    pub usual_eval_steps: u64,
    /// Pairs that the run will meet: a short one meets few of many, and only these are scored by the reference.
    pub met: usize,
    /// Tokens of a step, about.
    pub tokens_per_step: f64,
    /// Lengths of the pairs against the limits.
    pub histogram: FigureView,
    /// Bytes that training takes at its peak.
    pub memory_needed: u64,
    /// Bytes that are free.
    pub memory_free: Option<u64>,
    pub fits: bool,
    /// What to change where it does not, or where there is something better.
    pub advice: Option<String>,
    /// What there is to know of the model's files.
    pub notes: Vec<String>,
    /// What is to be said of the reference where it is not the one that TRL takes.
    pub reference_note: Option<String>,
    /// Why it cannot be started.
    pub problems: Vec<Error>,
    /// How long it takes, from measured steps.
    pub seconds_estimate: Option<f64>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunSummary {
    /// By which it is named: its folder's name.
    pub run: String,
    /// The name it was given.
    pub name: String,
    /// Where it stands.
    pub state: runs::State,
    /// Its place among those that wait, where it does.
    pub queued: Option<QueuedRun>,
    /// Whether it has an adapter that can be evaluated and exported; while it is running, it has none to rely on.
    pub has_adapter: bool,
    /// Steps done.
    pub step: u64,
    pub total_steps: u64,
    /// When it began.
    pub started_at: u64,
    /// Time left at this pace.
    pub seconds_left: Option<f64>,
    /// Loss of the last steps.
    pub loss: Option<f64>,
    /// `rewards/accuracies`: share of the last steps' pairs on which training moved the chosen answer up.
    pub accuracy: Option<f64>,
    /// Its 95 % interval: a step is of a few pairs.
    pub accuracy_interval: Option<(f64, f64)>,
    /// The same on held-out pairs: held-out accuracy by reward.
    pub held_out_accuracy: Option<f64>,
    /// Its 95 % interval.
    pub held_out_accuracy_interval: Option<(f64, f64)>,
    pub model: String,
    /// What was written of it.
    pub notes: Notes,
}

/// A run, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunView {
    /// As in the list.
    pub summary: RunSummary,
    pub folder: String,
    pub settings: Settings,
    /// That a rule of its sweep stopped it, and by what numbers: a sentence.
    pub stopped_by_rule: Option<String>,
    /// The sweep that it belongs to.
    pub sweep: Option<SweepOfRun>,
    /// The run that it was made from, with changes, where that is still there.
    pub from: Option<String>,
    /// What that is called, also where it is not there any more.
    pub from_name: Option<String>,
    /// What it is computed on: names, and digests of what they name.
    pub computed_on: Vec<(String, String)>,
    /// Which step its adapter is of, and why it ended early, where that is not simply the last one.
    pub selection: Option<String>,
    /// Share of the pairs that was held out.
    pub held_out_share: f64,
    /// What it is made of beside that, as sentences without a full stop.
    pub data_says: Vec<String>,
    /// The sets that were asked for, where any were.
    pub data: Option<RunData>,
    /// The last step's numbers.
    pub now: RunNow,
    /// Why it failed.
    pub error: Option<Error>,
    /// What it warned of.
    pub warnings: Vec<String>,
    /// What the doctor sees.
    pub findings: Vec<Finding>,
    /// Answers as training goes.
    pub samples: Vec<SampleSet>,
    /// What is being done now, in words.
    pub stage: String,
    /// Units of the stage that are done.
    pub stage_done: u64,
    /// Units of the stage in all.
    pub stage_total: u64,
}

/// A run as a file for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RunFile {
    /// Its settings, as the command line reads them.
    Settings,
    /// Its metrics by step, as CSV.
    Curves,
    /// The same as a file of events for TensorBoard.
    Tensorboard,
}

/// Asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RunFileOf {
    pub project: String,
    pub run: String,
    pub file: RunFile,
}

/// A text with the name that its file would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct TextFile {
    pub name: String,
    pub text: String,
    /// The text is the file's bytes in base64.
    pub base64: bool,
}

/// The numbers of the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, TS)]
pub struct RunNow {
    pub loss: Option<f64>,
    pub margin: Option<f64>,
    /// rewards/accuracies.
    pub accuracy: Option<f64>,
    /// Its 95 % interval.
    pub accuracy_interval: Option<(f64, f64)>,
    /// Pairs of the steps that these numbers are of.
    pub pairs: u64,
    /// rewards/chosen.
    pub chosen: Option<f64>,
    /// rewards/rejected.
    pub rejected: Option<f64>,
    /// Norm of the gradient before it was scaled down.
    pub grad_norm: Option<f64>,
    pub learning_rate: Option<f64>,
    /// Tokens trained on in a second.
    pub tokens_per_second: Option<f64>,
    /// The most memory that the process has had.
    pub peak_memory_bytes: Option<u64>,
}

/// Answers to the fixed prompts at one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SampleSet {
    /// After this step.
    pub step: u64,
    /// One for each prompt.
    #[ts(inline)]
    pub answers: Vec<SampleAnswer>,
}

/// An answer to a fixed prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SampleAnswer {
    /// What was asked.
    pub prompt: String,
    /// The answer.
    pub text: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Likely to spoil the run.
    Warning,
    /// The run is of no use.
    Stop,
}

/// Something the doctor sees in a run.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Finding {
    /// A stable short name.
    pub code: String,
    /// How much it matters.
    #[ts(inline)]
    pub severity: Severity,
    /// In a few words.
    pub title: String,
    /// What is seen and what it means.
    pub sentence: String,
    /// The figure that shows it.
    pub figure: Option<String>,
    /// What to do about it.
    pub remedy: Option<Remedy>,
}

/// Changes of settings that would help: a duplicate of the run is opened with them.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Remedy {
    /// In a few words.
    pub label: String,
    /// The settings to change.
    #[ts(type = "Partial<Settings>")]
    pub settings: serde_json::Map<String, serde_json::Value>,
}
