//! Many pairs at once, and sets of them.

use super::{KeptFinding, PairQuery};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use prefs::store::{SetDefinition, Subset};

/// Asks for the numbers of pairs.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct PairIdsOf {
    /// The project's folder.
    pub project: String,
    pub query: PairQuery,
    /// Those of this finding alone.
    pub finding: Option<KeptFinding>,
}

/// Pairs that were chosen from a list.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct PairsChosen {
    /// One by one.
    pub ids: Vec<i64>,
    /// Or all that this finds.
    pub query: Option<PairQuery>,
    /// Of them those of this finding.
    pub finding: Option<KeptFinding>,
    /// How many these were when they were chosen: others are not meant.
    pub expected: usize,
    /// The mark of the list when they were chosen: where one has changed since, or the list has others, nothing is done.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub seen: Option<String>,
}

/// What is done to pairs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairAct {
    /// Left out of what is trained on, or put back.
    Removed(bool),
    /// With the answers changing places: the chosen one becomes the rejected one.
    Swapped,
    /// Looked at and found to be labelled rightly, or no longer so.
    Confirmed(bool),
    /// Given a category; none where absent.
    Category(Option<String>),
    /// Put into a set of chosen pairs.
    IntoSet(i64),
    /// Taken out of it.
    OutOfSet(i64),
}

/// Pairs to be acted on.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct ActOnPairs {
    /// The project's folder.
    pub project: String,
    pub who: String,
    pub pairs: PairsChosen,
    pub act: PairAct,
}

/// Something that was done to pairs and is to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct UndoAct {
    /// The project's folder.
    pub project: String,
    pub who: String,
    pub act: u32,
}

/// What was done to pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairsActedOn {
    /// By which it can be undone.
    pub act: u32,
    pub changed: usize,
    /// Those that were so already; of what is undone, those that somebody has changed since.
    pub unchanged: usize,
    /// Those of which this cannot be done: as they were judged or removed, or are not what they were when they were chosen.
    pub unsuited: usize,
    /// Rows of a run that the project has no pair for.
    pub elsewhere: usize,
    /// Further rows of a run that are the same pair.
    pub again: usize,
    /// What that means for runs that wait or train, as sentences without a full stop.
    pub says: Vec<String>,
    /// The mark of a look at the pairs as they are after this.
    pub seen: String,
}

/// A set in a list.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PairSetView {
    /// Its number.
    pub set: i64,
    pub name: String,
    pub definition: SetDefinition,
    /// When it was made or last changed.
    pub at: i64,
    /// Pairs that are trained on, as it is now.
    pub count: usize,
    /// Pairs of it that were removed, taken back or are to be judged again.
    pub not_trained_on: usize,
    /// How many pairs there would be without its subset.
    pub of: usize,
}

/// A set to be made or changed.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct SaveSet {
    /// The project's folder.
    pub project: String,
    pub who: String,
    /// Its number; a new one where absent.
    pub set: Option<i64>,
    pub name: String,
    pub definition: SetDefinition,
    /// When it was last changed as far as the form knows: where it was changed since, nothing is saved.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub at: Option<i64>,
}

/// A set to be removed or brought back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RemoveSet {
    /// The project's folder.
    pub project: String,
    pub who: String,
    pub set: i64,
    pub removed: bool,
}

/// A set that was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
pub struct SavedSet {
    pub set: i64,
}
