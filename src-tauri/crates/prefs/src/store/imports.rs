//! Bringing files in: all of a file in one transaction, with the account of every row.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::derived;
use super::pairs::{PairSource, count};
use super::sql::{damaged, from_json, json, now};
use super::{Failed, Project, singles};
use crate::jsonl::Reading;
use crate::mapping::{self, ColumnMapping, ImportKind, MappedContent, MappedRow};
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

/// What the rows of a table became in a project, or would become. Where a row becomes one thing at most,
/// `rows = added + duplicates + refused`; what is left out by choice is in `notes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// What was asked for.
    pub kind: ImportKind,
    /// Rows that are not blank.
    pub rows: usize,
    /// Pairs, items or single answers that are new.
    pub added: usize,
    /// What the project had, or that came twice.
    pub duplicates: usize,
    /// New rows of pairs that say that neither answer is better: they are items to label.
    pub to_label: usize,
    /// New rows of labelled answers whose prompts have no answer of the other label: they are kept as single labels.
    pub single_labels: usize,
    /// The first rows that were refused.
    pub refused: Vec<Refused>,
    /// How many were refused.
    pub refused_count: usize,
    /// Columns that are not taken over, with how often each holds something.
    pub ignored_keys: BTreeMap<String, usize>,
    /// What was done to rows on their way in, as sentences, each with how many rows it was done to.
    pub notes: BTreeMap<String, usize>,
    /// The first rows that were taken, where they were asked for.
    pub first: Vec<MappedRow>,
}

/// Refused rows that are given back one by one; the project keeps them all.
const TOLD: usize = 1_000;

/// The account of a table's rows.
struct Account {
    kind: ImportKind,
    /// Rows of the files that are not blank.
    rows: usize,
    files: Vec<FileAccount>,
    to_label: usize,
    single_labels: usize,
    refused: Vec<Refused>,
}

#[derive(Clone, Default)]
struct FileAccount {
    taken: usize,
    added: usize,
    refused: usize,
}

impl Account {
    fn new(kind: ImportKind, table: &Table) -> Self {
        let files = vec![FileAccount::default(); table.files.len().max(1)];
        let rows = table.row_count + table.refused_count;
        Self { kind, rows, files, to_label: 0, single_labels: 0, refused: Vec::new() }
    }

    fn add(&mut self, file: usize, row: Result<MappedRow, Refused>, added: usize) {
        let counts = &mut self.files[file];
        match row {
            Ok(row) => {
                counts.taken += 1;
                counts.added += added;
                // What is known already is a duplicate, whatever it is.
                if self.kind == ImportKind::Pairs {
                    self.to_label += if matches!(row.content, MappedContent::Candidates(_)) { added } else { 0 };
                    self.single_labels += if matches!(row.content, MappedContent::Single(_)) { added } else { 0 };
                }
            }
            Err(refused) => {
                counts.refused += 1;
                if self.refused.len() < TOLD {
                    self.refused.push(refused);
                }
            }
        }
    }

    /// An import that brings nothing because no row could be read is a mistake, and leaves no trace.
    fn refuse_nothing(&self, source: &str) -> Result<(), Error> {
        match self.refused.first().filter(|_| self.files.iter().all(|file| file.taken == 0)) {
            None => Ok(()),
            Some(Refused { place, reason }) => Err(Error::NothingTaken {
                source_name: source.to_owned(),
                refused: self.files.iter().map(|file| file.refused).sum(),
                place: *place,
                reason: reason.clone(),
            }),
        }
    }

