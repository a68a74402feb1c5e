//! What follows from what happened: the listing of pairs as they are now, the state of every item, and how far each
//! annotator has come. Each is computed from the rows that are only ever added, one entry at a time as they change.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::pairs::PairSource;
use super::sql::{content, damaged, pair};
use super::verdict::{ItemAnswer, Majority, Meaning, Verdict};
use crate::{Content, Pair};

/// Of a row of `items`: whether the pair that it was made of has been edited since, as SQL.
macro_rules! superseded {
    () => {
        "(items.pair IS NOT NULL AND items.pair_revision IS NOT
          (SELECT max(id) FROM pair_revisions WHERE pair = items.pair AND prompt IS NOT NULL))"
    };
}
pub(super) use superseded;

/// An imported pair as it is now.
pub(super) struct CurrentPair {
    pub(super) pair: Pair,
    pub(super) source: PairSource,
    /// The newest revision with content.
    pub(super) revision: Option<i64>,
}

/// An item as it is now.
pub(super) struct CurrentItem {
    pub(super) id: i64,
    pub(super) prompt: Content,
    pub(super) first: Option<Content>,
    pub(super) second: Option<Content>,
    pub(super) category: Option<String>,
    pub(super) pair: Option<i64>,
    /// The newest revision with content.
    pub(super) revision: Option<i64>,
    pub(super) removed: bool,
}

impl CurrentItem {
    pub(super) fn is_ready(&self) -> bool {
        !self.removed && self.first.is_some() && self.second.is_some()
    }

    pub(super) fn answer(&self, which: ItemAnswer) -> Option<&Content> {
        match which {
            ItemAnswer::First => self.first.as_ref(),
            ItemAnswer::Second => self.second.as_ref(),
        }
    }

    /// Whether it had the texts that it has now when it was shown as of `revision` (`None`: as it came in).
    pub(super) fn had_these_texts(&self, db: &Connection, revision: Option<i64>) -> rusqlite::Result<bool> {
        if revision == self.revision {
            return Ok(true);
        }
        let query = match revision {
            Some(_) => "SELECT prompt, first, second FROM item_revisions WHERE id = ?",
            None => "SELECT prompt, first, second FROM items WHERE id = ?",
        };
        let texts = |row: &Row| Ok([content(row, 0)?, content(row, 1)?, content(row, 2)?]);
        let [prompt, first, second] = db.prepare_cached(query)?.query_row([revision.unwrap_or(self.id)], texts)?;
        Ok(prompt.as_ref() == Some(&self.prompt) && first == self.first && second == self.second)
    }

    /// The pair that this item is when `better` is its better answer.
    pub(super) fn into_pair(self, better: ItemAnswer) -> Option<Pair> {
        let (first, second) = (self.first?, self.second?);
        let (chosen, rejected) = if better == ItemAnswer::First { (first, second) } else { (second, first) };
        Some(Pair { prompt: self.prompt, chosen, rejected, category: self.category })
    }
}

/// What a pair of the `pairs` table is now: as it came in, as it was edited, or as its annotators turned it.
pub(super) fn current_pair(db: &Connection, id: i64) -> rusqlite::Result<Option<CurrentPair>> {
    let mut statement = db.prepare_cached("SELECT prompt, chosen, rejected, category FROM pairs WHERE id = ?")?;
    let Some(imported) = statement.query_row([id], |row| pair(row, 0)).optional()? else { return Ok(None) };
    let category = imported.category.clone();
    let mut statement = db.prepare_cached(
        "SELECT prompt, chosen, rejected, id FROM pair_revisions WHERE pair = ? AND prompt IS NOT NULL
         ORDER BY id DESC LIMIT 1",
    )?;
    let edited = |row: &Row| Ok((row.get::<_, i64>(3)?, content(row, 0)?, content(row, 1)?, content(row, 2)?));
    let (mut pair, mut source, revision) = match statement.query_row([id], edited).optional()? {
        Some((revision, Some(prompt), Some(chosen), Some(rejected))) => {
            (Pair { prompt, chosen, rejected, category }, PairSource::Edited, Some(revision))
        }
        _ => (imported, PairSource::Imported, None),
    };
    if let Some(labelled) = labelled_again(db, id, revision)? {
        (pair, source) = (labelled, PairSource::Labelled);
    }
    let mut statement =
        db.prepare_cached("SELECT removed FROM pair_revisions WHERE pair = ? ORDER BY id DESC LIMIT 1")?;
    if statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or(false) {
        source = PairSource::Removed;
    }
    Ok(Some(CurrentPair { pair, source, revision }))
}

/// What annotators made of a pair that was labelled again. What is edited after that counts for more.
fn labelled_again(db: &Connection, pair: i64, revision: Option<i64>) -> rusqlite::Result<Option<Pair>> {
    let mut statement = db.prepare_cached(
        "SELECT item, outcome FROM items JOIN item_states ON item = id
         WHERE pair = ? AND pair_revision IS ? AND removed = 0 ORDER BY id DESC LIMIT 1",
    )?;
    let outcome = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Majority>>(1)?));
    let Some((item, outcome)) = statement.query_row(params![pair, revision], outcome).optional()? else {
        return Ok(None);
    };
    let Some(better) = outcome.and_then(Majority::better) else { return Ok(None) };
    Ok(current_item(db, item)?.and_then(|item| item.into_pair(better)))
}

