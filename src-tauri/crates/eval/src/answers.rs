//! What both models answered, kept line by line as it is produced.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which model an answer is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The model without the adapter.
    Base,
    /// The model with it.
    Tuned,
}

impl Side {
    /// Both sides.
    pub const BOTH: [Side; 2] = [Side::Base, Side::Tuned];

    /// The other model.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::Base => Side::Tuned,
            Side::Tuned => Side::Base,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Base => "base",
            Side::Tuned => "tuned",
        })
    }
}

/// One model's answer to one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which prompt, from 0.
    pub id: usize,
    /// Which model.
    pub side: Side,
    /// What it said.
    pub text: String,
    /// How many tokens that took.
    pub tokens: usize,
    /// Whether it ran into `max_new_tokens` instead of ending.
    pub truncated: bool,
}

/// The answers there are, by prompt and side.
pub type Answers = BTreeMap<(usize, Side), Answer>;
