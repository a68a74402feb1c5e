//! Preference pairs: what they are, reading and writing them, checking them, splitting them, and the project that keeps
//! them.
//!
//! A [`Pair`] is one prompt with a `chosen` and a `rejected` answer, each as text or as messages, always with an explicit
//! prompt once read. [`jsonl`] reads and writes pairs, [`prompts`] reads held-out prompts, [`checks`] says what is odd
//! about a set, [`export`] writes pairs with what belongs to them, [`split`] holds prompts out, and [`store`] is the project
//! folder with its pairs, the items to label and every judgement. [`table`] and [`mapping`] bring files of foreign form in, and [`agreement`] says how far annotators agree.
//!
//! What holds here: every row of a file that is read is either kept or refused by line number with a reason, and
//! written files appear whole or not at all.

mod array;
mod difference;
mod error;
mod pair;
mod place;
mod rows;
mod single;
mod spill;

pub mod agreement;
pub mod checks;
pub mod export;
pub mod jsonl;
pub mod mapping;
pub mod prompts;
pub mod reader;
pub mod split;
pub mod store;
pub mod table;
pub mod whole;
pub mod words;

pub use difference::Difference;
pub use error::Error;
pub use pair::{Content, Conversation, Message, MessageContent, Pair, text_of_part};
pub use place::Place;
pub use rows::Refused;
pub use single::SingleAnswer;
