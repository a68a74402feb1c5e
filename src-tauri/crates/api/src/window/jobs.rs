//! Work that takes a while, each piece in a thread of its own.

use super::types::{CancelJob, Exported, Job, JobKind, JobState, News, Nothing};
use super::{Backend, locked};
use crate::context::{Context, Update};
use crate::error::{Error, Result};
use crate::push::{PushList, PushReply};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Jobs that have ended and are still listed.
const REMEMBERED: usize = 50;

/// How often a job's progress is told.
const PACE: Duration = Duration::from_millis(200);

/// All jobs, oldest first.
#[derive(Default)]
pub(super) struct Jobs {
    all: Mutex<Vec<Entry>>,
}

struct Entry {
    job: Job,
    stop: Arc<AtomicBool>,
    /// Folders of runs, evaluations and exports that it reads or writes: they are not deleted meanwhile.
    uses: Vec<PathBuf>,
    /// When its progress was told last.
    told: Option<Instant>,
}

/// All jobs that run, and the last ones that ended.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn jobs(backend: &Backend, _: Nothing) -> Result<Vec<Job>> {
    Ok(locked(&backend.0.jobs.all).iter().map(|entry| entry.job.clone()).collect())
}

/// Asks a job to stop; it does so soon after, keeping what it has done.
pub(super) fn cancel_job(backend: &Backend, request: CancelJob) -> Result<Job> {
    let all = locked(&backend.0.jobs.all);
    let Some(entry) = all.iter().find(|entry| entry.job.job == request.job) else {
        let message = format!("there is no job {}", request.job);
        return Err(Error::new("no_job", message, "It ended a while ago; reload the page."));
    };
    entry.stop.store(true, Ordering::Relaxed);
    Ok(entry.job.clone())
}

/// A job as its own work sees it.
pub(crate) struct Working {
    backend: Backend,
    job: u64,
    stop: Arc<AtomicBool>,
    notes: Mutex<Vec<String>>,
}

impl Backend {
    /// Starts `work` in a thread of its own. `project` is a folder, empty where the job is for no project.
    pub(crate) fn start_job(
        &self,
        kind: JobKind,
        project: &str,
        title: &str,
        work: impl FnOnce(&Working) -> Result<()> + Send + 'static,
    ) -> Result<Job> {
        let stop = Arc::new(AtomicBool::new(false));
        let job = {
            let mut all = locked(&self.0.jobs.all);
            let job = Job {
                job: all.last().map_or(1, |last| last.job.job + 1),
                project: project.to_owned(),
                kind,
                title: title.to_owned(),
                state: JobState::Running,
                stage: String::new(),
                done: 0,
                total: 0,
                seconds_left: None,
                error: None,
                evaluation: None,
                scores: None,
                exported: None,
                push_list: None,
                pushed: None,
                notes: Vec::new(),
            };
            all.push(Entry { job: job.clone(), stop: Arc::clone(&stop), uses: Vec::new(), told: None });
            job
        };
        self.tell(News::Job { job: Box::new(job.clone()) });
        let working = Working { backend: self.clone(), job: job.job, stop, notes: Mutex::default() };
        let spawned = std::thread::Builder::new().name(format!("job {}", job.job)).spawn(move || {
            // A fault in one job is that job's end, not the program's.
            let result = catch_unwind(AssertUnwindSafe(|| work(&working))).unwrap_or_else(|_| {
                Err(Error::new("fault", "this job ended by a fault of the program", "Try again, and report it."))
            });
            working.end(result);
        });
        if let Err(error) = spawned {
            let error = Error::new("thread", format!("no thread can be started: {error}"), "Close other programs.");
            self.set_job(job.job, true, |job| (job.state, job.error) = (JobState::Failed, Some(error.clone())));
            return Err(error);
        }
        Ok(job)
    }

