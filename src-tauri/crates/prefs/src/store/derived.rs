//! What follows from what happened: the listing of pairs as they are now, the state of every item, and how far each
//! annotator has come. Each is computed from the rows that are only ever added, one entry at a time as they change.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::import_changes::{any_gone, item_is_gone, pair_is_gone};
use super::pairs::PairSource;
use super::ratings::ratings_of;
use super::sql::{content, damaged, pair};
use super::verdict::{ItemAnswer, Majority, Meaning, Verdict};
use crate::mapping::PairRatings;
use crate::{Content, Pair};

/// The texts of a pair as of a revision, or as it came in where that is null, as SQL.
macro_rules! texts {
    ($revision:expr, $pair:literal) => {
        concat!(
            "(SELECT prompt || char(0) || chosen || char(0) || rejected FROM pair_revisions WHERE id = ",
            $revision,
            " UNION ALL SELECT prompt || char(0) || chosen || char(0) || rejected FROM pairs WHERE id = ",
            $pair,
            " AND ",
            $revision,
            " IS NULL)"
        )
    };
}

/// The newest revision of an item's pair that has texts, as SQL.
macro_rules! newest {
    () => {
        "(SELECT max(id) FROM pair_revisions WHERE pair = items.pair AND prompt IS NOT NULL)"
    };
}

/// Of a row of `items`: whether the pair that it was made of has other texts now, as SQL. An earlier version of this program put a
/// pair up anew that had its texts again: then the later item counts.
macro_rules! superseded {
    () => {
        concat!(
            "(items.pair IS NOT NULL AND (items.pair_revision IS NOT ",
            $crate::store::derived::newest!(),
            " AND ",
            $crate::store::derived::texts!("items.pair_revision", "items.pair"),
            " IS NOT ",
            $crate::store::derived::texts!($crate::store::derived::newest!(), "items.pair"),
            " OR EXISTS (SELECT 1 FROM items AS later WHERE later.pair = items.pair AND later.id > items.id AND ",
            $crate::store::derived::texts!("later.pair_revision", "later.pair"),
            " IS ",
            $crate::store::derived::texts!("items.pair_revision", "items.pair"),
            " AND NOT EXISTS (SELECT 1 FROM audit_items WHERE audit_items.item IN (later.id, items.id)))))"
        )
    };
}
pub(super) use {newest, superseded, texts};

/// An imported pair as it is now.
pub(super) struct CurrentPair {
    pub(super) pair: Pair,
    pub(super) source: PairSource,
    /// The first revision that had its texts; none where they are as it came in, also once more.
    pub(super) revision: Option<i64>,
    /// Whether those differ who judged it as it is now; `None` where nobody has.
    disputed: Option<bool>,
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
    /// Whether the imports that brought it, or its pair, were all taken back.
    pub(super) gone: bool,
}

impl CurrentItem {
    pub(super) fn is_ready(&self) -> bool {
        !self.removed && !self.gone && self.first.is_some() && self.second.is_some()
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
    let Some(mut imported) = statement.query_row([id], |row| pair(row, 0)).optional()? else { return Ok(None) };
    imported.category = category_now(db, id, imported.category.take())?;
    let category = imported.category.clone();
    let mut statement = db.prepare_cached(
        "SELECT prompt, chosen, rejected,
                (SELECT min(id) FROM pair_revisions AS same WHERE same.pair = newest.pair
                     AND (same.prompt, same.chosen, same.rejected) = (newest.prompt, newest.chosen, newest.rejected)),
                EXISTS (SELECT 1 FROM pairs WHERE pairs.id = newest.pair
                     AND (pairs.prompt, pairs.chosen, pairs.rejected) = (newest.prompt, newest.chosen, newest.rejected))
         FROM pair_revisions AS newest WHERE pair = ? AND prompt IS NOT NULL ORDER BY id DESC LIMIT 1",
    )?;
    let edited = |row: &Row| {
        let texts = (content(row, 0)?, content(row, 1)?, content(row, 2)?);
        Ok((texts, row.get::<_, i64>(3)?, row.get::<_, bool>(4)?))
    };
    let (mut pair, mut source, revision) = match statement.query_row([id], edited).optional()? {
        // What has the texts again that it came in with is as it came in.
        Some(((Some(prompt), Some(chosen), Some(rejected)), revision, false)) => {
            (Pair { prompt, chosen, rejected, category: category.clone() }, PairSource::Edited, Some(revision))
        }
        _ => (imported, PairSource::Imported, None),
    };
    let (labelled, disputed) = labelled_again(db, id)?;
    if let Some(labelled) = labelled {
        (pair, source) = (Pair { category, ..labelled }, PairSource::Labelled);
    }
    let mut statement =
        db.prepare_cached("SELECT removed FROM pair_revisions WHERE pair = ? ORDER BY id DESC LIMIT 1")?;
    if statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or(false) {
        source = PairSource::Removed;
    } else if any_gone(db)? && pair_is_gone(db, id)? {
        source = PairSource::TakenBack;
    }
    Ok(Some(CurrentPair { pair, source, revision, disputed }))
}

/// The category of a pair of the listing: what it was given last, which may be none, or else the one that it came with.
fn category_now(db: &Connection, id: i64, came_with: Option<String>) -> rusqlite::Result<Option<String>> {
    let mut statement =
        db.prepare_cached("SELECT category FROM category_changes WHERE pair = ? ORDER BY id DESC LIMIT 1")?;
    let mut given = statement.query([id])?;
    given.next()?.map_or(Ok(came_with), |row| row.get(0))
}

/// What annotators made of a pair that was labelled again, and whether they differ. What is edited after that counts for more:
/// then the item is of other texts, and counts as removed.
fn labelled_again(db: &Connection, pair: i64) -> rusqlite::Result<(Option<Pair>, Option<bool>)> {
    let mut statement = db.prepare_cached(
        "SELECT item, outcome FROM items JOIN item_states ON item = id
         WHERE pair = ? AND removed = 0 ORDER BY id DESC LIMIT 1",
    )?;
    let outcome = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Majority>>(1)?));
    let Some((item, outcome)) = statement.query_row([pair], outcome).optional()? else {
        return Ok((None, None));
    };
    let Some(item) = current_item(db, item)? else { return Ok((None, None)) };
    let disputed = said(db, &item)?.disputed;
    Ok((outcome.and_then(Majority::better).and_then(|better| item.into_pair(better)), disputed))
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
            gone: false,
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
    item.gone = any_gone(db)? && item_is_gone(db, id, item.pair)?;
    if item.pair.is_none() {
        item.category = category_now(db, -id, item.category.take())?;
    }
    Ok(Some(item))
}

