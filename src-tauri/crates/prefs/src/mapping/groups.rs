//! Rows with one rated answer each, brought together by what was asked.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rated::{Rating, number};
use super::single::{CONTRADICTED, NOT_PAIRED, UNPAIRED, is_good};
use super::{ColumnMapping, Only, Reader, Taken, values};
use crate::Error;
use crate::pair::hash_content;
use crate::rows::is_missing;
use crate::spill::{RecordPlace, Spill};
use crate::table::reading::bytes_of;
use crate::table::{Table, TableRow, is_conversation};

/// Bytes of rows, as they lie in memory, that are held there while rows with the same prompt are brought together. More of them
/// wait in a temporary file.
const MOST_HELD: usize = 64 << 20;

/// The same of the rows of one prompt, all of which are held when the last of them has come.
const MOST_OF_ONE: usize = 128 << 20;

/// Takes what a row became, until it has enough.
type TakeMade<'a> = dyn FnMut(&TableRow, Result<Taken, String>) -> ControlFlow<()> + 'a;

/// Under these names a row of a group holds the two answers.
const BETTER: &str = "\u{2}better";
const WORSE: &str = "\u{2}worse";
const ASKED: &str = "\u{2}asked";

/// The first half of the SHA-256 of what a row of one answer asks: there may be millions of them.
type Key = [u8; 16];

/// Rows with one rated answer each, brought together by what was asked. How many rows ask it is counted beforehand, so that a
/// group is given away with its last row, and of rows that are sorted by their prompts few wait.
pub(super) struct Groups {
    asked: HashMap<Key, Asked>,
    open: HashMap<Key, Group>,
    held: usize,
    most_held: usize,
    most_of_one: usize,
    /// Where rows wait that `open` has no room for.
    spill: Option<Spill>,
}

/// What is known of the rows that ask the same. There may be millions of them.
#[derive(Default)]
struct Asked {
    /// How many are still to come.
    missing: u32,
    /// KiB of those that wait in the file.
    waiting_kib: u32,
    /// The place of their last record there, its two halves.
    waiting: [u32; 2],
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

impl Asked {
    fn place(&self) -> RecordPlace {
        RecordPlace::from(self.waiting[0]) << 32 | RecordPlace::from(self.waiting[1])
    }

    fn wait_at(&mut self, place: RecordPlace, bytes: usize) {
        self.waiting = [(place >> 32) as u32, place as u32];
        self.waiting_kib += (bytes >> 10) as u32 + 1;
    }
}

/// What a row asks, as the model reads it: however the same is written, it is the same. A row of which that cannot be made, and
/// which is refused for it later, goes by what is written there.
fn key_of(row: &TableRow, mapping: &ColumnMapping) -> Option<Key> {
    let mut hasher = Sha256::new();
    let turns = conversation(row, mapping).filter(|_| mapping.prompt.is_none());
    let asked = match (&mapping.prompt, turns) {
        (Some(prompt), _) => row.get(prompt)?.to_string(),
        (None, Some(turns)) => Value::from(turns[..turns.len() - 1].to_vec()).to_string(),
        (None, None) => return None,
    };
    if let Ok(prompt) = values::asked(row, mapping, turns.map(|turns| &turns[..turns.len() - 1])) {
        hash_content(&mut hasher, &prompt.canonical());
    } else {
        hasher.update(asked);
        let beside = [&mapping.context, &mapping.system, &mapping.history, &mapping.tools];
        for column in beside.into_iter().chain([&mapping.chat_template_kwargs]).flatten() {
            hasher.update([0]);
            hasher.update(row.get(column).map(ToString::to_string).unwrap_or_default());
        }
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
        rows: u32,
        differ: bool,
        first: f64,
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
        let differing: Vec<usize> =
            groups.values().filter(|group| group.differ).map(|group| group.rows as usize).collect();
        [differing.len(), differing.iter().filter(|rows| **rows > 2).count(), differing.iter().sum()]
    })
}

impl Groups {
    /// Counts the rows that will come.
    pub(super) fn of(table: &Table, mapping: &ColumnMapping, only: Option<&Only>) -> Self {
        let mut asked: HashMap<Key, Asked> = HashMap::new();
        table.each_row(|row| {
            if only.is_none_or(|only| only.excludes(row).is_none())
                && let Ok((key, _)) = place_of(row, mapping)
            {
                asked.entry(key).or_default().missing += 1;
            }
            ControlFlow::Continue(())
        });
        let (most_held, most_of_one) = (MOST_HELD, MOST_OF_ONE);
        Self { asked, open: HashMap::new(), held: 0, most_held, most_of_one, spill: None }
    }

