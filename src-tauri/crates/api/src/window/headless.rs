//! A project's queue, sweeps and housekeeping without a window: the page's own operations on one project, for the command line.

use super::types::{
    ArchiveItem, AtMost, Bin, BinEntry, Dependents, DescribeItem, DiskUse, EmptyBin, Freed, InProject, InQueue,
    ItemKind, ItemOf, Notes, PutBack, QueueView, ResumeRun, RunOf, RunRequest, SweepOf, SweepPlan, SweepRequest,
    SweepSummary, SweepView,
};
use super::words::counted;
use super::{Backend, BackendOptions, OpenProject, housekeeping, queue, sweep, training};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::find_model;
use model::DeviceChoice;
use runs::RUNS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use train::RunConfig;
use train::config::Resume;

/// How often it is looked whether there is room for a run.
const LOOK: Duration = Duration::from_millis(500);

/// A project that the command line works on. Nothing happens in it by itself.
pub struct Headless {
    backend: Backend,
    project: Arc<OpenProject>,
}

/// What a run that was put into the queue does now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Queued {
    /// The name of its folder.
    pub run: String,
    /// Its place among those that wait, the first being 1; none where it trains.
    pub place: Option<usize>,
    /// Why it waits, as a sentence without a full stop.
    pub why: Option<String>,
}

impl Headless {
    /// Opens the project in a folder.
    ///
    /// # Errors
    /// When there is none, or `device` is not there.
    pub fn open(folder: &Path, device: DeviceChoice) -> Result<Self> {
        let here = std::env::current_dir().map_err(Error::file(Path::new(".")))?;
        let folder = folder.canonicalize().map_err(Error::file(folder))?;
        let backend = Backend::without_window(BackendOptions {
            // Of its own files nothing is read or written here.
            data_folder: folder.clone(),
            projects_folder: here,
            may_choose_folders: true,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: std::env::current_exe().map_err(Error::file(&folder))?,
            device,
        })?;
        let project = backend.project(&folder.display().to_string())?;
        Ok(Self { backend, project })
    }

    fn here(&self) -> InProject {
        InProject { project: self.name() }
    }

    fn name(&self) -> String {
        self.project.name_of_folder()
    }

    /// What waits in the project, and why.
    ///
    /// # Errors
    /// When the record of it cannot be read.
    pub fn queue(&self) -> Result<QueueView> {
        queue::queue(&self.backend, self.here())
    }

    /// Begins what waits, as far as there is room. Answers how many runs were begun.
    ///
    /// # Errors
    /// When a record cannot be read or written, or the program cannot be started.
    pub fn begin_waiting(&self) -> Result<usize> {
        queue::begin_waiting(&self.backend, &self.project)
    }

    /// Puts the run of a settings file into the queue, or begins it where there is room. Its folder is one of the project's.
    ///
    /// # Errors
    /// When a setting, the model or the data cannot be used, or the run would lie elsewhere.
    pub fn add_run(&self, file: &Path, allow_changed_base: bool, context: &mut Context) -> Result<Queued> {
        let mut config = hub_paths::run(file, RunConfig::read(file)?, context)?;
        let runs = self.project.folder().join(RUNS);
        let parent = config.output_dir.parent().and_then(|parent| parent.canonicalize().ok());
        let name = config.output_dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.filter(|_| parent.as_ref() == runs.canonicalize().ok().as_ref() || parent.is_none())
        else {
            return Err(self.elsewhere(&config.output_dir));
        };
        // The folder of the first run of a project may not be there yet.
        if parent.is_none() && config.output_dir.parent() != Some(runs.as_path()) {
            return Err(self.elsewhere(&config.output_dir));
        }
        config.model = find_model(&config.model, context)?;
        let folder = runs.join(&name);
        if folder.join(train::folder::CONFIG).is_file() {
            if config.resume_from_checkpoint == Resume::No {
                let message = format!("the run {name} is there already");
                let hint = "Set resume_from_checkpoint = true to go on with it, or another output_dir.";
                return Err(Error::new("output_taken", message, hint));
            }
            let changes = train::Placed::of(&config)?.config.changes_since(&RunConfig::of_run(&folder)?)?;
            if !changes.is_empty() {
                return Err(train::Error::SettingsChanged { path: folder, changes }.into());
            }
            return self.add_again(&name, allow_changed_base);
        }
        config.output_dir.clone_from(&folder);
        train::check_adapters(&config, &crate::provenance::digests(), allow_changed_base)?;
        runs::prepare(&config)?;
        queue::begin_run(&self.backend, &self.project, &folder, allow_changed_base, false)?;
        self.queued(name)
    }

