//! Models by name: the catalogue, and bringing a model's file onto this machine; [`repository`] does so for any model and
//! data set of the Hugging Face hub.
//!
//! What holds: a file has its final name only when all of it is there and its SHA-256 is the catalogue's, whatever source
//! it came from and wherever a fetch was interrupted.

mod cache;
mod catalogue;
mod error;
mod fetch;
mod hugging_face;
pub mod judge_keys;
mod python;
pub mod repository;

pub use cache::cache_dir;
pub use catalogue::{Entry, Source, catalogue, find};
pub use error::{Attempt, Error};
pub use fetch::{Progress, Stage, fetch};
