//! What can stop a training run, in the user's words.

use crate::{checkpoint, folder};
use std::path::{Path, PathBuf};

/// The result of anything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run could not start, be resumed or be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The run's settings cannot be used.
    #[error("{what}")]
    Config {
        /// What is wrong, naming the key.
        what: String,
        /// What to do about it.
        hint: String,
    },

    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file or folder cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// The output folder already holds a run, and the settings do not say to resume it.
    #[error("{} already holds a run", path.display())]
    OutputTaken {
        /// The folder.
        path: PathBuf,
    },

    /// Another process is training in the same folder.
    #[error("another process is training in {}", path.display())]
    OutputBusy {
        /// The folder.
        path: PathBuf,
    },

    /// The run to be resumed was started with other settings.
    #[error("the run in {} was started with other settings: {}", path.display(), changes.join("; "))]
    SettingsChanged {
        /// The run's folder.
        path: PathBuf,
        /// Each changed key with its old and its new value.
        changes: Vec<String>,
    },

    /// A checkpoint that was to be resumed from cannot be used.
    #[error("the checkpoint {} cannot be used: {what}", path.display())]
    DamagedCheckpoint {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },

    /// A checkpoint was written under other settings than those that it is to be resumed with.
    #[error("the checkpoint {} was written under other settings: {}", path.display(), which(changes))]
    OtherSettings {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Each changed key with its old and its new value.
        changes: Vec<String>,
    },

    /// A model is not the one that something was computed with.
    #[error("the model in {} is not {of}: {what}", model.display())]
    ChangedBase {
        /// The model's folder or file.
        model: PathBuf,
        /// Which one was expected.
        of: String,
        /// What differs, with both digests.
        what: String,
    },

    /// A file is not what it was when something was computed from it.
    #[error("{} has changed: {what}", path.display())]
    ChangedFile {
        /// The file.
        path: PathBuf,
        /// What differs, with both digests.
        what: String,
        /// What to do about it.
        hint: String,
    },

    /// Pairs are longer than the limits, under which nothing is to be cut or left out.
    #[error("{}: {what}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Which pairs, with their lengths.
        what: String,
        /// Limits that keep them all.
        hint: String,
    },

    /// No pair is left to train on.
    #[error("{} holds no pair to train on: {why}", path.display())]
    NoPairs {
        /// The file.
        path: PathBuf,
        /// What became of its rows.
        why: String,
    },

    /// Loss or log-probabilities became NaN or infinite.
    #[error("the loss of step {step} is {loss}; training was stopped before its weights were changed")]
    NonFiniteLoss {
        /// The optimiser step, from 1.
        step: u64,
        /// The value.
        loss: f64,
        /// The newest checkpoint from before, where that is known and there is one.
        before: Option<u64>,
    },

    /// Held-out pairs have no finite loss: the last steps broke the weights.
    #[error(
        "the held-out loss after step {step} is {loss}: the steps before it broke the weights; training was stopped"
    )]
    NonFiniteHeldOut {
        /// Optimiser steps done.
        step: u64,
        /// The value.
        loss: f64,
        /// The newest checkpoint from before, where that is known and there is one.
        before: Option<u64>,
    },

    /// A gradient became NaN or infinite.
    #[error(
        "the gradient of {parameter} is not finite in step {step}; training was stopped before its weights were changed"
    )]
    NonFiniteGradient {
        /// The optimiser step, from 1.
        step: u64,
        /// The parameter under its PEFT name.
        parameter: String,
        /// The newest checkpoint from before, where that is known and there is one.
        before: Option<u64>,
    },

    /// A `LoRA` parameter received no gradient although others did.
    #[error("{parameter} received no gradient in step {step} although others did; training was stopped")]
    NoGradient {
        /// The optimiser step, from 1.
        step: u64,
        /// The parameter under its PEFT name.
        parameter: String,
    },

    /// The model, or a computation with it, failed.
    #[error(transparent)]
    Model(Box<model::Error>),

    /// A tensor operation failed.
    #[error(transparent)]
    Candle(candle_core::Error),

    /// The pairs cannot be read.
    #[error(transparent)]
    Pairs(Box<prefs::Error>),

    /// A prompt or an answer cannot be turned into tokens.
    #[error("{place}: {source}")]
    Encode {
        /// The file and row.
        place: String,
        /// What the tokenizer or the template said.
        source: Box<chat::Error>,
    },

    /// The tokenizer cannot be read.
    #[error(transparent)]
    Tokenizer(Box<chat::Error>),
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle(model::without_backtrace(error))
    }
}

impl From<prefs::Error> for Error {
    fn from(error: prefs::Error) -> Self {
        Self::Pairs(Box::new(error))
    }
}

impl From<chat::Error> for Error {
    fn from(error: chat::Error) -> Self {
        Self::Tokenizer(Box::new(error))
    }
}

/// The settings that differ, or why they are not told.
fn which(changes: &[String]) -> String {
    if changes.is_empty() {
        return "which ones is not known, as its run's config.toml does not lie above it".into();
    }
    changes.join("; ")
}

/// The adapter of a run, or of its newest checkpoint.
fn learned(run: &Path) -> Option<PathBuf> {
    let newest = || checkpoint::steps(run).ok()?.pop().map(|step| run.join(checkpoint::folder_of(step)));
    folder::adapter_of(run).or_else(newest)
}

