//! Beginning runs as there is room for them: by whoever has a window open, and by a run's own process when it has ended.

use crate::machine::{Machine, Training};
use crate::process::{Start, prepared};
use crate::queue::{Queue, Wait, Waiting};
use crate::status::{RunEvents, State};
use crate::workers::{Workers, cause, last_words};
use crate::{Error, RUNS};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use train::folder::is_held;

/// A process that was started takes its folder within this, also where it first reads large adapters.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Another program that begins runs is waited for so long, by whoever asked for one.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is started for a run, and who keeps the processes.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// `PROGRAM worker FOLDER`.
    pub path: &'a Path,
    /// Those that were started here.
    pub workers: &'a Workers,
    /// Bytes of memory that can still be taken, where that is known.
    pub available: Option<u64>,
    /// Cores that runs share where several may train at once.
    pub cores: usize,
}

/// What became of a run that was to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Began {
    /// It trains.
    Now,
    /// It waits in the queue.
    Waits,
}

/// Begins a run of a project where there is room, or where that is to be ignored, and else puts it into the queue.
///
/// # Errors
/// When there is no such run, a record cannot be written, or the process ends before it has taken the run.
pub fn begin(
    machine: &Machine,
    project: &Path,
    run: Waiting,
    anyway: bool,
    program: Program<'_>,
) -> Result<Began, Error> {
    let folder = project.join(RUNS).join(&run.run);
    prepared(&folder)?;
    let turn = machine.turn(PATIENCE)?;
    if turn.is_none() {
        return Err(Error::QueueBusy { path: folder });
    }
    let queue = Queue::read(project)?;
    let training = training_beside(machine, project)?;
    // Who comes later does not overtake.
    let is_next = queue.waiting.first().is_none_or(|first| first.run == run.run);
    let has_room = is_next && queue.wait(run.memory_needed, &training, program.available).is_none();
    if anyway || has_room {
        // Whoever asked hears of a refusal from the run itself.
        start(&queue, &folder, &run, program)?;
        if queue.knows(&run.run) {
            Queue::change(project, |queue| queue.forget(&run.run))?;
        }
        return Ok(Began::Now);
    }
    machine.remember(project)?;
    Queue::change(project, |queue| queue.add(run))?;
    Ok(Began::Waits)
}

/// Begins what waits in a project, as far as there is room. Answers how many were begun; none where another program is at it.
///
/// # Errors
/// When a record cannot be read or written, or the program cannot be started.
pub fn begin_waiting(machine: &Machine, project: &Path, program: Program<'_>) -> Result<usize, Error> {
    if Queue::read(project)?.waiting.is_empty() {
        machine.forget(project);
        return Ok(0);
    }
    let Some(_turn) = machine.turn(Duration::ZERO)? else { return Ok(0) };
    let mut begun = 0;
    loop {
        let queue = Queue::read(project)?;
        let Some(next) = queue.waiting.first() else { return Ok(begun) };
        let folder = project.join(RUNS).join(&next.run);
        match state(&folder) {
            // Begun by another hand.
            Ok(State::Running | State::Finished) => {
                Queue::change(project, |queue| queue.remove(&next.run))?;
                continue;
            }
            // Begun, too, and ended since. One that was broken off goes on here.
            Ok(State::Failed | State::Stopped | State::Paused) if queue.was_begun(next) => {
                Queue::change(project, |queue| queue.began(&next.run, None))?;
                continue;
            }
            // Moved, removed or damaged: it is named, and does not stop the others.
            Err(error) => {
                Queue::change(project, |queue| queue.began(&next.run, Some(error.to_string())))?;
                continue;
            }
            Ok(_) => {}
        }
        let training = training_beside(machine, project)?;
        if queue.wait(next.memory_needed, &training, program.available).is_some() {
            return Ok(begun);
        }
        let refused = start(&queue, &folder, next, program)?;
        // Only now: killed in between, the run still waits, and its folder's lock keeps it from being trained twice.
        Queue::change(project, |queue| queue.began(&next.run, refused))?;
        begun += 1;
    }
}

/// The runs that train on this machine, those of a project also where they have not said so.
///
/// # Errors
/// When a lock cannot be looked at.
pub fn training_beside(machine: &Machine, project: &Path) -> Result<Vec<Training>, Error> {
    let mut training = machine.training()?;
    for folder in folders(&project.join(RUNS)) {
        if is_held(&folder)? && !training.iter().any(|known| is_same(&known.run, &folder)) {
            training.push(Training { run: folder, process: None, memory_needed: None });
        }
    }
    Ok(training)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn state(folder: &Path) -> Result<State, Error> {
    prepared(folder)?;
    let mut events = RunEvents::of(folder);
    events.update()?;
    events.state()
}

/// Starts a run and waits until it has taken its folder. Answers why it did not.
fn start(queue: &Queue, folder: &Path, run: &Waiting, program: Program<'_>) -> Result<Option<String>, Error> {
    let how = Start {
        allow_changed_base: run.allow_changed_base,
        threads: queue.threads(program.cores),
        memory_needed: run.memory_needed,
    };
    program.workers.start(program.path, folder, how)?;
    let began = Instant::now();
    while began.elapsed() < STARTS_WITHIN {
        if is_held(folder)? {
            return Ok(None);
        }
        if let Some(status) = program.workers.ended(folder) {
            // A short run may be over by now; any other has not begun.
            let words = last_words(folder);
            let why = if words.is_empty() { format!("its process {}", cause(Some(status))) } else { words };
            return Ok((!status.success()).then_some(why));
        }
        std::thread::sleep(LOOK);
    }
    Ok(None)
}

impl Queue {
    /// Why the run at a place waits, beside those that train; nothing where it is about to begin, or others wait before it.
    pub fn why(&self, place: usize, training: &[Training], available: Option<u64>) -> Option<Wait> {
        let first = self.waiting.get(place).filter(|_| place == 0)?;
        self.wait(first.memory_needed, training, available)
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
