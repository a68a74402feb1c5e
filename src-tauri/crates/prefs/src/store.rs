//! A project: a folder with `project.sqlite`, where pairs are kept with where they came from.
//!
//! What holds: an import is there as a whole or not at all, whatever kills the process; rows are only ever added (the
//! database itself refuses to change or delete them); a file by a newer Tiebreak is left alone.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};

use crate::jsonl::Reading;
use crate::{Content, Error, Pair, Refused};

/// The database's name in a project folder.
pub const DATABASE: &str = "project.sqlite";

/// Marks our files (`PRAGMA application_id`): `TieB`.
const APPLICATION_ID: i32 = 0x5469_6542;

/// How long to wait while another process writes.
const BUSY: Duration = Duration::from_secs(10);

/// Pairs fetched at a time by [`Pairs`].
const PAGE: usize = 256;

/// From each version (`PRAGMA user_version`) to the next. Only ever appended to: files of every version are out there.
const MIGRATIONS: &[&str] = &["
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    imported_at INTEGER NOT NULL,  -- milliseconds since 1970
    added INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    ignored_keys TEXT NOT NULL     -- JSON: key to count
) STRICT;
CREATE TABLE refused (
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX refused_by_import ON refused (import);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,     -- Pair::content_hash
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    prompt TEXT NOT NULL,          -- JSON, as are the answers: a string or a list of messages
    chosen TEXT NOT NULL,
    rejected TEXT NOT NULL,
    category TEXT
) STRICT;
CREATE TRIGGER imports_stay BEFORE DELETE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never deleted'); END;
CREATE TRIGGER imports_keep BEFORE UPDATE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never changed'); END;
CREATE TRIGGER refused_stay BEFORE DELETE ON refused BEGIN SELECT RAISE(ABORT, 'refused rows are never deleted'); END;
CREATE TRIGGER refused_keep BEFORE UPDATE ON refused BEGIN SELECT RAISE(ABORT, 'refused rows are never changed'); END;
CREATE TRIGGER pairs_stay BEFORE DELETE ON pairs BEGIN SELECT RAISE(ABORT, 'pairs are never deleted'); END;
CREATE TRIGGER pairs_keep BEFORE UPDATE ON pairs BEGIN SELECT RAISE(ABORT, 'pairs are never changed'); END;
"];

/// An open project.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    db: Connection,
}

/// One import: where pairs came from and what became of every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its number in the project, from 1.
    pub id: i64,
    /// What the user imported, usually a file name.
    pub source: String,
    /// When, in milliseconds since 1970 (UTC).
    pub imported_at: i64,
    /// Pairs that were new.
    pub added: usize,
    /// Pairs whose content the project already had, or that came twice in this import.
    pub duplicates: usize,
    /// Rows that were refused; [`Project::refused`] has them.
    pub refused: usize,
    /// Blank lines.
    pub blank: usize,
    /// Keys that were not taken over, with how often each came.
    pub ignored_keys: std::collections::BTreeMap<String, usize>,
}

/// A pair in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPair {
    /// Its number in the project, from 1 in the order of coming in.
    pub id: i64,
    /// [`Pair::content_hash`].
    pub hash: String,
    /// The import that brought it.
    pub import: i64,
    /// Its line in what was imported, from 1.
    pub line: usize,
    /// The pair itself.
    pub pair: Pair,
}

