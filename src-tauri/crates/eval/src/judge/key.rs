//! The key of a judge: where it comes from, and itself, which stands in no file and no message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a key comes from that is in no variable of the environment. It is kept for the server's [origin](super::Endpoint::origin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFrom {
    /// It was typed, and is known until the program ends.
    Session,
    /// The system's keyring.
    Keyring,
}

impl KeyFrom {
    /// As it is written after the model's name.
    pub fn written(self) -> &'static str {
        match self {
            Self::Session => "@session",
            Self::Keyring => "@keyring",
        }
    }

    /// From how it is written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Session, Self::Keyring].into_iter().find(|from| from.written() == text)
    }
}

/// A key in memory. It is part of no comparison: a judge with another key is the same judge.
#[derive(Clone, Default)]
pub(super) struct Key(pub(super) Option<String>);

impl PartialEq for Key {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "(a key)" } else { "(no key)" })
    }
}
