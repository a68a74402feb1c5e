//! Sets of pairs with names: a filter that is looked through anew whenever it is used, or pairs that were chosen one by one; of
//! either a part may be drawn.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Project;
use super::pairs::PairQuery;
use super::sql::{from_json, json, now};
use crate::Error;

/// The longest name of a set, in characters.
const LONGEST_NAME: usize = 100;

/// What belongs to a set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct SetDefinition {
    /// All pairs that this finds; where absent, those that were put into the set one by one.
    pub filter: Option<PairQuery>,
    /// Only so many of them.
    pub subset: Option<Subset>,
}

/// A part that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct Subset {
    /// How many pairs.
    pub count: usize,
    /// By which they are drawn: the same pairs each time, and of a set that grows most of them.
    pub seed: u64,
}

/// A set with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct PairSet {
    /// Its number in the project, from 1.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What belongs to it.
    pub definition: SetDefinition,
    /// When it was made or last changed, in milliseconds since 1970 (UTC).
    pub at: i64,
}

impl Project {
    /// All sets, in the order in which they were made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sets(&self) -> Result<Vec<PairSet>, Error> {
        self.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT pair_set, name, definition, at FROM set_versions
                 WHERE id IN (SELECT max(id) FROM set_versions GROUP BY pair_set) AND removed = 0 ORDER BY pair_set",
            )?;
            statement.query_map([], pair_set)?.collect()
        })
    }

    /// A set by its number.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub fn set(&self, set: i64) -> Result<PairSet, Error> {
        self.read(|db| current(db, set))?
            .filter(|(_, removed)| !removed)
            .map(|(set, _)| set)
            .ok_or(Error::NoSet { set })
    }

    /// Makes a set, or gives one another name or definition. Gives its number.
    ///
    /// # Errors
    /// When there is no such set, the name is none or another set's, the definition is that of no set, or it cannot be written.
    pub fn save_set(
        &mut self,
        set: Option<i64>,
        who: &str,
        name: &str,
        definition: &SetDefinition,
    ) -> Result<i64, Error> {
        self.save_set_upon(set, None, who, name, definition)
    }

    /// The same, where the set is still the one of that moment ([`PairSet::at`]).
    ///
    /// # Errors
    /// As [`Project::save_set`], and when it was changed since.
    pub fn save_set_upon(
        &mut self,
        set: Option<i64>,
        at: Option<i64>,
        who: &str,
        name: &str,
        definition: &SetDefinition,
    ) -> Result<i64, Error> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            let reason = format!("a name has 1 to {LONGEST_NAME} characters, on one line");
            return Err(Error::InvalidSet { reason });
        }
        if definition.subset.is_some_and(|subset| subset.count == 0) {
            return Err(Error::InvalidSet { reason: "a subset of 0 pairs is none; ask for 1 or more".into() });
        }
        if definition.filter.as_ref().is_some_and(|filter| filter.set.is_some()) {
            let reason = "its filter names another set; save that set with the other filters, too".into();
            return Err(Error::InvalidSet { reason });
        }
        if self.sets()?.iter().any(|other| Some(other.id) != set && other.name.eq_ignore_ascii_case(name)) {
            return Err(Error::InvalidSet { reason: format!("there is a set {name:?} already; choose another name") });
        }
        let filter = definition.filter.clone().map(|filter| PairQuery { offset: 0, limit: 0, ..filter });
        let definition = SetDefinition { filter, ..definition.clone() };
        self.write(|transaction| {
            let id = match set {
                Some(set) => {
                    let (known, _) = current(transaction, set)?.ok_or(Error::NoSet { set })?;
                    if at.is_some_and(|at| at != known.at) {
                        return Err(Error::ChangedSet { name: known.name }.into());
                    }
                    set
                }
                None => {
                    transaction
                        .query_row("SELECT coalesce(max(pair_set), 0) + 1 FROM set_versions", [], |row| row.get(0))?
                }
            };
            add_version(transaction, id, who, name, &definition, false)?;
            Ok(id)
        })
    }

    /// Removes a set, or brings it back. Its pairs stay what they are.
    ///
    /// # Errors
    /// When there was no such set, or it cannot be written.
    pub fn remove_set(&mut self, set: i64, who: &str, removed: bool) -> Result<(), Error> {
        self.write(|transaction| {
            let (known, _) = current(transaction, set)?.ok_or(Error::NoSet { set })?;
            Ok(add_version(transaction, set, who, &known.name, &known.definition, removed)?)
        })
    }

    /// Puts pairs into a set of chosen pairs, or takes them out. Gives those that were not so before: what undoes this.
    ///
    /// # Errors
    /// When there is no such set, it is one by a filter, or it cannot be written.
    pub fn set_members(&mut self, set: i64, ids: &[i64], who: &str, member: bool) -> Result<Vec<i64>, Error> {
        let pairs: Vec<_> = ids.iter().map(|&id| (id, None)).collect();
        Ok(self.set_members_upon(set, &pairs, who, member)?.into_iter().map(|(id, _)| id).collect())
    }

    /// The same for those pairs that nobody has put in or taken out since the change of that number, where there is one. Gives with
    /// each the number of this change.
    ///
    /// # Errors
    /// As [`Project::set_members`].
    pub fn set_members_upon(
        &mut self,
        set: i64,
        pairs: &[(i64, Option<i64>)],
        who: &str,
        member: bool,
    ) -> Result<Vec<(i64, i64)>, Error> {
        let known = self.set(set)?;
        if known.definition.filter.is_some() {
            let reason =
                format!("{} is a filter: its pairs are those that it finds; make a set of chosen pairs", known.name);
            return Err(Error::InvalidSet { reason });
        }
        self.write(|transaction| {
            let mut changed = Vec::new();
            let newest = "SELECT member, id FROM set_members WHERE pair_set = ? AND pair = ? ORDER BY id DESC LIMIT 1";
            for &(id, upon) in pairs {
                let found = |row: &Row| Ok((row.get(0)?, row.get(1)?));
                let last: Option<(bool, i64)> =
                    transaction.prepare_cached(newest)?.query_row(params![set, id], found).optional()?;
                let is_meant = upon.is_none_or(|upon| last.is_some_and(|(_, change)| change == upon));
                if last.is_some_and(|(is_member, _)| is_member) != member && is_meant {
                    transaction
                        .prepare_cached(
                            "INSERT INTO set_members (pair_set, pair, at, who, member) VALUES (?, ?, ?, ?, ?)",
                        )?
                        .execute(params![set, id, now(), who, member])?;
                    changed.push((id, transaction.last_insert_rowid()));
                }
            }
            Ok(changed)
        })
    }

    /// The pairs of a set as it is now, in the order of the listing; of chosen ones without a subset also those that are not
    /// trained on.
    ///
    /// # Errors
    /// When there is no such set, or the database cannot be read.
    pub fn pairs_of_set(&self, set: i64) -> Result<Vec<i64>, Error> {
        let definition = self.set(set)?.definition;
        let mut ids = self.all_of(set, &definition)?;
        let Some(subset) = definition.subset else { return Ok(ids) };
        if definition.filter.is_none() {
            // Drawn is from those that can be trained on.
            let trained: HashSet<i64> = self.matching(&PairQuery::default(), None)?.into_iter().collect();
            ids.retain(|id| trained.contains(id));
        }
        Ok(drawn(ids, subset))
    }

    /// How many pairs a set would have without its subset.
    ///
    /// # Errors
    /// As [`Project::pairs_of_set`].
    pub fn count_of_set(&self, set: &PairSet) -> Result<usize, Error> {
        Ok(self.all_of(set.id, &set.definition)?.len())
    }

    fn all_of(&self, set: i64, definition: &SetDefinition) -> Result<Vec<i64>, Error> {
        match &definition.filter {
            Some(filter) => {
                let mut ids = self.matching(filter, None)?;
                ids.sort_unstable();
                Ok(ids)
            }
            None => self.read(|db| {
                let mut statement = db.prepare_cached(
                    "SELECT pair FROM set_members AS newest
                     WHERE pair_set = ?1 AND member = 1 AND id = (
                         SELECT max(id) FROM set_members WHERE pair_set = ?1 AND pair = newest.pair)
                     ORDER BY pair",
                )?;
                statement.query_map([set], |row| row.get(0))?.collect()
            }),
        }
    }
}