/// What is said of an item: first passes that were not undone, and what was decided where they differ.
pub(super) struct Votes {
    /// What was decided, or else what those say together who judged the texts that it has now; `None` where nobody has.
    pub(super) outcome: Option<Majority>,
    /// Whether these prefer different answers, or some of them neither.
    disputed: Option<bool>,
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
    let said: Vec<Option<ItemAnswer>> =
        now.values().filter(|vote| **vote != Meaning::Skip).map(|vote| vote.better()).collect();
    let differ = said.first().map(|first| said.iter().any(|other| other != first));
    let decided = decided(db, item)?.map(|(_, outcome)| outcome);
    Ok(Votes {
        outcome: decided.or(Majority::of(now.into_values())),
        disputed: differ.map(|differ| differ && decided.is_none()),
        before: Majority::of(before.into_values()),
    })
}

/// The newest decision that stands and was given on the texts that an item has now.
pub(super) fn decided(db: &Connection, item: &CurrentItem) -> rusqlite::Result<Option<(i64, Majority)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, item_revision, meaning FROM decisions
         WHERE item = ? AND NOT EXISTS (SELECT 1 FROM undone_decisions WHERE decision = decisions.id) ORDER BY id DESC",
    )?;
    let mut rows = statement.query([item.id])?;
    while let Some(row) = rows.next()? {
        if item.had_these_texts(db, row.get(1)?)? {
            let outcome = Majority::of([row.get::<_, Meaning>(2)?]);
            let decision = row.get(0)?;
            return Ok(outcome.map(|outcome| (decision, outcome)));
        }
    }
    Ok(None)
}

/// Whether the pair that an item was made of has been edited since: judging the item then says nothing of the pair.
pub(super) fn is_superseded(db: &Connection, item: i64) -> rusqlite::Result<bool> {
    db.prepare_cached(concat!("SELECT ", superseded!(), " FROM items WHERE id = ?"))?
        .query_row([item], |row| row.get(0))
}

/// Whether an item stands for a pair in an audit.
pub(super) fn is_audited(db: &Connection, item: i64) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM audit_items WHERE item = ?")?.exists([item])
}

/// What the listing says of a pair beside its content.
pub(super) struct Facts {
    /// The import that brought it first.
    pub(super) import: Option<i64>,
    /// When it came in, first had its texts or was last judged, in milliseconds since 1970 (UTC). What was undone is no such moment.
    pub(super) at: i64,
    /// Whether its annotators differ, and nobody has decided; `None` where nobody has judged it.
    pub(super) disputed: Option<bool>,
    /// How the file rates its answers.
    pub(super) ratings: Option<PairRatings>,
}

