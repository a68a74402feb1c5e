//! What is decided of an import after it came in: another name, that its pairs are held out of every training, that it is taken
//! back. Each is a row of its own; what came in stays as it came.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Project;
use super::derived;
use super::revisions::items_of;
use super::sql::now;
use crate::{Error, Place};

/// The longest name of an import, in characters.
const LONGEST_NAME: usize = 200;

/// Whether an import, named by a column, was taken back, as SQL.
macro_rules! import_gone {
    ($($import:tt)+) => {
        concat!(
            "coalesce((SELECT taken_back FROM import_changes WHERE import_changes.import = ",
            $($import)+,
            " ORDER BY import_changes.id DESC LIMIT 1), 0)"
        )
    };
}

/// Of a row of `pairs`, `items` or `single_answers`: whether every import that brought it was taken back, as SQL. What came from
/// no file has none that could be.
macro_rules! taken_back {
    ($table:literal, $kind:literal) => {
        concat!(
            "(",
            $table,
            ".import IS NOT NULL AND ",
            $crate::store::import_changes::import_gone!(concat!($table, ".import")),
            " AND NOT EXISTS (SELECT 1 FROM repeats WHERE repeats.",
            $kind,
            " = ",
            $table,
            ".id AND (repeats.import IS NULL OR NOT ",
            $crate::store::import_changes::import_gone!("repeats.import"),
            ")))"
        )
    };
}
pub(super) use {import_gone, taken_back};

/// What is decided of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportState {
    /// What it is called, where not by the name of what was imported.
    pub name: Option<String>,
    /// Its pairs are never trained on: they are held out in every run.
    pub held_out: bool,
    /// What it alone brought counts as not there.
    pub taken_back: bool,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ImportChange {
    /// Another name; the name of what was imported where absent.
    Name(Option<String>),
    /// Whether its pairs are held out in every run.
    HeldOut(bool),
    /// Whether it counts as not there.
    TakenBack(bool),
}

/// What taking an import back, or bringing it back, did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportChanged {
    /// Pairs that went, or came back.
    pub pairs: usize,
    /// Items to label that did.
    pub items: usize,
    /// Single answers that did.
    pub single_answers: usize,
    /// Of the pairs and items, those that annotators have labelled. Their labels stay, and count while the import is there.
    pub labelled: usize,
    /// What is there in either case because another import brought it as well: how many, by that import's name.
    pub elsewhere: BTreeMap<String, usize>,
}

/// A row that was there already.
#[derive(Clone, Copy)]
pub(super) enum Repeated {
    Pair(i64),
    Item(i64),
    Single(i64),
}

impl Project {
    /// Decides something of an import.
    ///
    /// # Errors
    /// When there is no such import, the name is none, or it cannot be written.
    pub fn change_import(&mut self, import: i64, who: &str, change: &ImportChange) -> Result<ImportChanged, Error> {
        self.write(|transaction| {
            let mut state = state(transaction, import)?.ok_or(Error::NoImport { import })?;
            let was_taken_back = state.taken_back;
            match change {
                ImportChange::Name(name) => state.name = name.as_deref().map(checked_name).transpose()?,
                ImportChange::HeldOut(held_out) => state.held_out = *held_out,
                ImportChange::TakenBack(taken_back) => state.taken_back = *taken_back,
            }
            transaction.execute(
                "INSERT INTO import_changes (import, at, who, name, held_out, taken_back) VALUES (?, ?, ?, ?, ?, ?)",
                params![import, now(), who, state.name, state.held_out, state.taken_back],
            )?;
            if state.taken_back == was_taken_back {
                return Ok(ImportChanged::default());
            }
            Ok(refresh(transaction, import)?)
        })
    }

    /// The number of the import, by each pair's number, of pairs that came with an import that is held out; of several the first.
    /// One that was taken back holds out what a later import has brought again: nobody has said that it may be trained on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn held_out_by_imports(&self) -> Result<HashMap<i64, i64>, Error> {
        self.read(held_out_pairs)
    }
}

