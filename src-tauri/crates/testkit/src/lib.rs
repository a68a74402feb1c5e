//! Things that the tests of every crate need: tiny models on disk with a byte tokenizer, and synthetic pairs.
//!
//! Everything is made from a seed; nothing is downloaded. The files are the ones a user would bring: a Hugging Face
//! folder ([`TinyLlama::write_folder`]), the same in shards ([`TinyLlama::write_shards`]), or a GGUF file of the same
//! weights ([`TinyLlama::write_gguf`]). [`checks`] compares tensors.

pub mod checks;
mod device;
mod gguf_file;
mod llama;
mod pairs;
mod split;
mod tokenizer;

pub use device::{device, device_for, device_name};
pub use gguf_file::BLOCK_TYPES;
pub use llama::TinyLlama;
pub use pairs::pairs;
pub use split::split_gguf;
pub use tokenizer::{BEGIN, END, PAD, SPECIAL_TOKENS, byte_id};