    fn elsewhere(&self, output_dir: &Path) -> Error {
        let runs = self.project.folder().join(RUNS);
        let message = format!("{} is no folder in {}", output_dir.display(), runs.display());
        Error::new("output_elsewhere", message, "Runs that wait for one another lie in one project: set output_dir so.")
    }

    /// Puts a run of the project, which was stopped or has not begun, into the queue, or goes on with it where there is room.
    ///
    /// # Errors
    /// When there is none of that name, or it is finished, trains, or waits already.
    pub fn add_again(&self, run: &str, allow_changed_base: bool) -> Result<Queued> {
        let request = ResumeRun { project: self.name(), run: run.to_owned(), allow_changed_base, now: false };
        training::resume_run(&self.backend, request)?;
        self.queued(run.to_owned())
    }

    fn queued(&self, run: String) -> Result<Queued> {
        let waiting = self.queue()?.waiting;
        let place = waiting.iter().position(|waiting| waiting.run == run);
        let why = place.map(|place| waiting[place].why.clone());
        Ok(Queued { run, place: place.map(|place| place + 1), why })
    }

    /// Puts a run that waits in another place, the first being 1.
    ///
    /// # Errors
    /// When it does not wait, or the record cannot be written.
    pub fn move_in_queue(&self, run: &str, place: usize) -> Result<QueueView> {
        self.refuse_not_waiting(run)?;
        queue::move_in_queue(&self.backend, InQueue { project: self.name(), run: run.to_owned(), place })
    }

    /// Takes a run out of the queue; its folder stays.
    ///
    /// # Errors
    /// As [`Self::move_in_queue`].
    pub fn leave_queue(&self, run: &str) -> Result<QueueView> {
        self.refuse_not_waiting(run)?;
        queue::leave_queue(&self.backend, RunOf { project: self.name(), run: run.to_owned() })
    }

    fn refuse_not_waiting(&self, run: &str) -> Result<()> {
        let waiting = self.queue()?.waiting;
        if waiting.iter().any(|waiting| waiting.run == run) {
            return Ok(());
        }
        let names: Vec<String> = waiting.into_iter().map(|waiting| waiting.run).collect();
        let hint =
            if names.is_empty() { "Nothing waits.".into() } else { format!("These wait: {}.", names.join(", ")) };
        Err(Error::new("not_waiting", format!("no run {run:?} waits in this project"), hint))
    }

    /// Says how many runs may train at once.
    ///
    /// # Errors
    /// When the machine has fewer cores.
    pub fn set_at_most(&self, at_most: usize) -> Result<QueueView> {
        queue::set_at_most(&self.backend, AtMost { project: self.name(), at_most })
    }

