//! What a pair is to be for something to be done to it.

use crate::Pair;

/// What a pair is to be for something to be done to it: otherwise somebody has changed it, and it is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upon {
    /// Whatever it is.
    Anything,
    /// It has the texts of this [hash](Pair::content_hash).
    Texts(String),
    /// This change was the last one of its kind: it is the one that is to be undone.
    Change(i64),
}

impl Upon {
    /// Whether `pair` is so, of which `last` gives the last change of the kind.
    pub(super) fn is_met(
        &self,
        pair: &Pair,
        last: impl FnOnce() -> rusqlite::Result<Option<i64>>,
    ) -> rusqlite::Result<bool> {
        Ok(match self {
            Self::Anything => true,
            Self::Texts(hash) => *hash == pair.content_hash(),
            Self::Change(change) => last()? == Some(*change),
        })
    }
}
