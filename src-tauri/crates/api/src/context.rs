//! How an operation talks to whoever asked for it.

use crate::error::{Error, Result};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use train::events::Event;

/// Something worth telling while an operation runs.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Update {
    /// How far a stage is. `done` and `total` count what the stage works through: bytes, pairs, steps, prompts.
    Progress {
        stage: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// Seconds so far.
        seconds: f64,
        /// Seconds to go at this pace; absent until there is a pace.
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds_left: Option<f64>,
    },
    /// Something that the user should know.
    Note {
        /// A sentence.
        message: String,
    },
    /// An event of a training run.
    #[serde(untagged)]
    Run(Box<Event>),
}

/// Where updates go, and whether to stop.
pub struct Context<'a> {
    /// Hears of every update.
    pub observer: &'a mut dyn FnMut(&Update),
    /// Set by the user to stop.
    pub stop: &'a AtomicBool,
}

impl Context<'_> {
    pub(crate) fn tell(&mut self, update: &Update) {
        (self.observer)(update);
    }

    pub(crate) fn note(&mut self, message: impl Into<String>) {
        self.tell(&Update::Note { message: message.into() });
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When the user has stopped the operation.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stopped() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Tells how far a stage is that began at `since`; the time left follows from the share done.
    pub(crate) fn progress(&mut self, stage: &str, since: Instant, done: u64, total: u64) {
        let seconds = since.elapsed().as_secs_f64();
        let seconds_left = (done > 0 && total >= done).then(|| seconds / done as f64 * (total - done) as f64);
        self.tell(&Update::Progress { stage: stage.into(), done, total, seconds, seconds_left });
    }
}
