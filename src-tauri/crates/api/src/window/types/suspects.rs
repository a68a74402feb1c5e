//! Pairs of a run that its model thinks are labelled the wrong way round.

use super::super::super::suspects;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use suspects::SuspectOrder;

/// Asks for the pairs of a run to be scored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct ScorePairs {
    pub project: String,
    pub run: String,
    /// Each by a model that was trained without it, in so many parts; by the run's own where absent.
    pub folds: Option<usize>,
    pub allow_changed_base: bool,
}

/// Asks for a part of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct SuspectsOf {
    pub project: String,
    pub run: String,
    pub folds: Option<usize>,
    pub order: SuspectOrder,
    /// Rows to pass over.
    pub offset: usize,
    /// Rows to return, at most 200.
    pub limit: usize,
}

/// A part of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SuspectsView {
    /// Whether there are scores of the pairs, the adapter and the model as they are now.
    pub known: bool,
    /// Pairs scored.
    pub total: usize,
    /// How many there are and what the model thinks of them, as a sentence.
    pub words: Option<String>,
    pub rows: Vec<SuspectRow>,
}

/// What became of a pair since the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SuspectNow {
    /// It is as it was scored.
    Same,
    /// Its answers have changed places.
    Swapped,
    /// It has other texts.
    Changed,
    /// It is not trained on any more.
    Removed,
    /// The project has no such pair.
    Elsewhere,
}

/// A pair of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SuspectRow {
    /// The pair of the project that it is, where there is one.
    pub id: Option<i64>,
    /// What became of it since the run.
    pub now: SuspectNow,
    /// The beginnings of its texts as they are now.
    pub prompt: String,
    pub chosen: String,
    pub rejected: String,
    /// Whether the run held it out.
    pub held_out: bool,
    /// Below 0 the model prefers the rejected answer, as labelled when it was scored.
    pub margin: f64,
    /// How likely the chosen answer is the better one, by the model.
    pub probability: f64,
    pub chosen_reward: f64,
    pub rejected_reward: f64,
    pub loss: f64,
    pub chosen_tokens: usize,
    pub rejected_tokens: usize,
}