    /// Begins what waits as there is room, until no run of the project waits or trains, and tells of each.
    ///
    /// # Errors
    /// When a record cannot be read, a run did not end well, or the user stops it: runs go on then.
    pub fn run_queue(&self, context: &mut Context) -> Result<()> {
        let failed_before: BTreeSet<String> = self.queue()?.failed.into_iter().map(|failed| failed.run).collect();
        let (mut trained, mut waited, mut waits) = (BTreeSet::new(), BTreeSet::new(), String::new());
        loop {
            self.begin_waiting()?;
            let view = self.queue()?;
            let training: BTreeSet<String> = view.training.iter().filter_map(|training| training.run.clone()).collect();
            training.difference(&trained).for_each(|run| context.note(format!("{run} trains")));
            trained.difference(&training).for_each(|run| context.note(format!("{run} has ended")));
            let waiting: BTreeSet<String> = view.waiting.iter().map(|waiting| waiting.run.clone()).collect();
            // One that began and ended between two looks is told of, too.
            for run in waited.difference(&waiting).filter(|run| !training.contains(*run) && !trained.contains(*run)) {
                let is_untouched = train::folder::is_untouched(&self.project.folder().join(RUNS).join(run));
                context.note(format!("{run} {}", if is_untouched { "was taken out" } else { "has ended" }));
            }
            let first = view.waiting.first().map(|first| format!("{} {}", first.run, first.why)).unwrap_or_default();
            if first != waits && !first.is_empty() {
                context.note(first.as_str());
            }
            (trained, waited, waits) = (training, waiting, first);
            if view.waiting.is_empty() && trained.is_empty() {
                let new = view.failed.into_iter().map(|failed| failed.run).filter(|run| !failed_before.contains(run));
                return refuse_failed(&new.collect::<Vec<_>>());
            }
            if context.stopped() {
                let hint = "Runs go on, and the next one begins when one ends.".to_owned();
                return Err(Error { hint, ..Error::cancelled() });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// A run as it would be in this project without any wish.
    ///
    /// # Errors
    /// When the project cannot be read.
    pub fn default_run(&self) -> Result<RunRequest> {
        training::default_settings(&self.backend, self.here())
    }

    /// Takes the settings of a file into a request, and the model where it names one. What else stands in it, and is not used,
    /// is told.
    ///
    /// # Errors
    /// As [`RunConfig::read`], but for what is missing.
    pub fn settings_of(&self, file: &Path, request: &mut RunRequest, context: &mut Context) -> Result<()> {
        let config = RunConfig::read_unplaced(file)?;
        if !config.model.as_os_str().is_empty() {
            request.model = hub_paths::as_written(file, config.model)?.display().to_string();
        }
        let is_said = |path: &PathBuf| !path.as_os_str().is_empty();
        let unused = [
            ("output_dir", is_said(&config.output_dir)),
            ("data", is_said(&config.data.train) || config.data.eval.is_some()),
            ("device", config.device != DeviceChoice::default()),
            ("resume_from_checkpoint", config.resume_from_checkpoint != Resume::No),
        ];
        request.settings = config.settings;
        let unused: Vec<&str> = unused.into_iter().filter(|(_, said)| *said).map(|(key, _)| key).collect();
        if !unused.is_empty() {
            let (file, keys) = (file.display(), unused.join(", "));
            context.note(format!(
                "of {file} these are not used: {keys}. Runs of a project train on its pairs, in its folder"
            ));
        }
        Ok(())
    }

    /// What a sweep would do and take. Its model is fetched where it is not here.
    ///
    /// # Errors
    /// When the project or the model cannot be read.
    pub fn plan_sweep(&self, request: SweepRequest, context: &mut Context) -> Result<SweepPlan> {
        if !request.request.model.is_empty() {
            find_model(Path::new(&request.request.model), context)?;
        }
        sweep::plan_sweep(&self.backend, request)
    }

    /// Writes the runs of a sweep, puts them into the queue, and begins the first where there is room.
    ///
    /// # Errors
    /// When a run is one that nobody may have, or they cannot be written.
    pub fn start_sweep(&self, request: SweepRequest) -> Result<SweepSummary> {
        let started = sweep::start_sweep(&self.backend, request)?;
        self.begin_waiting()?;
        Ok(started)
    }

    /// The project's sweeps, the newest first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn sweeps(&self) -> Result<Vec<SweepSummary>> {
        sweep::sweeps(&self.backend, self.here())
    }

    /// A sweep with what its runs have come to; without a name the newest.
    ///
    /// # Errors
    /// When there is none of that name, or none at all.
    pub fn sweep_or_newest(&self, sweep: Option<&str>) -> Result<SweepView> {
        let newest = || self.sweeps().map(|sweeps| sweeps.into_iter().next().map(|sweep| sweep.sweep));
        let Some(sweep) = sweep.map_or_else(newest, |sweep| Ok(Some(sweep.to_owned())))? else {
            return Err(Error::new("no_sweep", "this project has no sweeps", "Start one: `tiebreak sweep start`."));
        };
        sweep::sweep(&self.backend, SweepOf { project: self.name(), sweep })
    }

    /// What the project takes on the disk, each run, evaluation and export by itself.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn disk_use(&self) -> Result<DiskUse> {
        housekeeping::disk_use(&self.backend, self.here())
    }

    /// What an item is called, and what was noted of it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn notes(&self, kind: ItemKind, item: &str) -> Result<(String, Notes)> {
        housekeeping::name_and_notes(&self.backend, &self.item(kind, item))
    }

