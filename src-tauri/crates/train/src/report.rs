//! The voice of a running process: every event goes to the file and to the observer.

use crate::error::{Error, Result};
use crate::events::{Event, EventWriter, Progress, Stage};
use crate::run::Outcome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Progress is told no more often than this, so that a fast stage does not fill the file.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Where events go, and whether to stop.
pub(crate) struct Report<'a> {
    writer: EventWriter,
    observer: &'a mut dyn FnMut(&Event),
    stop: &'a AtomicBool,
    pause: &'a AtomicBool,
    began: Instant,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        writer: EventWriter,
        observer: &'a mut dyn FnMut(&Event),
        stop: &'a AtomicBool,
        pause: &'a AtomicBool,
    ) -> Self {
        Self { writer, observer, stop, pause, began: Instant::now() }
    }

    /// Writes an event and tells the observer.
    pub(crate) fn tell(&mut self, event: &Event) -> Result<()> {
        self.writer.append(event)?;
        (self.observer)(event);
        Ok(())
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>) -> Result<()> {
        self.tell(&Event::Warning { message: message.into() })
    }

    /// Notes why the run stops. The file may be what failed: the error itself reaches the caller either way.
    pub(crate) fn failed(&mut self, error: &Error) {
        let event = Event::Failed { code: error.code().into(), message: error.to_string(), hint: error.hint() };
        let _ = self.writer.append(&event).and_then(|()| self.writer.sync());
        (self.observer)(&event);
    }

    /// Notes that the run was stopped.
    pub(crate) fn cancelled(&mut self, outcome: Outcome) -> Result<Outcome> {
        if let Outcome::Cancelled { step } = outcome {
            self.tell(&Event::Cancelled { step, paused: self.pause.load(Ordering::Relaxed) })?;
            self.sync()?;
        }
        Ok(outcome)
    }

    pub(crate) fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.writer.sync()
    }

    /// Begins a stage of `total` pairs.
    pub(crate) fn stage(&mut self, stage: Stage, total: usize) -> StageReport<'_, 'a> {
        let now = Instant::now();
        StageReport { report: self, stage, total: total as u64, began: now, told: now }
    }
}

/// A stage in progress.
pub(crate) struct StageReport<'r, 'a> {
    report: &'r mut Report<'a>,
    stage: Stage,
    total: u64,
    began: Instant,
    told: Instant,
}

impl StageReport<'_, '_> {
    /// Tells how far the stage is, where it is time to, and answers whether to go on.
    pub(crate) fn at(&mut self, done: usize) -> Result<bool> {
        let done = done as u64;
        if self.told.elapsed() >= PROGRESS_INTERVAL || done == self.total {
            self.told = Instant::now();
            let seconds = self.began.elapsed().as_secs_f64();
            let seconds_left = (done > 0).then(|| seconds / done as f64 * self.total.saturating_sub(done) as f64);
            let (stage, total) = (self.stage, self.total);
            self.report.tell(&Event::Progress(Progress { stage, done, total, seconds, seconds_left }))?;
        }
        Ok(!self.report.should_stop())
    }
}
