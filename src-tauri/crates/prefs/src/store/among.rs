//! A queue of some of the items: those on which annotators differ, for a third person's vote, or the pairs of an audit. What is
//! shown there and judged is kept as in the queue of all items; sides are drawn, and nothing shows what was said before.

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::queue::{Next, Progress};
use super::verdict::Side;

/// Which items are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Among {
    /// Those on which annotators differ, nothing being decided, and which the annotator has not judged.
    Disagreements,
    /// The pairs of an audit, by its number.
    Audit(i64),
}

impl Among {
    /// The items, as SQL that selects `item` and `place` by the parameter `?2`.
    fn items(self) -> &'static str {
        match self {
            Self::Disagreements => {
                "SELECT item, item AS place FROM item_states WHERE ready = 1 AND outcome = 'none' AND ?2 IS NULL"
            }
            // A pair that was removed or changed since is not the file's any more.
            Self::Audit(_) => {
                "SELECT item, audit_items.rowid AS place FROM audit_items
                 JOIN items ON items.id = item JOIN listing ON listing.id = items.pair
                 WHERE audit = ?2 AND source = 'imported'"
            }
        }
    }

    fn audit(self) -> Option<i64> {
        match self {
            Self::Disagreements => None,
            Self::Audit(audit) => Some(audit),
        }
    }
}

/// What is next of them: what was taken back, what was shown, what is new, and at the end what was skipped.
pub(super) fn next(db: &Connection, annotator: i64, among: Among, ahead: usize) -> rusqlite::Result<Vec<Next>> {
    let query = format!(
        "SELECT wanted.item, CASE WHEN state = 'skipped' THEN NULL ELSE showing END, state = 'changed'
         FROM ({}) AS wanted
         LEFT JOIN tasks ON tasks.annotator = ?1 AND pass = 0 AND tasks.item = wanted.item
         WHERE coalesce(state, '') <> 'done'
         ORDER BY coalesce(state, '') = 'skipped', coalesce(undone, 0) DESC, state IS NULL, place LIMIT ?3",
        among.items()
    );
    let mut statement = db.prepare_cached(&query)?;
    let next = |row: &Row| {
        Ok(Next {
            item: row.get(0)?,
            second_pass: false,
            showing: row.get(1)?,
            changed: row.get::<_, Option<bool>>(2)?.unwrap_or(false),
        })
    };
    statement.query_map(params![annotator, among.audit(), ahead as i64], next)?.collect()
}

pub(super) fn progress(db: &Connection, annotator: i64, among: Among) -> rusqlite::Result<Progress> {
    let query = format!(
        "SELECT count(*), count(CASE WHEN state = 'done' THEN 1 END), count(CASE WHEN state = 'skipped' THEN 1 END),
                count(CASE WHEN side = ?3 THEN 1 END), count(side)
         FROM ({}) AS wanted LEFT JOIN tasks ON tasks.annotator = ?1 AND pass = 0 AND tasks.item = wanted.item",
        among.items()
    );
    db.prepare_cached(&query)?.query_row(params![annotator, among.audit(), Side::Left], |row| {
        let number = |column: usize| row.get::<_, i64>(column).map(|number| number as usize);
        let (total, done, skipped, left, sided) = (number(0)?, number(1)?, number(2)?, number(3)?, number(4)?);
        // Of items on which others differ, what this annotator has judged already is not asked.
        let total = if among == Among::Disagreements { total - done } else { total };
        let done = if among == Among::Disagreements { 0 } else { done };
        Ok(Progress { done, total, skipped, left_share: (sided > 0).then(|| left as f64 / sided as f64) })
    })
}
