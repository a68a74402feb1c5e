//! What can go wrong with a file of pairs or a project as a whole; a single bad row is a [`crate::Refused`] instead.

use std::path::{Path, PathBuf};

/// A failure of a whole file or project.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The file is not UTF-8 from its very first bytes on.
    #[error("{} is in {encoding}; save it as UTF-8 and try again", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding its byte order mark names.
        encoding: &'static str,
    },
    /// A pair that could not be read back was about to be written.
    #[error("pair {index} cannot be written: {reason}")]
    InvalidPair {
        /// Position in the slice that was to be written, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
