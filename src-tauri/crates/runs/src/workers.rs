//! The processes that this one has started for runs. They outlive it; while it lives, it must ask after them, or the
//! system keeps a trace of each that has ended.

use crate::{Error, Start, start};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a worker's log that are looked at.
const TAIL: u64 = 4096;

/// Processes by their run's folder.
#[derive(Debug, Default)]
pub struct Workers {
    all: Mutex<HashMap<PathBuf, Worker>>,
}

#[derive(Debug)]
enum Worker {
    Alive(Child),
    Ended(ExitStatus),
}

impl Workers {
    /// Starts the run in a folder; see [`start`].
    ///
    /// # Errors
    /// As [`start`].
    pub fn start(&self, program: &Path, folder: &Path, how: Start) -> Result<(), Error> {
        let child = start(program, folder, how)?;
        self.locked().insert(folder.to_path_buf(), Worker::Alive(child));
        Ok(())
    }

    /// Whether the process that was started here for this run is alive.
    pub fn is_alive(&self, folder: &Path) -> bool {
        self.ask();
        matches!(self.locked().get(folder), Some(Worker::Alive(_)))
    }

    /// How the process that was started here for this run ended; nothing while it is alive, or where another program
    /// started it.
    pub fn ended(&self, folder: &Path) -> Option<ExitStatus> {
        self.ask();
        match self.locked().get(folder) {
            Some(Worker::Ended(status)) => Some(*status),
            _ => None,
        }
    }

    /// Asks after all processes, and lets go of those that have ended.
    pub fn ask(&self) {
        for worker in self.locked().values_mut() {
            // A process that cannot be asked after is asked again next time.
            if let Worker::Alive(child) = worker
                && let Ok(Some(status)) = child.try_wait()
            {
                *worker = Worker::Ended(status);
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<PathBuf, Worker>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ended a process that gave no reason itself, as the end of a sentence that begins with it.
pub fn cause(status: Option<ExitStatus>) -> String {
    match status.and_then(signal) {
        Some(9) => "was killed by the system (signal 9): nearly always because memory ran out".to_owned(),
        Some(number) => format!("was ended by signal {number}"),
        None => {
            "ended without a word: it was killed, most often because memory ran out, or the machine went off".into()
        }
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Processes end otherwise here.
#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// The last lines that the process of a run wrote to its log; empty where there is none.
pub fn last_words(folder: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(folder.join("worker.log"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // A log that cannot be read says as little as none.
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn run_folder(place: &Path) {
        std::fs::write(place.join("pairs.jsonl"), "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n").unwrap();
        let config = train::RunConfig {
            model: place.join("model"),
            output_dir: place.to_path_buf(),
            data: train::config::DataConfig { train: place.join("pairs.jsonl"), ..Default::default() },
            ..train::RunConfig::default()
        };
        crate::prepare(&config).unwrap();
    }

    fn program(place: &Path, script: &str) -> PathBuf {
        let path = place.join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn ended(workers: &Workers, folder: &Path) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = workers.ended(folder) {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "the worker did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_worker_is_asked_after_until_it_ends_and_leaves_its_last_words() {
        let place = tempfile::tempdir().unwrap();
        run_folder(place.path());
        let workers = Workers::default();
        assert!(!workers.is_alive(place.path()));
        let program = program(place.path(), "[ \"$1\" = worker ] && echo 'no room left' >&2 && exit 3");
        workers.start(&program, place.path(), Start::default()).unwrap();
        assert_eq!(ended(&workers, place.path()).code(), Some(3));
        assert!(!workers.is_alive(place.path()));
        assert_eq!(last_words(place.path()), "no room left");
    }

    #[test]
    fn a_worker_killed_for_memory_is_told_from_others() {
        let place = tempfile::tempdir().unwrap();
        run_folder(place.path());
        let workers = Workers::default();
        workers.start(&program(place.path(), "kill -9 $$"), place.path(), Start::default()).unwrap();
        assert!(cause(Some(ended(&workers, place.path()))).contains("memory ran out"));
        assert!(cause(None).contains("without a word"));
        assert_eq!(last_words(place.path()), "");
    }
}
