//! Bringing files in: all of a file in one transaction, with the account of every row.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::derived;
use super::pairs::{PairSource, count};
use super::sql::{damaged, from_json, json, now};
use super::{Failed, Project};
use crate::jsonl::Reading;
use crate::mapping::{ImportKind, Mapped, MappedContent, MappedRow};
use crate::{Content, Error, Pair, Refused};

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
    /// Pairs or items that were new.
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
}

/// A file's rows and the account of those that were not taken.
struct Incoming<'a> {
    kind: ImportKind,
    rows: usize,
    refused: &'a [Refused],
    blank: usize,
    ignored_keys: &'a BTreeMap<String, usize>,
}

impl Project {
    /// Adds what was read from `source`, in one transaction: pairs that are new, and the account of all other rows.
    ///
    /// # Errors
    /// When the database cannot be written (disk full, no permission, busy); nothing of the import is there then.
    pub fn add_import(&mut self, reading: &Reading, source: &str) -> Result<Import, Error> {
        let incoming = Incoming {
            kind: ImportKind::Pairs,
            rows: reading.pairs.len(),
            refused: &reading.refused,
            blank: reading.blank,
            ignored_keys: &reading.ignored_keys,
        };
        self.write(|transaction| {
            insert(transaction, &incoming, source, |import| {
                let mut added = 0;
                for numbered in &reading.pairs {
                    added += insert_pair(transaction, &numbered.pair, import, numbered.line)?;
                }
                Ok(added)
            })
        })
    }

    /// Adds what a table became, in one transaction: new pairs, new items to label, and the account of all other rows.
    ///
    /// # Errors
    /// As [`Project::add_import`].
    pub fn import_mapped(&mut self, mapped: &Mapped, source: &str) -> Result<Import, Error> {
        let incoming = Incoming {
            kind: mapped.kind,
            rows: mapped.rows.len(),
            refused: &mapped.refused,
            blank: mapped.blank,
            ignored_keys: &mapped.ignored_keys,
        };
        self.write(|transaction| {
            insert(transaction, &incoming, source, |import| {
                let mut added = 0;
                for row in &mapped.rows {
                    added += match &row.content {
                        MappedContent::Pair(pair) => insert_pair(transaction, pair, import, row.line)?,
                        item => insert_item(transaction, item, import, row.line)?,
                    };
                }
                Ok(added)
            })
        })
    }

    /// How many rows an import of `mapped` would find to be duplicates, of what the project has or of each other.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count_known(&self, mapped: &Mapped) -> Result<usize, Error> {
        Ok(mapped.rows.len() - self.new_rows(mapped)?.len())
    }

    /// The rows that an import of `mapped` would add: those that are no duplicates, of what the project has or of each other.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn new_rows<'a>(&self, mapped: &'a Mapped) -> Result<Vec<&'a MappedRow>, Error> {
        self.read(|db| {
            let mut pairs = db.prepare_cached("SELECT 1 FROM pairs WHERE hash = ?")?;
            let mut items = db.prepare_cached("SELECT 1 FROM items WHERE hash = ?")?;
            let mut seen = std::collections::HashSet::new();
            let mut new = Vec::new();
            for row in &mapped.rows {
                let hash = row.content.content_hash();
                let is_pair = matches!(row.content, MappedContent::Pair(_));
                let stored = if is_pair { pairs.exists([&hash])? } else { items.exists([&hash])? };
                if seen.insert((is_pair, hash)) && !stored {
                    new.push(row);
                }
            }
            Ok(new)
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
            let mut statement = db.prepare("SELECT line, reason FROM refused WHERE import = ? ORDER BY rowid")?;
            let refused = |row: &Row| Ok(Refused { line: row.get::<_, i64>(0)? as usize, reason: row.get(1)? });
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
            db.query_row(
                "SELECT count(*), count(*) - coalesce(sum(ready), 0), count(outcome) FROM item_states WHERE removed = 0",
                [],
                |row| {
                    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as usize);
                    Ok(Counts { pairs, items: number(0)?, items_without_answers: number(1)?, labelled: number(2)? })
                },
            )
        })
    }
}

fn insert(
    transaction: &Transaction,
    incoming: &Incoming,
    source: &str,
    add_rows: impl FnOnce(i64) -> rusqlite::Result<usize>,
) -> Result<Import, Failed> {
    let id: i64 = transaction.query_row("SELECT coalesce(max(id), 0) + 1 FROM imports", [], |row| row.get(0))?;
    // The import's own row is written last, as it holds the counts and is never changed.
    transaction.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    let added = add_rows(id)?;
    let mut insert = transaction.prepare_cached("INSERT INTO refused (import, line, reason) VALUES (?, ?, ?)")?;
    for refused in incoming.refused {
        insert.execute(params![id, refused.line as i64, refused.reason])?;
    }
    let import = Import {
        id,
        source: source.to_owned(),
        imported_at: now(),
        kind: incoming.kind,
        added,
        duplicates: incoming.rows - added,
        refused: incoming.refused.len(),
        blank: incoming.blank,
        ignored_keys: incoming.ignored_keys.clone(),
    };
    transaction.execute(
        "INSERT INTO imports (id, source, imported_at, added, duplicates, refused, blank, ignored_keys, kind)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
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
    Ok(import)
}

/// 1 where the pair is new.
fn insert_pair(db: &Connection, pair: &Pair, import: i64, line: usize) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pairs (hash, import, line, prompt, chosen, rejected, category) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING",
    )?;
    let added = insert.execute(params![
        pair.content_hash(),
        import,
        line as i64,
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

/// 1 where the item is new.
fn insert_item(db: &Connection, item: &MappedContent, import: i64, line: usize) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO items (hash, at, import, line, prompt, first, second, category) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING",
    )?;
    let text = |content: Option<&Content>| content.map(json).transpose();
    let added = insert.execute(params![
        item.content_hash(),
        now(),
        import,
        line as i64,
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

/// Where an item or pair came from: the import's source and the line in it.
pub(super) fn origin(db: &Connection, table: &str, id: i64) -> rusqlite::Result<Option<(String, i64, i64)>> {
    let query = format!(
        "SELECT source, line, imported_at FROM {table} JOIN imports ON imports.id = {table}.import WHERE {table}.id = ?"
    );
    db.prepare_cached(&query)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}
