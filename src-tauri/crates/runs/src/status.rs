//! A run as its folder tells it: its events, read as they come, and whether its process is alive.

use crate::Error;
use serde::Serialize;
use std::path::{Path, PathBuf};
use train::events::{self, Event, Line};
use train::folder;
use ts_rs::TS;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "RunState")]
pub enum State {
    /// Written, not begun.
    Prepared,
    /// Waits in its project's queue, begun before or not.
    Queued,
    /// Its process is at work.
    Running,
    /// Begun, and its process is gone without a word: killed, or the machine went off.
    Interrupted,
    /// Its adapter is written.
    Finished,
    /// Stopped by the user, who means to resume it.
    Paused,
    /// Stopped by the user; can be resumed all the same.
    Stopped,
    /// Stopped on an error; its last event says which.
    Failed,
}

/// The events of a run so far. Asked again, only what was added since is read, so that a long run stays cheap to watch.
#[derive(Debug)]
pub struct RunEvents {
    folder: PathBuf,
    /// The byte at which the next line begins.
    next: u64,
    /// Those that count: see [`events::effective`].
    lines: Vec<Line>,
}

impl RunEvents {
    /// Of the run in a folder; nothing is read yet.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), next: 0, lines: Vec::new() }
    }

    /// Reads what was added. Answers whether there was anything.
    ///
    /// # Errors
    /// When the events cannot be read.
    pub fn update(&mut self) -> Result<bool, Error> {
        let path = self.folder.join(events::FILE);
        let length = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            metadata => metadata.map_err(Error::file(&path))?.len(),
        };
        if length < self.next {
            // Another run in the same folder: begun anew after the old one was removed.
            (self.next, self.lines) = (0, Vec::new());
        }
        if length == self.next {
            return Ok(false);
        }
        let (lines, next) = events::read_from(&path, self.next)?;
        let added = next > self.next;
        self.next = next;
        for line in lines {
            events::take(&mut self.lines, line);
        }
        Ok(added)
    }

    /// The events that count, oldest first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Where the run stands now.
    ///
    /// # Errors
    /// When the folder's lock cannot be looked at.
    pub fn state(&self) -> Result<State, Error> {
        Ok(state(&self.lines, folder::is_held(&self.folder)?))
    }
}

fn state(lines: &[Line], held: bool) -> State {
    let last = |event: &Event| match event {
        Event::Finished { .. } => Some(State::Finished),
        // While the lock is held, an old end is one that is being resumed from.
        Event::Failed { .. } if !held => Some(State::Failed),
        Event::Cancelled { paused, .. } if !held => Some(if *paused { State::Paused } else { State::Stopped }),
        _ => None,
    };
    match lines.last().map(|line| last(&line.event)) {
        Some(Some(state)) => state,
        _ if held => State::Running,
        None => State::Prepared,
        Some(None) => State::Interrupted,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use train::events::EventWriter;

    fn warning(message: &str) -> Event {
        Event::Warning { message: message.into() }
    }

    #[test]
    fn only_what_was_added_is_read_and_what_a_resumption_takes_back_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = RunEvents::of(folder.path());
        assert!(!seen.update().unwrap());
        assert_eq!(seen.state().unwrap(), State::Prepared);
        let path = folder.path().join(events::FILE);
        let mut writer = EventWriter::open(&path).unwrap();
        writer.append(&warning("one")).unwrap();
        writer.append(&Event::Cancelled { step: 5, paused: false }).unwrap();
        assert!(seen.update().unwrap());
        assert_eq!(seen.state().unwrap(), State::Stopped);
        assert!(!seen.update().unwrap());
        writer.append(&Event::Resumed { from_step: 3 }).unwrap();
        assert!(seen.update().unwrap());
        let left: Vec<_> = seen.lines().iter().map(|line| line.event.clone()).collect();
        assert_eq!(left, [warning("one"), Event::Resumed { from_step: 3 }]);
        assert_eq!(seen.state().unwrap(), State::Interrupted);
        // Half a line is none yet.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"type\":"].concat()).unwrap();
        assert!(!seen.update().unwrap());
        std::fs::remove_file(&path).unwrap();
        let mut writer = EventWriter::open(&path).unwrap();
        writer.append(&warning("new")).unwrap();
        assert!(seen.update().unwrap());
        assert_eq!(seen.lines().len(), 1);
    }

    #[test]
    fn the_state_follows_from_the_last_event_and_the_lock() {
        let line = |event| Line { event, time: 0.0 };
        let failed = || Event::Failed { code: "c".into(), message: "m".into(), hint: "h".into() };
        let finished =
            || Event::Finished { step: 1, adapter: "adapter".into(), seconds: 1.0, best: None, stopped_early: false };
        for (events, held, expected) in [
            (vec![], false, State::Prepared),
            (vec![], true, State::Running),
            (vec![warning("w")], true, State::Running),
            (vec![warning("w")], false, State::Interrupted),
            (vec![failed()], false, State::Failed),
            (vec![failed()], true, State::Running),
            (vec![Event::Cancelled { step: 1, paused: false }], false, State::Stopped),
            (vec![Event::Cancelled { step: 1, paused: true }], false, State::Paused),
            (vec![Event::Cancelled { step: 1, paused: true }], true, State::Running),
            (vec![finished()], true, State::Finished),
            (vec![finished()], false, State::Finished),
        ] {
            let lines: Vec<Line> = events.into_iter().map(line).collect();
            assert_eq!(state(&lines, held), expected, "{lines:?} {held}");
        }
    }
}