impl Project {
    /// Opens the project in `folder`, bringing its database to this version.
    ///
    /// # Errors
    /// When there is no project, it is of a newer version, damaged or cannot be written.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.join(DATABASE).is_file() {
            return Err(Error::NoProject { folder: folder.to_path_buf() });
        }
        Self::open_or_create(folder)
    }

    /// Opens the project in `folder`, making folder and project where there is none.
    ///
    /// # Errors
    /// As [`Project::open`], and when the folder cannot be made.
    pub fn open_or_create(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        let path = folder.join(DATABASE);
        let failed = |source| Error::database("open", &path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(&path, flags).map_err(failed)?;
        db.busy_timeout(BUSY).map_err(failed)?;
        recognise(&db, &path)?;
        // On file systems without shared memory SQLite stays with its rollback journal, which is as safe.
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
        // fullfsync is macOS's own: there fsync alone does not reach the disk.
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;")
            .map_err(failed)?;
        migrate(&mut db, MIGRATIONS).map_err(failed)?;
        Ok(Self { folder: folder.to_path_buf(), db })
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds what was read from `source`, in one transaction: pairs that are new, and the account of all other rows.
    ///
    /// # Errors
    /// When the database cannot be written (disk full, no permission, busy); nothing of the import is there then.
    pub fn add_import(&mut self, reading: &Reading, source: &str) -> Result<Import, Error> {
        let path = self.database();
        self.insert(reading, source).map_err(|source| Error::database("add an import to", &path, source))
    }

    fn insert(&mut self, reading: &Reading, source: &str) -> rusqlite::Result<Import> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id: i64 = transaction.query_row("SELECT coalesce(max(id), 0) + 1 FROM imports", [], |row| row.get(0))?;
        // The import's own row is written last, as it holds the counts and is never changed.
        transaction.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        let mut added = 0;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO pairs (hash, import, line, prompt, chosen, rejected, category) VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (hash) DO NOTHING",
            )?;
            for numbered in &reading.pairs {
                let pair = &numbered.pair;
                added += insert.execute(params![
                    pair.content_hash(),
                    id,
                    numbered.line as i64,
                    json(&pair.prompt)?,
                    json(&pair.chosen)?,
                    json(&pair.rejected)?,
                    pair.category,
                ])?;
            }
            let mut insert = transaction.prepare("INSERT INTO refused (import, line, reason) VALUES (?, ?, ?)")?;
            for refused in &reading.refused {
                insert.execute(params![id, refused.line as i64, refused.reason])?;
            }
        }
        let import = Import {
            id,
            source: source.to_owned(),
            imported_at: now(),
            added,
            duplicates: reading.pairs.len() - added,
            refused: reading.refused.len(),
            blank: reading.blank,
            ignored_keys: reading.ignored_keys.clone(),
        };
        transaction.execute(
            "INSERT INTO imports (id, source, imported_at, added, duplicates, refused, blank, ignored_keys)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                id,
                import.source,
                import.imported_at,
                import.added as i64,
                import.duplicates as i64,
                import.refused as i64,
                import.blank as i64,
                json(&import.ignored_keys)?,
            ],
        )?;
        transaction.commit()?;
        Ok(import)
    }

    /// Number of pairs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self) -> Result<usize, Error> {
        let count = self.db.query_row("SELECT count(*) FROM pairs", [], |row| row.get::<_, i64>(0));
        count.map(|count| count as usize).map_err(|source| self.unreadable(source))
    }

    /// All pairs, in the order of coming in. Pairs that are added meanwhile come at the end.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { project: self, last: 0, page: VecDeque::new(), done: false }
    }

    /// All imports, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn imports(&self) -> Result<Vec<Import>, Error> {
        let read = || {
            let mut statement = self.db.prepare(
                "SELECT id, source, imported_at, added, duplicates, refused, blank, ignored_keys FROM imports ORDER BY id",
            )?;
            statement.query_map([], import_from_row)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.unreadable(source))
    }

    /// The refused rows of an import, in file order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn refused(&self, import: i64) -> Result<Vec<Refused>, Error> {
        let read = || {
            let mut statement = self.db.prepare("SELECT line, reason FROM refused WHERE import = ? ORDER BY rowid")?;
            let refused = |row: &Row| Ok(Refused { line: row.get::<_, i64>(0)? as usize, reason: row.get(1)? });
            statement.query_map([import], refused)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.unreadable(source))
    }

    fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    fn unreadable(&self, source: rusqlite::Error) -> Error {
        Error::database("read", &self.database(), source)
    }

    fn page_after(&self, last: i64) -> rusqlite::Result<VecDeque<StoredPair>> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, hash, import, line, prompt, chosen, rejected, category FROM pairs WHERE id > ? ORDER BY id LIMIT ?",
        )?;
        statement.query_map(params![last, PAGE as i64], pair_from_row)?.collect()
    }
}

