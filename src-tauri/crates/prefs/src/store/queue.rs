//! What an annotator sees next, and how far they have come.
//!
//! First what was taken back, then items whose texts were changed after they were judged, then those asked a second time, then
//! those already shown but not judged, then new ones in the order of coming in, and at the end those that were skipped. Which
//! answer stands left is drawn for every two showings, so that either does equally often, and recorded before it is shown.
//! Nothing here depends on what other annotators said.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::among::{self, Among};
use super::derived::{self, current_item, superseded};
use super::items::answer_text;
use super::labels::{LAST_STANDING, known_annotator};
use super::sql::now;
use super::verdict::{ItemAnswer, Side};
use super::{Failed, Project};
use crate::{Content, Error};

/// Items shown ahead, at most.
const MOST_AHEAD: usize = 100;

/// Judgements that the pace is taken from.
const PACE: usize = 20;

/// An item as one annotator is to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct LabelItem {
    /// Its number.
    pub item: i64,
    /// The showing to send back with the verdict.
    pub showing: i64,
    /// What was asked.
    pub prompt: Content,
    /// The answer that stands left.
    pub left: String,
    /// The answer that stands right.
    pub right: String,
    /// A label of the user's own.
    pub category: Option<String>,
    /// Whether the annotator has judged it before.
    pub second_pass: bool,
    /// Whether its texts have changed since the annotator judged it.
    pub changed: bool,
}

/// How far an annotator has come, and what is next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct LabelState {
    pub annotator: String,
    /// Items judged, second passes included.
    pub done: usize,
    /// Items to judge in all, second passes included.
    pub total: usize,
    /// Items skipped that will come back.
    pub skipped: usize,
    /// Median over the last 20 judgements.
    pub seconds_per_item: Option<f64>,
    /// What is left at that pace.
    pub seconds_left: Option<f64>,
    /// Whether there is a judgement to take back.
    pub can_undo: bool,
    /// How often the left answer was found better, of all times one was.
    pub left_share: Option<f64>,
    /// What is next, in order.
    pub queue: Vec<LabelItem>,
}

/// An item's place in the queue.
pub(super) struct Next {
    pub(super) item: i64,
    pub(super) second_pass: bool,
    /// The showing to use again, if it shows the answers as they are now.
    pub(super) showing: Option<i64>,
    pub(super) changed: bool,
}

impl Project {
    /// What is next for an annotator, `ahead` items of it with their showings recorded, and how far they have come. A name
    /// that is new becomes an annotator. Asking again gives the same showings.
    ///
    /// # Errors
    /// When the name cannot be one, or the database cannot be written.
    pub fn label_state(&mut self, annotator: &str, ahead: usize) -> Result<LabelState, Error> {
        self.label_state_among(annotator, ahead, None)
    }

    /// The same of some of the items: the queue and how far the annotator has come are of these alone.
    ///
    /// # Errors
    /// As [`Project::label_state`].
    pub fn label_state_among(
        &mut self,
        annotator: &str,
        ahead: usize,
        among: Option<Among>,
    ) -> Result<LabelState, Error> {
        self.write(|transaction| {
            let number = known_annotator(transaction, annotator)?;
            let ahead = ahead.min(MOST_AHEAD);
            let mut queue = Vec::new();
            let all_next = match among {
                None => next(transaction, number, ahead)?,
                Some(among) => among::next(transaction, number, among, ahead)?,
            };
            for next in all_next {
                queue.extend(show(transaction, number, &next)?);
            }
            let progress = match among {
                None => progress(transaction, number)?,
                Some(among) => among::progress(transaction, number, among)?,
            };
            let seconds_per_item = pace(transaction, number)?;
            let left = progress.total - progress.done;
            Ok(LabelState {
                annotator: annotator.trim().to_owned(),
                done: progress.done,
                total: progress.total,
                skipped: progress.skipped,
                seconds_per_item,
                seconds_left: seconds_per_item.map(|seconds| seconds * left as f64),
                can_undo: transaction.prepare_cached(LAST_STANDING)?.exists([number])?,
                left_share: progress.left_share,
                queue,
            })
        })
    }
}

