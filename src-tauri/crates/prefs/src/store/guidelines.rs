//! What annotators are to go by: a text per project, of which every version that was saved is kept.

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::sql::now;
use super::{Failed, Project};
use crate::Error;

/// A version of the guideline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct Guideline {
    /// Its number, from 1.
    pub version: i64,
    /// When it was saved, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Who saved it.
    pub who: String,
    /// The text, in Markdown. `[[pair 12]]` and `[[item 5]]` in it are examples of the project.
    pub text: String,
    /// Judgements and decisions that were given while it stood, and were not taken back.
    pub judgements: usize,
}

impl Project {
    /// All versions, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn guidelines(&self) -> Result<Vec<Guideline>, Error> {
        self.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT id, at, who, text,
                        (SELECT count(*) FROM judgements WHERE guideline = guidelines.id
                         AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id))
                        + (SELECT count(*) FROM decisions WHERE guideline = guidelines.id
                           AND NOT EXISTS (SELECT 1 FROM undone_decisions WHERE decision = decisions.id))
                 FROM guidelines ORDER BY id DESC",
            )?;
            let version = |row: &Row| {
                Ok(Guideline {
                    version: row.get(0)?,
                    at: row.get(1)?,
                    who: row.get(2)?,
                    text: row.get(3)?,
                    judgements: row.get::<_, i64>(4)? as usize,
                })
            };
            statement.query_map([], version)?.collect()
        })
    }

    /// Saves a new version of the guideline. `before` is the version that was edited, so that nothing that was saved meanwhile is
    /// passed over; the same text again is no new version.
    ///
    /// # Errors
    /// When `before` is not the newest version, or it cannot be written.
    pub fn save_guideline(&mut self, who: &str, text: &str, before: Option<i64>) -> Result<(), Error> {
        self.write(|transaction| {
            let newest = transaction
                .prepare_cached("SELECT id, text FROM guidelines ORDER BY id DESC LIMIT 1")?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
                .optional()?;
            let (version, saved) = newest.unzip();
            if saved.as_deref().unwrap_or("").trim_end() == text.trim_end() {
                return Ok(());
            }
            if let Some(version) = version.filter(|_| version != before) {
                return Err(Failed::from(Error::GuidelineSaved { version }));
            }
            transaction.prepare_cached("INSERT INTO guidelines (at, who, text) VALUES (?, ?, ?)")?.execute(params![
                now(),
                who,
                text.trim_end()
            ])?;
            Ok(())
        })
    }
}
