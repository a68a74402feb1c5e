//! Labels that somebody has looked at and found right.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Project;
use super::pairs::{PairSource, listed};
use super::revisions::{PairChange, PairView};
use super::sql::now;
use crate::Error;

impl Project {
    /// Notes that the label of a pair, with the texts that it has now, was looked at and found right, or takes that back. With
    /// other texts, or labelled the other way round, it is not confirmed.
    ///
    /// # Errors
    /// When there is no such pair, or it cannot be written.
    pub fn confirm_pair(&mut self, id: i64, who: &str, confirmed: bool) -> Result<PairView, Error> {
        self.write(|transaction| {
            let (pair, _) = listed(transaction, id)?.ok_or(Error::NoPair { id })?;
            Ok(note(transaction, id, &pair.content_hash(), who, confirmed)?)
        })?;
        self.pair(id)
    }

    /// The same for many pairs, all of them or none. Removed ones and those that are to be judged again are not confirmed.
    ///
    /// # Errors
    /// As [`Project::confirm_pair`].
    pub fn confirm_pairs(&mut self, ids: &[i64], who: &str, confirmed: bool) -> Result<ConfirmedPairs, Error> {
        self.write(|transaction| {
            let mut all = ConfirmedPairs::default();
            for &id in ids {
                let (pair, source) = listed(transaction, id)?.ok_or(Error::NoPair { id })?;
                if confirmed && matches!(source, PairSource::Removed | PairSource::ToJudge) {
                    all.unsuited += 1;
                } else if note(transaction, id, &pair.content_hash(), who, confirmed)? {
                    all.changed.push((id, transaction.last_insert_rowid()));
                }
            }
            Ok(all)
        })
    }

    /// Undoes what was noted of labels: `changes` are pairs, each with the number of that change. What somebody has noted of the same
    /// texts since stays. Gives what undoes this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn undo_confirmations(&mut self, changes: &[(i64, i64)], who: &str) -> Result<Vec<(i64, i64)>, Error> {
        self.write(|transaction| {
            let mut undone = Vec::new();
            let query = format!("SELECT hash, confirmed FROM confirmations WHERE id = ? AND {NEWEST}");
            for (id, change) in changes {
                let found = |row: &Row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
                let last = transaction.prepare_cached(&query)?.query_row([change], found).optional()?;
                let Some((hash, confirmed)) = last else { continue };
                if note(transaction, *id, &hash, who, !confirmed)? {
                    undone.push((*id, transaction.last_insert_rowid()));
                }
            }
            Ok(undone)
        })
    }

    /// [`Pair::content_hash`](crate::Pair::content_hash) of all pairs whose labels were found right.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn confirmed(&self) -> Result<HashSet<String>, Error> {
        self.read(|db| {
            let mut statement =
                db.prepare_cached(&format!("SELECT hash FROM confirmations WHERE {NEWEST} AND confirmed"))?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Changes whenever a label is confirmed, or that is taken back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn confirmations_version(&self) -> Result<i64, Error> {
        self.read(|db| {
            db.prepare_cached("SELECT coalesce(max(id), 0) FROM confirmations")?.query_row([], |row| row.get(0))
        })
    }
}

/// What became of pairs whose labels were to be confirmed, or no longer so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfirmedPairs {
    /// Those that were not so before, each with the number of this change: what undoes this.
    pub changed: Vec<(i64, i64)>,
    /// How many have no label that could be confirmed.
    pub unsuited: usize,
}

/// Whether it was not so before.
fn note(transaction: &Transaction, id: i64, hash: &str, who: &str, confirmed: bool) -> rusqlite::Result<bool> {
    let changes = is_confirmed(transaction, hash)? != confirmed;
    if changes {
        transaction
            .prepare_cached("INSERT INTO confirmations (hash, pair, at, who, confirmed) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![hash, id, now(), who, confirmed])?;
    }
    Ok(changes)
}

const NEWEST: &str = "id = (SELECT max(id) FROM confirmations AS others WHERE others.hash = confirmations.hash)";

pub(super) fn is_confirmed(db: &Connection, hash: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(&format!("SELECT 1 FROM confirmations WHERE hash = ? AND {NEWEST} AND confirmed"))?.exists([hash])
}

/// What of a pair's history is about its label being right.
pub(super) fn changes(db: &Connection, pair: i64) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement = db.prepare_cached("SELECT at, who, confirmed FROM confirmations WHERE pair = ? ORDER BY id")?;
    let change = |row: &Row| {
        let what = if row.get(2)? { "Looked at it: the label is right." } else { "Took back that the label is right." };
        Ok(PairChange { at: row.get(0)?, who: row.get(1)?, what: what.to_owned(), texts: Vec::new() })
    };
    statement.query_map([pair], change)?.collect()
}