    fn brought(self, ignored_keys: BTreeMap<String, usize>, notes: BTreeMap<String, usize>) -> Brought {
        let sum = |count: fn(&FileAccount) -> usize| self.files.iter().map(count).sum::<usize>();
        let (taken, added, refused_count) = (sum(|it| it.taken), sum(|it| it.added), sum(|it| it.refused));
        Brought {
            kind: self.kind,
            rows: self.rows,
            added,
            duplicates: taken - added,
            to_label: self.to_label,
            single_labels: self.single_labels,
            refused: self.refused,
            refused_count,
            ignored_keys,
            notes,
            first: Vec::new(),
        }
    }
}

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
            let id = begin_import(transaction)?;
            let mut added = 0;
            for numbered in &reading.pairs {
                added += insert_pair(transaction, &numbered.pair, id, numbered.place)?;
            }
            for refused in &reading.refused {
                insert_refused(transaction, id, refused)?;
            }
            let import = Import {
                id,
                source: source.to_owned(),
                imported_at: now(),
                kind: ImportKind::Pairs,
                added,
                duplicates: reading.pairs.len() - added,
                refused: reading.refused.len(),
                blank: reading.blank,
                ignored_keys: reading.ignored_keys.clone(),
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
            let first = begin_import(transaction)?;
            let mut meeting = 0;
            let mut notes = mapping::try_each(table, mapping, |file, row| {
                if !is_wanted() {
                    return Err(Failed::from(Error::Cancelled));
                }
                if let Some(single) = single_of(&row) {
                    meeting += usize::from(singles::meets(transaction, single, first)?);
                }
                let added = add_row(transaction, first + file as i64, row.as_ref())?;
                account.add(file, row, added);
                Ok(())
            })?;
            account.refuse_nothing(source)?;
            notes.extend((meeting > 0).then(|| (singles::MEETS.to_owned(), meeting)));
            for (file, counts) in account.files.iter().enumerate() {
                let import = Import {
                    id: first + file as i64,
                    source: source_of(table, file, source),
                    imported_at: now(),
                    kind: mapping.kind,
                    added: counts.added,
                    duplicates: counts.taken - counts.added,
                    refused: counts.refused,
                    // Of a table they are known as a whole.
                    blank: if file == 0 { table.blank } else { 0 },
                    ignored_keys: if file == 0 { ignored_keys.clone() } else { BTreeMap::new() },
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
    pub fn preview_table(&self, table: &Table, mapping: &ColumnMapping, shown: usize) -> Result<Brought, Error> {
        let ignored_keys = mapping::ignored(table, mapping);
        let mut account = Account::new(mapping.kind, table);
        let mut first = Vec::new();
        let (mut seen, mut meeting) = (HashSet::new(), 0);
        let mut notes = mapping::try_each(table, mapping, |file, row| {
            if let Some(single) = single_of(&row) {
                meeting += usize::from(self.read(|db| singles::meets(db, single, i64::MAX))?);
            }
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
        Ok(Brought { first, ..account.brought(ignored_keys, notes) })
    }

    /// Whether neither the project nor a row before has this; `seen` are the rows before.
    fn is_new(&self, content: &MappedContent, seen: &mut HashSet<[u8; 16]>) -> Result<bool, Error> {
        let query = match content {
            MappedContent::Pair(_) => "SELECT 1 FROM pairs WHERE hash = ?",
            MappedContent::Single(_) => "SELECT 1 FROM single_answers WHERE hash = ?",
            MappedContent::Candidates(_) | MappedContent::Prompt(_) => "SELECT 1 FROM items WHERE hash = ?",
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

    /// What the imports of pairs brought beside pairs, by the import's number: items to label, and single labels. Those that
    /// brought none are not there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn imported_beside_pairs(&self) -> Result<HashMap<i64, (usize, usize)>, Error> {
        self.read(|db| {
            let of_pairs = "import IN (SELECT id FROM imports WHERE kind = 'pairs')";
            let mut beside: HashMap<i64, (usize, usize)> = HashMap::new();
            for (table, is_item) in [("items", true), ("single_answers", false)] {
                let mut statement =
                    db.prepare(&format!("SELECT import, COUNT(*) FROM {table} WHERE {of_pairs} GROUP BY import"))?;
                let counts =
                    statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)? as usize)))?;
                for counted in counts {
                    let (import, count) = counted?;
                    let (items, singles) = beside.entry(import).or_default();
                    *(if is_item { items } else { singles }) = count;
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
                "SELECT id, source, imported_at, added, duplicates, refused, blank, ignored_keys, kind
                 FROM imports ORDER BY id",
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

/// The number of the next import. Its own row is written last, as it holds the counts and is never changed.
fn begin_import(db: &Connection) -> rusqlite::Result<i64> {
    db.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    db.query_row("SELECT coalesce(max(id), 0) + 1 FROM imports", [], |row| row.get(0))
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
fn add_row(db: &Connection, import: i64, row: Result<&MappedRow, &Refused>) -> rusqlite::Result<usize> {
    match row {
        Ok(MappedRow { place, content: MappedContent::Pair(pair) }) => insert_pair(db, pair, import, *place),
        Ok(MappedRow { place, content: MappedContent::Single(single) }) => singles::insert(db, single, import, *place),
        Ok(MappedRow { place, content }) => insert_item(db, content, Some((import, *place))),
        Err(refused) => insert_refused(db, import, refused).map(|()| 0),
    }
}

fn insert_refused(db: &Connection, import: i64, refused: &Refused) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO refused (import, line, row, reason) VALUES (?, ?, ?, ?)")?;
    let (line, row) = refused.place.columns();
    insert.execute(params![import, line, row, refused.reason])?;
    Ok(())
}

/// 1 where the pair is new.
fn insert_pair(db: &Connection, pair: &Pair, import: i64, place: Place) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pairs (hash, import, line, row, prompt, chosen, rejected, category) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING",
    )?;
    let (line, row) = place.columns();
    let added = insert.execute(params![
        pair.content_hash(),
        import,
        line,
        row,
        json(&pair.prompt)?,
        json(&pair.chosen)?,
        json(&pair.rejected)?,
        pair.category,
    ])?;
    if added > 0 {
        derived::list(db, db.last_insert_rowid(), PairSource::Imported, pair)?;
    }
    Ok(added)
}

/// 1 where the item is new. What comes from no file has no import and no place in one.
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
    let added = insert.execute(params![
        item.content_hash(),
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
    }
    Ok(added)
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
