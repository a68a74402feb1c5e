//! What crosses to the user when an operation fails: a code, a sentence, and what to do.

use serde::Serialize;
use ts_rs::TS;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation, in the user's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(rename = "ApiError")]
pub struct Error {
    /// A stable short name for programs; `cancelled` when the user stopped it.
    pub code: String,
    /// What is wrong, and where.
    pub message: String,
    /// What to do about it, in whole sentences; empty where the message says so itself.
    pub hint: String,
}

impl Error {
    pub(crate) fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hint: hint.into() }
    }

    pub(crate) fn cancelled() -> Self {
        Self::new("cancelled", "stopped as asked", "Run the same command again to resume.")
    }

    /// Whether the user stopped the operation: that is no failure.
    pub fn is_cancelled(&self) -> bool {
        self.code == "cancelled"
    }

    /// For a file or folder that could not be used.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| {
            Self::new(
                "file",
                format!("{path}: {source}"),
                "Check that it exists, may be used, and that the disk has room.",
            )
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<train::Error> for Error {
    fn from(error: train::Error) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

impl From<runs::Error> for Error {
    fn from(error: runs::Error) -> Self {
        match error {
            runs::Error::Train(error) => error.into(),
            other => Self::new("run", other.to_string(), ""),
        }
    }
}

impl From<hub::repository::HubError> for Error {
    fn from(error: hub::repository::HubError) -> Self {
        if matches!(error, hub::repository::HubError::Cancelled) {
            return Self::cancelled();
        }
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

impl From<prefs::Error> for Error {
    fn from(error: prefs::Error) -> Self {
        match error {
            prefs::Error::Cancelled => Self::cancelled(),
            other => Self::new("pairs", other.to_string(), ""),
        }
    }
}

/// What to do where a model gives what is no number.
pub(crate) const DAMAGED: &str = "The model or the adapter is damaged: check it with another prompt.";

impl From<generate::Error> for Error {
    fn from(error: generate::Error) -> Self {
        match error {
            generate::Error::NotFinite => Self::new("not_finite", error.to_string(), DAMAGED),
            other => Self::new("generate", other.to_string(), ""),
        }
    }
}

/// Errors whose message already says what to do.
macro_rules! complete {
    ($($error:ty => $code:literal),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::new($code, error.to_string(), "")
            }
        })*
    };
}

complete! {
    chat::Error => "text",
    eval::Error => "evaluation",
    hub::Error => "model_fetch",
    model::Error => "model",
    plot::Error => "figure",
}
