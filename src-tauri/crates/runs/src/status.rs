//! What a run's events say about it.

use crate::Error;
use serde::Serialize;
use std::path::Path;
use train::events::{self, EvalMetrics, Event, StepMetrics};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Written, not begun.
    Prepared,
    /// Begun and not ended: running, or its process was killed.
    Begun,
    /// Its adapter is written.
    Finished,
    /// Stopped by the user; can be gone on with.
    Cancelled,
    /// Stopped on an error.
    Failed {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// A run as its events tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Its steps, those that a resumption took back left out.
    pub steps: Vec<StepMetrics>,
    /// Its evaluations on held-out pairs.
    pub evals: Vec<EvalMetrics>,
}

/// Reads the state of the run in a folder.
///
/// # Errors
/// When its events cannot be read.
pub fn status(folder: &Path) -> Result<Status, Error> {
    let path = folder.join(events::FILE);
    let lines = if path.exists() { events::effective(events::read(&path)?) } else { Vec::new() };
    let mut status = Status { state: State::Prepared, steps: Vec::new(), evals: Vec::new() };
    for line in lines {
        status.state = match line.event {
            Event::Finished { .. } => State::Finished,
            Event::Cancelled { .. } => State::Cancelled,
            Event::Failed { message, hint, .. } => State::Failed { message, hint },
            Event::Step(step) => {
                status.steps.push(step);
                State::Begun
            }
            Event::Eval(eval) => {
                status.evals.push(eval);
                State::Begun
            }
            _ => State::Begun,
        };
    }
    Ok(status)
}
