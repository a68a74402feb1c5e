//! Values in and out of the database.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{Row, params};

use crate::{Content, Pair};

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    parsed(&row.get::<_, String>(column)?, column)
}

/// The content in a column that may be empty.
pub(super) fn content(row: &Row, column: usize) -> rusqlite::Result<Option<Content>> {
    row.get::<_, Option<String>>(column)?.map(|text| parsed(&text, column)).transpose()
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(column, error))
}

/// A value that no version of this program has written.
pub(super) fn damaged(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

/// A pair from four columns on.
pub(super) fn pair(row: &Row, from: usize) -> rusqlite::Result<Pair> {
    Ok(Pair {
        prompt: from_json(row, from)?,
        chosen: from_json(row, from + 1)?,
        rejected: from_json(row, from + 2)?,
        category: row.get(from + 3)?,
    })
}

/// The moment of what is being written, in milliseconds since 1970.
pub(super) fn now() -> i64 {
    MOMENT.load(Ordering::Relaxed)
}

static MOMENT: AtomicI64 = AtomicI64::new(0);

/// Begins the moment of a transaction. It is later than every one before it in this process: what happened one after the
/// other within a millisecond, in different tables, is told in that order.
pub(super) fn begin_moment() {
    // A clock before 1970 is a wrong clock; the order of rows is kept by their numbers.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let later = |last: i64| Some(clock.max(last + 1));
    // The closure always gives a value: this cannot fail.
    let _ = MOMENT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
}

/// Another connection, perhaps in another process, has written when it changes.
pub(super) fn data_version(db: &rusqlite::Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// The number of an annotator, if the name is known.
pub(super) fn annotator(db: &rusqlite::Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    use rusqlite::OptionalExtension;
    let mut statement = db.prepare_cached("SELECT id FROM annotators WHERE name = ?")?;
    statement.query_row(params![name.trim()], |row| row.get(0)).optional()
}
