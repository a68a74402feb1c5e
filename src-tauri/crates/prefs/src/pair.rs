//! One preference pair and its parts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or what else the model's template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message by `role` saying `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A prompt or an answer: plain text (taken as it is) or messages (rendered by the model's chat template).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(untagged)]
pub enum Content {
    /// Text as it is.
    Text(String),
    /// Turns of a conversation.
    Messages(Vec<Message>),
}

impl Content {
    /// The text itself, or what the last message says; empty where there is no message.
    pub fn last_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Messages(messages) => messages.last().map_or("", |message| message.content.as_str()),
        }
    }

    /// The messages, where this is a conversation.
    pub fn as_messages(&self) -> Option<&[Message]> {
        match self {
            Self::Text(_) => None,
            Self::Messages(messages) => Some(messages),
        }
    }

    /// Length in characters (Unicode scalar values) of the text, or of all messages' contents together.
    pub fn chars(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Messages(messages) => messages.iter().map(|message| message.content.chars().count()).sum(),
        }
    }

    /// Whether nothing is said but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Messages(messages) => messages.iter().all(|message| message.content.trim().is_empty()),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<Message>> for Content {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

/// A prompt with a better and a worse answer. The three parts are all text or all messages, and the answers do not
/// repeat the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// What was asked.
    pub prompt: Content,
    /// The preferred answer.
    pub chosen: Content,
    /// The other answer.
    pub rejected: Content,
    /// A label of the user's own, by which results can be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

impl Pair {
    /// SHA-256 (hexadecimal) of prompt, chosen and rejected: two pairs with the same content have the same hash,
    /// whatever their category, file or line. Each part goes in with its own length, so that no two contents collide
    /// by moving a border.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [&self.prompt, &self.chosen, &self.rejected] {
            hash_content(&mut hasher, part);
        }
        format!("{:x}", hasher.finalize())
    }

    /// Whether the pair is made of messages, and so goes through the chat template.
    pub fn is_conversational(&self) -> bool {
        matches!(self.prompt, Content::Messages(_))
    }

    /// Checks what holds for every pair that was read: one form throughout, a prompt that is not empty, and messages with
    /// roles.
    ///
    /// # Errors
    /// Says in plain words what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let parts = [("prompt", &self.prompt), ("chosen", &self.chosen), ("rejected", &self.rejected)];
        for (name, part) in parts {
            if matches!(part, Content::Messages(_)) != self.is_conversational() {
                return Err(format!("`{name}` and `prompt` must both be text or both be messages"));
            }
            let Content::Messages(messages) = part else { continue };
            if messages.is_empty() {
                return Err(format!("`{name}` holds no message"));
            }
            if let Some(at) = messages.iter().position(|message| message.role.is_empty()) {
                return Err(format!("message {} of `{name}` has an empty `role`", at + 1));
            }
        }
        if matches!(&self.prompt, Content::Text(text) if text.is_empty()) {
            return Err("`prompt` is empty".to_owned());
        }
        Ok(())
    }
}

fn hash_content(hasher: &mut Sha256, content: &Content) {
    match content {
        Content::Text(text) => {
            hasher.update(b"t");
            hash_text(hasher, text);
        }
        Content::Messages(messages) => {
            hasher.update(b"m");
            hasher.update((messages.len() as u64).to_le_bytes());
            for message in messages {
                hash_text(hasher, &message.role);
                hash_text(hasher, &message.content);
            }
        }
    }
}

fn hash_text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
    }

    #[test]
    fn the_hash_follows_content_only() {
        let one = pair("p", "c", "r");
        let labelled = Pair { category: Some("maths".to_owned()), ..one.clone() };
        assert_eq!(one.content_hash(), labelled.content_hash());
        assert_eq!(one.content_hash().len(), 64);
        assert_ne!(one.content_hash(), pair("p", "r", "c").content_hash());
        assert_ne!(pair("ab", "c", "r").content_hash(), pair("a", "bc", "r").content_hash());
        let spoken = Pair {
            prompt: vec![Message::new("user", "p")].into(),
            chosen: vec![Message::new("assistant", "c")].into(),
            rejected: vec![Message::new("assistant", "r")].into(),
            category: None,
        };
        assert_ne!(one.content_hash(), spoken.content_hash());
    }

    /// The hash names cached numbers on users' disks: it must never change for the same content.
    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(
            pair("p", "c", "r").content_hash(),
            // printf 't\1\0\0\0\0\0\0\0pt\1\0\0\0\0\0\0\0ct\1\0\0\0\0\0\0\0r' | sha256sum
            "940456027092969c9324ae8d908f461665e0170571cf25f7b7965073b6d7b359"
        );
    }

    #[test]
    fn mixed_and_empty_pairs_do_not_validate() {
        assert_eq!(pair("p", "", "").validate(), Ok(()));
        assert!(pair("", "c", "r").validate().is_err());
        let mixed = Pair { chosen: vec![Message::new("assistant", "c")].into(), ..pair("p", "", "r") };
        assert!(mixed.validate().is_err());
        let nobody = Pair {
            prompt: vec![Message::new("", "p")].into(),
            chosen: vec![Message::new("assistant", "c")].into(),
            rejected: Vec::new().into(),
            category: None,
        };
        assert!(nobody.validate().is_err());
    }
}
