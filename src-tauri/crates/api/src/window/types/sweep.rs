//! Runs that are alike but for some settings.

use super::RunRequest;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A sweep to be planned or started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SweepRequest {
    /// The run that all are like; its name is the sweep's.
    pub request: RunRequest,
    /// The settings that vary.
    pub vary: Vec<Vary>,
    pub search: Search,
    /// By what runs are stopped early that do worse than the others.
    #[serde(default)]
    pub rule: Option<runs::StopRule>,
}

/// A setting with the values that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Vary {
    /// As a settings file spells it: `beta`, `lora.r`.
    pub key: String,
    pub values: VaryValues,
}

/// What a setting takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VaryValues {
    /// One of these.
    List {
        #[ts(type = "unknown[]")]
        values: Vec<serde_json::Value>,
    },
    /// Any number between two, ends included; a random search alone draws from one.
    Range { low: f64, high: f64, scale: RangeScale },
}

/// How numbers of a range are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RangeScale {
    /// Evenly.
    Linear,
    /// Evenly by their logarithms: as many between 1 and 10 as between 10 and 100.
    Log,
}

/// Which combinations are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Search {
    /// All of them.
    Grid,
    /// So many that are drawn.
    Random { trials: usize, seed: u64 },
}

/// What a sweep would do and take.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SweepPlan {
    pub runs: Vec<PlannedTrial>,
    /// Pairs to train on, and held out: the same for all.
    pub pairs: usize,
    pub held_out: usize,
    /// Seconds of those runs of which steps like theirs were measured, one after another.
    pub seconds: f64,
    /// Runs of which the time is not known.
    pub unmeasured: usize,
    /// Bytes that all take on the disk when they have ended, about.
    pub disk_bytes: u64,
    /// What there is to know, as sentences without a full stop.
    pub notes: Vec<String>,
    /// Why it cannot be started; each names the run that it is about.
    pub problems: Vec<Error>,
}

/// A run of a sweep that is planned.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PlannedTrial {
    pub name: String,
    pub steps: u64,
    pub seconds: Option<f64>,
    pub memory_needed: u64,
}

/// A sweep of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SweepOf {
    /// The project's folder.
    pub project: String,
    pub sweep: String,
}

/// A sweep in a list.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SweepSummary {
    /// By which it is named: its file's name.
    pub sweep: String,
    pub name: String,
    pub created_at: u64,
    /// The settings that vary.
    pub keys: Vec<String>,
    pub runs: usize,
    /// Of them, those that have ended, one way or another.
    pub ended: usize,
    /// What keeps its record from being read, with what to do.
    pub damaged: Option<String>,
}

/// A sweep, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SweepView {
    /// As in the list.
    pub summary: SweepSummary,
    pub vary: Vec<Vary>,
    pub search: Search,
    pub rule: Option<runs::StopRule>,
    pub rows: Vec<SweepRow>,
    /// What can be measured of its runs, and what that tells.
    pub outcomes: Vec<OutcomeView>,
    /// Runs of it that are gone.
    pub gone: Vec<String>,
}

/// What a run is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeName {
    /// `eval_rewards/accuracies`.
    Accuracy,
    /// `eval_loss`.
    Loss,
    /// Of its newest evaluation.
    WinRate,
}

/// What a measure tells of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct OutcomeView {
    pub name: OutcomeName,
    /// In words.
    pub title: String,
    /// Which settings are told apart by it, if any: a sentence.
    pub told: String,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SweepRow {
    pub run: String,
    pub name: String,
    pub state: runs::State,
    pub step: u64,
    pub total_steps: u64,
    /// The values of the settings that vary, in their order.
    pub varied: Vec<String>,
    /// One for each measure of the sweep, where the run has it.
    pub outcomes: Vec<Option<Measured>>,
    /// That a rule stopped it, and by what numbers: a sentence.
    pub stopped: Option<String>,
    /// The rule that has stopped it early, by its name, unless it was let go on since.
    pub rule: Option<String>,
    /// Whether it has taken all its steps: only such runs are compared.
    pub is_whole: bool,
}

/// An outcome with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Measured {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// Of how many pairs or prompts.
    pub of: usize,
}

/// A sweep's figure: an outcome by a setting.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SweepFigureOf {
    /// The project's folder.
    pub project: String,
    pub sweep: String,
    /// The setting.
    pub key: String,
    pub outcome: OutcomeName,
    pub theme: super::Theme,
    pub width: u32,
    pub height: u32,
}

/// The sweep that a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SweepOfRun {
    pub sweep: String,
    pub name: String,
}
