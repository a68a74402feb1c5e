//! What both sides answered, kept line by line as it is produced.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which side an answer is from. Files call them so also where other things are compared; an evaluation's
/// [ancestry](crate::evaluation::Ancestry::names) says what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What is compared with: the model without the adapter, unless something else is.
    Base,
    /// What the win rate is of: the model with the adapter, unless it is something else.
    Tuned,
}

impl Side {
    /// Both sides.
    pub const BOTH: [Side; 2] = [Side::Base, Side::Tuned];

    /// The other side.
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

/// One side's answer to one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which prompt, from 0.
    pub id: usize,
    /// Which side.
    pub side: Side,
    /// What it said.
    pub text: String,
    /// How many tokens that took; none of answers that nothing is known of but their text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// Whether it ran into `max_new_tokens` instead of ending.
    #[serde(default)]
    pub truncated: bool,
}

/// The answers there are, by prompt and side.
pub type Answers = BTreeMap<(usize, Side), Answer>;
