//! Models and adapters as files that other programs load.

pub mod lora_gguf;
pub mod merge;
pub mod merge_gguf;

mod block_types;
mod config_gguf;
mod config_json;
mod encode;
mod gguf_type;

pub use gguf_type::GgufType;
