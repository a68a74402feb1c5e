//! Training runs: folders in the project's `runs/`, each with a process of its own while it goes on.
//!
//! What a screen shows of a run is computed from its folder; what is kept here are the events that were read already,
//! and the processes that were started here. A thread looks at the runs that go on and tells when one has news.

pub(crate) mod check;
pub(crate) mod composition;
mod figures;
mod files;
pub(crate) mod measure;
mod relatives;
pub(crate) mod start;
mod view;
mod watch;

pub(super) use check::check_run;
pub(super) use figures::run_figures;
pub(super) use files::run_file;
pub(super) use measure::measure_run;
pub(super) use relatives::{best_step, first_name, in_use, relatives};
pub(super) use start::{default_settings, resume_run, start_run, stop_run};
pub(super) use view::{has_adapter, run, runs};
pub(super) use watch::begin;

use super::exports::quietly;
use super::housekeeping::{gone, in_bin, notes_of};
use super::models::LoadOptions;
use super::overview::RUNS;
use super::queue::Queues;
use super::types::{ItemKind, Notes};
use super::{Backend, OpenProject, locked};
use crate::error::{Error, Result};
use crate::provenance;
use prefs::store::Project;
use runs::{RunEvents, State, Workers};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use train::events::EvalMetrics;
use train::{RunConfig, Settings};

/// The file of a run's folder that holds what the window knows of it beside its settings.
const ABOUT: &str = "about.json";

/// Everything about runs that is kept in memory.
#[derive(Default)]
pub(super) struct KnownRuns {
    workers: Workers,
    runs: Mutex<HashMap<PathBuf, Arc<Mutex<KnownRun>>>>,
    measured: Mutex<measure::Measured>,
    queues: Queues,
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
    /// The name that it was given later, and what was noted of it, as of when it was looked at.
    notes: Notes,
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
    /// What it was made of.
    #[serde(default)]
    made_of: composition::Record,
}

impl KnownRun {
    fn read(project: &str, folder: &Path) -> Result<Self> {
        let config = runs::prepared(folder)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A run of the command line has none.
        let about = About::read(folder)?.unwrap_or_else(|| About {
            name,
            held_out_share: 0.0,
            model: config.model.display().to_string(),
            from: None,
            made_of: composition::Record::default(),
        });
        let (project, events, written) = (project.to_owned(), RunEvents::of(folder), written(folder)?);
        Ok(Self {
            project,
            folder: folder.to_path_buf(),
            config,
            written,
            about,
            notes: notes_of(ItemKind::Run, folder)?,
            events,
            told: None,
            begun_here: false,
        })
    }

    /// By which the page names it.
    fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What the user calls it.
    fn title(&self) -> &str {
        self.notes.name.as_deref().unwrap_or(&self.about.name)
    }
}

impl About {
    /// What a run's folder says; nothing in one that the command line made.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(ABOUT);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                let message = format!("{}: {error}", path.display());
                Error::new("run", message, "Remove this file: the run then has the name of its folder.")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(&path)(error)),
        }
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
        {
            let mut run = locked(&run);
            run.events.update()?;
            run.notes = notes_of(ItemKind::Run, folder)?;
        }
        Ok(run)
    }

    /// Looks no more at a run whose folder is not there any more.
    pub(super) fn forget(&self, folder: &Path) {
        locked(&self.runs).remove(folder);
    }

    /// Where a run stands: as its folder says, except that a process that was just started counts before it speaks, and that
    /// one which does not train may wait.
    fn state(&self, run: &KnownRun) -> Result<State> {
        let state = run.events.state()?;
        Ok(match state {
            State::Running | State::Finished => state,
            _ if self.workers.is_alive(&run.folder) => State::Running,
            _ if self.queues.waits(&run.folder) => State::Queued,
            _ => state,
        })
    }
}

