//! The header of a GGUF file, or of the parts of one that was split: its metadata and where its tensors lie; and writing such
//! files. What the numbers of a
//! tensor mean is left to others.
//!
//! A GGUF file is little-endian: the magic `GGUF`, a version, the number of tensors, the number of metadata entries,
//! the entries, one description per tensor, padding to `general.alignment`, and the tensors' data
//! (`ggml/docs/gguf.md`; versions 2 and 3 are read).
//!
//! What holds here: the file is untrusted. Every count and length is checked against the bytes that are left before
//! anything is allocated for it, memory stays below [`MAX_VALUES`] values plus the text in the file, and whatever the
//! bytes are, the answer is a [`Header`] or an [`Error`], never a panic. A tensor of a [`Header`] lies inside the file. A file
//! that is written ([`Writer`]) appears whole or not at all.

mod block_type;
mod error;
mod header;
mod model;
mod reader;
mod value;
mod writer;

pub use block_type::BlockType;
pub use error::Error;
pub use header::{Header, MAX_VALUES, TensorInfo, read_header, read_header_from};
pub use model::{Model, files_of};
pub use value::Value;
pub use writer::{NewTensor, Writer};

#[cfg(test)]
mod tests;
