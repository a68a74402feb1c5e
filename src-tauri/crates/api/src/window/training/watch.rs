//! Looking at the runs that go on, also those that another program started, and at what other programs write into open
//! projects; and telling the page of news.

use super::super::types::News;
use super::super::{Backend, Inner, OpenProject, locked, overview};
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
            for news in news(&backend, &mut locked(&run)).unwrap_or_default() {
                backend.tell(news);
            }
        }
        for project in backend.open_projects() {
            if project.was_changed() {
                backend.watch_runs(&project);
                backend.changed(&project);
            }
        }
    }
}

/// What is new of a run since the page was told last; nothing of one whose end it knows.
fn news(backend: &Backend, run: &mut KnownRun) -> Result<Vec<News>> {
    run.events.update()?;
    let now = (run.events.lines().len(), backend.training().state(run)?);
    if run.told == Some(now) {
        return Ok(Vec::new());
    }
    let before = run.told.replace(now);
    // The page has asked for every run that it shows: what was there when we began to look is no news.
    if before.is_none() && now.1 != State::Running && !run.begun_here {
        return Ok(Vec::new());
    }
    let project = run.project.clone();
    let mut news = vec![News::Run { project: project.clone(), run: run.name() }];
    if before.is_none_or(|(_, state)| state != now.1) {
        // How many runs have an adapter is a number of the project.
        news.push(News::Project { project });
    }
    Ok(news)
}

impl Backend {
    /// Begins to look at a project's runs: its windows may have been closed while they went on.
    pub(in crate::window) fn watch_runs(&self, project: &OpenProject) {
        for folder in overview::runs(project).unwrap_or_default() {
            // One that cannot be read is told of when the page asks for it.
            let _ = self.training().known(&project.name_of_folder(), &folder);
        }
    }
}
