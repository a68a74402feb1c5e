//! What can go wrong between a conversation and its token ids.

use std::path::{Path, PathBuf};

/// Why text could not be turned into token ids or back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Error {
    /// The operating system refused to read a file.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operating system refused to write a file.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the model folder is missing or cannot be used.
    #[error("{}: {what}. {hint}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, without a final full stop.
        what: String,
        /// What to do, as a sentence.
        hint: &'static str,
    },
    /// The header of a GGUF file is damaged.
    #[error(transparent)]
    Gguf(#[from] gguf::Error),
    /// The metadata of a GGUF file describes no tokenizer that can be built.
    #[error(
        "the GGUF file's {key} {problem}. Use the model's folder from the Hugging Face hub, with its tokenizer.json, instead"
    )]
    Metadata {
        /// The metadata key.
        key: &'static str,
        /// What is wrong with it, as the rest of a sentence.
        problem: String,
    },
    /// A GGUF file's tokenizer or chat template cannot be used.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The tokenizer could not be built or refused a text.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    /// A token of a text has no row in the model's embedding.
    #[error(
        "the token {token:?} has the id {id}, but the model's embedding has {rows} rows, for the ids 0 to {}: the tokenizer, of \
         {tokens} tokens, has more than the model. Take the tokenizer's files and the weights from the same place, or weights whose \
         embedding was resized for it, or leave the token out of the text",
        rows.saturating_sub(1)
    )]
    BeyondEmbedding {
        /// Its text.
        token: String,
        id: u32,
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Rows of the embedding.
        rows: u32,
    },
    /// The model has no chat template.
    #[error(
        "this model has no chat template, so that it cannot read messages. Use an instruction-tuned model, or pairs whose \
         prompt, chosen and rejected are plain text"
    )]
    NoTemplate,
    /// A GGUF file cannot say what the tokenizer does.
    #[error(
        "the model's tokenizer cannot be written into a GGUF file: {0}. Export the merged model as a folder, and convert \
         it with llama.cpp"
    )]
    NotInGguf(String),
    /// The chat template is not valid, or asks for something that is not supported.
    #[error("the model's chat template cannot be used: {0}")]
    Template(String),
    /// The chat template refused the conversation by `raise_exception`.
    #[error("the model's chat template refuses this conversation: {0}")]
    Refused(String),
    /// A message holds something that the model cannot read.
    #[error(
        "a message holds a part of the type {0:?}, which this model does not read. Leave such rows out, or give their \
         content as text"
    )]
    Part(String),
    /// There is nothing to render.
    #[error("a conversation needs at least one message")]
    NoMessages,
    /// Text answers must end with a token that this tokenizer does not name.
    #[error(
        "the tokenizer names no end-of-sequence token, which answers in plain text need. Use pairs made of messages"
    )]
    NoEos,
    /// The parts of a pair are not all text or all messages.
    #[error("prompt, chosen and rejected must all be text or all be messages")]
    MixedPair,
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }

    /// Names the file that the error is about.
    pub(crate) fn in_file(path: &Path) -> impl FnOnce(Self) -> Self {
        let path = path.to_path_buf();
        move |source| Self::InFile { path, source: Box::new(source) }
    }

    pub(crate) fn tokenizer(error: impl std::fmt::Display) -> Self {
        Self::Tokenizer(error.to_string())
    }
}
