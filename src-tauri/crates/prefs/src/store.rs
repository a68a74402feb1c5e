//! A project: a folder with `project.sqlite`, where pairs, items to label and every judgement are kept.
//!
//! What holds: an import is there as a whole or not at all, whatever kills the process; a judgement is on disk before
//! [`Project::judge`] returns; rows are only ever added, an edit, a removal and an undo being rows of their own (the
//! database itself refuses to change or delete them); a file by a newer Tiebreak is left alone.
//!
//! Three tables are not what happened but what follows from it (`listing`, `item_states`, `tasks`); they can be made anew
//! at any time and exist so that a screen need not read the whole project.

mod account;
mod among;
mod audits;
mod compared;
mod confirmed;
mod decisions;
mod derived;
mod edited;
mod exported;
mod file_labels;
mod guidelines;
mod held_out;
mod import_changes;
mod imports;
mod items;
mod labelled;
mod labels;
mod pairs;
mod queue;
mod ratings;
mod revisions;
mod schema;
mod search;
mod seen;
mod selection;
mod sets;
mod singles;
mod sql;
mod swapped;
mod training;
mod upon;
mod verdict;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::sql::begin_moment;
use crate::Error;

pub use account::Brought;
pub use among::Among;
pub use audits::{Audit, AuditAct, AuditChoice, AuditOf, Audited};
pub use compared::{Compared, KeptPair};
pub use confirmed::ConfirmedPairs;
pub use decisions::{Considered, WHAT_COUNTS};
pub use exported::{ExportedAnnotator, ExportedPair, ExportedPairs, PairAnswer, PairJudgement, PairVerdict, PairVotes};
pub use guidelines::Guideline;
pub use held_out::Prompts;
pub use import_changes::{ImportChange, ImportChanged, ImportState};
pub use imports::{Beside, Counts, Import};
pub use items::OpenItem;
pub use labelled::{LabelledItem, LabelledPage, LabelledQuery, LabelledRow, Said, SaidAs, Standing};
pub use labels::Judging;
pub use pairs::{PairPage, PairQuery, PairRow, PairSource, Pairs, StoredPair};
pub use queue::{LabelItem, LabelState};
pub use revisions::{EditedText, PairChange, PairView};
pub use seen::{has_same_pairs, marked};
pub use selection::PairSort;
pub use sets::{PairSet, SetDefinition, Subset};
pub use singles::{SingleKind, SinglePage, SingleRow, StoredSingle};
pub use training::{IdsByContent, JudgementRow, SourcedPair};
pub use upon::Upon;
pub use verdict::{ItemAnswer, Majority, Meaning, Side, Verdict};

/// The database's name in a project folder.
pub const DATABASE: &str = "project.sqlite";

/// How long to wait while another connection writes: an import of some 100,000 pairs is one transaction.
const BUSY: Duration = Duration::from_secs(30);

/// An open project.
///
/// ```
/// use prefs::jsonl;
/// use prefs::store::Project;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("pairs.jsonl");
/// std::fs::write(&file, r#"{"prompt": "What is 2 + 3?", "chosen": "5.", "rejected": "Great question! It is 5."}"#)?;
///
/// let mut project = Project::open_or_create(&folder.path().join("arithmetic"))?;
/// let import = project.add_import(&jsonl::read_pairs(&file)?, "pairs.jsonl")?;
/// assert_eq!((import.added, import.refused), (1, 0));
///
/// let pairs = project.training_pairs()?;
/// assert_eq!(pairs[0].pair.chosen.as_text(), Some("5."));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    db: Connection,
    texts: RefCell<Option<search::Texts>>,
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
        schema::recognise(&db, &path)?;
        // On file systems without shared memory SQLite stays with its rollback journal, which is as safe.
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
        // fullfsync is macOS's own: there fsync alone does not reach the disk. The cache is in KiB where negative.
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768;",
        )
        .map_err(failed)?;
        db.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut db, schema::MIGRATIONS).map_err(failed)?;
        Ok(Self { folder: folder.to_path_buf(), db, texts: RefCell::new(None) })
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A number that is another one once another connection, perhaps of another process, has written.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn written_by_others(&self) -> Result<i64, Error> {
        self.read(sql::data_version)
    }

    /// Reads, saying which database could not be read.
    fn read<T>(&self, what: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        what(&self.db).map_err(|source| self.unreadable(source))
    }

    /// Writes in one transaction: all of `what` is on disk when this returns, or nothing of it.
    fn write<T>(&mut self, what: impl FnOnce(&Transaction) -> Result<T, Failed>) -> Result<T, Error> {
        let path = self.folder.join(DATABASE);
        let written = (|| {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            begin_moment();
            let result = what(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })();
        written.map_err(|failed| match failed {
            Failed::Database(source) => Error::database("write to", &path, source),
            Failed::Refused(error) => error,
        })
    }

    fn unreadable(&self, source: rusqlite::Error) -> Error {
        Error::database("read", &self.folder.join(DATABASE), source)
    }
}

/// Why a transaction was given up: the database's own reason, or ours.
enum Failed {
    Database(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

#[cfg(test)]
mod tests;
