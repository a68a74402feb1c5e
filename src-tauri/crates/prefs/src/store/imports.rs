//! Bringing files in: all of a file in one transaction, with the account of every row.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::account::{Account, Brought};
use super::derived;
use super::import_changes::{ImportState, Repeated, insert_repeat, state_from_row, taken_back};
use super::pairs::{PairSource, count};
use super::ratings::add_later;
use super::sql::{damaged, from_json, json, now};
use super::{Failed, Project, file_labels, singles};
use crate::jsonl::Reading;
use crate::mapping::{self, ColumnMapping, ImportKind, MappedContent, MappedRow, PairRatings};
use crate::table::Table;
use crate::{Content, Error, Pair, Place, Refused, SingleAnswer};

/// One import: where pairs came from and what became of every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its number in the project, from 1.
    pub id: i64,
    /// What the user imported, usually a file name.
    pub source: String,
    /// When, in milliseconds since 1970 (UTC).
    pub imported_at: i64,
    /// What it brought.
    pub kind: ImportKind,
    /// Pairs, items or single answers that were new.
    pub added: usize,
    /// Rows whose content the project already had, or that came twice in this import.
    pub duplicates: usize,
    /// Rows that were refused; [`Project::refused`] has them.
    pub refused: usize,
    /// Blank lines.
    pub blank: usize,
    /// Keys that were not taken over, with how often each came.
    pub ignored_keys: BTreeMap<String, usize>,
    /// What was decided of it since.
    pub state: ImportState,
}

/// What there is to know of an import beside its own account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// Items to label that came with pairs.
    pub items: usize,
    /// Single labels that did.
    pub single_labels: usize,
    /// Duplicates of which it is known what they repeat: imports of earlier versions only counted them.
    pub repeats: usize,
}

/// How much of everything a project holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pairs to train on: imported, edited or labelled, and not removed.
    pub pairs: usize,
    /// Items to label, with or without answers, that are not removed.
    pub items: usize,
    /// Those of them whose answers are still to be generated.
    pub items_without_answers: usize,
    /// Those of them that somebody has judged.
    pub labelled: usize,
    /// Answers with a label that make no pair.
    pub single_labels: usize,
    /// Answers to be imitated.
    pub demonstrations: usize,
}

/// One of the counts of [`Beside`].
type CountOf = fn(&mut Beside) -> &mut usize;

/// What an import of a file is called.
fn source_of(table: &Table, file: usize, source: &str) -> String {
    match table.files.get(file).filter(|_| table.files.len() > 1) {
        Some(path) => format!("{source}: {}", path.file_name().unwrap_or_default().to_string_lossy()),
        None => source.to_owned(),
    }
}

impl Project {
    /// Adds what was read from `source`, in one transaction: pairs that are new, and the account of all other rows.
    ///
    /// # Errors
    /// When the database cannot be written (disk full, no permission, busy); nothing of the import is there then.
    pub fn add_import(&mut self, reading: &Reading, source: &str) -> Result<Import, Error> {
        self.write(|transaction| {
            let (id, at) = begin_import(transaction)?;
            let mut added = 0;
            for numbered in &reading.pairs {
                added += insert_pair(transaction, &numbered.pair, None, (id, at), numbered.place)?;
            }
            for refused in &reading.refused {
                insert_refused(transaction, id, refused)?;
            }
            let import = Import {
                id,
                source: source.to_owned(),
                imported_at: at,
                kind: ImportKind::Pairs,
                added,
                duplicates: reading.pairs.len() - added,
                refused: reading.refused.len(),
                blank: reading.blank,
                ignored_keys: reading.ignored_keys.clone(),
                state: ImportState::default(),
            };
            insert_import(transaction, &import)?;
            Ok(import)
        })
    }

    /// Adds what the rows of a table become, row by row, in one transaction: new pairs, new items to label, and the account of
    /// all other rows. Of several files each has an account of its own, and its name behind that of `source`.
    ///
    /// # Errors
    /// As [`Project::add_import`], and when the files cannot be read to their end.
    pub fn import_table(&mut self, table: &Table, mapping: &ColumnMapping, source: &str) -> Result<Brought, Error> {
        self.import_wanted(table, mapping, source, &|| true)
    }