    /// Asks all jobs to stop, and waits for them as long as `patience`: what they have done so far is kept.
    pub fn stop_jobs(&self, patience: Duration) {
        let start = Instant::now();
        loop {
            let running = {
                let all = locked(&self.0.jobs.all);
                all.iter().for_each(|entry| entry.stop.store(true, Ordering::Relaxed));
                all.iter().any(|entry| entry.job.state == JobState::Running)
            };
            if !running || start.elapsed() >= patience {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The job of this kind that is at work on the project.
    pub(crate) fn running_job(&self, kind: JobKind, project: &str) -> Option<Job> {
        let all = locked(&self.0.jobs.all);
        let at_work = |job: &&Job| job.kind == kind && job.project == project && job.state == JobState::Running;
        all.iter().map(|entry| &entry.job).find(at_work).cloned()
    }

    /// The job that is at work with a folder.
    pub(super) fn job_using(&self, folder: &Path) -> Option<Job> {
        let all = locked(&self.0.jobs.all);
        let uses =
            |entry: &&Entry| entry.job.state == JobState::Running && entry.uses.iter().any(|used| used == folder);
        all.iter().find(uses).map(|entry| entry.job.clone())
    }

    /// Changes a job and tells of it; not too often, unless `always` or the stage is another one.
    fn set_job(&self, number: u64, always: bool, change: impl FnOnce(&mut Job)) {
        let news = {
            let mut all = locked(&self.0.jobs.all);
            let Some(entry) = all.iter_mut().find(|entry| entry.job.job == number) else { return };
            let stage = entry.job.stage.clone();
            change(&mut entry.job);
            let due = always || entry.job.stage != stage || entry.told.is_none_or(|told| told.elapsed() >= PACE);
            if due {
                entry.told = Some(Instant::now());
            }
            due.then(|| entry.job.clone())
        };
        if let Some(job) = news {
            self.tell(News::Job { job: Box::new(job) });
        }
    }

    fn forget_old_jobs(&self) {
        let mut all = locked(&self.0.jobs.all);
        let ended = |entry: &Entry| entry.job.state != JobState::Running;
        let mut surplus = all.iter().filter(|entry| ended(entry)).count().saturating_sub(REMEMBERED);
        all.retain(|entry| {
            let forget = surplus > 0 && ended(entry);
            surplus -= usize::from(forget);
            !forget
        });
    }
}

impl Working {
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Set when the user stops the job.
    pub(crate) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// # Errors
    /// When the user has stopped the job.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Tells how far the job is.
    pub(crate) fn progress(&self, stage: &str, done: u64, total: u64, seconds_left: Option<f64>) {
        self.backend.set_job(self.job, total > 0 && done >= total, |job| {
            stage.clone_into(&mut job.stage);
            (job.done, job.total, job.seconds_left) = (done, total, seconds_left);
        });
    }

    /// Says that the job needs what lies in a folder until it ends.
    pub(crate) fn uses(&self, folder: &Path) {
        let mut all = locked(&self.backend.0.jobs.all);
        if let Some(own) = all.iter_mut().find(|entry| entry.job.job == self.job) {
            own.uses.push(folder.to_path_buf());
        }
    }

    /// Names the evaluation that the job makes.
    pub(crate) fn makes_evaluation(&self, evaluation: &str) {
        self.backend.set_job(self.job, true, |job| job.evaluation = Some(evaluation.to_owned()));
    }

    /// Names the scores that the job has made.
    pub(crate) fn scored(&self, scores: &str) {
        self.backend.set_job(self.job, true, |job| job.scores = Some(scores.to_owned()));
    }

    /// Tells what the job has exported.
    pub(crate) fn exported(&self, exported: Exported) {
        self.backend.set_job(self.job, true, |job| job.exported = Some(Box::new(exported)));
    }

    /// Tells what a push would send.
    pub(crate) fn prepared(&self, list: PushList) {
        let notes = self.notes();
        self.backend.set_job(self.job, true, |job| (job.push_list, job.notes) = (Some(Box::new(list)), notes));
    }

    /// Tells what a push has sent.
    pub(crate) fn pushed(&self, reply: PushReply) {
        let notes = self.notes();
        self.backend.set_job(self.job, true, |job| (job.pushed, job.notes) = (Some(Box::new(reply)), notes));
    }

    /// The job's number.
    pub(crate) fn number(&self) -> u64 {
        self.job
    }

    /// Tells an answer as it grows.
    pub(crate) fn answer(&self, index: usize, side: &str, text: String) {
        self.backend.tell(News::Answer { job: self.job, index, side: side.to_owned(), text });
    }

    /// Does what reports through a [`Context`]: its progress is the job's, and what it says is in [`Working::notes`].
    pub(crate) fn with_context<T>(&self, work: impl FnOnce(&mut Context) -> T) -> T {
        let mut observer = |update: &Update| match update {
            Update::Progress { stage, done, total, seconds_left, .. } => {
                self.progress(stage, *done, *total, *seconds_left);
            }
            Update::Note { message } => {
                let mut notes = locked(&self.notes);
                if !notes.contains(message) {
                    notes.push(message.clone());
                }
            }
            Update::Run(_) => {}
        };
        work(&mut Context { observer: &mut observer, stop: &self.stop })
    }

    /// What the work had to say so far.
    pub(crate) fn notes(&self) -> Vec<String> {
        locked(&self.notes).clone()
    }

    fn end(&self, result: Result<()>) {
        self.backend.set_job(self.job, true, |job| {
            job.seconds_left = None;
            match result {
                Ok(()) => job.state = JobState::Done,
                Err(error) if error.is_cancelled() => job.state = JobState::Cancelled,
                Err(error) => (job.state, job.error) = (JobState::Failed, Some(error)),
            }
        });
        self.backend.forget_old_jobs();
    }
}
