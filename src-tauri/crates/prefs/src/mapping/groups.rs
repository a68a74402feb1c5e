//! Rows with one rated answer each, brought together by what was asked.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rated::{Rating, number};
use super::{ColumnMapping, Reader, Taken};
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

/// Rows with one rated answer each, brought together by what was asked.
#[derive(Default)]
pub(super) struct Groups {
    places: HashMap<[u8; 32], usize>,
    in_order: Vec<Vec<(TableRow, f64)>>,
    held: usize,
}

/// What a row of one answer asks, as a key.
fn key_of(row: &TableRow, mapping: &ColumnMapping) -> Option<[u8; 32]> {
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
    Some(hasher.finalize().into())
}

/// The turns of a conversation that stands in the column of the answers, the last of them being the answer.
fn conversation<'a>(row: &'a TableRow, mapping: &ColumnMapping) -> Option<&'a Vec<Value>> {
    let value = row.get(mapping.answers.as_deref()?).filter(|value| is_conversation(value))?;
    value.as_array().filter(|turns| turns.len() > 1)
}

/// How many prompts have answers that are rated differently, how many more than two answers, and how many rows have one of the
/// former prompts, counted once for a `key`.
pub(super) fn count_groups(table: &Table, mapping: &ColumnMapping, key: &str) -> [usize; 3] {
    struct Group {
        rows: usize,
        first: f64,
        differ: bool,
    }
    table.found(key, || {
        let mut groups: HashMap<[u8; 32], Group> = HashMap::new();
        table.each_row(|row| {
            let rating = mapping.ratings.as_deref().and_then(|column| number(row.get(column)?));
            if let (Some(key), Some(rating)) = (key_of(row, mapping), rating) {
                let group = groups.entry(key).or_insert(Group { rows: 0, first: rating, differ: false });
                group.rows += 1;
                group.differ |= group.first.total_cmp(&rating).is_ne();
            }
            ControlFlow::Continue(())
        });
        let differing: Vec<usize> = groups.values().filter(|group| group.differ).map(|group| group.rows).collect();
        [differing.len(), groups.values().filter(|group| group.rows > 2).count(), differing.iter().sum()]
    })
}

impl Groups {
    /// Takes a row in.
    ///
    /// # Errors
    /// Why the row cannot be one of a group.
    pub(super) fn add(&mut self, row: &TableRow, mapping: &ColumnMapping) -> Result<(), String> {
        let column = mapping.ratings.as_deref().unwrap_or_default();
        let value = row.get(column).filter(|value| !is_missing(value)).ok_or_else(|| format!("`{column}` is empty"))?;
        let rating = number(value).ok_or_else(|| format!("`{column}` holds no number"))?;
        let key = key_of(row, mapping).ok_or("what was asked is not there")?;
        // Columns that are not used are not held.
        let used: HashSet<&str> = mapping.named().map(|column| column.split('.').next().unwrap_or(column)).collect();
        let is_used = |key: &str| used.contains(key.split('.').next().unwrap_or(key));
        let values = row.values.iter().filter(|(key, _)| is_used(key));
        let values = values.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut row = TableRow { file: row.file, line: row.line, values };
        if let Some(turns) = conversation(&row, mapping).cloned() {
            let (answer, asked) = turns.split_last().ok_or("the conversation is empty")?;
            row.values.insert(BETTER.to_owned(), Value::Array(vec![answer.clone()]));
            row.values.insert(ASKED.to_owned(), Value::Array(asked.to_vec()));
        } else {
            let column = mapping.answers.as_deref().unwrap_or_default();
            let answer = row.get(column).ok_or_else(|| format!("`{column}` is empty"))?.clone();
            row.values.insert(BETTER.to_owned(), answer);
        }
        self.held += row.values.values().map(|value| value.to_string().len()).sum::<usize>();
        if self.held > MOST_HELD {
            return Err(format!(
                "more than {} MiB of answers to be brought together by their prompts: split the file by prompts",
                MOST_HELD >> 20
            ));
        }
        let next = self.in_order.len();
        let at = *self.places.entry(key).or_insert(next);
        if at == next {
            self.in_order.push(Vec::new());
        }
        self.in_order[at].push((row, rating));
        Ok(())
    }

    /// Hands the pairs of each group to `take`, in the order in which their prompts first came, with the better answer's row. A
    /// group without a pair is one refused row for each of its rows.
    pub(super) fn each(self, reader: &Reader, take: &mut TakeMade) -> ControlFlow<()> {
        let asks = ColumnMapping { prompt: Some(ASKED.to_owned()), ..reader.mapping.clone() };
        let of_conversations = Reader { mapping: &asks, ..reader.clone() };
        for group in self.in_order {
            let rows = group.iter().enumerate();
            let ratings: Vec<Rating> = rows.map(|(at, (_, rating))| Rating { at, rating: *rating }).collect();
            let made = reader.pairs(&ratings, |reader, (better, worse)| {
                let mut row = group[better].0.clone();
                let other = group[worse].0.values.get(BETTER).cloned().unwrap_or_default();
                row.values.insert(WORSE.to_owned(), other);
                let reader = if row.values.contains_key(ASKED) { &of_conversations } else { reader };
                reader.pair(&row, BETTER, WORSE).map(|taken| Taken { from: Some(better), ..taken })
            });
            match made {
                Ok(pairs) => {
                    for taken in pairs {
                        let row = &group[taken.from.unwrap_or_default()].0;
                        take(row, Ok(taken))?;
                    }
                }
                Err(reason) => {
                    let reason = if group.len() < 2 { ALONE.to_owned() } else { reason };
                    for (row, _) in &group {
                        take(row, Err(reason.clone()))?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

const ALONE: &str = "it is the only answer to its prompt: a single label makes no pair";