    /// As [`Project::import_table`], as long as it is wanted.
    ///
    /// # Errors
    /// As [`Project::import_table`], and [`Error::Cancelled`]; nothing of the import is there then.
    pub fn import_wanted(
        &mut self,
        table: &Table,
        mapping: &ColumnMapping,
        source: &str,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Brought, Error> {
        let ignored_keys = mapping::ignored(table, mapping);
        self.write(|transaction| {
            let mut account = Account::new(mapping.kind, table);
            let (first, at) = begin_import(transaction)?;
            let mut meeting = 0;
            let mut notes = mapping::try_each(table, mapping, |file, row| {
                if !is_wanted() {
                    return Err(Failed::from(Error::Cancelled));
                }
                if let Some(single) = single_of(&row) {
                    meeting += usize::from(singles::meets(transaction, single, first)?);
                }
                account.look(transaction, &source_of(table, file, source), &row)?;
                let added = add_row(transaction, (first + file as i64, at), row.as_ref())?;
                file_labels::add(transaction, first + file as i64, &source_of(table, file, source), row.as_ref())?;
                account.add(file, row, added);
                Ok(())
            })?;
            account.refuse_nothing(source)?;
            notes.extend((meeting > 0).then(|| (singles::MEETS.to_owned(), meeting)));
            notes.extend(account.said_of_known());
            for (file, counts) in account.files.iter().enumerate() {
                let import = Import {
                    id: first + file as i64,
                    source: source_of(table, file, source),
                    imported_at: at,
                    kind: mapping.kind,
                    added: counts.added,
                    duplicates: counts.taken - counts.added,
                    refused: counts.refused,
                    // Of a table they are known as a whole.
                    blank: if file == 0 { table.blank } else { 0 },
                    ignored_keys: if file == 0 { ignored_keys.clone() } else { BTreeMap::new() },
                    state: ImportState::default(),
                };
                insert_import(transaction, &import)?;
            }
            Ok(account.brought(ignored_keys, notes))
        })
    }

    /// What [`Project::import_table`] would bring, with the first `shown` rows.
    ///
    /// # Errors
    /// When the database, or a file, cannot be read.
    pub fn preview_table(
        &self,
        table: &Table,
        mapping: &ColumnMapping,
        source: &str,
        shown: usize,
    ) -> Result<Brought, Error> {
        let ignored_keys = mapping::ignored(table, mapping);
        let mut account = Account::new(mapping.kind, table);
        let mut first = Vec::new();
        let (mut seen, mut meeting) = (HashSet::new(), 0);
        let mut notes = mapping::try_each(table, mapping, |file, row| {
            if let Some(single) = single_of(&row) {
                meeting += usize::from(self.read(|db| singles::meets(db, single, i64::MAX))?);
            }
            self.read(|db| account.look(db, &source_of(table, file, source), &row))?;
            let is_new = match &row {
                Ok(row) => self.is_new(&row.content, &mut seen)?,
                Err(_) => false,
            };
            if let Ok(row) = &row
                && first.len() < shown
            {
                first.push(row.clone());
            }
            account.add(file, row, usize::from(is_new));
            Ok::<(), Error>(())
        })?;
        notes.extend((meeting > 0).then(|| (singles::MEETS.to_owned(), meeting)));
        notes.extend(account.said_of_known());
        Ok(Brought { first, ..account.brought(ignored_keys, notes) })
    }

    /// Whether neither the project nor a row before has this; `seen` are the rows before.
    fn is_new(&self, content: &MappedContent, seen: &mut HashSet<[u8; 16]>) -> Result<bool, Error> {
        // What was taken back comes back with it.
        let query = match content {
            MappedContent::Pair(_) => {
                concat!("SELECT 1 FROM pairs WHERE hash = ? AND NOT ", taken_back!("pairs", "pair"))
            }
            MappedContent::Single(_) => {
                concat!("SELECT 1 FROM single_answers WHERE hash = ? AND NOT ", taken_back!("single_answers", "single"))
            }
            MappedContent::Candidates(_) | MappedContent::Prompt(_) => {
                concat!("SELECT 1 FROM items WHERE hash = ? AND NOT ", taken_back!("items", "item"))
            }
        };
        let hash = content.content_hash();
        // A pair and an item may have the same hash and are not the same.
        let key = Sha256::new().chain_update(query).chain_update(hash.as_bytes()).finalize();
        if key.first_chunk().is_some_and(|half| !seen.insert(*half)) {
            return Ok(false);
        }
        self.read(|db| Ok(!db.prepare_cached(query)?.exists([&hash])?))
    }

    /// The rows of a table that an import would add: those that are no duplicates, of what the project has or of each other.
    ///
    /// # Errors
    /// When the database, or a file, cannot be read.
    pub fn new_rows(&self, table: &Table, mapping: &ColumnMapping) -> Result<Vec<MappedRow>, Error> {
        let (mut seen, mut new) = (HashSet::new(), Vec::new());
        let _ = mapping::try_each(table, mapping, |_, row| {
            if let Ok(row) = row
                && self.is_new(&row.content, &mut seen)?
            {
                new.push(row);
            }
            Ok::<(), Error>(())
        })?;
        Ok(new)
    }

    /// What there is to know of imports beside their accounts, by the import's number. Those of which there is nothing are not
    /// there. It changes only as imports come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn beside_imports(&self) -> Result<HashMap<i64, Beside>, Error> {
        self.read(|db| {
            let of_pairs = "import IN (SELECT id FROM imports WHERE kind = 'pairs')";
            let mut beside: HashMap<i64, Beside> = HashMap::new();
            let counted: [(&str, &str, CountOf); 3] = [
                ("items", of_pairs, |beside| &mut beside.items),
                ("single_answers", of_pairs, |beside| &mut beside.single_labels),
                ("repeats", "import IS NOT NULL", |beside| &mut beside.repeats),
            ];
            for (table, which, field) in counted {
                let mut statement =
                    db.prepare(&format!("SELECT import, COUNT(*) FROM {table} WHERE {which} GROUP BY import"))?;
                let counts =
                    statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)? as usize)))?;
                for counted in counts {
                    let (import, count) = counted?;
                    *field(beside.entry(import).or_default()) = count;
                }
            }
            Ok(beside)
        })
    }

    /// All imports, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn imports(&self) -> Result<Vec<Import>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT imports.id, source, imported_at, added, duplicates, refused, blank, ignored_keys, kind, name,
                        coalesce(held_out, 0), coalesce(taken_back, 0)
                 FROM imports LEFT JOIN import_changes
                      ON import_changes.id = (SELECT max(id) FROM import_changes WHERE import = imports.id)
                 ORDER BY imports.id",
            )?;
            statement.query_map([], import_from_row)?.collect()
        })
    }

    /// The refused rows of an import, in file order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn refused(&self, import: i64) -> Result<Vec<Refused>, Error> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT line, row, reason FROM refused WHERE import = ? ORDER BY rowid")?;
            let refused = |row: &Row| Ok(Refused { place: Place::from_columns(row, 0)?, reason: row.get(2)? });
            statement.query_map([import], refused)?.collect()
        })
    }

    /// How much of everything there is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counts(&self) -> Result<Counts, Error> {
        self.read(|db| {
            let pairs = count(db, None, None)?;
            let (single_labels, demonstrations) = singles::counts(db)?;
            db.query_row(
                "SELECT count(*), count(*) - coalesce(sum(ready), 0), count(outcome) FROM item_states WHERE removed = 0",
                [],
                |row| {
                    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as usize);
                    let (items, items_without_answers, labelled) = (number(0)?, number(1)?, number(2)?);
                    Ok(Counts { pairs, items, items_without_answers, labelled, single_labels, demonstrations })
                },
            )
        })
    }
}