/// Those of `ids` that a subset has, in their order.
fn drawn(ids: Vec<i64>, subset: Subset) -> Vec<i64> {
    let rank =
        |id: i64| Sha256::new().chain_update(subset.seed.to_le_bytes()).chain_update(id.to_le_bytes()).finalize();
    let mut ranked: Vec<_> = ids.into_iter().map(|id| (rank(id), id)).collect();
    ranked.sort_unstable();
    let mut kept: Vec<i64> = ranked.into_iter().take(subset.count).map(|(_, id)| id).collect();
    kept.sort_unstable();
    kept
}

/// The newest version of a set, and whether it is removed.
fn current(db: &Connection, set: i64) -> rusqlite::Result<Option<(PairSet, bool)>> {
    let query =
        "SELECT pair_set, name, definition, at, removed FROM set_versions WHERE pair_set = ? ORDER BY id DESC LIMIT 1";
    db.prepare_cached(query)?.query_row([set], |row| Ok((pair_set(row)?, row.get(4)?))).optional()
}

fn pair_set(row: &Row) -> rusqlite::Result<PairSet> {
    Ok(PairSet { id: row.get(0)?, name: row.get(1)?, definition: from_json(row, 2)?, at: row.get(3)? })
}

fn add_version(
    db: &Connection,
    set: i64,
    who: &str,
    name: &str,
    definition: &SetDefinition,
    removed: bool,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO set_versions (pair_set, at, who, name, definition, removed) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![set, now(), who, name, json(definition)?, removed])?;
    Ok(())
}
