//! Labels turned round, many at once.

use super::Project;
use super::pairs::{PairSource, listed};
use super::revisions::edit_imported;
use crate::Error;

impl Project {
    /// Lets the answers of pairs change places, of all of them or of none. `pairs` are numbers, each with the
    /// [hash](crate::Pair::content_hash) of the texts that are meant: a pair that has others now is left as it is, and so is one
    /// that annotators have judged, that was removed or whose import was taken back. Gives those that were swapped, with the hash
    /// of what each is now: what undoes this.
    ///
    /// # Errors
    /// When there is no such pair, or it cannot be written.
    pub fn swap_pairs(&mut self, pairs: &[(i64, Option<String>)], who: &str) -> Result<Vec<(i64, String)>, Error> {
        self.write(|transaction| {
            let mut swapped = Vec::new();
            for (id, meant) in pairs {
                let (pair, source) = listed(transaction, *id)?.ok_or(Error::NoPair { id: *id })?;
                let is_meant = meant.as_ref().is_none_or(|hash| *hash == pair.content_hash());
                if is_meant && matches!(source, PairSource::Imported | PairSource::Edited) {
                    let now_is = pair.swapped();
                    edit_imported(transaction, *id, who, &now_is)?;
                    swapped.push((*id, now_is.content_hash()));
                }
            }
            Ok(swapped)
        })
    }
}
