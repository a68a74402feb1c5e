//! Runs that wait for one another.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What waits in a project, and why.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct QueueView {
    /// A run begins while fewer than so many train on this machine.
    pub at_most: usize,
    /// Cores of this machine, which runs that train at once share.
    pub cores: usize,
    /// Threads that each run computes with.
    pub threads: usize,
    /// Bytes that are free, where that is known.
    pub memory_free: Option<u64>,
    /// Runs that train on this machine now, whoever began them.
    pub training: Vec<TrainingNow>,
    /// Runs that wait, the next one first.
    pub waiting: Vec<WaitingRun>,
    /// Runs that the queue began and that failed since.
    pub failed: Vec<QueueFailure>,
    /// Runs that waited in the project that this is a copy of; here they do not begin by themselves.
    pub elsewhere: usize,
    /// Why nothing can be begun, where that is so.
    pub error: Option<Error>,
}

/// A run that trains on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct TrainingNow {
    /// The run, where it is one of this project.
    pub run: Option<String>,
    /// Its name; of a run elsewhere with what it belongs to.
    pub name: String,
    /// Bytes that it takes at its peak, where that was estimated.
    pub memory_needed: Option<u64>,
}

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct WaitingRun {
    pub run: String,
    pub name: String,
    /// Why it waits, as a sentence without a full stop.
    pub why: String,
    /// What was decided of its pairs meanwhile, as sentences without a full stop.
    pub says: Vec<String>,
    pub since: u64,
    /// Bytes that it takes at its peak, where that was estimated.
    pub memory_needed: Option<u64>,
}

/// A run's place among those that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct QueuedRun {
    /// The first is 1.
    pub place: usize,
    pub of: usize,
    /// Why it waits, as a sentence without a full stop.
    pub why: String,
}

/// A run that the queue began and that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct QueueFailure {
    pub run: String,
    pub name: String,
    /// What became of it, as a sentence without a full stop.
    pub what: String,
}

/// A run that is to wait in another place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct InQueue {
    /// The project's folder.
    pub project: String,
    pub run: String,
    /// The first is 1.
    pub place: usize,
}

/// How many runs may train at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct AtMost {
    /// The project's folder.
    pub project: String,
    pub at_most: usize,
}