    /// Renames an item, and writes a note and tags of it.
    ///
    /// # Errors
    /// When there is none of that name, or a text is too long.
    pub fn describe(
        &self,
        kind: ItemKind,
        item: &str,
        (name, note, tags): (String, String, Vec<String>),
    ) -> Result<Notes> {
        let item = item.to_owned();
        housekeeping::describe_item(&self.backend, DescribeItem { project: self.name(), kind, item, name, note, tags })
    }

    /// Leaves an item out of the lists, or takes it up there again.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn archive(&self, kind: ItemKind, item: &str, archived: bool) -> Result<Notes> {
        let item = item.to_owned();
        housekeeping::archive_item(&self.backend, ArchiveItem { project: self.name(), kind, item, archived })
    }

    /// What hangs on an item that is to be deleted.
    ///
    /// # Errors
    /// When there is none of that name, or something is at work with it.
    pub fn dependents(&self, kind: ItemKind, item: &str) -> Result<Dependents> {
        housekeeping::dependents(&self.backend, self.item(kind, item))
    }

    /// Moves an item into the bin.
    ///
    /// # Errors
    /// As [`Self::dependents`].
    pub fn delete(&self, kind: ItemKind, item: &str) -> Result<BinEntry> {
        housekeeping::delete_item(&self.backend, self.item(kind, item))
    }

    /// Moves the checkpoints of a run into the bin that it does not need to be resumed.
    ///
    /// # Errors
    /// When there are none, or the run is in use.
    pub fn remove_checkpoints(&self, run: &str) -> Result<BinEntry> {
        housekeeping::remove_checkpoints(&self.backend, self.item(ItemKind::Run, run))
    }

    fn item(&self, kind: ItemKind, item: &str) -> ItemOf {
        ItemOf { project: self.name(), kind, item: item.to_owned() }
    }

    /// What is in the bin.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bin(&self) -> Result<Bin> {
        housekeeping::bin(&self.backend, self.here())
    }

    /// Puts an entry of the bin back where it was.
    ///
    /// # Errors
    /// When there is none of that name, or its place is taken.
    pub fn put_back(&self, entry: &str) -> Result<BinEntry> {
        housekeeping::put_back(&self.backend, PutBack { project: self.name(), entry: entry.to_owned() })
    }

    /// Removes entries of the bin for good.
    ///
    /// # Errors
    /// When one is not there, or cannot be removed.
    pub fn empty_bin(&self, entries: Vec<String>) -> Result<Freed> {
        housekeeping::empty_bin(&self.backend, EmptyBin { project: self.name(), entries })
    }
}

fn refuse_failed(runs: &[String]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let message = format!("{} did not end well: {}", counted(runs.len(), "run", "runs"), runs.join(", "));
    let hint = "Its events.jsonl says why. Once that is mended, `tiebreak queue add` with its name goes on with it.";
    Err(Error::new("failed_runs", message, hint))
}