impl Error {
    /// What a failure to save an adapter is: where the system refused to write, the folder is to blame, not the model.
    pub(crate) fn saving(error: model::Error) -> Self {
        match error {
            model::Error::Io { path, source } => Self::Write { path, source },
            other => other.into(),
        }
    }

    /// With the checkpoint that a run in `folder` has from before its weights broke, where they did.
    pub(crate) fn with_checkpoint(mut self, folder: &Path) -> Self {
        let (before, first_broken) = match &mut self {
            // These are computed with the weights of the step before.
            Self::NonFiniteLoss { before, step, .. } | Self::NonFiniteGradient { before, step, .. } => {
                (before, *step - 1)
            }
            Self::NonFiniteHeldOut { before, step, .. } => (before, *step),
            _ => return self,
        };
        let steps = checkpoint::steps(folder).unwrap_or_default();
        *before = steps.into_iter().filter(|step| (1..first_broken).contains(step)).max();
        self
    }

    /// An [`Error::Read`] at `path`, in the shape `map_err` wants.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Read { path, source }
    }

    /// An [`Error::Write`] at `path`, in the shape `map_err` wants.
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }

    /// An [`Error::Config`].
    pub(crate) fn config(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { what: what.into(), hint: hint.into() }
    }

    /// A stable short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::OutputTaken { .. } => "output_taken",
            Self::OutputBusy { .. } => "output_busy",
            Self::SettingsChanged { .. } => "settings_changed",
            Self::DamagedCheckpoint { .. } => "damaged_checkpoint",
            Self::OtherSettings { .. } => "other_settings",
            Self::ChangedBase { .. } => "changed_base",
            Self::ChangedFile { .. } => "changed_file",
            Self::TooLong { .. } => "too_long",
            Self::NoPairs { .. } => "no_pairs",
            Self::NonFiniteLoss { .. } | Self::NonFiniteHeldOut { .. } => "non_finite_loss",
            Self::NonFiniteGradient { .. } => "non_finite_gradient",
            Self::NoGradient { .. } => "no_gradient",
            Self::Model(error) if matches!(**error, model::Error::OutOfMemory { .. }) => "out_of_memory",
            Self::Model(_) => "model",
            Self::Candle(_) => "tensor",
            Self::Pairs(_) => "pairs",
            Self::Encode { .. } => "encode",
            Self::Tokenizer(_) => "tokenizer",
        }
    }

    /// What the user can do about it, as a sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Config { hint, .. } | Self::ChangedFile { hint, .. } | Self::TooLong { hint, .. } => hint.clone(),
            Self::Read { .. } => "Check that the file exists and that you may read it.".into(),
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "The disk is full. Free some space and resume; the last checkpoint is whole.".into()
            }
            Self::Write { .. } => "Check that you may write to this folder, then resume.".into(),
            Self::OutputTaken { .. } => {
                "Choose another output_dir, or set resume_from_checkpoint = true to resume this run.".into()
            }
            Self::OutputBusy { .. } => "Wait until it is done, or stop it first.".into(),
            Self::SettingsChanged { path, .. } => match learned(path) {
                None => "Put the old values back to resume, or start a new run in another output_dir.".into(),
                Some(adapter) => format!(
                    "Put the old values back to resume. To train on under the new settings from what this run has learned, \
                     start a new run in another output_dir with init_adapter = \"{}\".",
                    adapter.display()
                ),
            },
            Self::OtherSettings { path, .. } => format!(
                "Put the old values back to resume that run. To train on from its adapter under the new settings, set \
                 init_adapter = \"{}\" instead of resume_from_checkpoint: a new run with a schedule of its own.",
                path.display()
            ),
            Self::ChangedBase { .. } => {
                "Put the model's files back as they were. To use them as they are now, say so (on the command line \
                 with --allow-changed-base): the record then keeps it."
                    .into()
            }
            Self::DamagedCheckpoint { .. } => {
                "Resume from an earlier checkpoint with resume_from_checkpoint = \"…/checkpoints/step-N\".".into()
            }
            Self::NoPairs { .. } => "Raise max_length, or check the file with `tiebreak check`.".into(),
            Self::NonFiniteLoss { before, .. }
            | Self::NonFiniteHeldOut { before, .. }
            | Self::NonFiniteGradient { before, .. } => match before {
                // Resumed with its own settings, it would come to the same step again.
                Some(step) => format!(
                    "Its checkpoint of step {step} is from before that: begin a new run with it as init_adapter, a lower \
                     learning_rate and max_grad_norm."
                ),
                None => {
                    "No checkpoint is from before that: begin a new run with a lower learning_rate and max_grad_norm."
                        .into()
                }
            },
            Self::NoGradient { .. } => {
                "This is a fault of the program, not of your data. Please report it with config.toml.".into()
            }
            Self::Model(error) => match &**error {
                model::Error::OutOfMemory { hint, .. } => hint.clone(),
                model::Error::Device { .. } => "Correct `device`, or run this where that device is.".into(),
                model::Error::Lora { .. } => "Correct the table [lora].".into(),
                _ => "Check that `model` is a complete model folder or GGUF file.".into(),
            },
            Self::Tokenizer(_) => "Check that `model` is a complete model folder or GGUF file.".into(),
            Self::Candle(_) => "If memory ran out, lower per_device_train_batch_size or max_length.".into(),
            Self::Pairs(_) => "Check the files named in [data].".into(),
            Self::Encode { .. } => "Check this row, or leave it out.".into(),
        }
    }
}
