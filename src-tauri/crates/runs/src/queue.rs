//! The runs of a project that wait for one another: a small file in its folder, changed by one program at a time.

use crate::machine::{Training, held_within};
use crate::{Error, RUNS};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file, in the project's folder, and its lock.
const FILE: &str = "queue.json";
const LOCK: &str = "queue.lock";
/// A change takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Runs that the queue has begun and that it still knows.
const REMEMBERED: usize = 100;

/// What waits in a project, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Where the project lay when this was written: what waits in a copy of a project does not begin there by itself.
    project: PathBuf,
    /// A run begins while fewer than so many train on this machine.
    pub at_most: usize,
    /// The runs, the next one first.
    pub waiting: Vec<Waiting>,
    /// Runs that it began, the last one last, until they are forgotten: so that one that failed is named.
    pub begun: Vec<Begun>,
    /// Runs that waited where this is a copy of.
    #[serde(skip)]
    pub elsewhere: usize,
}

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The name of its folder.
    pub run: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Bytes that it takes at its peak, where that was estimated.
    pub memory_needed: Option<u64>,
    /// It may use another model than it was computed on before.
    pub allow_changed_base: bool,
    /// Bytes of its events when it was put here: more say that it has been begun since. Not known of one that an earlier
    /// version put here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<u64>,
}

/// A run that the queue began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The name of its folder.
    pub run: String,
    /// Why it could not be begun, in the words of its process.
    pub refused: Option<String>,
}

/// What keeps the first run of a queue from beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// As many as may train at once do.
    Others {
        /// Those that train.
        training: usize,
        /// So many may.
        at_most: usize,
    },
    /// It needs more memory than those that train leave.
    Memory {
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are free, less what those that train are still going to take.
        left: u64,
    },
    /// How much memory it needs, or is free, is not known, and others train.
    UnknownMemory,
}

impl Waiting {
    /// From now on.
    pub fn now(run: &str, memory_needed: Option<u64>, allow_changed_base: bool) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { run: run.to_owned(), since, memory_needed, allow_changed_base, events: None }
    }
}

impl Queue {
    fn empty(project: &Path) -> Self {
        Self { project: project.to_path_buf(), at_most: 1, waiting: Vec::new(), begun: Vec::new(), elsewhere: 0 }
    }

