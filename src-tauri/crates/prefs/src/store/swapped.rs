//! Labels turned round, many at once.

use rusqlite::Connection;

use super::Project;
use super::edited::edit_imported;
use super::pairs::{PairSource, listed};
use super::upon::Upon;
use crate::Error;

impl Project {
    /// Lets the answers of pairs change places, of all of them or of none. A pair that is not what is meant is left as it is, and so
    /// is one that annotators have judged, that was removed or whose import was taken back. Gives those that were swapped, each with
    /// the number of this change: what undoes this.
    ///
    /// # Errors
    /// When there is no such pair, or it cannot be written.
    pub fn swap_pairs(&mut self, pairs: &[(i64, Upon)], who: &str) -> Result<Vec<(i64, i64)>, Error> {
        self.write(|transaction| {
            let mut swapped = Vec::new();
            for (id, upon) in pairs {
                let (pair, source) = listed(transaction, *id)?.ok_or(Error::NoPair { id: *id })?;
                let is_meant = upon.is_met(&pair, || last_edit(transaction, *id))?;
                if is_meant && matches!(source, PairSource::Imported | PairSource::Edited) {
                    edit_imported(transaction, *id, who, &pair.swapped())?;
                    swapped.extend(last_edit(transaction, *id)?.map(|change| (*id, change)));
                }
            }
            Ok(swapped)
        })
    }
}

fn last_edit(db: &Connection, pair: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT max(id) FROM pair_revisions WHERE pair = ? AND prompt IS NOT NULL")?
        .query_row([pair], |row| row.get(0))
}
