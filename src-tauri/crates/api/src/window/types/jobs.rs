//! Work that takes a while. Training runs are no jobs: they are processes with folders.

use super::Exported;
use crate::error::Error;
use crate::push::{PushList, PushReply};
use serde::Serialize;
use ts_rs::TS;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Under way.
    Running,
    Done,
    /// Ended by an error.
    Failed,
    /// Stopped by the user.
    Cancelled,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Answers to prompts that have none.
    Candidates,
    /// Base against tuned.
    Evaluation,
    /// Fetching a model.
    Model,
    /// Timing two steps of a run.
    Measure,
    /// Merging a run's adapter into its base.
    Merge,
    /// Exporting a run's weights as a GGUF file.
    Gguf,
    /// Scoring pairs by a trained model, or by any.
    Suspects,
    /// Exporting what is to be pushed to the hub, and looking at what is there.
    PreparePush,
    /// Sending it.
    Push,
    /// Answers in the playground.
    Chat,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Job {
    /// Its number.
    pub job: u64,
    /// The project's folder; empty where it is for none.
    pub project: String,
    pub kind: JobKind,
    /// The same in words.
    pub title: String,
    /// Where it stands.
    pub state: JobState,
    /// What is being done now, in words.
    pub stage: String,
    /// Units of the stage that are done.
    pub done: u64,
    /// Units of the stage in all; 0 where not known.
    pub total: u64,
    /// Time for the rest of the stage at this pace.
    pub seconds_left: Option<f64>,
    /// Why it failed.
    pub error: Option<Error>,
    /// The evaluation that it makes.
    pub evaluation: Option<String>,
    /// The scores that it has made of pairs, by a model without a run.
    pub scores: Option<String>,
    /// What it has exported.
    pub exported: Option<Box<Exported>>,
    /// What would be pushed, of a job that prepares it.
    pub push_list: Option<Box<PushList>>,
    /// What was pushed.
    pub pushed: Option<Box<PushReply>>,
    /// What else there is to know of a push, as sentences.
    pub notes: Vec<String>,
}
