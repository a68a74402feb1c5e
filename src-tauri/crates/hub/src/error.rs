//! What can go wrong between a model's name and its file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One way a model was looked for, and why it was not found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The source, in plain words.
    pub source: String,
    /// Why it gave nothing.
    pub reason: String,
}

/// A model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue has no model by this name.
    #[error("there is no model `{id}` in the catalogue; it has {}", list(known))]
    UnknownModel {
        /// The name that was asked for.
        id: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The catalogue in the program is broken.
    #[error("the model catalogue cannot be read: {0}")]
    Catalogue(#[from] toml::de::Error),
    /// The platform names no folder for files that can be fetched again.
    #[error("there is no folder to keep models in: set `TIEBREAK_CACHE` to one")]
    NoCacheDir,
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// No source gave the file.
    #[error("{}", unavailable(title, tried, path, sha256))]
    Unavailable {
        /// The model's title.
        title: String,
        /// What was tried, in order.
        tried: Vec<Attempt>,
        /// Where the file belongs.
        path: PathBuf,
        /// The SHA-256 it must have.
        sha256: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn unavailable(title: &str, tried: &[Attempt], path: &Path, sha256: &str) -> String {
    let mut text = format!("{title} could not be fetched.");
    for attempt in tried {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n  {}: {}", attempt.source, attempt.reason);
    }
    let place = path.display();
    let _ = write!(
        text,
        "\nCheck the network and try again, or put the file there by hand:\n  {place}\n  (its SHA-256 is {sha256})"
    );
    text
}
