//! How files rate the answers of the pairs that came from them.

use std::collections::HashMap;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Project;
use crate::mapping::{PairRatings, RatingOrder};
use crate::{Error, Pair};

/// The ratings of a pair, with the texts that they are of.
pub(super) struct StoredRatings {
    /// [`Pair::content_hash`] of the pair as it came in.
    hash: String,
    ratings: PairRatings,
}

impl StoredRatings {
    /// The ratings of these texts: those of the file, or the two exchanged. An answer that was edited has none.
    pub(super) fn of(&self, pair: &Pair) -> Option<PairRatings> {
        if pair.content_hash() == self.hash {
            Some(self.ratings)
        } else {
            (pair.swapped().content_hash() == self.hash).then(|| self.ratings.swapped())
        }
    }
}

impl Project {
    /// The ratings of all pairs that have any, by their numbers.
    pub(super) fn stored_ratings(&self) -> Result<HashMap<i64, StoredRatings>, Error> {
        self.read(|db| {
            let mut statement =
                db.prepare(&format!("SELECT {COLUMNS}, id FROM pairs WHERE rating_chosen IS NOT NULL"))?;
            statement.query_map([], |row| Ok((row.get(4)?, stored(row)?)))?.collect()
        })
    }
}

/// How the file rates the answers of a pair as it is now.
pub(super) fn ratings_of(db: &Connection, id: i64, pair: &Pair) -> rusqlite::Result<Option<PairRatings>> {
    let query = format!("SELECT {COLUMNS} FROM pairs WHERE id = ? AND rating_chosen IS NOT NULL");
    let found = db.prepare_cached(&query)?.query_row([id], stored).optional()?;
    Ok(found.and_then(|stored| stored.of(pair)))
}

const COLUMNS: &str = "hash, rating_chosen, rating_rejected, rating_order";

fn stored(row: &Row) -> rusqlite::Result<StoredRatings> {
    let ratings = PairRatings { chosen: row.get(1)?, rejected: row.get(2)?, order: row.get(3)? };
    Ok(StoredRatings { hash: row.get(0)?, ratings })
}

impl ToSql for RatingOrder {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.name().to_sql()
    }
}

impl FromSql for RatingOrder {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}
