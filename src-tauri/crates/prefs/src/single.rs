//! A prompt with one answer: a demonstration, or an answer that was labelled good or bad.

use sha2::{Digest, Sha256};

use crate::Content;
use crate::pair::hash_content;

/// An answer that stands alone beside its prompt: TRL's prompt-completion form, or with a label its unpaired preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleAnswer {
    /// What was asked.
    pub prompt: Content,
    /// What was answered.
    pub answer: Content,
    /// Whether the answer is a good one, where somebody said so. Without a label it is a demonstration.
    pub label: Option<bool>,
    /// A label of the user's own, by which results can be told apart.
    pub category: Option<String>,
}

impl SingleAnswer {
    /// SHA-256 (hexadecimal) of the prompt.
    pub fn prompt_hash(&self) -> String {
        let mut hasher = Sha256::new();
        hash_content(&mut hasher, &self.prompt);
        format!("{:x}", hasher.finalize())
    }

    /// SHA-256 (hexadecimal) of prompt, answer and label.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(match self.label {
            None => b"demonstration".as_slice(),
            Some(true) => b"good",
            Some(false) => b"bad",
        });
        hash_content(&mut hasher, &self.prompt);
        hash_content(&mut hasher, &self.answer);
        format!("{:x}", hasher.finalize())
    }
}
