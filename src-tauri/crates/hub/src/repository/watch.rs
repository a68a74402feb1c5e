//! How a fetch or a push talks to whoever asked for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::HubError;

/// How often it is looked whether to stop while something is waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Where a fetch or a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment<'a> {
    /// Bytes that came in this fetch, of those that were not here when it began.
    Fetching {
        /// Path in the repository.
        file: &'a str,
        /// Bytes so far, of all files.
        done: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// Bytes of files here that were read, for their hashes, before a push.
    Reading {
        /// Path in the repository.
        file: &'a str,
        /// Bytes so far, of all files.
        done: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// Bytes that went out, of those that the hub does not have; fewer than before where a file is sent anew.
    Sending {
        /// Path in the repository.
        file: &'a str,
        /// Bytes so far, of all files.
        done: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// A sentence why nothing comes just now, without a full stop. Told once for each time.
    Waiting(&'a str),
}

/// Who hears of a fetch or a push, and may stop it.
pub struct Watch<'a> {
    /// Hears where it stands.
    pub report: &'a mut dyn FnMut(Moment<'_>),
    /// Set to stop: within a tenth of a second, or when the network is silent, after the time set for that.
    pub stop: &'a AtomicBool,
}

impl Watch<'_> {
    /// # Errors
    /// When the user has stopped the fetch.
    pub(crate) fn check(&self) -> Result<(), HubError> {
        if self.stop.load(Ordering::Relaxed) { Err(HubError::Cancelled) } else { Ok(()) }
    }

    /// # Errors
    /// When the user stops the fetch meanwhile.
    pub(crate) fn wait(&mut self, time: Duration, reason: &str) -> Result<(), HubError> {
        (self.report)(Moment::Waiting(reason));
        self.pause(time)
    }

    /// As [`Watch::wait`], telling nobody.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), HubError> {
        let until = Instant::now() + time;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}
