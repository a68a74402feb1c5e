//! Did the model get better? Answers of base and tuned model in, a win rate with its uncertainty and a report out.
//!
//! An [`Evaluation`](evaluation::Evaluation) is a folder: both models answer the same held-out prompts (the caller
//! generates; [`answers`] keeps what was produced, so that a killed evaluation resumes where it stopped), a [`judge`]
//! says which answer is better without knowing whose it is, or [`people`] do, and [`statistics`] says how sure one can be of the result.
//! [`accuracy`] measures held-out preference pairs by log-probabilities, [`degeneration`] counts length and repetition,
//! and [`report`] writes one HTML page with all of it.
//!
//! What holds here: a judge that gives no usable verdict is counted as such, never as a tie; every number is shown with
//! its interval; text from models and files reaches the report only escaped.

mod error;
mod files;

pub mod accuracy;
pub mod answers;
pub mod degeneration;
pub mod evaluation;
pub mod judge;
pub mod people;
pub mod report;
pub mod statistics;

pub use error::Error;
