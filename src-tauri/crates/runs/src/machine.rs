//! What trains on this machine, whoever began it and in whichever project: a run says so for as long as its process lives.
//!
//! All of it lies in one folder that every program of this machine knows. A run is a file that says what it is, beside one
//! that its process holds locked. The system lets go of a lock however its process ends, so that nothing is ever taken for
//! training that does not. Two files, because a locked one cannot be read everywhere.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a run is, and the lock of its process.
const RUN: &str = "run";
const HELD: &str = "held";
/// A project in which runs wait.
const PROJECT: &str = "project";
/// Held by whoever begins runs, so that no two programs give the same room to two of them.
const TURN: &str = "turn.lock";
/// How often a lock that another holds is tried.
const AGAIN: Duration = Duration::from_millis(50);

/// This machine, as a folder that all its programs know.
#[derive(Debug, Clone)]
pub struct Machine {
    folder: PathBuf,
}

/// A run that trains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// The run's folder.
    pub run: PathBuf,
    /// Its process; nothing where that is not known.
    pub process: Option<u32>,
    /// Bytes that it takes at its peak, where that was estimated.
    pub memory_needed: Option<u64>,
}

impl Training {
    /// Bytes that it is going to take and has not taken yet.
    pub fn still_to_take(&self) -> u64 {
        let taken = self.process.and_then(resident_bytes).unwrap_or(0);
        self.memory_needed.unwrap_or(0).saturating_sub(taken)
    }
}

/// That this process trains a run, until it is dropped.
#[derive(Debug)]
pub struct Present {
    run: PathBuf,
    held: PathBuf,
    _lock: File,
}

impl Drop for Present {
    fn drop(&mut self) {
        // What stays is told from what trains by its lock.
        let _ = fs::remove_file(&self.run);
        let _ = fs::remove_file(&self.held);
    }
}

impl Machine {
    /// The machine whose programs all name this folder.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Says that this process trains a run.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn enter(&self, run: &Path, memory_needed: Option<u64>) -> Result<Present, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let name = self.folder.join(format!("{}-{now}", std::process::id()));
        let (file, held) = (name.with_extension(RUN), name.with_extension(HELD));
        let lock = File::create(&held).map_err(Error::file(&held))?;
        // Nobody else knows this name yet.
        lock.lock().map_err(Error::file(&held))?;
        let training = Training { run: run.to_path_buf(), process: Some(std::process::id()), memory_needed };
        let text = serde_json::to_vec(&training).map_err(std::io::Error::from).map_err(Error::file(&file))?;
        train::write_whole(&file, &text)?;
        Ok(Present { run: file, held, _lock: lock })
    }

    /// All runs that train, and are known to.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn training(&self) -> Result<Vec<Training>, Error> {
        let mut all = Vec::new();
        for file in self.files(RUN)? {
            let held = file.with_extension(HELD);
            if !is_locked(&held)? {
                // Its process is gone without a word.
                let _ = fs::remove_file(&file);
                let _ = fs::remove_file(&held);
                continue;
            }
            // One that has ended meanwhile is gone, and one that cannot be read is found by the lock of its folder.
            if let Some(training) = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
                all.push(training);
            }
        }
        Ok(all)
    }

    /// Keeps all others from beginning runs, until it is dropped; nothing where another begins some for longer than `patience`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn turn(&self, patience: Duration) -> Result<Option<File>, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
        held_within(&self.folder.join(TURN), patience)
    }

    /// Remembers that runs wait in a project, so that whoever ends a run begins the next one there, too.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn remember(&self, project: &Path) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
        let file = self.file_of(project);
        let text = serde_json::to_vec(project).map_err(std::io::Error::from).map_err(Error::file(&file))?;
        Ok(train::write_whole(&file, &text)?)
    }

    /// Forgets a project in which nothing waits any more.
    pub fn forget(&self, project: &Path) {
        // One that stays is looked at once more, and nothing is found.
        let _ = fs::remove_file(self.file_of(project));
    }

    /// The projects in which runs wait.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn projects(&self) -> Result<Vec<PathBuf>, Error> {
        let read = |file: PathBuf| serde_json::from_slice(&fs::read(file).ok()?).ok();
        Ok(self.files(PROJECT)?.into_iter().filter_map(read).collect())
    }

    fn file_of(&self, project: &Path) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        project.hash(&mut hasher);
        self.folder.join(format!("{:016x}.{PROJECT}", hasher.finish()))
    }

    fn files(&self, ending: &str) -> Result<Vec<PathBuf>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::file(&self.folder))?,
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|found| found == ending));
        files.sort();
        Ok(files)
    }
}

/// The lock of a file, taken as soon as it is free; nothing where that takes longer than `patience`.
///
/// # Errors
/// When the file cannot be made or locked.
pub(crate) fn held_within(path: &Path, patience: Duration) -> Result<Option<File>, Error> {
    let file = File::options().create(true).write(true).truncate(false).open(path).map_err(Error::file(path))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => std::thread::sleep(AGAIN),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
    }
}

fn is_locked(path: &Path) -> Result<bool, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(Error::file(path))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::file(path)(error)),
    }
}

/// Bytes that a process has in memory now; nothing where the system does not tell.
#[cfg(target_os = "linux")]
fn resident_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Bytes that a process has in memory now; nothing where the system does not tell.
#[cfg(not(target_os = "linux"))]
fn resident_bytes(_: u32) -> Option<u64> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_as_long_as_it_trains_and_what_a_killed_one_left_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(&folder.path().join("training"));
        assert_eq!(machine.training().unwrap(), []);
        let (first, second) = (machine.enter(Path::new("/a"), Some(5)), machine.enter(Path::new("/b"), None));
        let seen = |machine: &Machine| -> Vec<PathBuf> {
            machine.training().unwrap().into_iter().map(|training| training.run).collect()
        };
        assert_eq!(seen(&machine).len(), 2);
        drop(second);
        assert_eq!(seen(&machine), [Path::new("/a")]);
        // Killed: its files stay, and nobody holds the lock.
        let Present { run, held, _lock } = &first.unwrap();
        let (copy, other) = (run.with_file_name("9-9.run"), held.with_file_name("9-9.held"));
        fs::copy(run, &copy).unwrap();
        fs::write(other, "").unwrap();
        assert_eq!(seen(&machine), [Path::new("/a")]);
        assert!(!copy.exists());
    }

    #[test]
    fn one_program_at_a_time_begins_runs() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        let turn = machine.turn(Duration::ZERO).unwrap();
        assert!(turn.is_some() && machine.turn(Duration::ZERO).unwrap().is_none());
        drop(turn);
        assert!(machine.turn(Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn projects_in_which_runs_wait_are_remembered_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        machine.remember(Path::new("/p")).unwrap();
        machine.remember(Path::new("/p")).unwrap();
        assert_eq!(machine.projects().unwrap(), [Path::new("/p")]);
        machine.forget(Path::new("/p"));
        assert_eq!(machine.projects().unwrap(), [] as [&Path; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_has_taken_is_no_longer_to_be_taken() {
        let own =
            |needed| Training { run: "/a".into(), process: Some(std::process::id()), memory_needed: Some(needed) };
        let ahead = own(1 << 40).still_to_take();
        assert!(ahead < 1 << 40 && ahead > 1 << 39, "{ahead}");
        assert_eq!(own(1).still_to_take(), 0);
        assert_eq!(Training { process: None, ..own(7) }.still_to_take(), 7);
    }
}