/// An item with its newest answers.
pub(super) fn current_item(db: &Connection, id: i64) -> rusqlite::Result<Option<CurrentItem>> {
    let mut statement = db.prepare_cached("SELECT prompt, first, second, category, pair FROM items WHERE id = ?")?;
    let came_in = |row: &Row| {
        Ok(CurrentItem {
            id,
            prompt: content(row, 0)?.ok_or_else(|| damaged(0, "an item has no prompt"))?,
            first: content(row, 1)?,
            second: content(row, 2)?,
            category: row.get(3)?,
            pair: row.get(4)?,
            revision: None,
            removed: false,
        })
    };
    let Some(mut item) = statement.query_row([id], came_in).optional()? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT prompt, first, second, id FROM item_revisions WHERE item = ? AND prompt IS NOT NULL
         ORDER BY id DESC LIMIT 1",
    )?;
    let edited = |row: &Row| Ok((row.get::<_, i64>(3)?, content(row, 0)?, content(row, 1)?, content(row, 2)?));
    if let Some((revision, Some(prompt), first, second)) = statement.query_row([id], edited).optional()? {
        item = CurrentItem { prompt, first, second, revision: Some(revision), ..item };
    }
    let mut statement =
        db.prepare_cached("SELECT removed FROM item_revisions WHERE item = ? ORDER BY id DESC LIMIT 1")?;
    item.removed = statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or(false);
    Ok(Some(item))
}

/// What the annotators of an item say together: first passes that were not undone.
pub(super) struct Votes {
    /// What those say who judged the texts that it has now; `None` where nobody has.
    pub(super) outcome: Option<Majority>,
    /// What others said of the texts that it had before.
    before: Option<Majority>,
}

impl Votes {
    /// The better answer; where nobody has judged the texts that it has now, the one that was better before.
    pub(super) fn better(&self) -> Option<ItemAnswer> {
        self.outcome.or(self.before).and_then(Majority::better)
    }
}

/// A vote counts for the texts that it was given on, and for no others.
pub(super) fn said(db: &Connection, item: &CurrentItem) -> rusqlite::Result<Votes> {
    let mut statement = db.prepare_cached(
        "SELECT judgements.annotator, meaning, item_revision
         FROM judgements JOIN showings ON showings.id = showing
         WHERE judgements.item = ? AND judgements.second_pass = 0
           AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
         ORDER BY judgements.id",
    )?;
    let (mut now, mut before) = (BTreeMap::new(), BTreeMap::new());
    let mut rows = statement.query([item.id])?;
    while let Some(row) = rows.next()? {
        let (annotator, meaning): (i64, Meaning) = (row.get(0)?, row.get(1)?);
        let votes = if item.had_these_texts(db, row.get(2)?)? { &mut now } else { &mut before };
        votes.insert(annotator, meaning);
    }
    Ok(Votes { outcome: Majority::of(now.into_values()), before: Majority::of(before.into_values()) })
}

/// Whether the pair that an item was made of has been edited since: judging the item then says nothing of the pair.
pub(super) fn is_superseded(db: &Connection, item: i64) -> rusqlite::Result<bool> {
    db.prepare_cached(concat!("SELECT ", superseded!(), " FROM items WHERE id = ?"))?
        .query_row([item], |row| row.get(0))
}

/// Writes a line of the listing.
pub(super) fn list(db: &Connection, id: i64, source: PairSource, pair: &Pair) -> rusqlite::Result<()> {
    let mut statement =
        db.prepare_cached("INSERT OR REPLACE INTO listing (id, source, category, text) VALUES (?, ?, ?, ?)")?;
    statement.execute(params![id, source, pair.category, searched(pair)])?;
    Ok(())
}

/// The text of a pair to search in.
fn searched(pair: &Pair) -> String {
    let mut text = String::new();
    for part in [&pair.prompt, &pair.chosen, &pair.rejected] {
        match part {
            Content::Text(said) => text.push_str(said),
            Content::Messages(said) => said.messages.iter().for_each(|message| {
                text.push_str(&message.shown());
                text.push('\n');
            }),
        }
        text.push('\n');
    }
    text.to_lowercase()
}

/// Brings the listing's line of an imported pair up to date.
pub(super) fn refresh_pair(db: &Connection, id: i64) -> rusqlite::Result<()> {
    match current_pair(db, id)? {
        Some(current) => list(db, id, current.source, &current.pair),
        None => Ok(()),
    }
}

