//! How files rate the answers of the pairs that came from them.

use std::collections::HashMap;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Project;
use crate::mapping::{MappedContent, MappedRow, PairRatings, RatingOrder};
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
            // Of several the last one is kept: the newest.
            let mut statement = db.prepare(&format!(
                "SELECT {COLUMNS}, id, 0 FROM pairs WHERE rating_chosen IS NOT NULL UNION ALL SELECT * FROM ({LATER})"
            ))?;
            statement.query_map([], |row| Ok((row.get(4)?, stored(row)?)))?.collect()
        })
    }
}

/// How the file rates the answers of a pair as it is now.
pub(super) fn ratings_of(db: &Connection, id: i64, pair: &Pair) -> rusqlite::Result<Option<PairRatings>> {
    Ok(as_imported(db, id)?.and_then(|stored| stored.of(pair)))
}

/// How the first file that rates a pair's answers does so.
fn as_imported(db: &Connection, id: i64) -> rusqlite::Result<Option<StoredRatings>> {
    let first = format!("SELECT {COLUMNS} FROM pairs WHERE id = ? AND rating_chosen IS NOT NULL");
    let later = format!("SELECT * FROM ({LATER}) WHERE id = ? ORDER BY number DESC LIMIT 1");
    let mut found = db.prepare_cached(&first)?.query_row([id], stored).optional()?;
    if found.is_none() {
        found = db.prepare_cached(&later)?.query_row([id], stored).optional()?;
    }
    Ok(found)
}

/// Whether a row, of this [`content_hash`](MappedContent::content_hash), rates the answers of a pair that is there and has no
/// ratings.
pub(super) fn are_new(db: &Connection, row: &MappedRow, hash: &str) -> rusqlite::Result<bool> {
    let (MappedContent::Pair(_), Some(_)) = (&row.content, row.ratings) else { return Ok(false) };
    let mut there = db.prepare_cached("SELECT id FROM pairs WHERE hash = ?")?;
    let id: Option<i64> = there.query_row([hash], |row| row.get(0)).optional()?;
    Ok(match id {
        Some(id) => !db.prepare_cached(RATED)?.exists([id])?,
        None => false,
    })
}

/// Whether a row says otherwise of a pair that is there: other ratings, or another category. What came first stays.
pub(super) fn differ(db: &Connection, row: &MappedRow, hash: &str) -> rusqlite::Result<bool> {
    let MappedContent::Pair(pair) = &row.content else { return Ok(false) };
    if row.ratings.is_none() && pair.category.is_none() {
        return Ok(false);
    }
    let there = "SELECT id, category FROM pairs WHERE hash = ?";
    let found = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?));
    let Some((id, category)) = db.prepare_cached(there)?.query_row([hash], found).optional()? else {
        return Ok(false);
    };
    let is_other = |known: PairRatings| row.ratings.is_some_and(|own| own != known);
    Ok(as_imported(db, id)?.is_some_and(|stored| is_other(stored.ratings))
        || pair.category.is_some() && pair.category != category)
}

const RATED: &str = "SELECT 1 FROM pairs WHERE id = ?1 AND rating_chosen IS NOT NULL
    UNION ALL SELECT 1 FROM later_ratings WHERE pair = ?1";

/// Keeps the ratings that a later file has of a pair, where it has none. Gives whether they are new.
pub(super) fn add_later(db: &Connection, pair: i64, import: i64, ratings: PairRatings) -> rusqlite::Result<bool> {
    if db.prepare_cached(RATED)?.exists([pair])? {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO later_ratings (pair, import, rating_chosen, rating_rejected, rating_order) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![pair, import, ratings.chosen, ratings.rejected, ratings.order])?;
    Ok(true)
}

const COLUMNS: &str = "hash, rating_chosen, rating_rejected, rating_order";
/// Those of later files, in the order of coming in.
const LATER: &str =
    "SELECT hash, later.rating_chosen, later.rating_rejected, later.rating_order, pairs.id, later.id AS number
    FROM later_ratings AS later JOIN pairs ON pairs.id = pair ORDER BY later.id";

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
