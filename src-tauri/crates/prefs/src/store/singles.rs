//! Single answers: demonstrations, and labelled answers that make no pair.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Project;
use super::import_changes::{Repeated, any_gone, insert_repeat, taken_back};
use super::pairs::{MOST_ROWS, beginning};
use super::sql::{from_json, json};
use crate::{Content, Error, Place, SingleAnswer};

/// Which single answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum SingleKind {
    /// Answers with a label that make no pair.
    Labels,
    /// Answers to be imitated.
    Demonstrations,
}

/// A single answer in a list: the beginning of each text, as in a [`PairRow`](super::PairRow).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ts_rs::TS)]
pub struct SingleRow {
    /// Its number.
    pub id: i64,
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    pub answer: String,
    /// Whether the answer is a good one; absent of a demonstration.
    pub label: Option<bool>,
    /// A label of the user's own.
    pub category: Option<String>,
}

/// A part of the single answers of one kind, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ts_rs::TS)]
pub struct SinglePage {
    /// How many there are.
    pub total: usize,
    /// Those asked for.
    pub rows: Vec<SingleRow>,
}

/// A single answer, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ts_rs::TS)]
pub struct StoredSingle {
    /// Its number.
    pub id: i64,
    /// What was asked.
    pub prompt: Content,
    /// What was answered.
    pub answer: Content,
    /// Whether the answer is a good one; absent of a demonstration.
    pub label: Option<bool>,
    /// A label of the user's own.
    pub category: Option<String>,
    /// What was imported.
    pub source: String,
    /// Where it stands there.
    #[serde(flatten)]
    pub place: Place,
}

impl Project {
    /// Single answers of a kind, from the one at `offset`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn singles_page(&self, kind: SingleKind, offset: usize, limit: usize) -> Result<SinglePage, Error> {
        self.read(|db| {
            let (labels, demonstrations) = counts(db)?;
            let total = if kind == SingleKind::Labels { labels } else { demonstrations };
            let limit = limit.min(MOST_ROWS);
            let row = |of: StoredSingle| SingleRow {
                id: of.id,
                prompt: beginning(&of.prompt),
                answer: beginning(&of.answer),
                label: of.label,
                category: of.category,
            };
            Ok(SinglePage { total, rows: of_kind(db, kind, offset, limit)?.into_iter().map(row).collect() })
        })
    }

    /// A single answer.
    ///
    /// # Errors
    /// When there is none of that number, or the database cannot be read.
    pub fn single(&self, id: i64) -> Result<StoredSingle, Error> {
        let query = format!("{STORED} WHERE single_answers.id = ?");
        let found = self.read(|db| db.prepare_cached(&query)?.query_row([id], stored).optional())?;
        found.ok_or(Error::NoSingle { id })
    }

    /// All single answers of a kind, in the order in which they came.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn singles(&self, kind: SingleKind) -> Result<Vec<SingleAnswer>, Error> {
        let single = |stored: StoredSingle| {
            let StoredSingle { prompt, answer, label, category, .. } = stored;
            SingleAnswer { prompt, answer, label, category }
        };
        self.read(|db| Ok(of_kind(db, kind, 0, i64::MAX as usize)?.into_iter().map(single).collect()))
    }
}

const STORED: &str = "SELECT single_answers.id, prompt, answer, label, category, source, line, row
                      FROM single_answers JOIN imports ON imports.id = import";

fn of_kind(db: &Connection, kind: SingleKind, offset: usize, limit: usize) -> rusqlite::Result<Vec<StoredSingle>> {
    let query =
        format!("{STORED} WHERE (label IS NULL) = ? AND {} ORDER BY single_answers.id LIMIT ? OFFSET ?", there(db)?);
    let mut statement = db.prepare_cached(&query)?;
    let wanted = params![kind == SingleKind::Demonstrations, limit as i64, offset as i64];
    statement.query_map(wanted, stored)?.collect()
}

fn stored(row: &Row) -> rusqlite::Result<StoredSingle> {
    Ok(StoredSingle {
        id: row.get(0)?,
        prompt: from_json(row, 1)?,
        answer: from_json(row, 2)?,
        label: row.get(3)?,
        category: row.get(4)?,
        source: row.get(5)?,
        place: Place::from_columns(row, 6)?,
    })
}

/// How many single labels, and how many demonstrations.
pub(super) fn counts(db: &Connection) -> rusqlite::Result<(usize, usize)> {
    let query = format!("SELECT count(*) FROM single_answers WHERE (label IS NULL) = ? AND {}", there(db)?);
    let mut statement = db.prepare_cached(&query)?;
    let mut count = |is_demonstration: bool| statement.query_row([is_demonstration], |row| row.get::<_, i64>(0));
    Ok((count(false)? as usize, count(true)? as usize))
}

/// Which single answers count as there, as SQL. Where nothing was ever taken back, an index alone tells.
fn there(db: &Connection) -> rusqlite::Result<&'static str> {
    Ok(if any_gone(db)? { concat!("NOT ", taken_back!("single_answers", "single")) } else { "TRUE" })
}

/// 1 where the answer is new, or was taken back and is there again.
pub(super) fn insert(db: &Connection, single: &SingleAnswer, import: i64, place: Place) -> rusqlite::Result<usize> {
    let SingleAnswer { prompt, answer, label, category } = single;
    let mut insert = db.prepare_cached(
        "INSERT INTO single_answers (hash, prompt_hash, import, line, row, prompt, answer, label, category)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    )?;
    let (prompt, answer) = (json(prompt)?, json(answer)?);
    let hashes = [single.content_hash(), single.prompt_hash()];
    let (line, row) = place.columns();
    if insert.execute(params![hashes[0], hashes[1], import, line, row, prompt, answer, label, category])? > 0 {
        return Ok(1);
    }
    let find = "SELECT id FROM single_answers WHERE hash = ?";
    let there = db.prepare_cached(find)?.query_row([&hashes[0]], |row| row.get(0))?;
    insert_repeat(db, Repeated::Single(there), Some(import), Some(place)).map(usize::from)
}

/// What is said of single labels that would make pairs with others, had they come together.
pub(super) const MEETS: &str = "the project has an answer to the same prompt that is labelled the other way, from an earlier \
                                import: to make pairs of them, put the files into one folder and import that";

/// Whether an earlier import than `before` brought a single label of the other kind for the same prompt.
pub(super) fn meets(db: &Connection, single: &SingleAnswer, before: i64) -> rusqlite::Result<bool> {
    let Some(label) = single.label else { return Ok(false) };
    let mut other = db.prepare_cached(concat!(
        "SELECT 1 FROM single_answers WHERE prompt_hash = ? AND label = ? AND import < ? AND NOT ",
        taken_back!("single_answers", "single")
    ))?;
    other.exists(params![single.prompt_hash(), !label, before])
}