    /// Takes a row in, and gives the group that it was the last of.
    ///
    /// # Errors
    /// When rows do not fit into memory and cannot be kept elsewhere.
    pub(super) fn add(&mut self, row: &TableRow, mapping: &ColumnMapping) -> Result<Added, Error> {
        let (key, rating) = match place_of(row, mapping) {
            Ok(place) => place,
            Err(reason) => return Ok(Added { refused: Some(reason), group: None }),
        };
        let row = with_parts(row, mapping);
        let values = row.values.iter().map(|(key, value)| key.capacity() + 48 + bytes_of(value));
        let size = size_of::<(TableRow, f64)>() + values.sum::<usize>();
        let mut added = Added::default();
        let asked = self.asked.entry(key).or_default();
        asked.missing = asked.missing.saturating_sub(1);
        let group = self.open.entry(key).or_default();
        if group.held + ((asked.waiting_kib as usize) << 10) + size > self.most_of_one {
            added.refused =
                Some(format!("there are more than {} MiB of answers to its prompt", self.most_of_one >> 20));
        } else {
            self.held += size;
            group.rows.push((row, rating));
            group.held += size;
        }
        if asked.missing == 0 {
            let place = asked.place();
            self.asked.remove(&key);
            let mut group = self.open.remove(&key).unwrap_or_default();
            self.held -= group.held;
            if let Some(spill) = self.spill.as_mut().filter(|_| place > 0) {
                let mut rows = spill.rows(place)?;
                rows.append(&mut group.rows);
                group.rows = rows;
            }
            added.group = Some(group).filter(|group| !group.rows.is_empty());
        } else if self.held > self.most_held {
            self.put_away()?;
        }
        Ok(added)
    }

    /// Writes all rows that wait in memory to the file.
    fn put_away(&mut self) -> Result<(), Error> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::new()?),
        };
        for (key, group) in self.open.drain() {
            let asked = self.asked.entry(key).or_default();
            asked.wait_at(spill.add(&group.rows, asked.place())?, group.held);
        }
        self.held = 0;
        Ok(())
    }
}