fn next(db: &Connection, annotator: i64, ahead: usize) -> rusqlite::Result<Vec<Next>> {
    // SQLite would go through all of the annotator's tasks, or through all items; few tasks are begun or skipped.
    // What is asked a second time waits until the first time is about the same texts.
    let begun = "SELECT tasks.item, pass, showing, state = 'changed' FROM tasks INDEXED BY tasks_by_state
         CROSS JOIN item_states ON item_states.item = tasks.item
         WHERE annotator = ?1 AND state IN ('open', 'asked', 'changed') AND ready = 1
           AND NOT (pass = 1 AND EXISTS (SELECT 1 FROM tasks AS first WHERE first.annotator = ?1 AND first.pass = 0
                                         AND first.item = tasks.item AND first.state = 'changed'))
         ORDER BY undone DESC, state = 'changed' DESC, pass DESC, state DESC, showing, tasks.item LIMIT ?2";
    // Items are shown in order, so the new ones nearly always begin after the last one shown. Only where that does not give
    // enough are all of them compared (both sides come in order and are merged): answers may have come later.
    let after = "SELECT item FROM item_states WHERE ready = 1
         AND item > (SELECT coalesce(max(item), 0) FROM tasks WHERE annotator = ?1 AND pass = 0) ORDER BY item LIMIT ?2";
    let new = "SELECT item FROM item_states WHERE ready = 1
         EXCEPT SELECT item FROM tasks WHERE annotator = ?1 AND pass = 0 ORDER BY 1 LIMIT ?2";
    let skipped = "SELECT tasks.item, pass FROM tasks INDEXED BY tasks_by_state
         CROSS JOIN item_states ON item_states.item = tasks.item
         WHERE annotator = ?1 AND state = 'skipped' AND ready = 1 ORDER BY judgement LIMIT ?2";
    let left = |found: &[Next]| (ahead - found.len()) as i64;
    let mut found = Vec::new();
    let seen = |row: &Row| {
        Ok(Next { item: row.get(0)?, second_pass: row.get(1)?, showing: row.get(2)?, changed: row.get(3)? })
    };
    let mut statement = db.prepare_cached(begun)?;
    for next in statement.query_map(params![annotator, left(&found)], seen)? {
        found.push(next?);
    }
    let unseen = |row: &Row| Ok(Next { item: row.get(0)?, second_pass: false, showing: None, changed: false });
    let unseen = |query: &str, limit: i64| -> rusqlite::Result<Vec<Next>> {
        db.prepare_cached(query)?.query_map(params![annotator, limit], unseen)?.collect()
    };
    let limit = left(&found);
    let last = unseen(after, limit)?;
    found.extend(if (last.len() as i64) < limit { unseen(new, limit)? } else { last });
    let again = |row: &Row| Ok(Next { item: row.get(0)?, second_pass: row.get(1)?, showing: None, changed: false });
    let mut statement = db.prepare_cached(skipped)?;
    for next in statement.query_map(params![annotator, left(&found)], again)? {
        found.push(next?);
    }
    Ok(found)
}

