//! Projects: a folder each, with the list of those that were open before.

use super::about::About;
use super::housekeeping::{is_bin_of_projects, on_one_line};
use super::training::start::model_path;
use super::types::{CreateProject, Home, InFolder, News, Nothing, ProjectView, RecentProject, SetModel};
use super::{Backend, demo, locked, models, overview};
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use prefs::store::{Beside, DATABASE, Project};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::{SystemTime, UNIX_EPOCH};

/// The file of the data folder that lists projects that were open before.
const RECENT: &str = "recent.json";

/// Projects that are listed.
const REMEMBERED: usize = 30;

/// Milliseconds for which the time at which a project was opened is near enough.
const FRESH: u64 = 60_000;

/// The projects that are open, and the list of those that were.
#[derive(Default)]
pub(super) struct Projects {
    open: Mutex<HashMap<PathBuf, Arc<OpenProject>>>,
    recent: Mutex<()>,
}

/// By the number of an import, what it brought beside what its own account says.
type BesideImports = HashMap<i64, Beside>;

/// A project that is open.
pub(crate) struct OpenProject {
    folder: PathBuf,
    store: Mutex<Project>,
    about: Mutex<()>,
    /// What others may change, as it was when it was looked at last.
    seen: Mutex<Seen>,
    /// Reading the texts to search in.
    texts: Once,
    /// What there is to know of imports beside their accounts, as of so many imports: it never changes.
    beside: Mutex<(usize, BesideImports)>,
}

/// Of a project, what other programs change too: the command line, or a person in its folder.
#[derive(Default, PartialEq, Eq)]
struct Seen {
    store: Option<i64>,
    runs: Vec<PathBuf>,
    evaluations: Vec<PathBuf>,
}

/// What there is to begin with.
pub(super) fn home(backend: &Backend, _: Nothing) -> Result<Home> {
    let settings = backend.options();
    let recent = recent(backend)?.into_iter().map(|entry| RecentProject {
        exists: backend.allowed(Path::new(&entry.folder)).is_ok_and(|folder| folder.join(DATABASE).is_file()),
        folder: entry.folder,
        name: entry.name,
        opened_at: entry.opened_at,
        archived: entry.archived,
    });
    Ok(Home {
        recent: recent.collect(),
        projects_folder: settings.projects_folder.display().to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        device: backend.device_in_words(),
        device_reason: backend.0.device.reason.clone(),
        may_choose_folders: settings.may_choose_folders,
        models: models::catalogue()?,
    })
}

/// Makes a project.
pub(super) fn create_project(backend: &Backend, request: CreateProject) -> Result<ProjectView> {
    let name = request.name.trim();
    if name.is_empty() {
        return Err(Error::new("no_name", "the project has no name", "Give it one."));
    }
    on_one_line("name", name)?;
    let folder = request.folder.map_or_else(|| PathBuf::from(folder_name(name)), PathBuf::from);
    let folder = backend.allowed(&folder)?;
    if is_bin_of_projects(&folder) {
        let message = format!("{} is where deleted projects lie", folder.display());
        return Err(Error::new("folder_of_deleted", message, "Choose another name or folder."));
    }
    let occupied = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let message = format!("{} is not empty", folder.display());
        return Err(Error::new(
            "folder_not_empty",
            message,
            "Choose another name or folder, or open the project in it.",
        ));
    }
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    Project::open_or_create(&folder)?;
    About { name: name.to_owned(), model: None, demo: false, note: String::new() }.write(&folder)?;
    open(backend, &folder)
}

/// Opens the project in a folder.
pub(super) fn open_project(backend: &Backend, request: InFolder) -> Result<ProjectView> {
    open(backend, Path::new(&request.folder))
}

/// Opens the demo, made where it is not there yet.
pub(super) fn open_demo(backend: &Backend, _: Nothing) -> Result<ProjectView> {
    let folder = demo::prepare(&backend.options().projects_folder)?;
    open(backend, &folder)
}

/// Takes a project off the list; its folder stays as it is.
pub(super) fn forget_project(backend: &Backend, request: InFolder) -> Result<Home> {
    change_recent(backend, |list| list.retain(|entry| entry.folder != request.folder))?;
    locked(&backend.0.projects.open).remove(Path::new(&request.folder));
    home(backend, Nothing {})
}

/// Changes the list of projects that were open before.
pub(super) fn change_recent(backend: &Backend, change: impl FnOnce(&mut Vec<Recent>)) -> Result<()> {
    {
        let _one_at_a_time = locked(&backend.0.projects.recent);
        let mut list = recent(backend)?;
        change(&mut list);
        write_json(&backend.options().data_folder.join(RECENT), &list)?;
    }
    backend.tell(News::Projects);
    Ok(())
}

/// Chooses the project's model.
pub(super) fn set_model(backend: &Backend, request: SetModel) -> Result<ProjectView> {
    let project = backend.project(&request.project)?;
    let model = backend.model_named(&request.model)?;
    // What the hub has is fetched before it is chosen: by then it is known what it is.
    if backend.hub_name(&model)?.is_some() {
        model_path(backend, &model)?;
    }
    // One that is here is opened, so that a wrong choice is told now.
    backend.tokenizer(&model)?;
    project.change_about(|about| about.model = Some(model))?;
    backend.changed(&project);
    overview::of(backend, &project)
}