/// The pairs of a project, fetched in pages, so that a large project need not fit into memory. Ends after an error.
#[derive(Debug)]
pub struct Pairs<'a> {
    project: &'a Project,
    last: i64,
    page: VecDeque<StoredPair>,
    done: bool,
}

impl Iterator for Pairs<'_> {
    type Item = Result<StoredPair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.done {
            match self.project.page_after(self.last) {
                Ok(page) => self.page = page,
                Err(source) => {
                    self.done = true;
                    return Some(Err(self.project.unreadable(source)));
                }
            }
            self.done = self.page.len() < PAGE;
        }
        let next = self.page.pop_front()?;
        self.last = next.id;
        Some(Ok(next))
    }
}

/// Refuses databases that are somebody else's or a newer Tiebreak's, before anything in them is touched.
fn recognise(db: &Connection, path: &Path) -> Result<(), Error> {
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let look = || {
        let id = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((id, version, tables))
    };
    let (id, version, tables) = look().map_err(|source| Error::database("open", path, source))?;
    // A file without id, version and tables is new, or its making was interrupted.
    if id != i64::from(APPLICATION_ID) && (id, version, tables) != (0, 0, 0) {
        return Err(Error::NotOurs { path: path.to_path_buf() });
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(Error::Newer { path: path.to_path_buf(), found: version, known });
    }
    Ok(())
}

/// Brings the database to the version after the last of `migrations`, all in one transaction.
fn migrate(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version(db)? as usize == migrations.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have done it meanwhile.
    let done = version(&transaction)? as usize;
    for migration in migrations.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migrations.len().max(done) as i64)?;
    transaction.commit()
}

fn pair_from_row(row: &Row) -> rusqlite::Result<StoredPair> {
    let pair = Pair {
        prompt: from_json::<Content>(row, 4)?,
        chosen: from_json::<Content>(row, 5)?,
        rejected: from_json::<Content>(row, 6)?,
        category: row.get(7)?,
    };
    Ok(StoredPair {
        id: row.get(0)?,
        hash: row.get(1)?,
        import: row.get(2)?,
        line: row.get::<_, i64>(3)? as usize,
        pair,
    })
}