/// The item as it is to be seen, with a showing recorded for it: the one there is, or a new one where the item was not
/// shown yet or its answers were edited since (they stay on their sides then).
fn show(transaction: &Transaction, annotator: i64, next: &Next) -> Result<Option<LabelItem>, Failed> {
    let Some(item) = current_item(transaction, next.item)? else { return Ok(None) };
    let (Some(first), Some(second)) = (&item.first, &item.second) else { return Ok(None) };
    let known = match next.showing {
        Some(showing) => transaction
            .prepare_cached("SELECT left, item_revision FROM showings WHERE id = ?")?
            .query_row([showing], |row| Ok((showing, row.get::<_, ItemAnswer>(0)?, row.get::<_, Option<i64>>(1)?)))
            .optional()?,
        None => None,
    };
    let (showing, left) = match known {
        Some((showing, left, revision)) if revision == item.revision => (showing, left),
        known => {
            let left = match known {
                Some((_, left, _)) => left,
                None => drawn(transaction, annotator)?,
            };
            transaction
                .prepare_cached(
                    "INSERT INTO showings (item, item_revision, annotator, second_pass, left, at) VALUES (?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![next.item, item.revision, annotator, next.second_pass, left, now()])?;
            let showing = transaction.last_insert_rowid();
            derived::refresh_task(transaction, annotator, next.item, next.second_pass)?;
            (showing, left)
        }
    };
    let (left, right) = if left == ItemAnswer::First { (first, second) } else { (second, first) };
    Ok(Some(LabelItem {
        item: next.item,
        showing,
        left: answer_text(left),
        right: answer_text(right),
        prompt: item.prompt,
        category: item.category,
        second_pass: next.second_pass,
        changed: next.changed || item.pair.map_or(Ok(false), |pair| has_judged(transaction, annotator, pair))?,
    }))
}

/// Whether the annotator has judged a pair as it was before it was edited: an item of its own each time.
fn has_judged(db: &Connection, annotator: i64, pair: i64) -> rusqlite::Result<bool> {
    let judged = concat!(
        "SELECT 1 FROM items JOIN judgements ON judgements.item = items.id
         WHERE pair = ?1 AND annotator = ?2 AND meaning <> 'skip' AND ",
        superseded!(),
        " AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)"
    );
    db.prepare_cached(judged)?.exists([pair, annotator])
}

/// Which answer stands left in a new showing: drawn for every two, so that an annotator sees the first and the second
/// answer left equally often, and one who likes a side prefers neither.
fn drawn(db: &Connection, annotator: i64) -> rusqlite::Result<ItemAnswer> {
    let drawn = if rand::random() { ItemAnswer::First } else { ItemAnswer::Second };
    let before: i64 = db
        .prepare_cached("SELECT count(*) FROM showings WHERE annotator = ?")?
        .query_row([annotator], |row| row.get(0))?;
    if before % 2 == 0 {
        return Ok(drawn);
    }
    let last = "SELECT left FROM showings NOT INDEXED WHERE annotator = ? ORDER BY id DESC LIMIT 1";
    let last: Option<ItemAnswer> = db.prepare_cached(last)?.query_row([annotator], |row| row.get(0)).optional()?;
    Ok(match last {
        Some(ItemAnswer::First) => ItemAnswer::Second,
        Some(ItemAnswer::Second) => ItemAnswer::First,
        None => drawn,
    })
}

pub(super) struct Progress {
    pub(super) done: usize,
    pub(super) total: usize,
    pub(super) skipped: usize,
    pub(super) left_share: Option<f64>,
}

fn progress(db: &Connection, annotator: i64) -> rusqlite::Result<Progress> {
    // Counted in stretches of the index, which is several times as fast as grouping.
    let mut statement =
        db.prepare_cached("SELECT count(*) FROM tasks WHERE annotator = ? AND state = ? AND pass = ? AND side IS ?")?;
    let mut counted = |state: &str, pass: bool, side: Option<Side>| {
        statement.query_row(params![annotator, state, pass, side], |row| row.get::<_, i64>(0))
    };
    let (mut done, mut asked_again, mut skipped, mut left, mut right) = (0, 0, 0, 0, 0);
    for second_pass in [false, true] {
        let on_left = counted("done", second_pass, Some(Side::Left))?;
        let on_right = counted("done", second_pass, Some(Side::Right))?;
        let done_here = on_left + on_right + counted("done", second_pass, None)?;
        let skipped_here = counted("skipped", second_pass, None)?;
        if second_pass {
            asked_again = done_here + skipped_here;
            for state in ["open", "asked", "changed"] {
                asked_again += counted(state, true, None)?;
            }
        }
        done += done_here;
        skipped += skipped_here;
        left += on_left;
        right += on_right;
    }
    let count = |query: &str| db.prepare_cached(query)?.query_row([], |row| row.get::<_, i64>(0));
    let ready = count("SELECT count(*) FROM item_states")? - count("SELECT count(*) FROM item_states WHERE ready = 0")?;
    // What was judged before it was removed stays done; what was not will never be asked.
    let mut statement = db.prepare_cached(
        "SELECT count(CASE WHEN pass = 0 AND state = 'done' THEN 1 END),
                count(CASE WHEN pass = 1 AND state <> 'done' THEN 1 END),
                count(CASE WHEN state = 'skipped' THEN 1 END)
         FROM item_states CROSS JOIN tasks ON tasks.item = item_states.item
         WHERE removed = 1 AND annotator = ? AND pass IN (0, 1)",
    )?;
    let gone = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    let (gone_done, gone_again, gone_skipped) = statement.query_row([annotator], gone)?;
    // What was judged in an audit is counted there.
    let in_audits: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM tasks WHERE annotator = ? AND pass = 0 AND state = 'done'
             AND item IN (SELECT item FROM audit_items)",
        )?
        .query_row([annotator], |row| row.get(0))?;
    Ok(Progress {
        done: (done - in_audits) as usize,
        total: (ready + gone_done + asked_again - gone_again - in_audits) as usize,
        skipped: (skipped - gone_skipped) as usize,
        left_share: (left + right > 0).then(|| left as f64 / (left + right) as f64),
    })
}

/// Median seconds of the annotator's last judgements.
fn pace(db: &Connection, annotator: i64) -> rusqlite::Result<Option<f64>> {
    let mut statement = db.prepare_cached(
        "SELECT milliseconds FROM judgements
         WHERE annotator = ? AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
         ORDER BY id DESC LIMIT ?",
    )?;
    let last = statement.query_map(params![annotator, PACE as i64], |row| row.get::<_, i64>(0))?;
    let seconds: Vec<f64> = last.map(|taken| Ok(taken? as f64 / 1000.0)).collect::<rusqlite::Result<_>>()?;
    Ok(crate::agreement::median(seconds))
}