fn open(backend: &Backend, folder: &Path) -> Result<ProjectView> {
    let project = backend.project_in(folder)?;
    let view = overview::of(backend, &project)?;
    let _one_at_a_time = locked(&backend.0.projects.recent);
    let mut list = recent(backend)?;
    let mut opened = Recent { folder: view.folder.clone(), name: view.name.clone(), opened_at: now(), archived: false };
    if let Some(listed) = list.iter().find(|entry| entry.folder == view.folder) {
        opened.archived = listed.archived;
    }
    // A page asks again whenever something in its project has changed.
    if list.first().is_some_and(|first| first.is_same(&opened) && opened.opened_at < first.opened_at + FRESH) {
        return Ok(view);
    }
    list.retain(|entry| entry.folder != view.folder);
    list.insert(0, opened);
    list.truncate(REMEMBERED);
    write_json(&backend.options().data_folder.join(RECENT), &list)?;
    backend.tell(News::Projects);
    Ok(view)
}

impl Backend {
    /// The project in a folder as the page names it.
    ///
    /// # Errors
    /// When there is none, or not where this back end may go.
    pub(crate) fn project(&self, folder: &str) -> Result<Arc<OpenProject>> {
        self.project_in(Path::new(folder))
    }

    fn project_in(&self, folder: &Path) -> Result<Arc<OpenProject>> {
        if folder.as_os_str().is_empty() {
            return Err(Error::new("no_project", "no project is named", "Open a project first."));
        }
        let folder = self.allowed(folder)?;
        let mut open = locked(&self.0.projects.open);
        if let Some(project) = open.get(&folder) {
            // Its folder may have been moved or deleted since.
            if folder.join(DATABASE).is_file() {
                return Ok(Arc::clone(project));
            }
            open.remove(&folder);
        }
        let store = Mutex::new(Project::open(&folder)?);
        let (about, seen) = (Mutex::new(()), Mutex::default());
        let (texts, beside) = (Once::new(), Mutex::default());
        let project = Arc::new(OpenProject { folder: folder.clone(), store, about, seen, texts, beside });
        project.was_changed();
        open.insert(folder, Arc::clone(&project));
        drop(open);
        self.watch_runs(&project);
        Ok(project)
    }
}

impl Backend {
    /// Keeps a project open no longer than those that are at work with it.
    pub(super) fn close_project(&self, project: &OpenProject) {
        locked(&self.0.projects.open).remove(project.folder());
    }

    pub(super) fn open_projects(&self) -> Vec<Arc<OpenProject>> {
        locked(&self.0.projects.open).values().cloned().collect()
    }
}

impl OpenProject {
    /// Whether another connection wrote to the store, or runs or evaluations came or went, since this was asked last.
    pub(super) fn was_changed(&self) -> bool {
        // What cannot be read is told of when the page asks for it.
        let now = Seen {
            store: self.store().written_by_others().ok(),
            runs: overview::runs(self).unwrap_or_default(),
            evaluations: overview::evaluations(self).unwrap_or_default(),
        };
        let mut seen = locked(&self.seen);
        let changed = *seen != now;
        *seen = now;
        changed
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder as the page names it.
    pub(crate) fn name_of_folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// The store, for what takes no longer than a frame; what takes longer opens one of its own.
    pub(crate) fn store(&self) -> MutexGuard<'_, Project> {
        locked(&self.store)
    }

    /// Another connection to the same store.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn another_store(&self) -> Result<Project> {
        Ok(Project::open(&self.folder)?)
    }

    /// Of each of the `imports`, what there is to know of it beside its account.
    pub(super) fn beside_imports(&self, store: &Project, imports: usize) -> Result<BesideImports> {
        let mut known = locked(&self.beside);
        if known.0 != imports {
            *known = (imports, store.beside_imports()?);
        }
        Ok(known.1.clone())
    }

    /// As [`Self::prepare_search`], in the background.
    pub(super) fn prepare_search_soon(self: &Arc<Self>) {
        if !self.texts.is_completed() {
            let project = Arc::clone(self);
            std::thread::spawn(move || project.prepare_search());
        }
    }

    /// Reads the texts to search in, once: of a million pairs that takes seconds. Who comes meanwhile waits for it, and others may
    /// use the store.
    pub(super) fn prepare_search(&self) {
        self.texts.call_once_force(|_| {
            let Ok(other) = self.another_store() else { return };
            // Where this fails, a search reads them itself and says why.
            if other.prepare_search().is_ok() {
                self.store().take_search_of(other);
            }
        });
    }

    /// What `project.toml` says. A project that was made by the command line has none, and the name of its folder.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn about(&self) -> Result<About> {
        About::read(&self.folder)
    }

    pub(super) fn change_about(&self, change: impl FnOnce(&mut About)) -> Result<()> {
        let _one_at_a_time = locked(&self.about);
        let mut about = self.about()?;
        change(&mut about);
        about.write(&self.folder)
    }

    /// The project's model.
    ///
    /// # Errors
    /// When none is chosen yet.
    pub(crate) fn model(&self) -> Result<String> {
        self.about()?.model.ok_or_else(|| {
            Error::new("no_model", "this project has no model yet", "Choose one on the project's first screen.")
        })
    }
}

/// A line of the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Recent {
    pub(super) folder: String,
    name: String,
    opened_at: u64,
    /// Left out of the list unless it is asked for it.
    #[serde(default)]
    pub(super) archived: bool,
}

impl Recent {
    fn is_same(&self, other: &Self) -> bool {
        self.folder == other.folder && self.name == other.name
    }
}

/// The list. One that cannot be read is begun anew: it can be had again by opening the projects.
fn recent(backend: &Backend) -> Result<Vec<Recent>> {
    let path = backend.options().data_folder.join(RECENT);
    match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::file(&path)(error)),
    }
}

/// A folder's name that no file system refuses.
fn folder_name(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | ' ') { c } else { '-' };
    let kept: String = name.chars().map(keep).take(60).collect();
    let kept = kept.trim_matches([' ', '-']);
    if kept.is_empty() { "project".to_owned() } else { kept.to_owned() }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
