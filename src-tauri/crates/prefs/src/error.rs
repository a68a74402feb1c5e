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
    /// A folder that should be a project is none.
    #[error("{} is no project (it holds no `project.sqlite`); import pairs into it to make one", folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// A database of another program lies where the project's should.
    #[error("{} belongs to another program and was left alone; choose another folder", path.display())]
    NotOurs {
        /// The database.
        path: PathBuf,
    },
    /// A newer Tiebreak has written this project.
    #[error("{} was written by a newer Tiebreak (version {found} of its format; this one knows {known}); update Tiebreak", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The format's version in the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The project's database cannot be used.
    #[error("cannot {action} {}: {source}; {hint}", path.display())]
    Database {
        /// What was tried, as a verb.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// What the user can do.
        hint: &'static str,
        /// The database's own words.
        source: rusqlite::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn database(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
            ReadOnly,
        };
        let hint = match source.sqlite_error_code() {
            Some(DiskFull) => "the disk is full: free some space and try again; nothing that was there is lost",
            Some(ReadOnly | CannotOpen | PermissionDenied) => "check that you may write to this folder",
            Some(DatabaseBusy | DatabaseLocked) => {
                "another Tiebreak is writing to this project: try again when it is done"
            }
            Some(NotADatabase | DatabaseCorrupt) => "the file is damaged: restore it from a copy of the project folder",
            _ if matches!(source, rusqlite::Error::FromSqlConversionFailure(..)) => {
                "a row is damaged: restore the file from a copy of the project folder"
            }
            _ => "what was there before is unchanged",
        };
        Self::Database { action, path: path.to_path_buf(), hint, source }
    }
}
