//! Starting a run in a process of its own, and stopping it through its folder.

use crate::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use train::config::Resume;
use train::folder::RunFolder;
use train::{Placed, RunConfig};

/// A file in the run's folder that asks its process to stop.
const STOP: &str = "stop";
/// What stands in it where the run is to be resumed later.
const PAUSE: &str = "pause";

/// The option of a worker that lets it use another model than the run was computed on before.
pub const ALLOW_CHANGED_BASE: &str = "--allow-changed-base";

/// What says to a process how many threads compute: rayon's and candle's variable.
const THREADS: &str = "RAYON_NUM_THREADS";
/// What says to a process how much memory its run is going to take.
const MEMORY: &str = "TIEBREAK_MEMORY_NEEDED";

/// How often a run looks for a request to stop.
const LISTEN: Duration = Duration::from_millis(200);

/// Writes a new run's folder: settings, what they leave open decided, and the exact pairs; nothing trained yet.
///
/// # Errors
/// When the folder holds a run already, cannot be written, or the data cannot be read.
pub fn prepare(config: &RunConfig) -> Result<(), Error> {
    config.validate()?;
    RunFolder::claim(&Placed::of(config)?.config)?;
    Ok(())
}

/// The settings of the run in a folder, to resume it with.
///
/// # Errors
/// When there is no run or its settings cannot be read.
pub fn prepared(folder: &Path) -> Result<RunConfig, Error> {
    let path = folder.join("config.toml");
    if !path.exists() {
        return Err(Error::NoRun { path: folder.to_path_buf() });
    }
    let mut config = RunConfig::of_run(folder)?;
    config.output_dir = folder.to_path_buf();
    config.resume_from_checkpoint = Resume::Latest;
    Ok(config)
}

/// How a run's process is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// It may use another model than the run was computed on before.
    pub allow_changed_base: bool,
    /// Threads that it computes with; all cores where that is not said.
    pub threads: Option<usize>,
    /// Bytes that it takes at its peak, where that was estimated: it tells others.
    pub memory_needed: Option<u64>,
}

/// Starts `program worker FOLDER`, which outlives this process. What it prints goes to `worker.log` in the folder.
///
/// # Errors
/// When there is no run in the folder or the program cannot be started.
pub fn start(program: &Path, folder: &Path, how: Start) -> Result<Child, Error> {
    prepared(folder)?;
    let log_path = folder.join("worker.log");
    let log = fs::File::options().create(true).append(true).open(&log_path).map_err(Error::file(&log_path))?;
    let mut command = Command::new(program);
    command.arg("worker").arg(folder);
    if how.allow_changed_base {
        command.arg(ALLOW_CHANGED_BASE);
    }
    if let Some(threads) = how.threads {
        command.env(THREADS, threads.to_string());
    }
    command.env_remove(MEMORY);
    if let Some(bytes) = how.memory_needed {
        command.env(MEMORY, bytes.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    detach(&mut command);
    command.spawn().map_err(Error::file(program))
}

/// Bytes that the run of this process takes at its peak, where whoever started it has said so.
pub fn memory_of_this_process() -> Option<u64> {
    std::env::var(MEMORY).ok()?.parse().ok()
}

/// Starts `program next FOLDER`, which begins what waits for the run in the folder, and outlives this process: what this one
/// has kept of its memory is then free.
///
/// # Errors
/// When the program cannot be started.
pub fn start_next(program: &Path, folder: &Path) -> Result<(), Error> {
    let mut command = Command::new(program);
    command.arg("next").arg(folder).env_remove(THREADS).env_remove(MEMORY);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    detach(&mut command);
    command.spawn().map(drop).map_err(Error::file(program))
}

/// A group of its own, so that Ctrl-C in the terminal of the one does not reach the other.
#[cfg(unix)]
fn detach(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// A group of its own, so that Ctrl-C in the terminal of the one does not reach the other.
#[cfg(windows)]
fn detach(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

/// Asks the process of a run to stop, or to pause where it is to be resumed later; it writes a checkpoint and its adapter
/// so far first.
///
/// # Errors
/// When the folder cannot be written.
pub fn request_stop(folder: &Path, pause: bool) -> Result<(), Error> {
    let path = folder.join(STOP);
    // The request is there whole or not at all: its process looks while it is written.
    let new = folder.join("stop.new");
    fs::write(&new, if pause { PAUSE } else { "" }).map_err(Error::file(&new))?;
    fs::rename(&new, &path).map_err(Error::file(&path))
}

/// Runs `work` with a flag that is set when `stop` is, or when [`request_stop`] is called for the folder meanwhile, and one
/// that is set before it where that was a pause.
///
/// # Errors
/// When an old request cannot be removed; else what `work` returns, as it is.
pub fn while_listening<T, E: From<Error>>(
    folder: &Path,
    stop: &AtomicBool,
    work: impl FnOnce(&AtomicBool, &AtomicBool) -> Result<T, E>,
) -> Result<T, E> {
    let request = folder.join(STOP);
    // One that is held is trained by another process, and what is asked is asked of that one.
    if !train::folder::is_held(folder).map_err(Error::from)? {
        match fs::remove_file(&request) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(&request)(error).into());
            }
            _ => {}
        }
    }
    let (asked, pause, done) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Ok(text) = fs::read_to_string(&request) {
                    pause.store(text == PAUSE, Ordering::SeqCst);
                    asked.store(true, Ordering::SeqCst);
                } else if stop.load(Ordering::Relaxed) {
                    asked.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(LISTEN);
            }
        });
        let result = work(&asked, &pause);
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_request_in_the_folder_stops_the_work_and_an_old_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        request_stop(folder.path(), true).unwrap();
        let stop = AtomicBool::new(false);
        let stopped = |asked: &AtomicBool| asked.load(Ordering::Relaxed);
        while_listening::<_, Error>(folder.path(), &stop, |asked, pause| {
            std::thread::sleep(LISTEN * 2);
            assert!(!stopped(asked), "an old request was obeyed");
            request_stop(folder.path(), true)?;
            let start = Instant::now();
            while !stopped(asked) {
                assert!(start.elapsed() < Duration::from_secs(10), "the request was not heard");
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(stopped(pause), "a pause was taken for a stop");
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_folder_without_a_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepared(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()) && error.contains("holds no run"), "{error}");
    }
}
