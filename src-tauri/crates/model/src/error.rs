//! Everything that can go wrong between a model folder and its numbers, in the user's words.
//!
//! Each message says what is wrong, where, and, where the user can act, what to do.

use numbers::size;
use std::path::{Path, PathBuf};

/// The result of anything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong while reading, computing with or writing a model or an adapter. Of the fields, `what` is a clause without
/// a final full stop, and `hint` a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // Fields whose names say all.
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },

    /// A tensor operation failed.
    #[error(transparent)]
    Candle(candle_core::Error),

    /// The header of a GGUF file is damaged or cannot be used.
    #[error(transparent)]
    Gguf(#[from] gguf::Error),

    /// A model file or its configuration cannot be used.
    #[error("{}: {what}. {hint}", path.display())]
    Config { path: PathBuf, what: String, hint: String },

    /// The model belongs to a family that is not known here.
    #[error("the model architecture \"{name}\" is not supported; supported: {supported}")]
    UnknownArchitecture {
        /// `model_type` of `config.json`, or `general.architecture` of a GGUF file.
        name: String,
        /// The names of those that are known, for the message.
        supported: String,
    },

    /// A configuration field asks for mathematics that is not implemented.
    #[error("the model configuration sets {field} = {value}, which is not supported: {why}")]
    UnsupportedField {
        /// The field as it is spelled in the file.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// Why it cannot be ignored, and what would be accepted.
        why: String,
    },

    /// A tensor that the configuration calls for is not in the model's files.
    #[error("the tensor \"{name}\" is missing from {}; the file is incomplete or does not fit its configuration", file.display())]
    MissingTensor {
        /// The name looked for, as it would be spelled in that file.
        name: String,
        /// The file or folder looked in.
        file: PathBuf,
    },

    /// A tensor has another shape than the configuration says.
    #[error("the tensor \"{name}\" should have shape {expected:?} but has {found:?}")]
    Shape {
        name: String,
        /// The shape the configuration calls for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },

    /// A GGUF tensor is stored in blocks that cannot be decoded here.
    #[error(
        "the tensor \"{tensor}\" is stored as {block}, which cannot be read; choose a file of the same model in one of: \
         {readable}"
    )]
    BlockType {
        tensor: String,
        block: String,
        /// The names of those that can be decoded, for the message.
        readable: String,
    },

    /// An adapter cannot be used or written.
    #[error("the adapter {}: {what}. {hint}", path.display())]
    Adapter { path: PathBuf, what: String, hint: String },

    /// The settings of `LoRA` have no meaning, or none on this model.
    #[error("the LoRA settings: {what}. {hint}")]
    Lora { what: String, hint: String },

    /// A device cannot be computed on.
    #[error("device is \"{device}\", but {what}. {hint}")]
    Device { device: String, what: String, hint: String },

    /// The work would not fit in memory.
    #[error("not enough memory: {} are needed, {} are free", size(*needed), size(*available))]
    OutOfMemory {
        /// Estimated need in bytes.
        needed: u64,
        /// What is free, in bytes.
        available: u64,
        /// The setting that would fit, as a sentence.
        hint: String,
    },

    /// A weight is too large for the type that it is to be stored as.
    #[error("a weight of \"{name}\" is {value:e}, too large for {dtype}. Choose bf16 or f32")]
    TooLarge { name: String, value: f32, dtype: &'static str },

    /// The processor lacks the instructions that multiply in bf16.
    #[error("this processor does not multiply in bf16 (it lacks AVX512-BF16). Set products = \"auto\" or \"f32\"")]
    NoBf16Products,

    /// A number that must be finite is not.
    #[error("{what} is not a finite number (NaN or infinite)")]
    NonFinite { what: String },
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle(without_backtrace(error))
    }
}

/// The error alone. Where `RUST_BACKTRACE` is set, candle makes a backtrace part of the message, which is nothing for a
/// user.
pub fn without_backtrace(error: candle_core::Error) -> candle_core::Error {
    use candle_core::Error::{Context, WithBacktrace, WithPath};
    match error {
        WithBacktrace { inner, .. } => without_backtrace(*inner),
        Context { inner, context } => Context { inner: Box::new(without_backtrace(*inner)), context },
        WithPath { inner, path } => WithPath { inner: Box::new(without_backtrace(*inner)), path },
        other => other,
    }
}

impl Error {
    /// An [`Error::Io`] at `path`, in the shape `map_err` wants.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Config`] about `path`.
    pub(crate) fn config(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { path: path.to_path_buf(), what: what.into(), hint: hint.into() }
    }

    /// An [`Error::Adapter`] about `path`.
    pub(crate) fn adapter(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Adapter { path: path.to_path_buf(), what: what.into(), hint: hint.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Error as Candle;

    /// As candle makes one with `RUST_BACKTRACE` set, which a test cannot set for itself alone.
    fn traced(inner: Candle) -> Candle {
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        Candle::WithBacktrace { inner: Box::new(inner), backtrace }
    }

    #[test]
    fn no_message_holds_a_backtrace() {
        let plain = || Candle::Msg("it does not fit".into());
        assert!(traced(plain()).to_string().lines().count() > 1, "what candle itself says");
        assert_eq!(Error::from(traced(plain())).to_string(), "it does not fit");
        assert_eq!(Error::from(traced(traced(plain()))).to_string(), "it does not fit");
        assert_eq!(Error::from(traced(plain()).context("here")).to_string(), "here\nit does not fit");
        assert_eq!(Error::from(traced(plain()).with_path("a")).to_string(), "path: \"a\" it does not fit");
        let of_ours = Error::NonFinite { what: "a weight".into() };
        assert_eq!(Error::from(traced(Candle::wrap(of_ours))).to_string().lines().count(), 1);
    }
}