/// As [`Project::held_out_by_imports`].
pub(super) fn held_out_pairs(db: &Connection) -> rusqlite::Result<HashMap<i64, i64>> {
    let mut marked = HashMap::new();
    for HeldOutImport { import, taken_back } in held_out_imports(db)? {
        let again = if taken_back { brought_again(db, import)? } else { HashSet::new() };
        for id in pairs_of(db, import)? {
            if !taken_back || again.contains(&id) {
                marked.entry(id).or_insert(import);
            }
        }
    }
    Ok(marked)
}

/// Which of these are held out, as [`held_out_pairs`] says of all: a page does not wait for a whole file.
pub(super) fn held_out_among(db: &Connection, ids: &[i64]) -> rusqlite::Result<HashSet<i64>> {
    let imports = held_out_imports(db)?;
    let mut found = HashSet::new();
    if imports.is_empty() {
        return Ok(found);
    }
    for &id in ids {
        let brought = brought_by(db, id)?;
        let holds_out = |held: &HeldOutImport| {
            brought.iter().any(|(import, _)| *import == held.import)
                && (!held.taken_back || brought.iter().any(|(later, is_there)| *later > held.import && *is_there))
        };
        if imports.iter().any(holds_out) {
            found.insert(id);
        }
    }
    Ok(found)
}

/// The imports that brought a pair, the first one and those that had it again, and whether each is there.
fn brought_by(db: &Connection, id: i64) -> rusqlite::Result<Vec<(i64, bool)>> {
    let query = if id > 0 {
        concat!(
            "SELECT import, NOT ",
            import_gone!("brought.import"),
            " FROM (SELECT import FROM pairs WHERE id = ?1 UNION SELECT import FROM repeats WHERE pair = ?1) AS brought
             WHERE import IS NOT NULL"
        )
    } else {
        concat!(
            "SELECT import, NOT ",
            import_gone!("brought.import"),
            " FROM (SELECT import FROM items WHERE id = -?1 UNION SELECT import FROM repeats WHERE item = -?1) AS brought
             WHERE import IS NOT NULL"
        )
    };
    db.prepare_cached(query)?.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// What imports have brought again that came after this one, and are there.
pub(super) fn brought_again(db: &Connection, import: i64) -> rusqlite::Result<HashSet<i64>> {
    let mut statement = db.prepare_cached(concat!(
        "SELECT coalesce(pair, -item) FROM repeats WHERE import > ? AND coalesce(pair, item) IS NOT NULL AND NOT ",
        import_gone!("repeats.import")
    ))?;
    statement.query_map([import], |row| row.get(0))?.collect()
}

fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::ImportName { most: LONGEST_NAME });
    }
    Ok(name.to_owned())
}

/// What is decided of an import; `None` where there is none.
fn state(db: &Connection, import: i64) -> rusqlite::Result<Option<ImportState>> {
    let query = "SELECT name, coalesce(held_out, 0), coalesce(taken_back, 0) FROM imports
        LEFT JOIN import_changes ON import_changes.id = (SELECT max(id) FROM import_changes WHERE import = imports.id)
        WHERE imports.id = ?";
    db.prepare_cached(query)?.query_row([import], |row| state_from_row(row, 0)).optional()
}

pub(super) fn state_from_row(row: &Row, from: usize) -> rusqlite::Result<ImportState> {
    Ok(ImportState { name: row.get(from)?, held_out: row.get(from + 1)?, taken_back: row.get(from + 2)? })
}

/// An import that is held out.
pub(super) struct HeldOutImport {
    pub(super) import: i64,
    pub(super) taken_back: bool,
}

/// Those that are there first.
pub(super) fn held_out_imports(db: &Connection) -> rusqlite::Result<Vec<HeldOutImport>> {
    let mut statement = db.prepare_cached(
        "SELECT import, taken_back FROM import_changes AS change
         WHERE id = (SELECT max(id) FROM import_changes WHERE import = change.import)
           AND held_out = 1 ORDER BY taken_back, import",
    )?;
    statement.query_map([], |row| Ok(HeldOutImport { import: row.get(0)?, taken_back: row.get(1)? }))?.collect()
}

