//! Rows with one rated answer each, brought together by what was asked.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rated::{Rating, number};
use super::single::{CONTRADICTED, UNPAIRED, is_good};
use super::{ColumnMapping, Only, Reader, Taken};
use crate::rows::is_missing;
use crate::table::{Table, TableRow, is_conversation};

/// The largest text of answers that are held while rows with the same prompt are brought together.
const MOST_HELD: usize = 1 << 30;

/// Takes what a row became, until it has enough.
type TakeMade<'a> = dyn FnMut(&TableRow, Result<Taken, String>) -> ControlFlow<()> + 'a;

/// Under these names a row of a group holds the two answers.
const BETTER: &str = "\u{2}better";
const WORSE: &str = "\u{2}worse";
const ASKED: &str = "\u{2}asked";

/// The first half of the SHA-256 of what a row of one answer asks: there may be millions of them.
type Key = [u8; 16];

/// Rows with one rated answer each, brought together by what was asked. How many rows ask it is counted beforehand, so that a
/// group is given away with its last row, and of rows that are sorted by their prompts few are held.
pub(super) struct Groups {
    /// Rows that are still to come.
    missing: HashMap<Key, u32>,
    open: HashMap<Key, Group>,
    held: usize,
}

/// The rows that ask the same, each with its rating.
#[derive(Default)]
pub(super) struct Group {
    rows: Vec<(TableRow, f64)>,
    held: usize,
}

/// What became of a row.
#[derive(Default)]
pub(super) struct Added {
    /// Why it is in no group.
    pub(super) refused: Option<String>,
    /// The group that is whole now.
    pub(super) group: Option<Group>,
}

fn key_of(row: &TableRow, mapping: &ColumnMapping) -> Option<Key> {
    let mut hasher = Sha256::new();
    match (&mapping.prompt, conversation(row, mapping)) {
        (Some(prompt), _) => hasher.update(row.get(prompt)?.to_string()),
        (None, Some(turns)) => hasher.update(Value::from(turns[..turns.len() - 1].to_vec()).to_string()),
        (None, None) => return None,
    }
    let beside = [&mapping.context, &mapping.system, &mapping.history, &mapping.tools, &mapping.chat_template_kwargs];
    for column in beside.into_iter().flatten() {
        hasher.update([0]);
        hasher.update(row.get(column).map(ToString::to_string).unwrap_or_default());
    }
    hasher.finalize().first_chunk().copied()
}

/// What a row asks, and how its answer is rated.
///
/// # Errors
/// Why it cannot be one of a group.
fn place_of(row: &TableRow, mapping: &ColumnMapping) -> Result<(Key, f64), String> {
    let column = mapping.ratings.as_deref().unwrap_or_default();
    let value = row.get(column).filter(|value| !is_missing(value)).ok_or_else(|| format!("`{column}` is empty"))?;
    let rating = number(value).ok_or_else(|| format!("`{column}` holds no number"))?;
    let key = key_of(row, mapping).ok_or("what was asked is not there")?;
    let column = mapping.answers.as_deref().unwrap_or_default();
    row.get(column).ok_or_else(|| format!("`{column}` is empty"))?;
    Ok((key, rating))
}

/// The turns of a conversation that stands in the column of the answers, the last of them being the answer.
fn conversation<'a>(row: &'a TableRow, mapping: &ColumnMapping) -> Option<&'a Vec<Value>> {
    let value = row.get(mapping.answers.as_deref()?).filter(|value| is_conversation(value))?;
    value.as_array().filter(|turns| turns.len() > 1)
}

/// How many prompts have answers that are rated differently, how many of them more than two answers, and how many rows have one of
/// these prompts, counted once for a `key`.
pub(super) fn count_groups(table: &Table, mapping: &ColumnMapping, key: &str) -> [usize; 3] {
    struct Counted {
        rows: usize,
        first: f64,
        differ: bool,
    }
    table.found(key, || {
        let mut groups: HashMap<Key, Counted> = HashMap::new();
        table.each_row(|row| {
            let rating = mapping.ratings.as_deref().and_then(|column| number(row.get(column)?));
            if let (Some(key), Some(rating)) = (key_of(row, mapping), rating) {
                let group = groups.entry(key).or_insert(Counted { rows: 0, first: rating, differ: false });
                group.rows += 1;
                group.differ |= group.first.total_cmp(&rating).is_ne();
            }
            ControlFlow::Continue(())
        });
        let differing: Vec<usize> = groups.values().filter(|group| group.differ).map(|group| group.rows).collect();
        [differing.len(), differing.iter().filter(|rows| **rows > 2).count(), differing.iter().sum()]
    })
}

