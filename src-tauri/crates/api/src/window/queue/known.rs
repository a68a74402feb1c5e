//! What waits, as it was read last; and beginning it, in a thread of its own.

use super::super::types::News;
use super::super::{Backend, Inner, OpenProject, locked};
use super::with_program;
use crate::error::{Error, Result};
use crate::next::machine;
use runs::Queue;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

/// How often it is looked whether there is room.
const LOOK: Duration = Duration::from_millis(500);
/// A record that was written less than this ago is read again: the system's clock of files may not tell two writes apart.
const YOUNG: Duration = Duration::from_secs(1);

/// A record, and when it was written.
type Known = (Option<SystemTime>, Arc<Queue>);

/// The records of projects, by their folders.
#[derive(Default)]
pub(in crate::window) struct Queues {
    read: Mutex<HashMap<PathBuf, Known>>,
    /// Why nothing could be begun when it was tried last.
    errors: Mutex<HashMap<PathBuf, Error>>,
}

impl Queues {
    /// What waits in a project.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(super) fn of(&self, project: &Path) -> Result<Arc<Queue>> {
        let written = Queue::written(project);
        let is_young = written.is_some_and(|at| at.elapsed().is_ok_and(|age| age < YOUNG));
        if let Some((known, queue)) = locked(&self.read).get(project)
            && *known == written
            && !is_young
        {
            return Ok(Arc::clone(queue));
        }
        let queue = Arc::new(Queue::read(project)?);
        locked(&self.read).insert(project.to_path_buf(), (written, Arc::clone(&queue)));
        Ok(queue)
    }

    /// Whether the run in a folder waits.
    pub(in crate::window) fn waits(&self, run: &Path) -> bool {
        let (Some(project), Some(name)) = (run.parent().and_then(Path::parent), run.file_name()) else { return false };
        // Where the record cannot be read, the list of runs says so.
        self.of(project).is_ok_and(|queue| name.to_str().is_some_and(|name| queue.place(name).is_some()))
    }

    pub(super) fn error(&self, project: &Path) -> Option<Error> {
        locked(&self.errors).get(project).cloned()
    }
}

/// Tells of a queue that has changed, and of every run in it: its place may be another one.
pub(in crate::window) fn tell(backend: &Backend, project: &OpenProject) {
    let folder = project.name_of_folder();
    if let Ok(queue) = backend.queues().of(project.folder()) {
        for waiting in &queue.waiting {
            backend.tell(News::Run { project: folder.clone(), run: waiting.run.clone() });
        }
    }
    backend.changed(project);
}

/// Begins to look at what waits in the projects that are open, until the back end is gone.
pub(in crate::window) fn begin(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    // Without a thread runs begin when the one before them ends.
    let _ = std::thread::Builder::new().name("queue".into()).spawn(move || look(&inner));
}

fn look(inner: &Weak<Inner>) {
    let mut seen: HashMap<PathBuf, Option<SystemTime>> = HashMap::new();
    loop {
        std::thread::sleep(LOOK);
        let Some(inner) = inner.upgrade() else { return };
        let backend = Backend(inner);
        for project in backend.open_projects() {
            let begun = begin_waiting(&backend, &project);
            let mut errors = locked(&backend.queues().errors);
            let before = errors.get(project.folder()).cloned();
            match &begun {
                Ok(_) => drop(errors.remove(project.folder())),
                Err(error) => drop(errors.insert(project.folder().to_path_buf(), error.clone())),
            }
            drop(errors);
            let now = Queue::written(project.folder());
            let before_that = seen.insert(project.folder().to_path_buf(), now);
            if before_that.is_some_and(|before| before != now) || before != begun.err() {
                tell(&backend, &project);
            }
        }
    }
}

/// Begins what waits in a project, as far as there is room.
pub(in crate::window) fn begin_waiting(backend: &Backend, project: &OpenProject) -> Result<usize> {
    // The record is looked at before anything is locked or read anew.
    if backend.queues().of(project.folder())?.waiting.is_empty() {
        return Ok(0);
    }
    let begun = with_program(backend, |program| Ok(runs::begin_waiting(&machine()?, project.folder(), program)?))?;
    if begun > 0 {
        // The run needs the memory more.
        backend.release_model();
        backend.watch_runs(project);
    }
    Ok(begun)
}