/// The pairs, as in the listing, that an import brought, whether or not they were there already.
pub(super) const PAIRS_OF_IMPORT: &str = "SELECT id FROM pairs WHERE import = :import
    UNION SELECT pair FROM repeats WHERE import = :import AND pair IS NOT NULL
    UNION SELECT -id FROM items WHERE import = :import
    UNION SELECT -item FROM repeats WHERE import = :import AND item IS NOT NULL";

pub(super) fn pairs_of(db: &Connection, import: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare_cached(PAIRS_OF_IMPORT)?;
    statement.query_map(&[(":import", &import)], |row| row.get(0))?.collect()
}

/// Whether a pair of the `pairs` table counts as not there.
pub(super) fn pair_is_gone(db: &Connection, pair: i64) -> rusqlite::Result<bool> {
    let gone = concat!("SELECT ", taken_back!("pairs", "pair"), " FROM pairs WHERE id = ?");
    db.prepare_cached(gone)?.query_row([pair], |row| row.get(0))
}

/// Whether an item, or the pair that it was made of, counts as not there.
pub(super) fn item_is_gone(db: &Connection, item: i64, pair: Option<i64>) -> rusqlite::Result<bool> {
    if let Some(pair) = pair {
        return pair_is_gone(db, pair);
    }
    let gone = concat!("SELECT ", taken_back!("items", "item"), " FROM items WHERE id = ?");
    db.prepare_cached(gone)?.query_row([item], |row| row.get(0))
}

/// Whether anything was ever taken back: only then need anything be looked up.
pub(super) fn any_gone(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM import_changes WHERE taken_back = 1")?.exists([])
}

