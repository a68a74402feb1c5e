//! Runs that wait for one another: what waits and why, and beginning them as there is room.
//!
//! What waits is a record in the project's folder (`runs::Queue`). Whoever has the project open looks at it twice a second, and
//! a run's own process does so when it has ended, so that the next one begins also where no window is open.

mod known;
mod memory;
mod words;

pub(super) use known::{Queues, begin, begin_waiting, tell};

use super::training::run_folder;
use super::types::{AtMost, InProject, InQueue, QueueFailure, QueueView, QueuedRun, RunOf, TrainingNow, WaitingRun};
use super::{Backend, OpenProject, training};
use crate::error::{Error, Result};
use crate::next::{cores, machine};
use model::DeviceChoice;
use model::memory::available_bytes;
use runs::{Program, Queue, Training, Waiting};
use std::collections::HashMap;
use std::path::Path;

/// What waits in a project.
pub(super) fn queue(backend: &Backend, request: InProject) -> Result<QueueView> {
    let project = backend.project(&request.project)?;
    view(backend, &project)
}

/// Puts a run that waits in another place.
pub(super) fn move_in_queue(backend: &Backend, request: InQueue) -> Result<QueueView> {
    let InQueue { project, run, place } = request;
    changed(backend, &project, |queue| queue.put(&run, place.saturating_sub(1)))
}

/// Takes a run out of the queue: it stands as it did before it was put there.
pub(super) fn leave_queue(backend: &Backend, request: RunOf) -> Result<QueueView> {
    let RunOf { project, run } = request;
    changed(backend, &project, |queue| {
        queue.remove(&run);
    })
}

/// Says how many runs may train at once.
pub(super) fn set_at_most(backend: &Backend, request: AtMost) -> Result<QueueView> {
    let AtMost { project, at_most } = request;
    let cores = cores();
    if at_most == 0 || at_most > cores {
        let message = format!("{at_most} runs cannot train at once");
        let hint = format!("Choose 1 to {cores}: this machine has {cores} cores, and each run needs one.");
        return Err(Error::new("at_most", message, hint));
    }
    changed(backend, &project, |queue| queue.at_most = at_most)
}

/// Forgets which runs the queue began, and with them those that failed.
pub(super) fn forget_begun(backend: &Backend, request: InProject) -> Result<QueueView> {
    changed(backend, &request.project, |queue| queue.begun.clear())
}

fn changed(backend: &Backend, project: &str, change: impl FnOnce(&mut Queue)) -> Result<QueueView> {
    let project = backend.project(project)?;
    Queue::change(project.folder(), change)?;
    known::tell(backend, &project);
    view(backend, &project)
}

/// Begins a run, or puts it into the queue where others train and it is not to begin `now`.
pub(super) fn begin_run(
    backend: &Backend,
    project: &OpenProject,
    folder: &Path,
    allow_changed_base: bool,
    now: bool,
) -> Result<()> {
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let needed = memory::needed(backend, project, &run);
    // The run needs the memory more.
    backend.release_model();
    let waiting = Waiting::now(&run, needed, allow_changed_base);
    with_program(backend, |program| Ok(runs::begin(&machine()?, project.folder(), waiting, now, program)?))?;
    known::tell(backend, project);
    Ok(())
}

/// Puts runs at the end of the queue, in their order.
pub(super) fn add(project: &OpenProject, runs: Vec<Waiting>) -> Result<()> {
    machine()?.remember(project.folder())?;
    Ok(Queue::change(project.folder(), |queue| runs.into_iter().for_each(|run| queue.add(run)))?)
}

/// Bytes that a run may still take; nothing where that is not known.
fn available(backend: &Backend) -> Option<u64> {
    available_bytes().filter(|_| backend.device() == DeviceChoice::Cpu)
}

fn with_program<T>(backend: &Backend, work: impl FnOnce(Program<'_>) -> Result<T>) -> Result<T> {
    let path = backend.program();
    work(Program { path: &path, workers: backend.workers(), available: available(backend), cores: cores() })
}

/// Of each run that waits its place, by the name of its folder.
pub(super) fn places(backend: &Backend, project: &OpenProject) -> HashMap<String, QueuedRun> {
    // Where the queue cannot be read, its own view says so.
    let Ok(queue) = backend.queues().of(project.folder()) else { return HashMap::new() };
    if queue.waiting.is_empty() {
        return HashMap::new();
    }
    let training = machine().and_then(|machine| Ok(runs::training_beside(&machine, project.folder())?));
    let all = waiting(backend, project, &queue, &training.unwrap_or_default());
    let of = all.len();
    let place = |(at, run): (usize, WaitingRun)| (run.run, QueuedRun { place: at + 1, of, why: run.why });
    all.into_iter().enumerate().map(place).collect()
}

fn view(backend: &Backend, project: &OpenProject) -> Result<QueueView> {
    let queue = backend.queues().of(project.folder())?;
    let training = runs::training_beside(&machine()?, project.folder())?;
    let cores = cores();
    let failed = queue.begun.iter().filter_map(|begun| {
        let (name, what) = match training::name_and_state(backend, project, &begun.run) {
            Some((name, state)) => (name, words::failure(state, begun.refused.as_deref())?),
            None => (begun.run.clone(), format!("could not be begun: {}", begun.refused.as_deref()?)),
        };
        Some(QueueFailure { run: begun.run.clone(), name, what })
    });
    Ok(QueueView {
        at_most: queue.at_most,
        cores,
        threads: queue.threads(cores).unwrap_or(cores),
        memory_free: available(backend),
        training: training.iter().map(|training| now(backend, project, training)).collect(),
        waiting: waiting(backend, project, &queue, &training),
        failed: failed.collect(),
        elsewhere: queue.elsewhere,
        error: backend.queues().error(project.folder()),
    })
}

fn waiting(backend: &Backend, project: &OpenProject, queue: &Queue, training: &[Training]) -> Vec<WaitingRun> {
    let named = |run: &str| training::name_and_state(backend, project, run).map_or(run.to_owned(), |(name, _)| name);
    let names: Vec<String> = queue.waiting.iter().map(|waiting| named(&waiting.run)).collect();
    let at_work: Vec<String> = training.iter().map(|training| now(backend, project, training).name).collect();
    let wait = queue.why(0, training, available(backend));
    let one = |(place, waiting): (usize, &Waiting)| WaitingRun {
        run: waiting.run.clone(),
        name: names[place].clone(),
        why: match place {
            0 => words::why(wait.as_ref(), &at_work),
            _ => format!("after {}", names[place - 1]),
        },
        since: waiting.since * 1000,
        memory_needed: waiting.memory_needed,
    };
    queue.waiting.iter().enumerate().map(one).collect()
}

fn now(backend: &Backend, project: &OpenProject, training: &Training) -> TrainingNow {
    let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let run = name_of(&training.run);
    let own = run_folder(project, &run).is_ok_and(|folder| {
        folder == training.run
            || training.run.canonicalize().is_ok_and(|there| folder.canonicalize().is_ok_and(|here| here == there))
    });
    let name = if own {
        training::name_and_state(backend, project, &run).map_or(run.clone(), |(name, _)| name)
    } else {
        let project = training.run.parent().and_then(Path::parent).map(name_of).unwrap_or_default();
        if project.is_empty() { run.clone() } else { format!("{run} of {project}") }
    };
    TrainingNow { run: own.then_some(run), name, memory_needed: training.memory_needed }
}