fn single_of(row: &Result<MappedRow, Refused>) -> Option<&SingleAnswer> {
    match row {
        Ok(MappedRow { content: MappedContent::Single(single), .. }) => Some(single),
        _ => None,
    }
}

/// An import that is being made: its number, and when.
type Begun = (i64, i64);

/// The next import. Its own row is written last, as it holds the counts and is never changed.
fn begin_import(db: &Connection) -> rusqlite::Result<Begun> {
    db.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    Ok((db.query_row("SELECT coalesce(max(id), 0) + 1 FROM imports", [], |row| row.get(0))?, now()))
}

fn insert_import(db: &Connection, import: &Import) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO imports (id, source, imported_at, added, duplicates, refused, blank, ignored_keys, kind)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            import.id,
            import.source,
            import.imported_at,
            import.added as i64,
            import.duplicates as i64,
            import.refused as i64,
            import.blank as i64,
            json(&import.ignored_keys)?,
            import.kind.name(),
        ],
    )?;
    Ok(())
}

/// 1 where the row is new.
fn add_row(db: &Connection, import: Begun, row: Result<&MappedRow, &Refused>) -> rusqlite::Result<usize> {
    match row {
        Ok(MappedRow { place, content: MappedContent::Pair(pair), ratings, .. }) => {
            insert_pair(db, pair, *ratings, import, *place)
        }
        Ok(MappedRow { place, content: MappedContent::Single(single), .. }) => {
            singles::insert(db, single, import.0, *place)
        }
        Ok(MappedRow { place, content, .. }) => insert_item(db, content, Some((import.0, *place))),
        Err(refused) => insert_refused(db, import.0, refused).map(|()| 0),
    }
}

