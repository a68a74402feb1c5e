//! Answers from a model: batched decoding with a cache, and the sampling of each next token.

mod decode;
mod sampling;

pub use decode::{Answer, Error, Finish, Flow, Request, generate};
pub use sampling::{Sampler, Sampling};
