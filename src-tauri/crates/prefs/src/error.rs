//! What can go wrong with a file of pairs or a project as a whole; a single bad row is a [`crate::Refused`] instead.

use std::path::{Path, PathBuf};

use crate::Place;

/// A failure of a whole file or project.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The file is not UTF-8 from its very first bytes on.
    #[error("{} is in {encoding}; save it as UTF-8 and try again", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding its byte order mark names.
        encoding: &'static str,
    },
    /// A file can be read in several ways, or in none that is known.
    #[error(
        "{}: {question} Say it by --map KEY=VALUE, or by `map` in the table [data] of a run's settings", path.display()
    )]
    Undecided {
        /// The file.
        path: PathBuf,
        /// What is to be decided, as sentences.
        question: String,
    },
    /// Whoever asked for it wants it no more. Nothing was written.
    #[error("cancelled")]
    Cancelled,
    /// Every row of a file was refused.
    #[error(
        "{source_name}: no row could be taken, {refused} were refused; {place}: {reason}. Correct the file, or say which \
         column is what"
    )]
    NothingTaken {
        /// The data set, as it would have been recorded.
        source_name: String,
        /// How many rows were refused.
        refused: usize,
        /// Where the first stands.
        place: Place,
        /// And why.
        reason: String,
    },
    /// A choice about how a file is read has no meaning.
    #[error("{}: {reason}", path.display())]
    Choice {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pair that could not be read back was about to be written.
    #[error("pair {index} cannot be written: {reason}")]
    InvalidPair {
        /// Position in the slice that was to be written, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder that should be a project is none.
    #[error("{} is no project (it holds no `project.sqlite`); import pairs into it to make one", folder.display())]
    NoProject { folder: PathBuf },
    /// The file is larger than what is held in memory.
    #[error("{} is larger than {most_gib} GiB; split it into several files and import them one after the other", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read.
        most_gib: u64,
    },
    /// The file holds no text.
    #[error("{} is {what}; save the data as JSON Lines or CSV and try again", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// What it is, as in "a Parquet file".
        what: &'static str,
    },
    /// A pair was asked for that the project does not have.
    #[error("the project has no {}; its verdicts may have been taken back: look at the list again", pair_of(*id))]
    NoPair {
        /// The number asked for.
        id: i64,
    },
    /// An import was named that the project does not have.
    #[error("the project has no import {import}: look at the list again")]
    NoImport {
        /// The number asked for.
        import: i64,
    },
    /// A name that no import can have.
    #[error("an import's name has 1 to {most} characters, on one line")]
    ImportName {
        /// The longest name, in characters.
        most: usize,
    },
    /// A set was named that the project does not have.
    #[error("the project has no set {set}: it was removed, or is another project's")]
    NoSet {
        /// The number asked for.
        set: i64,
    },
    /// Somebody changed a set since a form of it was opened.
    #[error("the set {name} was changed since this form was opened: look at it as it is now, then change it")]
    ChangedSet {
        /// Its name now.
        name: String,
    },
    /// A set cannot be as it was asked for.
    #[error("the set cannot be saved: {reason}")]
    InvalidSet {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A name that no category can have.
    #[error("a category has 1 to {most} characters, on one line")]
    CategoryName {
        /// The longest name, in characters.
        most: usize,
    },
    /// A single answer was asked for that the project does not have.
    #[error("the project has no single answer {id}: look at the list again")]
    NoSingle {
        /// The number asked for.
        id: i64,
    },
    /// An edited pair would not be one.
    #[error("the edited pair cannot be saved: {reason}")]
    InvalidEdit {
        /// What is wrong with it.
        reason: String,
    },
    /// Two answers that are to be kept would be no pair.
    #[error("these answers make no pair: {reason}")]
    NotAPair {
        /// What is wrong with them.
        reason: String,
    },
    /// A prompt that is to be kept says nothing.
    #[error("the prompt is empty; write something")]
    EmptyPrompt,
    /// An item was named that the project does not have, or that has no answers.
    #[error("the project has no item {item} with answers to label; load the screen again")]
    NoItem {
        /// The number asked for.
        item: i64,
    },
    /// An item has answers already.
    #[error("item {item} has its answers already; edit them instead")]
    AlreadyAnswered { item: i64 },
    /// A verdict or an edit names a showing that was not this annotator's.
    #[error("item {item} was not shown to this annotator as showing {showing}; load the screen again")]
    NoShowing { item: i64, showing: i64 },
    /// An item has a verdict of this annotator that says something else.
    #[error("item {item} already has a verdict of yours; take it back by undo before you give another")]
    AlreadyJudged { item: i64 },
    /// A verdict was to be given with those of others in view where there are none, or without saying anything.
    #[error("nobody has judged item {item} yet, or nothing was said of it; judge it on Label first")]
    NotJudged { item: i64 },
    /// The texts that were shown are not those that there are now.
    #[error("the texts of item {item} were changed meanwhile; load the screen again and read them")]
    TextsChanged { item: i64 },
    /// Something that an audit asks was to be edited or decided.
    #[error(
        "item {item} is a pair of a file in an audit, which changes no pair; edit, swap or remove the pair itself on Data"
    )]
    AuditedItem { item: i64 },
    /// Somebody else has saved a newer guideline than the one that was edited.
    #[error(
        "version {version} of the guideline was saved meanwhile; copy what you have written, and write it into that one"
    )]
    GuidelineSaved { version: i64 },
    /// An audit was asked for of no pair at all.
    #[error("no pair of a file is like this, or none is as it came in; choose others to audit")]
    NothingToAudit,
    /// An audit was named that the project does not have, or something that was done because of one.
    #[error("the project has no audit like this; load the screen again")]
    NoAudit,
    /// An answer that is more than one text was to be edited as one.
    #[error("this answer of item {item} is more than one text; edit it in the file and import it again")]
    SeveralMessages { item: i64 },
    /// A name that no annotator can have.
    #[error("an annotator's name has 1 to {most} characters, on one line")]
    AnnotatorName {
        /// The longest name, in characters.
        most: usize,
    },
    /// A database of another program lies where the project's should.
    #[error("{} belongs to another program and was left alone; choose another folder", path.display())]
    NotOurs {
        /// The database.
        path: PathBuf,
    },
    /// A newer Tiebreak has written this project.
    #[error("{} was written by a newer Tiebreak (version {found} of its format; this one knows {known}); update Tiebreak", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The format's version in the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The project's database cannot be used.
    #[error("cannot {action} {}: {source}; {hint}", path.display())]
    Database {
        /// What was tried, as a verb.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// What the user can do.
        hint: &'static str,
        /// The database's own words.
        source: rusqlite::Error,
    },
}

/// What a pair is known by: its number, or that of the item it was labelled as.
fn pair_of(id: i64) -> String {
    if id < 0 { format!("labelled pair of item {}", id.unsigned_abs()) } else { format!("pair {id}") }
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn database(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
            ReadOnly,
        };
        let hint = match source.sqlite_error_code() {
            Some(DiskFull) => "the disk is full: free some space and try again; nothing that was there is lost",
            Some(ReadOnly | CannotOpen | PermissionDenied) => "check that you may write to this folder",
            Some(DatabaseBusy | DatabaseLocked) => {
                "another Tiebreak is writing to this project: try again when it is done"
            }
            Some(NotADatabase | DatabaseCorrupt) => "the file is damaged: restore it from a copy of the project folder",
            _ if matches!(source, rusqlite::Error::FromSqlConversionFailure(..)) => {
                "a row is damaged: restore the file from a copy of the project folder"
            }
            _ => "what was there before is unchanged",
        };
        Self::Database { action, path: path.to_path_buf(), hint, source }
    }
}