impl Groups {
    /// Counts the rows that will come.
    pub(super) fn of(table: &Table, mapping: &ColumnMapping, only: Option<&Only>) -> Self {
        let mut missing: HashMap<Key, u32> = HashMap::new();
        table.each_row(|row| {
            if only.is_none_or(|only| only.excludes(row).is_none())
                && let Ok((key, _)) = place_of(row, mapping)
            {
                *missing.entry(key).or_default() += 1;
            }
            ControlFlow::Continue(())
        });
        Self { missing, open: HashMap::new(), held: 0 }
    }

    /// Takes a row in, and gives the group that it was the last of.
    pub(super) fn add(&mut self, row: &TableRow, mapping: &ColumnMapping) -> Added {
        let (key, rating) = match place_of(row, mapping) {
            Ok(place) => place,
            Err(reason) => return Added { refused: Some(reason), group: None },
        };
        let row = with_parts(row, mapping);
        let size: usize = row.values.values().map(|value| value.to_string().len()).sum();
        let mut added = Added::default();
        if self.held + size > MOST_HELD {
            added.refused = Some(format!(
                "more than {} MiB of answers wait for others to the same prompts: sort the file by prompts",
                MOST_HELD >> 20
            ));
        } else {
            self.held += size;
            let group = self.open.entry(key).or_default();
            group.rows.push((row, rating));
            group.held += size;
        }
        let missing = self.missing.entry(key).or_default();
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.missing.remove(&key);
            added.group = self.open.remove(&key);
            self.held -= added.group.as_ref().map_or(0, |group| group.held);
        }
        added
    }
}

/// A row with nothing but what is used, and with its question and its answer under names of their own.
fn with_parts(row: &TableRow, mapping: &ColumnMapping) -> TableRow {
    let used: HashSet<&str> = mapping.named().map(|column| column.split('.').next().unwrap_or(column)).collect();
    let is_used = |key: &str| used.contains(key.split('.').next().unwrap_or(key));
    let values = row.values.iter().filter(|(key, _)| is_used(key));
    let values = values.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut row = TableRow { file: row.file, line: row.line, values };
    if let Some((answer, asked)) = conversation(&row, mapping).cloned().as_deref().and_then(<[_]>::split_last) {
        row.values.insert(BETTER.to_owned(), Value::Array(vec![answer.clone()]));
        row.values.insert(ASKED.to_owned(), Value::Array(asked.to_vec()));
    } else {
        let answer = row.get(mapping.answers.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        row.values.insert(BETTER.to_owned(), answer);
    }
    row
}

impl Group {
    /// Hands its pairs to `take`, each with the better answer's row. Without a pair each row is a single label, or refused where
    /// its rating is none.
    pub(super) fn each(self, reader: &Reader, take: &mut TakeMade) -> ControlFlow<()> {
        let group = self.rows;
        let asks = ColumnMapping { prompt: Some(ASKED.to_owned()), ..reader.mapping.clone() };
        let of_conversations = Reader { mapping: &asks, ..reader.clone() };
        let rows = group.iter().enumerate();
        let ratings: Vec<Rating> = rows.map(|(at, (_, rating))| Rating { at, rating: *rating }).collect();
        let made = reader.pairs(&ratings, |reader, (better, worse)| {
            let mut row = group[better].0.clone();
            let other = group[worse].0.values.get(BETTER).cloned().unwrap_or_default();
            row.values.insert(WORSE.to_owned(), other);
            let reader = if row.values.contains_key(ASKED) { &of_conversations } else { reader };
            reader.pair(&row, BETTER, WORSE).map(|taken| Taken { from: Some(better), ..taken })
        });
        let reason = match made {
            Ok(pairs) => {
                return pairs.into_iter().try_for_each(|taken| {
                    let row = &group[taken.from.unwrap_or_default()].0;
                    take(row, Ok(taken))
                });
            }
            Err(reason) if group.len() > 1 => reason,
            Err(_) => ALONE.to_owned(),
        };
        let kept = reader.mapping.order().zip(reader.label_note(&group));
        group.iter().try_for_each(|(row, rating)| {
            let Some((order, note)) = kept else { return take(row, Err(reason.clone())) };
            let whole = reader.mapping.answers.as_deref().filter(|_| row.values.contains_key(ASKED));
            let single = reader.single(row, whole.unwrap_or(BETTER), Some(is_good(*rating, order)));
            let noted = single.map(|mut taken| {
                taken.notes.push(note);
                taken
            });
            take(row, noted)
        })
    }
}

impl Reader<'_> {
    /// Whether the answers of a group that gives no pair are kept as single labels, and what is said of it.
    fn label_note(&self, group: &[(TableRow, f64)]) -> Option<&'static str> {
        let (first, rating) = group.first()?;
        if !self.has_labels {
            None
        } else if group.iter().all(|(_, other)| other.total_cmp(rating).is_eq()) {
            Some(UNPAIRED)
        } else {
            group.iter().all(|(row, _)| row.values.get(BETTER) == first.values.get(BETTER)).then_some(CONTRADICTED)
        }
    }
}

const ALONE: &str =
    "it is the only answer to its prompt, and a rating that is more than good or bad says nothing alone";
