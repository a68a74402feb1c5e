//! What waits for a run that has ended.

use crate::error::{Error, Result};
use model::memory::available_bytes;
use runs::{Machine, Program, Workers};
use std::path::Path;

/// What trains on this machine: a folder that all programs find in one place.
///
/// # Errors
/// When the environment names no folder for what programs keep.
pub(crate) fn machine() -> Result<Machine> {
    Ok(Machine::at(&hub::cache_dir()?.join("training")))
}

/// Cores that runs share.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Starts this program once more, to do [`begin_next`]: for a process that trained and is about to end, so that what it has
/// kept of its memory is free by then. Where nothing waits, nothing is started.
///
/// # Errors
/// When the program cannot be started.
pub fn start_next(run: &Path) -> Result<()> {
    if machine()?.projects()?.is_empty() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Error::file(run))?;
    Ok(runs::start_next(&program, run)?)
}

/// Begins what waits for a run that has ended: in its own project first, then in the others of this machine in which runs wait.
///
/// # Errors
/// When a record cannot be read or written, or the program cannot be started; the other projects are looked at all the same.
pub fn begin_next(run: &Path) -> Result<()> {
    let program = std::env::current_exe().map_err(Error::file(run))?;
    let workers = Workers::default();
    let program = Program {
        path: &program,
        workers: &workers,
        available: available_bytes(),
        cores: cores(),
        ready: &crate::window::ready,
    };
    let machine = machine()?;
    let own = run.canonicalize().ok().and_then(|run| Some(run.parent()?.parent()?.to_path_buf()));
    let mut projects = machine.projects()?;
    // Where it is not a project, nothing waits in it.
    projects.sort_by_key(|project| Some(project) != own.as_ref());
    let mut first_error = None;
    for project in projects {
        if let Err(error) = runs::begin_waiting(&machine, &project, program) {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), |error| Err(error.into()))
}
