//! A run as a folder and a process of its own: prepared, started, asked to stop, and its state read from its events.
//!
//! The process that asks need not be the one that started a run, nor need it be alive while the run goes on: all that
//! passes between them lies in the run's folder.

mod process;
mod status;
mod workers;

pub use process::{ALLOW_CHANGED_BASE, prepare, prepared, request_stop, start, while_listening};
pub use status::{RunEvents, State};
pub use workers::{Workers, cause, last_words};

use std::path::PathBuf;

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
