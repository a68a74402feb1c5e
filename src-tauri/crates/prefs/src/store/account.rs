//! The account of a table's rows: what each became in a project, or would become.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{file_labels, ratings};
use crate::mapping::{ImportKind, MappedContent, MappedRow};
use crate::table::Table;
use crate::{Error, Refused};

/// What the rows of a table became in a project, or would become. Where a row becomes one thing at most,
/// `rows = added + duplicates + refused`; what is left out by choice is in `notes`.
#[derive(Debug, Clone, PartialEq)]
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
    /// Rows of what the project had, with ratings or labels that it did not have.
    pub completing: usize,
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

const COMPLETING: &str = "what is here already has ratings or labels beside it that it did not have";

const DIFFERING: &str = "what is here already is rated otherwise, or is of another category, and stays as it is";

/// Refused rows that are given back one by one; the project keeps them all.
const TOLD: usize = 1_000;

/// The account of a table's rows.
pub(super) struct Account {
    kind: ImportKind,
    /// Rows of the files that are not blank.
    rows: usize,
    pub(super) files: Vec<FileAccount>,
    to_label: usize,
    single_labels: usize,
    completing: usize,
    differing: usize,
    refused: Vec<Refused>,
}

#[derive(Clone, Default)]
pub(super) struct FileAccount {
    pub(super) taken: usize,
    pub(super) added: usize,
    pub(super) refused: usize,
}

impl Account {
    pub(super) fn new(kind: ImportKind, table: &Table) -> Self {
        let files = vec![FileAccount::default(); table.files.len().max(1)];
        let rows = table.row_count + table.refused_count;
        Self { kind, rows, files, to_label: 0, single_labels: 0, completing: 0, differing: 0, refused: Vec::new() }
    }

    pub(super) fn add(&mut self, file: usize, row: Result<MappedRow, Refused>, added: usize) {
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
    pub(super) fn refuse_nothing(&self, source: &str) -> Result<(), Error> {
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

    /// Counts a row that says more, or something else, of what the project has.
    pub(super) fn look(
        &mut self,
        db: &Connection,
        source: &str,
        row: &Result<MappedRow, Refused>,
    ) -> rusqlite::Result<()> {
        let Ok(row) = row else { return Ok(()) };
        let is_of_a_category = matches!(&row.content, MappedContent::Pair(pair) if pair.category.is_some());
        // Of most rows nothing more is said, and then nothing is looked up.
        if row.labels.is_empty() && row.ratings.is_none() && !is_of_a_category {
            return Ok(());
        }
        let hash = row.content.content_hash();
        let is_completing = file_labels::are_new(db, source, row, &hash)? || ratings::are_new(db, row, &hash)?;
        self.completing += usize::from(is_completing);
        self.differing += usize::from(ratings::differ(db, row, &hash)?);
        Ok(())
    }

    /// What is noted of these rows.
    pub(super) fn said_of_known(&self) -> impl Iterator<Item = (String, usize)> {
        let said = [(COMPLETING, self.completing), (DIFFERING, self.differing)];
        said.into_iter().filter(|(_, rows)| *rows > 0).map(|(note, rows)| (note.to_owned(), rows))
    }

    pub(super) fn brought(self, ignored_keys: BTreeMap<String, usize>, notes: BTreeMap<String, usize>) -> Brought {
        let sum = |count: fn(&FileAccount) -> usize| self.files.iter().map(count).sum::<usize>();
        let (taken, added, refused_count) = (sum(|it| it.taken), sum(|it| it.added), sum(|it| it.refused));
        Brought {
            kind: self.kind,
            rows: self.rows,
            added,
            duplicates: taken - added,
            to_label: self.to_label,
            single_labels: self.single_labels,
            completing: self.completing,
            refused: self.refused,
            refused_count,
            ignored_keys,
            notes,
            first: Vec::new(),
        }
    }
}
