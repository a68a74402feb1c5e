//! What a row of a table becomes: a pair, two answers to label, one answer, or a prompt.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Content, Pair, SingleAnswer};

/// A prompt with two answers, between which nothing is said yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidates {
    /// What was asked.
    pub prompt: Content,
    /// One answer.
    pub first: Content,
    /// The other answer.
    pub second: Content,
    /// A label of the user's own.
    pub category: Option<String>,
}

/// What a row became.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MappedContent {
    Pair(Pair),
    /// Two answers to be labelled.
    Candidates(Candidates),
    /// A demonstration, or an answer with a label of its own.
    Single(SingleAnswer),
    /// A prompt to be answered.
    Prompt(crate::prompts::Prompt),
}

impl MappedContent {
    /// What was asked.
    pub fn prompt(&self) -> &Content {
        match self {
            Self::Pair(pair) => &pair.prompt,
            Self::Candidates(candidates) => &candidates.prompt,
            Self::Single(single) => &single.prompt,
            Self::Prompt(prompt) => &prompt.prompt,
        }
    }

    /// The chosen, the first or the only answer.
    pub fn first(&self) -> Option<&Content> {
        match self {
            Self::Pair(pair) => Some(&pair.chosen),
            Self::Candidates(candidates) => Some(&candidates.first),
            Self::Single(single) => Some(&single.answer),
            Self::Prompt(_) => None,
        }
    }

    /// The rejected or the second answer.
    pub fn second(&self) -> Option<&Content> {
        match self {
            Self::Pair(pair) => Some(&pair.rejected),
            Self::Candidates(candidates) => Some(&candidates.second),
            Self::Single(_) | Self::Prompt(_) => None,
        }
    }

    /// The label of the user's own.
    pub fn category(&self) -> Option<&str> {
        match self {
            Self::Pair(pair) => pair.category.as_deref(),
            Self::Candidates(candidates) => candidates.category.as_deref(),
            Self::Single(single) => single.category.as_deref(),
            Self::Prompt(prompt) => prompt.category.as_deref(),
        }
    }

    /// SHA-256 (hexadecimal) of the content. Of a pair it is [`Pair::content_hash`]; two answers to be labelled are the
    /// same whichever stands first.
    pub fn content_hash(&self) -> String {
        match self {
            Self::Pair(pair) => pair.content_hash(),
            Self::Candidates(candidates) => {
                let hash = |one: &Content, other: &Content| {
                    let (prompt, chosen, rejected) = (candidates.prompt.clone(), one.clone(), other.clone());
                    Pair { prompt, chosen, rejected, category: None }.content_hash()
                };
                let (one, other) = (&candidates.first, &candidates.second);
                hash(one, other).min(hash(other, one))
            }
            Self::Single(single) => single.content_hash(),
            Self::Prompt(prompt) => {
                let said = serde_json::to_vec(&prompt.prompt).unwrap_or_default();
                format!("{:x}", Sha256::new().chain_update(b"prompt").chain_update(said).finalize())
            }
        }
    }
}