/// Writes a line of the listing.
pub(super) fn list(db: &Connection, id: i64, source: PairSource, pair: &Pair, facts: &Facts) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT OR REPLACE INTO listing
             (id, source, category, text, import, at, prompt_length, chosen_length, rejected_length, disputed,
              score_chosen, score_rejected, margin)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut text = String::new();
    let mut length = |part: &Content| {
        let before = text.len();
        add_searched(&mut text, part);
        text[before..].trim_end_matches('\n').chars().count() as i64
    };
    let lengths = [length(&pair.prompt), length(&pair.chosen), length(&pair.rejected)];
    let Facts { import, at, disputed, ratings } = facts;
    statement.execute(params![
        id,
        source,
        pair.category,
        text.to_lowercase(),
        import,
        at,
        lengths[0],
        lengths[1],
        lengths[2],
        disputed,
        ratings.map(|ratings| ratings.chosen),
        ratings.map(|ratings| ratings.rejected),
        ratings.and_then(|ratings| ratings.margin()),
    ])?;
    Ok(())
}

/// Adds a part of a pair to the text that is searched in, and a line break.
fn add_searched(text: &mut String, part: &Content) {
    match part {
        Content::Text(said) => text.push_str(said),
        Content::Messages(said) => said.messages.iter().for_each(|message| {
            text.push_str(&message.shown());
            text.push('\n');
        }),
    }
    text.push('\n');
}

/// Brings the listing's line of an imported pair up to date.
pub(super) fn refresh_pair(db: &Connection, id: i64) -> rusqlite::Result<()> {
    let Some(current) = current_pair(db, id)? else { return Ok(()) };
    let mut statement = db.prepare_cached(
        "SELECT import, max(
             coalesce((SELECT imported_at FROM imports WHERE imports.id = pairs.import), 0),
             coalesce((SELECT at FROM pair_revisions WHERE id = ?2), 0),
             coalesce((SELECT max(judgements.at) FROM items JOIN judgements ON judgements.item = items.id
                           JOIN item_states ON item_states.item = items.id
                       WHERE items.pair = pairs.id AND item_states.removed = 0
                         AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)), 0))
         FROM pairs WHERE id = ?1",
    )?;
    let (disputed, ratings) = (current.disputed, ratings_of(db, id, &current.pair)?);
    let facts = |row: &Row| Ok(Facts { import: row.get(0)?, at: row.get(1)?, disputed, ratings });
    let facts = statement.query_row(params![id, current.revision], facts)?;
    list(db, id, current.source, &current.pair, &facts)
}

/// Brings the state of an item up to date, and the line of the pair that it is or belongs to.
pub(super) fn refresh_item(db: &Connection, id: i64) -> rusqlite::Result<()> {
    let Some(item) = current_item(db, id)? else { return Ok(()) };
    let said = said(db, &item)?;
    // What an audit asks is asked there alone, and makes no pair.
    let removed = item.removed || item.gone || is_superseded(db, id)? || is_audited(db, id)?;
    let mut statement = db.prepare_cached(
        "INSERT OR REPLACE INTO item_states (item, revision, ready, removed, outcome) VALUES (?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![id, item.revision, item.is_ready() && !removed, removed, said.outcome])?;
    if let Some(pair) = item.pair {
        return refresh_pair(db, pair);
    }
    let source = match said.outcome {
        _ if item.removed => PairSource::Removed,
        _ if item.gone => PairSource::TakenBack,
        Some(_) => PairSource::Labelled,
        None => PairSource::ToJudge,
    };
    let mut statement = db.prepare_cached(
        "SELECT import, max(
             at,
             coalesce((SELECT min(same.at) FROM item_revisions AS same JOIN item_revisions AS newest ON newest.id = ?2
                       WHERE same.item = items.id
                         AND (same.prompt, same.first, same.second) IS (newest.prompt, newest.first, newest.second)
                         AND (items.prompt, items.first, items.second) IS NOT (newest.prompt, newest.first, newest.second)), 0),
             coalesce((SELECT max(at) FROM judgements WHERE item = items.id
                         AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)), 0))
         FROM items WHERE id = ?1",
    )?;
    let (disputed, ratings) = (said.disputed, None);
    let facts = |row: &Row| Ok(Facts { import: row.get(0)?, at: row.get(1)?, disputed, ratings });
    let facts = statement.query_row(params![id, item.revision], facts)?;
    match said.better().and_then(|better| item.into_pair(better)) {
        Some(pair) => list(db, -id, source, &pair, &facts),
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
        "SELECT judgements.id, showing, verdict, item_revision, names_seen OR votes_seen
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
    // Who knew whose answers they are, or what others say of them, did not like a side.
    let side = judged.filter(|(.., is_seen)| !is_seen).and_then(|(_, _, verdict, ..)| verdict.side());
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
pub(super) fn still_counts(db: &Connection, item: i64, revision: Option<i64>) -> rusqlite::Result<bool> {
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