/// Keeps that something came again. Answers whether it counted as not there before, and does now.
pub(super) fn insert_repeat(
    db: &Connection,
    what: Repeated,
    import: Option<i64>,
    place: Option<Place>,
) -> rusqlite::Result<bool> {
    let was_gone = any_gone(db)? && is_gone(db, what)?;
    let (line, row) = place.map(Place::columns).unzip();
    let (mut pair, mut item, mut single) = (None, None, None);
    match what {
        Repeated::Pair(id) => pair = Some(id),
        Repeated::Item(id) => item = Some(id),
        Repeated::Single(id) => single = Some(id),
    }
    db.prepare_cached("INSERT INTO repeats (import, line, row, pair, item, single) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![import, line, row.flatten(), pair, item, single])?;
    if was_gone {
        match what {
            Repeated::Pair(id) => refresh_pair(db, id)?,
            Repeated::Item(id) => derived::refresh_item(db, id)?,
            Repeated::Single(_) => {}
        }
    }
    Ok(was_gone)
}

fn is_gone(db: &Connection, what: Repeated) -> rusqlite::Result<bool> {
    match what {
        Repeated::Pair(id) => pair_is_gone(db, id),
        Repeated::Item(id) => item_is_gone(db, id, None),
        Repeated::Single(id) => {
            let gone = concat!("SELECT ", taken_back!("single_answers", "single"), " FROM single_answers WHERE id = ?");
            db.prepare_cached(gone)?.query_row([id], |row| row.get(0))
        }
    }
}

/// Brings the line of a pair up to date, and the items that it was put up as.
fn refresh_pair(db: &Connection, pair: i64) -> rusqlite::Result<()> {
    let items = items_of(db, pair)?;
    for item in &items {
        derived::refresh_item(db, *item)?;
    }
    if items.is_empty() { derived::refresh_pair(db, pair) } else { Ok(()) }
}

/// Brings up to date all that an import brought, and counts what went or came back.
fn refresh(db: &Connection, import: i64) -> rusqlite::Result<ImportChanged> {
    let mut changed = ImportChanged::default();
    let state = |id: i64| -> rusqlite::Result<Option<String>> {
        let mut statement = db.prepare_cached("SELECT source FROM listing WHERE id = ?")?;
        statement.query_row([id], |row| row.get(0)).optional()
    };
    let is_up =
        |item: i64| db.prepare_cached("SELECT 1 FROM item_states WHERE item = ? AND removed = 0")?.exists([item]);
    for id in pairs_of(db, import)? {
        let was = (state(id)?, if id < 0 { is_up(-id)? } else { false });
        let mut is_labelled = labels_of(db, id)?;
        if id > 0 {
            refresh_pair(db, id)?;
        } else {
            derived::refresh_item(db, -id)?;
        }
        let now_is = (state(id)?, if id < 0 { is_up(-id)? } else { false });
        is_labelled |= labels_of(db, id)?;
        changed.labelled += usize::from(is_labelled && was != now_is);
        // An item that was judged is a pair, and is counted as one.
        if was.0 != now_is.0 {
            changed.pairs += 1;
        } else if was.1 != now_is.1 {
            changed.items += 1;
        } else {
            for other in others(db, id, import)? {
                *changed.elsewhere.entry(other).or_default() += 1;
            }
        }
    }
    let singles = "SELECT count(*) FROM single_answers WHERE import = ?1 AND NOT EXISTS (
        SELECT 1 FROM repeats WHERE single = single_answers.id AND import IS NOT ?1 AND NOT ";
    let query = format!("{singles}{})", import_gone!("repeats.import"));
    changed.single_answers =
        db.prepare_cached(&query)?.query_row([import], |row| row.get::<_, i64>(0)).map(|count| count as usize)?;
    Ok(changed)
}

/// Whether annotators have labelled an item, or one that a pair was put up as.
fn labels_of(db: &Connection, id: i64) -> rusqlite::Result<bool> {
    let items = if id > 0 { items_of(db, id)? } else { vec![-id] };
    let mut labelled = db.prepare_cached("SELECT 1 FROM item_states WHERE item = ? AND outcome IS NOT NULL")?;
    for item in items {
        if labelled.exists([item])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names of other imports that brought a pair as well and are not taken back.
fn others(db: &Connection, id: i64, import: i64) -> rusqlite::Result<Vec<String>> {
    let (table, kind) = if id > 0 { ("pairs", "pair") } else { ("items", "item") };
    let query = format!(
        "SELECT coalesce((SELECT name FROM import_changes WHERE import = imports.id ORDER BY id DESC LIMIT 1), source)
         FROM imports WHERE id <> ?2 AND NOT {} AND id IN (
             SELECT import FROM {table} WHERE id = ?1 UNION SELECT import FROM repeats WHERE {kind} = ?1)",
        import_gone!("imports.id")
    );
    db.prepare_cached(&query)?.query_map(params![id.abs(), import], |row| row.get(0))?.collect()
}

/// What was decided of the imports that brought a pair, oldest first: when, by whom, as sentences.
pub(super) fn decided_of(
    db: &Connection,
    table: &str,
    kind: &str,
    id: i64,
) -> rusqlite::Result<Vec<(i64, String, String)>> {
    let query = format!(
        "SELECT import, at, who, held_out, taken_back, source FROM import_changes JOIN imports ON imports.id = import
         WHERE import IN (SELECT import FROM {table} WHERE id = ?1 UNION SELECT import FROM repeats WHERE {kind} = ?1)
         ORDER BY import_changes.id"
    );
    let mut statement = db.prepare_cached(&query)?;
    let mut rows = statement.query([id])?;
    let (mut before, mut said) = (HashMap::<i64, (bool, bool)>::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (import, at, who): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (held_out, gone, source): (bool, bool, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let was = before.insert(import, (held_out, gone)).unwrap_or_default();
        if was.0 != held_out {
            let what = if held_out { "Held out" } else { "No longer held out" };
            said.push((at, who.clone(), format!("{what} with {source}.")));
        }
        if was.1 != gone {
            let what = if gone { "Taken back" } else { "Brought back" };
            said.push((at, who, format!("{what} with {source}.")));
        }
    }
    Ok(said)
}

/// Where else a pair came in: the import's source, the place in it, and when.
pub(super) fn came_again(db: &Connection, kind: &str, id: i64) -> rusqlite::Result<Vec<(String, Place, i64)>> {
    let query = format!(
        "SELECT source, line, row, imported_at FROM repeats JOIN imports ON imports.id = import WHERE {kind} = ?
         ORDER BY repeats.id"
    );
    let mut statement = db.prepare_cached(&query)?;
    let row = |row: &Row| Ok((row.get(0)?, Place::from_columns(row, 1)?, row.get(3)?));
    statement.query_map([id], row)?.collect()
}
