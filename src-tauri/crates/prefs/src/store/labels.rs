//! Annotators and their judgements. A judgement is on disk before the call returns; undo takes one back by a row of its own.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::derived::current_item;
use super::items::shown;
use super::sql::{annotator, now};
use super::verdict::Verdict;
use super::{Failed, Project, derived};
use crate::Error;

/// Longest name of an annotator, in characters.
const LONGEST_NAME: usize = 80;

/// A verdict on one showing of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judging {
    /// Who judges.
    pub annotator: String,
    /// What is judged.
    pub item: i64,
    /// How it was shown.
    pub showing: i64,
    /// What was pressed.
    pub verdict: Verdict,
    /// How long it took.
    pub milliseconds: u64,
    /// What the annotator has to say about it.
    pub note: Option<String>,
}

impl Project {
    /// All annotators, in the order of coming.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn annotators(&self) -> Result<Vec<String>, Error> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT name FROM annotators ORDER BY id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Adds an annotator, if the name is new; names that differ only in case are one.
    ///
    /// # Errors
    /// When the name is empty or too long, or it cannot be written.
    pub fn add_annotator(&mut self, name: &str) -> Result<(), Error> {
        self.write(|transaction| known_annotator(transaction, name).map(|_| ()))
    }

    /// Records a verdict on the texts of the showing, whatever the item's texts are now. Sending the same verdict on the same showing again changes nothing, so that a caller who got no
    /// answer may try again.
    ///
    /// # Errors
    /// When the showing is not this annotator's of this item, the item was judged otherwise already, or it cannot be
    /// written.
    pub fn judge(&mut self, judging: &Judging) -> Result<(), Error> {
        self.write(|transaction| {
            let Judging { item, showing, verdict, .. } = *judging;
            let shown =
                shown(transaction, &judging.annotator, item, showing)?.ok_or(Error::NoShowing { item, showing })?;
            let task = params![shown.annotator, item, shown.second_pass];
            let mut statement = transaction.prepare_cached(
                "SELECT showing, verdict, item_revision FROM judgements JOIN showings ON showings.id = showing
                 WHERE judgements.annotator = ? AND judgements.item = ? AND judgements.second_pass = ?
                   AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
                 ORDER BY judgements.id DESC LIMIT 1",
            )?;
            let judged = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, Verdict>(1)?, row.get(2)?));
            if let Some((before, said, revision)) = statement.query_row(task, judged).optional()? {
                if (before, said) == (showing, verdict) {
                    return Ok(());
                }
                // A skip, and what was said of texts that were changed since, leaves the item to be judged.
                let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
                if before == showing || (said != Verdict::Skip && current.had_these_texts(transaction, revision)?) {
                    return Err(Error::AlreadyJudged { item }.into());
                }
            }
            let note = judging.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
            transaction
                .prepare_cached(
                    "INSERT INTO judgements
                         (showing, item, annotator, second_pass, verdict, meaning, milliseconds, note, at, guideline)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT max(id) FROM guidelines))",
                )?
                .execute(params![
                    showing,
                    item,
                    shown.annotator,
                    shown.second_pass,
                    verdict,
                    verdict.meaning(shown.left),
                    i64::try_from(judging.milliseconds).unwrap_or(i64::MAX),
                    note,
                    now(),
                ])?;
            derived::refresh_task(transaction, shown.annotator, item, shown.second_pass)?;
            derived::refresh_item(transaction, item)?;
            Ok(())
        })
    }

    /// Takes back the annotator's newest judgement that still stands. The item is then the next one again, its answers in
    /// the same places. Returns the item; `None` where there is nothing to take back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn undo(&mut self, annotator_name: &str) -> Result<Option<i64>, Error> {
        self.write(|transaction| {
            let Some(annotator) = annotator(transaction, annotator_name)? else { return Ok(None) };
            let mut statement = transaction.prepare_cached(LAST_STANDING)?;
            let last = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?));
            let Some((judgement, item, second_pass)) = statement.query_row([annotator], last).optional()? else {
                return Ok(None);
            };
            transaction
                .prepare_cached("INSERT INTO undone (judgement, at) VALUES (?, ?)")?
                .execute(params![judgement, now()])?;
            derived::refresh_task(transaction, annotator, item, second_pass)?;
            derived::refresh_item(transaction, item)?;
            Ok(Some(item))
        })
    }

    /// Takes back one judgement, whatever was judged after it. Answers whether it still stood.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take_back(&mut self, judgement: i64) -> Result<bool, Error> {
        self.write(|transaction| {
            let stands = "SELECT annotator, item, second_pass FROM judgements
                          WHERE id = ? AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)";
            let task = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?));
            let found = transaction.prepare_cached(stands)?.query_row([judgement], task).optional()?;
            let Some((annotator, item, second_pass)) = found else { return Ok(false) };
            transaction
                .prepare_cached("INSERT INTO undone (judgement, at) VALUES (?, ?)")?
                .execute(params![judgement, now()])?;
            derived::refresh_task(transaction, annotator, item, second_pass)?;
            derived::refresh_item(transaction, item)?;
            Ok(true)
        })
    }

    /// Asks the annotator again about `share` (0 to 1) of the items they have judged. Which ones depends on `seed` and the
    /// items alone; those asked again before count. Returns how many were added.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn second_pass(&mut self, annotator_name: &str, share: f64, seed: u64) -> Result<usize, Error> {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.write(|transaction| {
            let annotator = known_annotator(transaction, annotator_name)?;
            let judged: Vec<(i64, bool)> = transaction
                .prepare_cached(
                    "SELECT item, EXISTS (SELECT 1 FROM second_passes AS again
                                          WHERE again.annotator = ?1 AND again.item = tasks.item)
                     FROM tasks WHERE annotator = ?1 AND pass = 0 AND state = 'done'",
                )?
                .query_map([annotator], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let wanted = (judged.len() as f64 * share).round() as usize;
            let wanted = if share > 0.0 && !judged.is_empty() { wanted.max(1) } else { wanted };
            let asked = judged.iter().filter(|(_, asked)| *asked).count();
            let rank = |item: i64| Sha256::new().chain_update(seed.to_le_bytes()).chain_update(item.to_le_bytes());
            let mut left: Vec<(Vec<u8>, i64)> = judged
                .iter()
                .filter(|(_, asked)| !asked)
                .map(|(item, _)| (rank(*item).finalize().to_vec(), *item))
                .collect();
            left.sort_unstable();
            left.truncate(wanted.saturating_sub(asked));
            for (_, item) in &left {
                transaction
                    .prepare_cached(
                        "INSERT INTO second_passes (annotator, item, share, seed, at) VALUES (?, ?, ?, ?, ?)",
                    )?
                    .execute(params![annotator, item, share, seed as i64, now()])?;
                derived::refresh_task(transaction, annotator, *item, true)?;
            }
            Ok(left.len())
        })
    }
}

/// An annotator's newest judgement that was not undone.
pub(super) const LAST_STANDING: &str = "SELECT id, item, second_pass FROM judgements
    WHERE annotator = ? AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
    ORDER BY id DESC LIMIT 1";

/// The annotator's number, made where the name is new.
pub(super) fn known_annotator(transaction: &Transaction, name: &str) -> Result<i64, Failed> {
    if let Some(known) = annotator(transaction, name)? {
        return Ok(known);
    }
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::AnnotatorName { most: LONGEST_NAME }.into());
    }
    transaction.execute("INSERT INTO annotators (name, at) VALUES (?, ?)", params![name, now()])?;
    Ok(transaction.last_insert_rowid())
}
