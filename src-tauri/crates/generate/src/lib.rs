//! Answers from a model: batched decoding with a cache, and the sampling of each next token.

mod decode;
mod sampling;

pub use decode::{Completion, Error, Event, Finish, Flow, Request, generate, generate_each};
pub use sampling::{Sampler, Sampling};