/// The folder of the run that the page names.
pub(crate) fn run_folder(project: &OpenProject, run: &str) -> Result<PathBuf> {
    let folder = inside(&project.folder().join(RUNS), run);
    folder.filter(|folder| folder.join(train::folder::CONFIG).is_file()).ok_or_else(|| {
        if in_bin(project, ItemKind::Run, run) {
            let message = format!("the run {run:?} is in the bin of this project");
            return Error::new("in_bin", message, "Put it back: Disk and bin, on the screen Project.");
        }
        let message = format!("there is no run {run:?} in this project");
        Error::new("no_run", message, "Its folder was moved or removed; choose another run.")
    })
}

/// What has become of the sets that a run was made of, as sentences without a full stop.
pub(super) fn sets_changed(
    backend: &Backend,
    project: &OpenProject,
    store: &Project,
    run: &str,
) -> Result<Vec<String>> {
    let known = backend.training().known(&project.name_of_folder(), &run_folder(project, run)?)?;
    let made_of = locked(&known).about.made_of.clone();
    composition::changed_sets(store, &made_of)
}

/// What others need to know of a run.
pub(crate) struct RunIdentity {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    /// The model as it was named.
    pub(crate) model: String,
    pub(crate) config: RunConfig,
}

impl RunIdentity {
    /// How its model is loaded.
    pub(crate) fn how(&self, allow_changed_base: bool) -> LoadOptions {
        let settings = &self.config.settings;
        LoadOptions { dtype: settings.dtype, products: settings.products, allow_changed_base }
    }
}

/// The run that the page names.
pub(crate) fn run_identity(backend: &Backend, project: &OpenProject, run: &str) -> Result<RunIdentity> {
    let folder = run_folder(project, run)?;
    let known = backend.training().known(&project.name_of_folder(), &folder)?;
    let known = locked(&known);
    let (name, model, config) = (known.title().to_owned(), known.about.model.clone(), known.config.clone());
    Ok(RunIdentity { folder, name, model, config })
}

/// What is measured of a run so far.
pub(in crate::window) struct MeasuredRun {
    pub(in crate::window) folder: PathBuf,
    pub(in crate::window) name: String,
    pub(in crate::window) state: State,
    pub(in crate::window) settings: Settings,
    pub(in crate::window) step: u64,
    pub(in crate::window) total_steps: u64,
    /// Its last look at the held-out pairs.
    pub(in crate::window) eval: Option<EvalMetrics>,
}

/// What is measured of the run that is named.
///
/// # Errors
/// When there is no such run or it cannot be read.
pub(in crate::window) fn measured(backend: &Backend, project: &OpenProject, run: &str) -> Result<MeasuredRun> {
    let folder = run_folder(project, run)?;
    let known = backend.training().known(&project.name_of_folder(), &folder)?;
    let known = locked(&known);
    let state = backend.training().state(&known)?;
    Ok(view::measured(&known, folder, state))
}

/// What a run is called and where it stands; nothing where it is gone.
pub(in crate::window) fn name_and_state(
    backend: &Backend,
    project: &OpenProject,
    run: &str,
) -> Option<(String, State)> {
    let folder = run_folder(project, run).ok()?;
    let known = backend.training().known(&project.name_of_folder(), &folder).ok()?;
    let known = locked(&known);
    Some((known.title().to_owned(), backend.training().state(&known).ok()?))
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

/// A name of a file made of `name`; `otherwise` where nothing of it can be used.
pub(crate) fn plain_name(name: &str, otherwise: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(keep).take(40).collect();
    let plain = plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if plain.is_empty() { otherwise.to_owned() } else { plain }
}

/// A folder in `parent`, a folder of a project, that was not there before, its name made of `name`.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn new_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(parent).map_err(Error::file(parent))?;
    let (plain, gone) = (plain_name(name, "run"), gone(parent));
    for number in 1_u32.. {
        let called = if number == 1 { plain.clone() } else { format!("{plain}-{number}") };
        if gone.contains(&called) {
            continue;
        }
        let folder = parent.join(called);
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

    /// The processes that were started here.
    pub(super) fn workers(&self) -> &Workers {
        &self.0.training.workers
    }

    /// What waits in projects, as it was read last.
    pub(super) fn queues(&self) -> &Queues {
        &self.0.training.queues
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
