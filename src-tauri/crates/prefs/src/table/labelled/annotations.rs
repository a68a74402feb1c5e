//! Tables of Label Studio, `JSON_MIN` and CSV, in which each annotation is a row: those of one task become one row, in which most
//! of its annotators speak.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value, json};

use super::{Counts, Vote, annotator, majority, put_votes};
use crate::Place;
use crate::table::reading::bytes_of;

/// The largest rows, as they lie in memory, that are held while they are joined.
const MOST_HELD: usize = 1 << 30;

/// The longest text that may be a label, in bytes.
const LONGEST_LABEL: usize = 200;

/// What is said of an annotation, and not in it.
const ABOUT: [&str; 5] = ["annotator", "annotation_id", "created_at", "updated_at", "lead_time"];

/// The annotations that were read so far.
#[derive(Debug, Default)]
pub(in crate::table) struct Annotations {
    held: Vec<Held>,
    /// The first row of a task, by its file and its number.
    tasks: HashMap<(usize, String), usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    file: usize,
    place: Place,
    row: Map<String, Value>,
    /// Other annotations of the same task.
    more: Vec<Map<String, Value>>,
}

/// A row of such a table, with the number of its file and its place in it.
pub(in crate::table) type Joined = (usize, Place, Map<String, Value>);

impl Annotations {
    /// Takes a row in; gives it back where it is none of these.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub(in crate::table) fn add(
        &mut self,
        file: usize,
        place: Place,
        row: Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, String> {
        let is_one = ["id", "annotator", "annotation_id"].into_iter().all(|name| row.contains_key(name));
        let Some(task) = row.get("id").filter(|id| is_one && !id.is_null()) else { return Ok(Some(row)) };
        self.bytes += size_of::<Held>() + row.iter().map(|(key, value)| key.len() + bytes_of(value)).sum::<usize>();
        if self.bytes > MOST_HELD {
            return Err(format!("more than {} MiB of annotations: split the file by `id`", MOST_HELD >> 20));
        }
        match self.tasks.entry((file, task.to_string())) {
            Entry::Occupied(first) if is_same_task(&self.held[*first.get()].row, &row) => {
                self.held[*first.get()].more.push(row);
            }
            Entry::Occupied(_) => self.held.push(Held { file, place, row, more: Vec::new() }),
            Entry::Vacant(entry) => {
                entry.insert(self.held.len());
                self.held.push(Held { file, place, row, more: Vec::new() });
            }
        }
        Ok(None)
    }

    /// The tasks, each at the place of its first row.
    pub(in crate::table) fn join(self, counts: &mut Counts) -> impl Iterator<Item = Joined> {
        self.held.into_iter().map(|Held { file, place, row, more }| {
            let row = if more.is_empty() { row } else { together(row, &more, counts) };
            (file, place, row)
        })
    }
}

/// Whether two rows of one number have the same texts: what is too long for a label is none.
fn is_same_task(first: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let is_about = |name: &String| ABOUT.contains(&name.as_str());
    let alike = |(name, value): (&String, &Value)| {
        is_about(name) || other.get(name) == Some(value) || is_label(value) && other.get(name).is_none_or(is_label)
    };
    first.iter().all(alike)
        && other.iter().all(|(name, value)| first.contains_key(name) || is_label(value) || is_about(name))
}

/// Whether somebody may have said it: a short text, or the side that was selected.
fn is_label(value: &Value) -> bool {
    value.is_null() || label(value).is_some()
}

fn label(value: &Value) -> Option<&str> {
    let text = value.as_str().or_else(|| value.get("selected")?.as_str())?;
    (text.len() <= LONGEST_LABEL).then_some(text)
}

/// The row of a task: what most of its annotators say stands where each of them said something, and beside it what each said.
fn together(mut row: Map<String, Value>, more: &[Map<String, Value>], counts: &mut Counts) -> Map<String, Value> {
    let mut questions: Vec<String> = row.keys().cloned().collect();
    questions.extend(more.iter().flat_map(Map::keys).filter(|name| !row.contains_key(*name)).cloned());
    let all: Vec<Map<String, Value>> = std::iter::once(row.clone()).chain(more.iter().cloned()).collect();
    let mut by_column: Vec<(String, Vec<Vote>)> = Vec::new();
    for question in questions {
        let said = |(place, row): (usize, &Map<String, Value>)| {
            let text = label(row.get(&question)?).filter(|text| !text.trim().is_empty())?;
            // As of a task with a single annotation, which stays as it came.
            let by = match row.get("annotator") {
                Some(Value::Number(number)) => number.to_string(),
                by => annotator(by, place),
            };
            Some(Vote { annotator: by, said: text.to_owned() })
        };
        let votes: Vec<Vote> = all.iter().enumerate().filter_map(said).collect();
        let is_label = all.iter().all(|row| row.get(&question).is_none_or(is_label));
        if votes.is_empty() || !is_label || ABOUT.contains(&question.as_str()) || question == "id" {
            continue;
        }
        if by_column.iter().all(|(column, _)| *column != question) {
            row.insert(question.clone(), json!(majority(&votes)));
            by_column.push((question, votes));
        }
    }
    for name in ABOUT {
        row.remove(name);
    }
    counts.joined.0 += all.len();
    counts.joined.1 += 1;
    put_votes(&mut row, by_column.into_iter());
    row
}
