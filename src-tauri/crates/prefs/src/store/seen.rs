//! What somebody has looked at, so that what they do to it is done to nothing else: the last change of the listing then, and, of a
//! list that depends on more than the listing, a digest of the pairs that it had.

use std::collections::HashSet;

use super::Project;
use super::pairs::listed;
use crate::{Error, Pair};

impl Project {
    /// The mark of a look at pairs, to be taken before they are read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn mark(&self) -> Result<String, Error> {
        Ok(self.pairs_version()?.to_string())
    }

    /// Pairs as they are now, none where a number has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pairs_now(&self, ids: &[i64]) -> Result<Vec<Option<Pair>>, Error> {
        self.read(|db| ids.iter().map(|id| Ok(listed(db, *id)?.map(|(pair, _)| pair))).collect())
    }

    /// Those of `ids` that were written since the look with that mark: their texts, labels or categories may be others.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn changed_since(&self, mark: &str, ids: &[i64]) -> Result<Vec<i64>, Error> {
        // What is no mark is older than anything.
        let change: i64 = mark.split('-').next().and_then(|change| change.parse().ok()).unwrap_or(-1);
        let changed: HashSet<i64> = self.read(|db| {
            let mut statement = db.prepare_cached("SELECT DISTINCT id FROM listing_changes WHERE change > ?")?;
            statement.query_map([change], |row| row.get(0))?.collect()
        })?;
        Ok(ids.iter().copied().filter(|id| changed.contains(id)).collect())
    }
}

/// The mark with all pairs of a list that may have others without any of them changing: those of a set, an import, an annotator.
pub fn marked(mark: &str, found: &[i64]) -> String {
    format!("{mark}-{:016x}", digest(found))
}

/// Whether a list has the pairs that it had at the look with that mark.
pub fn has_same_pairs(mark: &str, found: &[i64]) -> bool {
    mark.split_once('-').is_none_or(|(_, of)| of == format!("{:016x}", digest(found)))
}

/// The same for the same numbers in any order.
fn digest(ids: &[i64]) -> u64 {
    // The finaliser of splitmix64: numbers that are near one another become numbers that are not.
    let mixed = |id: &i64| {
        let mut z = (*id as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    ids.iter().map(mixed).fold(0, u64::wrapping_add)
}