fn import_from_row(row: &Row) -> rusqlite::Result<Import> {
    let count = |column: usize| row.get::<_, i64>(column).map(|count| count as usize);
    Ok(Import {
        id: row.get(0)?,
        source: row.get(1)?,
        imported_at: row.get(2)?,
        added: count(3)?,
        duplicates: count(4)?,
        refused: count(5)?,
        blank: count(6)?,
        ignored_keys: from_json(row, 7)?,
    })
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn now() -> i64 {
    // A clock before 1970 is a wrong clock; the order of imports is kept by their numbers.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonl::read_pairs_from;

    const FILE: &str = concat!(
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"p\"}], \"chosen\": \"a\", \"rejected\": \"b\", \"score\": 1}\n",
        "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\", \"category\": \"x\"}\n",
        "\n",
        "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n",
        "nonsense\n",
    );

    fn many(pairs: usize) -> Reading {
        let row = |i: usize| format!("{{\"prompt\": \"p{i}\", \"chosen\": \"a\", \"rejected\": \"b\"}}");
        let lines: Vec<String> = (0..pairs).map(row).collect();
        read_pairs_from(lines.join("\n").as_bytes()).unwrap()
    }

    #[test]
    fn an_import_is_kept_with_its_account() {
        let folder = tempfile::tempdir().unwrap();
        let reading = read_pairs_from(FILE.as_bytes()).unwrap();
        let mut project = Project::open_or_create(&folder.path().join("new").join("project")).unwrap();
        let first = project.add_import(&reading, "pairs.jsonl").unwrap();
        assert_eq!((first.id, first.added, first.duplicates, first.refused, first.blank), (1, 2, 1, 1, 1));
        let second = project.add_import(&reading, "pairs.jsonl").unwrap();
        assert_eq!((second.id, second.added, second.duplicates), (2, 0, 3));

        let again = Project::open(project.folder()).unwrap();
        assert_eq!(again.imports().unwrap(), [first, second]);
        assert_eq!(again.refused(1).unwrap(), reading.refused);
        let stored: Vec<StoredPair> = again.pairs().collect::<Result<_, _>>().unwrap();
        assert_eq!(again.count().unwrap(), 2);
        let expected: Vec<(usize, Pair)> =
            reading.pairs[..2].iter().map(|numbered| (numbered.line, numbered.pair.clone())).collect();
        assert_eq!(stored.iter().map(|stored| (stored.line, stored.pair.clone())).collect::<Vec<_>>(), expected);
        assert!(stored.iter().all(|stored| stored.hash == stored.pair.content_hash() && stored.import == 1));
    }

    #[test]
    fn the_iterator_crosses_pages() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        let reading = many(PAGE * 2 + 3);
        project.add_import(&reading, "many").unwrap();
        let stored: Vec<Pair> = project.pairs().map(|stored| stored.unwrap().pair).collect();
        assert_eq!(stored, reading.into_pairs());
    }

    #[test]
    fn rows_cannot_be_changed_or_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap();
        for table in ["pairs", "imports", "refused"] {
            assert!(project.db.execute(&format!("DELETE FROM {table}"), []).is_err(), "{table}");
        }
        assert!(project.db.execute("UPDATE pairs SET category = 'y'", []).is_err());
        assert_eq!(project.count().unwrap(), 2);
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_import() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "small").unwrap();
        let pages: i64 = project.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        project.db.query_row(&format!("PRAGMA max_page_count = {}", pages + 20), [], |_| Ok(())).unwrap();
        let large = many(5000);
        let error = project.add_import(&large, "large").unwrap_err().to_string();
        assert!(error.contains("full") && error.contains("free some space"), "{error}");
        assert_eq!((project.count().unwrap(), project.imports().unwrap().len()), (2, 1));
        project.db.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
        assert_eq!(project.add_import(&large, "large").unwrap().added, 5000);
    }

    #[test]
    fn a_project_of_every_earlier_version_opens() {
        for version in 0..=MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let mut db = Connection::open(folder.path().join(DATABASE)).unwrap();
            migrate(&mut db, &MIGRATIONS[..version]).unwrap();
            drop(db);
            let mut project = Project::open(folder.path()).unwrap();
            assert_eq!(project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap().added, 2);
            let now: i64 = project.db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
            assert_eq!(now as usize, MIGRATIONS.len());
        }
    }

    #[test]
    fn what_is_no_project_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Project::open(folder.path()), Err(Error::NoProject { .. })));
        let path = folder.path().join(DATABASE);

        std::fs::write(&path, "no database at all, but long enough to look at".repeat(100)).unwrap();
        let error = Project::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a database"), "{error}");
        std::fs::remove_file(&path).unwrap();

        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(Project::open(folder.path()), Err(Error::NotOurs { .. })));
        drop(db);
        std::fs::remove_file(&path).unwrap();

        drop(Project::open_or_create(folder.path()).unwrap());
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA user_version = 99").unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        let error = Project::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_damaged_row_is_an_error_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap();
        project.db.execute_batch("DROP TRIGGER pairs_keep; UPDATE pairs SET chosen = '{' WHERE id = 2").unwrap();
        let read: Vec<_> = project.pairs().collect();
        assert_eq!(read.len(), 1, "the iterator ends at the damage");
        assert!(read[0].is_err());
    }
}
