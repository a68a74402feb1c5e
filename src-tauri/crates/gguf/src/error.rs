//! Why a file is no usable GGUF file.

use std::path::PathBuf;

/// What is wrong with a GGUF file, and where. Positions are bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Error {
    /// The error of a file, with its path.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The operating system refused to read.
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
    /// The first four bytes are not those of a GGUF file.
    #[error("this is not a GGUF file: it begins with the bytes {found:02x?} instead of \"GGUF\"")]
    NotGguf {
        /// The bytes that are there.
        found: Vec<u8>,
    },
    /// The file was made for machines that store numbers the other way round.
    #[error(
        "this GGUF file is big-endian, which is not supported; convert the model again on or for a little-endian machine"
    )]
    BigEndian,
    /// A version of the format that cannot be read.
    #[error(
        "this GGUF file has version {0} of the format; versions 2 and 3 can be read. Convert the model again with a current llama.cpp"
    )]
    Version(u32),
    /// The file ends too early.
    #[error("the file ends too early: {what} at byte {at} needs {needed} bytes, {left} are left. Download it again")]
    Truncated {
        /// What was being read.
        what: String,
        /// Where it begins.
        at: u64,
        /// Its size.
        needed: u64,
        /// Bytes from there to the end of the file.
        left: u64,
    },
    /// A count that the file cannot hold, or that would need too much memory.
    #[error(
        "the file is damaged: {what} at byte {at} says that {count} follow, but at most {most} can. Download it again"
    )]
    Count {
        /// What was being counted.
        what: String,
        /// Where the count stands.
        at: u64,
        count: u64,
        /// The largest count that could be true there.
        most: u64,
    },
    /// Text that is not UTF-8.
    #[error("the file is damaged: {what} at byte {at} is not valid UTF-8")]
    NotText {
        /// What was being read.
        what: String,
        /// Where the text begins.
        at: u64,
    },
    /// A value whose type or content the format does not allow.
    #[error("the file is damaged: {what} at byte {at} {problem}")]
    Invalid {
        /// What was being read.
        what: String,
        /// Where it begins.
        at: u64,
        /// What is wrong, as the rest of a sentence.
        problem: String,
    },
    /// The file is one of several that hold a model together, and another is not there.
    #[error(
        "this model was split into {count} files, and part {number} is missing: download {name} into the same folder"
    )]
    MissingPart {
        /// Which one, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// Its name.
        name: String,
    },
    /// The file is no part of the model whose other parts lie beside it.
    #[error(
        "this file and those beside it are not the parts of one model that was split: {problem}. Download all parts \
         again, and keep their names"
    )]
    NotOfOneModel {
        /// What is wrong.
        problem: String,
    },
    /// A tensor that does not fit the format or the file.
    #[error("the tensor \"{name}\" {problem}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong, as the rest of a sentence.
        problem: String,
    },
}