/// Brings the state of an item up to date, and the line of the pair that it is or belongs to.
pub(super) fn refresh_item(db: &Connection, id: i64) -> rusqlite::Result<()> {
    let Some(item) = current_item(db, id)? else { return Ok(()) };
    let said = said(db, &item)?;
    let removed = item.removed || is_superseded(db, id)?;
    let mut statement = db.prepare_cached(
        "INSERT OR REPLACE INTO item_states (item, revision, ready, removed, outcome) VALUES (?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![id, item.revision, item.is_ready() && !removed, removed, said.outcome])?;
    if let Some(pair) = item.pair {
        return refresh_pair(db, pair);
    }
    let source = match said.outcome {
        _ if item.removed => PairSource::Removed,
        Some(_) => PairSource::Labelled,
        None => PairSource::ToJudge,
    };
    match said.better().and_then(|better| item.into_pair(better)) {
        Some(pair) => list(db, -id, source, &pair),
        None => db.prepare_cached("DELETE FROM listing WHERE id = ?")?.execute([-id]).map(|_| ()),
    }
}

/// Brings all tasks of an item up to date in which something was judged: its texts are not what they were.
pub(super) fn refresh_tasks_of(db: &Connection, item: i64) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("SELECT DISTINCT annotator, second_pass FROM judgements WHERE item = ?")?;
    let tasks: Vec<(i64, bool)> =
        statement.query_map([item], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    tasks.into_iter().try_for_each(|(annotator, pass)| refresh_task(db, annotator, item, pass))
}

/// Brings an annotator's task up to date: what was shown last, and what was judged last and not undone.
pub(super) fn refresh_task(db: &Connection, annotator: i64, item: i64, pass: bool) -> rusqlite::Result<()> {
    let task = params![annotator, item, pass];
    let mut statement = db.prepare_cached(
        "SELECT id FROM showings WHERE annotator = ? AND item = ? AND second_pass = ? ORDER BY id DESC LIMIT 1",
    )?;
    let showing: Option<i64> = statement.query_row(task, |row| row.get(0)).optional()?;
    let mut statement = db.prepare_cached(
        "SELECT judgements.id, showing, verdict, item_revision, names_seen
         FROM judgements JOIN showings ON showings.id = showing
         WHERE judgements.annotator = ? AND judgements.item = ? AND judgements.second_pass = ?
           AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
         ORDER BY judgements.id DESC LIMIT 1",
    )?;
    let judged = |row: &Row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Verdict>(2)?,
            row.get(3)?,
            row.get::<_, bool>(4)?,
        ))
    };
    let judged = statement.query_row(task, judged).optional()?;
    let state = match judged {
        Some((_, _, verdict, revision, _)) if verdict != Verdict::Skip => {
            if still_counts(db, item, revision)? {
                "done"
            } else {
                "changed"
            }
        }
        Some((_, skipped, ..)) if showing.is_some_and(|showing| showing <= skipped) => "skipped",
        _ if showing.is_some() => "open",
        _ => "asked",
    };
    let mut statement = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id) FROM judgements
         WHERE annotator = ? AND item = ? AND second_pass = ? ORDER BY id DESC LIMIT 1",
    )?;
    let last_was_undone = statement.query_row(task, |row| row.get(0)).optional()?.unwrap_or(false);
    let undone = matches!(state, "open" | "changed") && last_was_undone;
    // Who knew whose answers they are did not like a side.
    let side = judged.filter(|(.., names_seen)| !names_seen).and_then(|(_, _, verdict, ..)| verdict.side());
    let side = side.filter(|_| state == "done");
    let judgement = judged.map(|(judgement, ..)| judgement);
    let mut statement = db.prepare_cached(
        "INSERT OR REPLACE INTO tasks (annotator, pass, item, state, showing, judgement, undone, side)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![annotator, pass, item, state, showing, judgement, undone, side])?;
    Ok(())
}

/// Whether what was said of an item as of `revision` counts for it now.
fn still_counts(db: &Connection, item: i64, revision: Option<i64>) -> rusqlite::Result<bool> {
    let query = concat!("SELECT revision, ", superseded!(), " FROM items JOIN item_states ON item = id WHERE id = ?");
    let state = |row: &Row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, bool>(1)?));
    let mut statement = db.prepare_cached(query)?;
    match statement.query_row([item], state).optional()? {
        Some((_, true)) => Ok(false),
        // Few items are ever edited: most need not be read.
        Some((newest, false)) if newest == revision => Ok(true),
        _ => current_item(db, item)?.map_or(Ok(false), |item| item.had_these_texts(db, revision)),
    }
}

/// Makes all of it anew.
pub(super) fn rebuild(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("DELETE FROM listing; DELETE FROM item_states; DELETE FROM tasks;")?;
    let ids =
        |query: &str| -> rusqlite::Result<Vec<i64>> { db.prepare(query)?.query_map([], |row| row.get(0))?.collect() };
    // Items look at no pair, pairs look at their items.
    for item in ids("SELECT id FROM items")? {
        refresh_item(db, item)?;
    }
    for pair in ids("SELECT id FROM pairs")? {
        refresh_pair(db, pair)?;
    }
    let tasks: Vec<(i64, i64, bool)> = db
        .prepare(
            "SELECT annotator, item, second_pass FROM showings UNION SELECT annotator, item, 1 FROM second_passes",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    tasks.into_iter().try_for_each(|(annotator, item, pass)| refresh_task(db, annotator, item, pass))
}
