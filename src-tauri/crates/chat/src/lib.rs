//! From conversations to token ids: tokenizer, chat template, and the boundary between prompt and response.
//!
//! A [`Tokenizer`] comes from a model folder (`tokenizer.json` and its companions) or from the metadata of a GGUF file
//! alone. [`encode_pair`] turns a preference pair into ids exactly as TRL 1.16 does, [`limit`] cuts it to a length, and
//! [`encode_prompt`] prepares a prompt for generation.
//!
//! What holds here: the ids are those that `transformers` and TRL would make from the same files, and what cannot be done
//! the same way is an error that says so, never something near it. A chat template is a program from a stranger: it is
//! run by minijinja without access to files, and its failures are errors.

mod added_tokens;
mod error;
mod folder;
mod gguf_tokenizer;
mod limits;
mod metadata;
mod oddities;
mod ollama;
mod pair;
mod pre_tokenizer;
mod python;
mod template;
mod tokenizer;
mod written;

pub use error::Error;
pub use gguf_tokenizer::gguf_tokenizer;
pub use limits::{Kept, Limited, Limits, Over, PairIds, Truncation, limit};
pub use oddities::{OddPairs, Oddities, Rendered, begins_twice};
pub use ollama::ollama_template;
pub use pair::{Boundary, EncodedPair, encode_pair, encode_prompt};
pub use tokenizer::Tokenizer;
pub use written::write_tokenizer;

#[cfg(test)]
mod tests;
