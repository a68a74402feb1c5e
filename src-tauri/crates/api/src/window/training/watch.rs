//! Looking at the runs that go on, also those that another program started, and telling the page of news.

use super::super::overview::{RUNS, folders};
use super::super::types::News;
use super::super::{Backend, Inner, OpenProject, locked};
use super::KnownRun;
use crate::error::Result;
use runs::State;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// How often runs are looked at: the page is told at most so often.
const LOOK: Duration = Duration::from_millis(500);

/// Begins to look, until the back end is gone.
pub(in crate::window) fn begin(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    let look = move || look(&inner);
    // Without a thread the page still sees everything when it asks.
    let _ = std::thread::Builder::new().name("runs".into()).spawn(look);
}

fn look(inner: &Weak<Inner>) {
    loop {
        std::thread::sleep(LOOK);
        let Some(inner) = inner.upgrade() else { return };
        let backend = Backend(inner);
        backend.training().workers.ask();
        let runs: Vec<Arc<Mutex<KnownRun>>> = locked(&backend.training().runs).values().cloned().collect();
        for run in runs {
            // A run that cannot be read is told of when the page asks for it.
            if let Ok(Some(news)) = news(&backend, &mut locked(&run)) {
                backend.tell(news);
            }
        }
    }
}

/// What is new of a run since the page was told last; nothing of one whose end it knows.
fn news(backend: &Backend, run: &mut KnownRun) -> Result<Option<News>> {
    run.events.update()?;
    let now = (run.events.lines().len(), backend.training().state(run)?);
    if run.told == Some(now) {
        return Ok(None);
    }
    let first = run.told.replace(now).is_none();
    // The page has asked for every run that it shows: what was there when we began to look is no news.
    let old = first && now.1 != State::Running && !run.begun_here;
    Ok((!old).then(|| News::Run { project: run.project.clone(), run: run.name() }))
}

impl Backend {
    /// Begins to look at a project's runs: its windows may have been closed while they went on.
    pub(in crate::window) fn watch_runs(&self, project: &OpenProject) {
        for folder in folders(&project.folder().join(RUNS)).unwrap_or_default() {
            // One that cannot be read is told of when the page asks for it.
            let _ = self.training().known(&project.name_of_folder(), &folder);
        }
    }
}
