//! Training runs: folders in the project's `runs/`, each with a process of its own while it goes on.
//!
//! What a screen shows of a run is computed from its folder; what is kept here are the events that were read already,
//! and the processes that were started here. A thread looks at the runs that go on and tells when one has news.

pub(crate) mod check;
mod figures;
mod files;
pub(crate) mod measure;
pub(crate) mod start;
mod view;
mod watch;

pub(super) use check::check_run;
pub(super) use figures::run_figures;
pub(super) use files::run_file;
pub(super) use measure::measure_run;
pub(super) use start::{default_settings, resume_run, start_run, stop_run};
pub(super) use view::{has_adapter, run, runs};
pub(super) use watch::begin;

use super::exports::quietly;
use super::overview::RUNS;
use super::{Backend, OpenProject, locked};
use crate::error::{Error, Result};
use crate::provenance;
use runs::{RunEvents, State, Workers};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use train::RunConfig;

/// The file of a run's folder that holds what the window knows of it beside its settings.
const ABOUT: &str = "about.json";

/// Everything about runs that is kept in memory.
#[derive(Default)]
pub(super) struct KnownRuns {
    workers: Workers,
    runs: Mutex<HashMap<PathBuf, Arc<Mutex<KnownRun>>>>,
    measured: Mutex<measure::Measured>,
}

/// A run whose folder was looked at.
struct KnownRun {
    /// The project's folder as the page names it.
    project: String,
    folder: PathBuf,
    config: RunConfig,
    /// When the settings were written.
    written: SystemTime,
    about: About,
    events: RunEvents,
    /// How much of it the page was told of last: events, and where the run stood.
    told: Option<(usize, State)>,
    /// Whether the page saw it begin, so that its end is news however soon it comes.
    begun_here: bool,
}

/// What the window knows of a run beside its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct About {
    /// The name that the user gave it.
    name: String,
    /// Share of the project's pairs that was held out.
    held_out_share: f64,
    /// The model as it was named: a name of the catalogue, or a path.
    model: String,
    /// The run that it was made from, with changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl KnownRun {
    fn read(project: &str, folder: &Path) -> Result<Self> {
        let config = runs::prepared(folder)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A run of the command line has none.
        let about = match std::fs::read(folder.join(ABOUT)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("{}: {error}", folder.join(ABOUT).display());
                Error::new("run", message, "Remove this file: the run then has the name of its folder.")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                About { name, held_out_share: 0.0, model: config.model.display().to_string(), from: None }
            }
            Err(error) => return Err(Error::file(&folder.join(ABOUT))(error)),
        };
        let (project, events, written) = (project.to_owned(), RunEvents::of(folder), written(folder)?);
        Ok(Self {
            project,
            folder: folder.to_path_buf(),
            config,
            written,
            about,
            events,
            told: None,
            begun_here: false,
        })
    }

    /// By which the page names it.
    fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn written(folder: &Path) -> Result<SystemTime> {
    let path = folder.join(train::folder::CONFIG);
    path.metadata().and_then(|metadata| metadata.modified()).map_err(Error::file(&path))
}

impl KnownRuns {
    /// The run in a folder, its events read up to now.
    fn known(&self, project: &str, folder: &Path) -> Result<Arc<Mutex<KnownRun>>> {
        let there = locked(&self.runs).get(folder).cloned();
        let run = match there {
            // A folder of the same name may have been made anew.
            Some(run) if written(folder).is_ok_and(|at| at == locked(&run).written) => run,
            _ => {
                let run = Arc::new(Mutex::new(KnownRun::read(project, folder)?));
                locked(&self.runs).insert(folder.to_path_buf(), Arc::clone(&run));
                run
            }
        };
        locked(&run).events.update()?;
        Ok(run)
    }

    /// Where a run stands: as its folder says, except that a process that was just started counts before it speaks.
    fn state(&self, run: &KnownRun) -> Result<State> {
        let state = run.events.state()?;
        let quiet = !matches!(state, State::Running | State::Finished);
        Ok(if quiet && self.workers.is_alive(&run.folder) { State::Running } else { state })
    }
}

/// The folder of the run that the page names.
pub(crate) fn run_folder(project: &OpenProject, run: &str) -> Result<PathBuf> {
    let folder = inside(&project.folder().join(RUNS), run);
    folder.filter(|folder| folder.join(train::folder::CONFIG).is_file()).ok_or_else(|| {
        let message = format!("there is no run {run:?} in this project");
        Error::new("no_run", message, "Its folder was moved or removed; choose another run.")
    })
}

/// What others need to know of a run.
pub(crate) struct RunIdentity {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    /// The model as it was named.
    pub(crate) model: String,
    pub(crate) config: RunConfig,
}

/// The run that the page names.
pub(crate) fn run_identity(backend: &Backend, project: &OpenProject, run: &str) -> Result<RunIdentity> {
    let folder = run_folder(project, run)?;
    let known = backend.training().known(&project.name_of_folder(), &folder)?;
    let known = locked(&known);
    let (name, model, config) = (known.about.name.clone(), known.about.model.clone(), known.config.clone());
    Ok(RunIdentity { folder, name, model, config })
}

/// Says at once where base, adapter or rows are not what they were for the run, and not only when a job gets to it.
///
/// # Errors
/// When something has changed; of the base, unless that is `allowed`.
pub(crate) fn check_grounds(backend: &Backend, run: &RunIdentity, allowed: bool) -> Result<()> {
    let Some(model) = backend.model_here(&run.model)? else { return Ok(()) };
    let adapter = run.folder.join(train::folder::ADAPTER);
    let digests = provenance::digests();
    train::origin::check_run(&run.folder)?;
    quietly(|context| provenance::check(&adapter, &model, &digests, allowed, context)).map(|_| ())
}

/// A folder in `parent` by its plain name; none where the name would lead elsewhere.
pub(crate) fn inside(parent: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(plain)), None) if plain.to_str() == Some(name) => Some(parent.join(plain)),
        _ => None,
    }
}

/// A folder in `parent` that was not there before, its name made of `name`.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn new_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(parent).map_err(Error::file(parent))?;
    let keep = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(keep).take(40).collect();
    let plain = plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let plain = if plain.is_empty() { "run".to_owned() } else { plain };
    for number in 1_u32.. {
        let folder = parent.join(if number == 1 { plain.clone() } else { format!("{plain}-{number}") });
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::file(&folder)(error)),
        }
    }
    Err(Error::new("folder", format!("{} holds too many runs", parent.display()), "Choose another name."))
}

impl Backend {
    pub(super) fn training(&self) -> &KnownRuns {
        &self.0.training
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_page_stays_inside() {
        let parent = Path::new("/p/runs");
        assert_eq!(inside(parent, "first"), Some("/p/runs/first".into()));
        for elsewhere in ["", ".", "..", "../x", "a/b", "/etc", "a/..", "./a", "a/"] {
            assert_eq!(inside(parent, elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn every_run_gets_a_folder_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let name = |wanted: &str| {
            let folder = new_folder(place.path(), wanted).unwrap();
            folder.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name("First run: β = 0.1"), "first-run-β-0-1");
        assert_eq!(name("first run β 0 1"), "first-run-β-0-1-2");
        assert_eq!(name("../.."), "run");
        assert_eq!(name(""), "run-2");
    }
}