/// A row with nothing but what is used, and with its question and its answer under names of their own.
fn with_parts(row: &TableRow, mapping: &ColumnMapping) -> TableRow {
    let used: HashSet<&str> = mapping.named().map(|column| column.split('.').next().unwrap_or(column)).collect();
    let is_used = |key: &str| used.contains(key.split('.').next().unwrap_or(key));
    let values = row.values.iter().filter(|(key, _)| is_used(key));
    let values = values.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut row = TableRow { file: row.file, place: row.place, values };
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
    /// Hands its pairs to `take`, each with the better answer's row, and then the labelled answers that are in none of them. Without
    /// a pair each row is a single label, or refused where its rating is none.
    pub(super) fn each(self, reader: &Reader, take: &mut TakeMade) -> ControlFlow<()> {
        let group = self.rows;
        let asks = ColumnMapping { prompt: Some(ASKED.to_owned()), ..reader.mapping.clone() };
        let of_conversations = Reader { mapping: &asks, ..reader.clone() };
        let rows = group.iter().enumerate();
        let ratings: Vec<Rating> = rows.map(|(at, (_, rating))| Rating { at, rating: *rating }).collect();
        let answer = |at: usize| group[at].0.values.get(BETTER);
        let is_same = |one: usize, other: usize| answer(one) == answer(other);
        let made = reader.pairs(&ratings, &is_same, |reader, (better, worse)| {
            let mut row = group[better].0.clone();
            row.values.insert(WORSE.to_owned(), answer(worse).cloned().unwrap_or_default());
            let reader = if row.values.contains_key(ASKED) { &of_conversations } else { reader };
            reader.pair(&row, BETTER, WORSE).map(|taken| Taken { from: Some((better, worse)), ..taken })
        });
        let order = reader.mapping.order();
        let keep = |(row, rating): &(TableRow, f64), order, note, take: &mut TakeMade| {
            let whole = reader.mapping.answers.as_deref().filter(|_| row.values.contains_key(ASKED));
            let single = reader.single(row, whole.unwrap_or(BETTER), Some(is_good(*rating, order)));
            let noted = single.map(|mut taken| {
                taken.notes.push(note);
                taken
            });
            take(row, noted)
        };
        let reason = match made {
            Ok(pairs) => {
                let used: HashSet<usize> =
                    pairs.iter().filter_map(|taken| taken.from).flat_map(|(one, other)| [one, other]).collect();
                for taken in pairs {
                    let better = taken.from.map_or(0, |(better, _)| better);
                    take(&group[better].0, Ok(taken))?;
                }
                let Some(order) = order.filter(|_| reader.has_labels) else { return ControlFlow::Continue(()) };
                let unused = (0..group.len()).filter(|at| !used.contains(at));
                return unused.into_iter().try_for_each(|at| {
                    let is_contradicted = (0..group.len())
                        .any(|other| is_same(at, other) && group[at].1.total_cmp(&group[other].1).is_ne());
                    keep(&group[at], order, if is_contradicted { CONTRADICTED } else { NOT_PAIRED }, take)
                });
            }
            Err(reason) if group.len() > 1 => reason,
            Err(_) => ALONE.to_owned(),
        };
        let kept = order.zip(reader.label_note(&group));
        group.iter().try_for_each(|rated| match kept {
            Some((order, note)) => keep(rated, order, note, take),
            None => take(&rated.0, Err(reason.clone())),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::mapping::{ImportKind, guess};

    /// The lines of each group, in the order in which the groups are whole, and those that were refused.
    fn grouped(
        table: &Table,
        mapping: &ColumnMapping,
        most_held: usize,
        most_of_one: usize,
    ) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut groups = Groups { most_held, most_of_one, ..Groups::of(table, mapping, None) };
        let (mut whole, mut refused) = (Vec::new(), Vec::new());
        table.each_row(|row| {
            let added = groups.add(row, mapping).unwrap();
            whole.extend(added.group.map(|group| group.rows.iter().map(|(row, _)| row.place.line).collect()));
            refused.extend(added.refused.map(|_| row.place.line));
            ControlFlow::Continue(())
        });
        assert!(groups.asked.is_empty() && groups.open.is_empty() && groups.held == 0);
        (whole, refused)
    }

    fn rated(prompts: &[usize]) -> (Table, ColumnMapping) {
        let row = |(at, prompt): (usize, &usize)| json!({"prompt": format!("p{prompt}"), "completion": format!("a{at} {}", "x".repeat(50)), "label": at % 2 == 0});
        let lines: Vec<String> = prompts.iter().enumerate().map(row).map(|row| row.to_string()).collect();
        let table = Table::from_bytes(lines.join("\n").as_bytes()).unwrap();
        let mut mapping = ColumnMapping { prompt: Some("prompt".to_owned()), ..ColumnMapping::new(ImportKind::Pairs) };
        mapping.answers = Some("completion".to_owned());
        mapping.ratings = Some("label".to_owned());
        (table, mapping)
    }

    proptest! {
        #[test]
        fn rows_that_wait_in_a_file_come_as_those_that_wait_in_memory(
            prompts in prop::collection::vec(0_usize..12, 1..60),
            most in 0_usize..6_000,
        ) {
            let (table, mapping) = rated(&prompts);
            let expected = grouped(&table, &mapping, usize::MAX, usize::MAX);
            prop_assert_eq!(expected.0.iter().map(Vec::len).sum::<usize>(), prompts.len());
            prop_assert_eq!(grouped(&table, &mapping, most, usize::MAX), expected);
        }
    }

    #[test]
    fn more_answers_to_one_prompt_than_fit_are_refused_and_no_others() {
        let (table, mapping) = rated(&[0, 1, 0, 0, 0, 0, 1, 0]);
        for most_held in [0, usize::MAX] {
            let (whole, refused) = grouped(&table, &mapping, most_held, 3_000);
            assert!(!refused.is_empty() && refused.iter().all(|line| ![2, 7].contains(line)), "{refused:?}");
            assert_eq!(whole.iter().map(Vec::len).sum::<usize>() + refused.len(), 8);
            assert!(whole.contains(&vec![2, 7]), "{whole:?}");
        }
    }

    #[test]
    fn the_same_question_is_the_same_however_it_is_written() {
        let asked = [
            json!({"prompt": [{"role": "user", "content": "q"}], "tools": null}),
            json!({"prompt": [{"content": "q", "role": "user"}], "tools": []}),
            json!({"prompt": [{"from": "human", "value": "q"}], "tools": "[]"}),
            json!({"prompt": {"role": "user", "content": "q"}}),
        ];
        let with_tools = [
            json!({"prompt": [{"role": "user", "content": "q"}], "tools": [{"name": "f", "arguments": {"a": 1, "b": 2}}]}),
            json!({"prompt": [{"role": "user", "content": "q"}], "tools": [{"arguments": {"b": 2, "a": 1}, "name": "f"}]}),
        ];
        let other = [
            json!({"prompt": [{"role": "user", "content": "q "}]}),
            json!({"prompt": [{"role": "system", "content": "q"}]}),
        ];
        let mut lines = String::new();
        for (at, row) in asked.iter().chain(&with_tools).chain(&other).enumerate() {
            let mut row = row.clone();
            row["completion"] = format!("a{at}").into();
            row["label"] = (at % 2 == 0).into();
            lines += &row.to_string();
            lines.push('\n');
        }
        let table = Table::from_bytes(lines.as_bytes()).unwrap();
        let mapping = guess(&table);
        assert_eq!((mapping.answers.as_deref(), mapping.tools.as_deref()), (Some("completion"), Some("tools")));
        let (whole, refused) = grouped(&table, &mapping, usize::MAX, usize::MAX);
        assert_eq!((whole, refused), (vec![vec![1, 2, 3, 4], vec![5, 6], vec![7], vec![8]], vec![]));
    }
}
