//! The back end of the window: what the page asks for, whichever shell carries it.
//!
//! A [`Backend`] is all that a shell needs: [`Backend::call`] for an operation by its name, [`Backend::upload`] for a
//! file, [`Backend::subscribe`] for what happens meanwhile. Calls block; a shell runs them where that does no harm. Work
//! that takes long is a job with a thread of its own, training a process of its own.
//!
//! `operations` is the table of all operations, [`types`] what they take and give.
// Operations have one form, which their table calls them by: a request by value, a result.
#![allow(clippy::needless_pass_by_value)]

mod about;
mod acts;
#[cfg(test)]
mod bindings;
mod candidates;
mod checks;
mod data;
mod demo;
mod doctor;
mod evaluation;
mod exports;
mod figures;
mod folders;
mod headless;
mod housekeeping;
mod hub_models;
mod imports;
mod jobs;
mod joined;
mod labelling;
mod lengths;
mod local_models;
mod merged;
mod model_scores;
mod models;
mod news;
mod operations;
mod overview;
mod plan;
mod playground;
mod projects;
mod pushes;
mod queue;
pub(crate) mod rendered;
mod run_pairs;
mod sets;
mod sweep;
#[cfg(test)]
mod tests;
mod training;
pub mod types;
mod uploads;
mod votes;
mod words;

pub use exports::Download;
pub use folders::BackendOptions;
pub use headless::{Headless, Queued};
pub use news::{Heard, Subscription};
pub use uploads::MOST_BYTES;

#[cfg(test)]
pub(crate) use doctor::log::RunLog;
pub(crate) use evaluation::finish_where_people_judge;
pub(crate) use jobs::Working;
pub(crate) use overview::{EVALS, EXPORTS, folders};
pub(crate) use projects::{OpenProject, now};
pub(crate) use sweep::RunJudge;

use crate::error::Result;
use model::{ComputeDevice, DeviceChoice};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything behind the page. Clones are the same back end.
///
/// ```
/// use api::DeviceChoice;
/// use api::window::{Backend, BackendOptions};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let backend = Backend::new(BackendOptions {
///     data_folder: folder.path().join("data"),
///     projects_folder: folder.path().join("projects"),
///     may_choose_folders: false,
///     allowed_roots: Vec::new(),
///     model_folders: Vec::new(),
///     program: std::env::current_exe()?,
///     device: DeviceChoice::Cpu,
/// })?;
///
/// let project = backend.call("create_project", json!({ "name": "Plain answers", "folder": null }))?;
/// assert_eq!(project["counts"]["pairs"], 0);
///
/// let refused = backend.call("create_project", json!({ "name": "", "folder": null })).unwrap_err();
/// assert_eq!((refused.code.as_str(), refused.hint.as_str()), ("no_name", "Give it one."));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Backend(Arc<Inner>);

struct Inner {
    options: BackendOptions,
    /// Found once, at the start: what the page shows is what jobs and runs compute on.
    device: Found,
    projects: projects::Projects,
    jobs: jobs::Jobs,
    news: news::Hub,
    models: models::Models,
    training: training::KnownRuns,
    lengths: lengths::Lengths,
    evaluations: evaluation::Evaluations,
    last_table: data::LastTable,
    checked: checks::Checked,
    acts: acts::Acts,
    last_queue: run_pairs::LastQueue,
    chats: playground::Chats,
    last_push: pushes::LastPush,
    /// Held by whoever renames, deletes or puts back: one at a time.
    housekeeping: Mutex<()>,
}

/// A device that was there when the back end began. It is not kept open: a process of a run opens its own.
struct Found {
    choice: DeviceChoice,
    name: String,
    reason: Option<String>,
}

impl Found {
    fn of(choice: DeviceChoice) -> Result<Self> {
        let ComputeDevice { choice, name, reason, .. } = choice.open()?;
        Ok(Self { choice, name, reason })
    }
}

impl Backend {
    /// A back end that keeps its own files in `options.data_folder`, which is made where it is not there.
    ///
    /// # Errors
    /// When a folder of the options cannot be made or written, or the device they name is not there.
    pub fn new(options: BackendOptions) -> Result<Self> {
        let backend = Self::without_window(options)?;
        uploads::remove_old(backend.options());
        training::begin(&backend.0);
        queue::begin(&backend.0);
        Ok(backend)
    }

    /// A back end in which nothing happens by itself: runs that wait stay where they are.
    ///
    /// # Errors
    /// As [`Backend::new`].
    pub(crate) fn without_window(options: BackendOptions) -> Result<Self> {
        let options = options.prepared()?;
        let device = Found::of(options.device)?;
        Ok(Self(Arc::new(Inner {
            options,
            device,
            projects: projects::Projects::default(),
            jobs: jobs::Jobs::default(),
            news: news::Hub::default(),
            models: models::Models::default(),
            training: training::KnownRuns::default(),
            lengths: lengths::Lengths::default(),
            evaluations: evaluation::Evaluations::default(),
            last_table: data::LastTable::default(),
            checked: checks::Checked::default(),
            acts: acts::Acts::default(),
            last_queue: run_pairs::LastQueue::default(),
            chats: playground::Chats::default(),
            last_push: pushes::LastPush::default(),
            housekeeping: Mutex::default(),
        })))
    }

    /// Does what the page asks for: `request` and the reply are as the table of operations and its [`types`] say.
    ///
    /// # Errors
    /// When there is no such operation, the request is not of its type, or the operation fails.
    pub fn call(&self, operation: &str, request: Value) -> Result<Value> {
        operations::call(self, operation, request)
    }

    /// All that happens from now on.
    pub fn subscribe(&self) -> Subscription {
        self.0.news.subscribe()
    }

    /// What computes here, in words.
    pub(crate) fn device_in_words(&self) -> String {
        match self.device() {
            DeviceChoice::Cpu => crate::report::machine(),
            _ => self.0.device.name.clone(),
        }
    }

    /// Where models compute.
    pub(crate) fn device(&self) -> DeviceChoice {
        self.0.device.choice
    }

    pub(crate) fn tell(&self, news: types::News) {
        self.0.news.tell(&news);
    }

    /// Tells that something in a project changed.
    pub(crate) fn changed(&self, project: &OpenProject) {
        self.tell(types::News::Project { project: project.name_of_folder() });
    }

    /// The program to start for work in a process of its own: `PROGRAM worker FOLDER`.
    pub(crate) fn program(&self) -> PathBuf {
        self.0.options.program.clone()
    }
}

/// What a mutex holds, also after a panic elsewhere: everything kept behind one is whole at any moment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
