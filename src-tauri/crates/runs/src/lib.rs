//! A run as a folder and a process of its own: prepared, started, asked to stop, and its state read from its events.
//!
//! The process that asks need not be the one that started a run, nor need it be alive while the run goes on: all that
//! passes between them lies in the run's folder.

mod begin;
mod machine;
mod process;
mod queue;
mod rule;
mod status;
mod workers;

pub use begin::{Began, Program, begin, begin_waiting, training_beside};
pub use machine::{Machine, Present, Training};
pub use process::{
    ALLOW_CHANGED_BASE, Start, memory_of_this_process, prepare, prepared, request_stop, start, start_next,
    while_listening,
};
pub use queue::{Begun, Queue, Wait, Waiting};
pub use rule::{Losses, StopRule, Stopped};
pub use status::{RunEvents, State};
pub use workers::{Workers, cause, last_words};

use std::path::PathBuf;

/// The folder of a project's runs.
pub const RUNS: &str = "runs";

/// Why a run could not be started, stopped or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be used.
    #[error("{}: {source}; check that it exists, may be used, and that the disk has room", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder is no run.
    #[error("{} holds no run: there is no config.toml in it; give the output_dir of a run", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another program changes the queue, and does not let go of it.
    #[error("{} is held by another program; try again in a moment", path.display())]
    QueueBusy {
        /// The lock.
        path: PathBuf,
    },
    /// The run's settings or events are wrong.
    #[error(transparent)]
    Train(#[from] train::Error),
}

impl Error {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