fn insert_refused(db: &Connection, import: i64, refused: &Refused) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO refused (import, line, row, reason) VALUES (?, ?, ?, ?)")?;
    let (line, row) = refused.place.columns();
    insert.execute(params![import, line, row, refused.reason])?;
    Ok(())
}

/// 1 where the pair is new, or was taken back and is there again.
fn insert_pair(
    db: &Connection,
    pair: &Pair,
    ratings: Option<PairRatings>,
    (import, at): Begun,
    place: Place,
) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pairs (hash, import, line, row, prompt, chosen, rejected, category, rating_chosen, rating_rejected, rating_order)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING",
    )?;
    let (line, row) = place.columns();
    let hash = pair.content_hash();
    let added = insert.execute(params![
        hash,
        import,
        line,
        row,
        json(&pair.prompt)?,
        json(&pair.chosen)?,
        json(&pair.rejected)?,
        pair.category,
        ratings.map(|ratings| ratings.chosen),
        ratings.map(|ratings| ratings.rejected),
        ratings.and_then(|ratings| ratings.order),
    ])?;
    if added > 0 {
        let facts = derived::Facts { import: Some(import), at, disputed: None, ratings };
        derived::list(db, db.last_insert_rowid(), PairSource::Imported, pair, &facts)?;
        return Ok(added);
    }
    let there = db.prepare_cached("SELECT id FROM pairs WHERE hash = ?")?.query_row([hash], |row| row.get(0))?;
    if let Some(ratings) = ratings
        && add_later(db, there, import, ratings)?
    {
        derived::refresh_pair(db, there)?;
    }
    insert_repeat(db, Repeated::Pair(there), Some(import), Some(place)).map(usize::from)
}

/// 1 where the item is new, or was taken back and is there again. What comes from no file has no import and no place in one.
pub(super) fn insert_item(
    db: &Connection,
    item: &MappedContent,
    from: Option<(i64, Place)>,
) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO items (hash, at, import, line, row, prompt, first, second, category)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING",
    )?;
    let (import, place) = from.unzip();
    let (line, row) = place.map(Place::columns).unzip();
    let text = |content: Option<&Content>| content.map(json).transpose();
    let hash = item.content_hash();
    let added = insert.execute(params![
        hash,
        now(),
        import,
        line,
        row,
        json(item.prompt())?,
        text(item.first())?,
        text(item.second())?,
        item.category(),
    ])?;
    if added > 0 {
        derived::refresh_item(db, db.last_insert_rowid())?;
        return Ok(added);
    }
    let there = db.prepare_cached("SELECT id FROM items WHERE hash = ?")?.query_row([hash], |row| row.get(0))?;
    insert_repeat(db, Repeated::Item(there), import, place).map(usize::from)
}

fn import_from_row(row: &Row) -> rusqlite::Result<Import> {
    let count = |column: usize| row.get::<_, i64>(column).map(|count| count as usize);
    let kind: String = row.get(8)?;
    Ok(Import {
        id: row.get(0)?,
        source: row.get(1)?,
        imported_at: row.get(2)?,
        kind: ImportKind::from_name(&kind).ok_or_else(|| damaged(8, format!("no kind of import is called {kind}")))?,
        added: count(3)?,
        duplicates: count(4)?,
        refused: count(5)?,
        blank: count(6)?,
        ignored_keys: from_json(row, 7)?,
        state: state_from_row(row, 9)?,
    })
}

/// Where an item or pair came from: the import's source, the place in it, and when.
pub(super) fn origin(db: &Connection, table: &str, id: i64) -> rusqlite::Result<Option<(String, Place, i64)>> {
    let query = format!(
        "SELECT source, line, row, imported_at FROM {table} JOIN imports ON imports.id = {table}.import WHERE {table}.id = ?"
    );
    db.prepare_cached(&query)?
        .query_row([id], |row| Ok((row.get(0)?, Place::from_columns(row, 1)?, row.get(3)?)))
        .optional()
}