    /// What waits in a project; nothing where nothing ever did.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read(project: &Path) -> Result<Self, Error> {
        let path = project.join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::empty(project)),
            text => text.map_err(Error::file(&path))?,
        };
        let mut queue: Self =
            serde_json::from_slice(&text).map_err(|error| Error::Queue { path, what: error.to_string() })?;
        queue.at_most = queue.at_most.max(1);
        if queue.project != project {
            let elsewhere = queue.waiting.len();
            queue = Self { at_most: queue.at_most, elsewhere, ..Self::empty(project) };
        }
        Ok(queue)
    }

    /// When the record was written last; nothing where there is none.
    pub fn written(project: &Path) -> Option<SystemTime> {
        fs::metadata(project.join(FILE)).and_then(|file| file.modified()).ok()
    }

    /// Changes what waits, while nobody else does.
    ///
    /// # Errors
    /// When the record cannot be read or written, or another program holds it.
    pub fn change<T>(project: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, Error> {
        let lock = project.join(LOCK);
        let Some(_held) = held_within(&lock, PATIENCE)? else { return Err(Error::QueueBusy { path: lock }) };
        let before = Self::read(project)?;
        let mut queue = before.clone();
        let answer = change(&mut queue);
        if queue != before {
            let path = project.join(FILE);
            let text = serde_json::to_vec_pretty(&queue).map_err(std::io::Error::from).map_err(Error::file(&path))?;
            train::write_whole(&path, &text)?;
        }
        Ok(answer)
    }

    /// The place of a run, the first being 0.
    pub fn place(&self, run: &str) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.run == run)
    }

    /// Puts a run at the end, where it does not wait already.
    pub fn add(&mut self, mut waiting: Waiting) {
        if self.place(&waiting.run).is_none() {
            waiting.events = Some(self.events_of(&waiting.run));
            self.begun.retain(|begun| begun.run != waiting.run);
            self.waiting.push(waiting);
        }
    }

    /// Whether a run that waits has been begun since it was put here: by another hand, or by a program that was killed before
    /// it could say so.
    pub(crate) fn was_begun(&self, waiting: &Waiting) -> bool {
        waiting.events.is_some_and(|before| self.events_of(&waiting.run) > before)
    }

    fn events_of(&self, run: &str) -> u64 {
        let file = self.project.join(RUNS).join(run).join(train::events::FILE);
        fs::metadata(file).map_or(0, |file| file.len())
    }

    /// Takes a run out. Answers whether it waited.
    pub fn remove(&mut self, run: &str) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.run != run);
        self.waiting.len() < before
    }

    /// Whether a run waits, or was begun from here.
    pub fn knows(&self, run: &str) -> bool {
        self.place(run).is_some() || self.begun.iter().any(|begun| begun.run == run)
    }

    /// Takes a run out wherever it stands here.
    pub fn forget(&mut self, run: &str) {
        self.remove(run);
        self.begun.retain(|begun| begun.run != run);
    }

    /// Puts a run that waits in another place; beyond the last one means the last one.
    pub fn put(&mut self, run: &str, place: usize) {
        if let Some(from) = self.place(run) {
            let waiting = self.waiting.remove(from);
            self.waiting.insert(place.min(self.waiting.len()), waiting);
        }
    }

    /// Notes that a run was begun, or why it could not be.
    pub(crate) fn began(&mut self, run: &str, refused: Option<String>) {
        self.remove(run);
        self.begun.retain(|begun| begun.run != run);
        self.begun.push(Begun { run: run.to_owned(), refused });
        self.begun.drain(..self.begun.len().saturating_sub(REMEMBERED));
    }

    /// What keeps a run that needs so much memory from beginning beside those that train, with so many bytes `available`;
    /// nothing where there is room. Alone it is never kept: training itself says where memory is short, and what would fit.
    pub fn wait(&self, memory_needed: Option<u64>, training: &[Training], available: Option<u64>) -> Option<Wait> {
        if training.is_empty() {
            return None;
        }
        if training.len() >= self.at_most {
            return Some(Wait::Others { training: training.len(), at_most: self.at_most });
        }
        let (Some(needed), Some(available)) = (memory_needed, available) else { return Some(Wait::UnknownMemory) };
        let left = available.saturating_sub(training.iter().map(Training::still_to_take).sum());
        (needed > left).then_some(Wait::Memory { needed, left })
    }

    /// Threads for each run, where several may train at once; nothing where one at a time has them all.
    pub fn threads(&self, cores: usize) -> Option<usize> {
        (self.at_most > 1).then(|| (cores / self.at_most).max(1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn waiting(run: &str) -> Waiting {
        Waiting::now(run, None, false)
    }

    fn names(queue: &Queue) -> Vec<&str> {
        queue.waiting.iter().map(|waiting| waiting.run.as_str()).collect()
    }

    #[test]
    fn what_waits_is_kept_in_its_order_and_a_run_waits_once() {
        let project = tempfile::tempdir().unwrap();
        for run in ["a", "b", "c", "a"] {
            Queue::change(project.path(), |queue| queue.add(waiting(run))).unwrap();
        }
        assert_eq!(names(&Queue::read(project.path()).unwrap()), ["a", "b", "c"]);
        Queue::change(project.path(), |queue| queue.put("c", 0)).unwrap();
        Queue::change(project.path(), |queue| queue.put("a", 99)).unwrap();
        assert!(Queue::change(project.path(), |queue| queue.remove("b")).unwrap());
        assert!(!Queue::change(project.path(), |queue| queue.remove("b")).unwrap());
        assert_eq!(names(&Queue::read(project.path()).unwrap()), ["c", "a"]);
        Queue::change(project.path(), |queue| queue.began("c", Some("no room".into()))).unwrap();
        let queue = Queue::read(project.path()).unwrap();
        assert_eq!((names(&queue), queue.begun[0].refused.as_deref()), (vec!["a"], Some("no room")));
    }

    #[test]
    fn a_copy_of_a_project_begins_nothing_and_says_how_many_waited() {
        let (project, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Queue::change(project.path(), |queue| queue.add(waiting("a"))).unwrap();
        fs::copy(project.path().join(FILE), copy.path().join(FILE)).unwrap();
        let there = Queue::read(copy.path()).unwrap();
        assert_eq!((there.waiting.len(), there.elsewhere), (0, 1));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_named_and_left_as_it_is() {
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join(FILE), "{\"waiting\": [").unwrap();
        let error = Queue::change(project.path(), |queue| queue.add(waiting("a"))).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("move this file away"), "{error}");
        assert_eq!(fs::read_to_string(project.path().join(FILE)).unwrap(), "{\"waiting\": [");
    }

    #[test]
    fn there_is_room_by_number_and_by_memory() {
        let mut queue = Queue::empty(Path::new("/p"));
        let training = |needed| Training { run: "/r".into(), process: None, memory_needed: needed };
        assert_eq!(queue.wait(Some(u64::MAX), &[], Some(1)), None, "alone it is never kept");
        let one = [training(Some(40))];
        assert_eq!(queue.wait(Some(1), &one, Some(100)), Some(Wait::Others { training: 1, at_most: 1 }));
        assert_eq!(queue.threads(8), None);
        queue.at_most = 3;
        assert_eq!(queue.threads(8), Some(2));
        assert_eq!(queue.threads(2), Some(1));
        assert_eq!(queue.wait(Some(60), &one, Some(100)), None);
        assert_eq!(queue.wait(Some(61), &one, Some(100)), Some(Wait::Memory { needed: 61, left: 60 }));
        assert_eq!(queue.wait(None, &one, Some(100)), Some(Wait::UnknownMemory));
    }
}
