//! One answer of a row that makes no pair: a demonstration, or an answer with a label of its own.

use std::collections::HashSet;

use serde_json::Value;

use super::guess::ColumnSample;
use super::rated::number;
use super::rating_names::words_of;
use super::{ColumnMapping, ImportKind, MappedContent, Parts, RatingOrder, Reader, Taken, transcript, values};
use crate::rows::is_missing;
use crate::table::{Table, TableRow};
use crate::{Content, SingleAnswer};

/// Words by which a column is called whose 1 and 0, or 1 and -1, say good and bad. Under another name they may be counts.
const LABELS: [&str; 8] = ["label", "labels", "desirable", "kto", "liked", "thumbs", "good", "accepted"];

/// Names of a column that holds the one answer of each row.
const ANSWER: [&str; 14] = [
    "completion",
    "response",
    "answer",
    "output",
    "reply",
    "generation",
    "model_output",
    "assistant",
    "chosen",
    "target",
    "targets",
    "solution",
    "reference",
    "summary",
];

pub(super) const UNPAIRED: &str = "kept as a single label, as the file has no answer to the same prompt that is labelled the other way: it is part of no pair";
pub(super) const NOT_PAIRED: &str = "kept as a single label, as `pairing` puts it in none of its prompt's pairs";
pub(super) const CONTRADICTED: &str =
    "the same answer to the same prompt is labelled good and bad: both labels are kept";

/// Whether a column says of each answer that it is good or bad, and nothing more.
pub(super) fn are_labels(table: &Table, column: &str) -> bool {
    let values = table.scalars(column);
    // What is no rating at all is refused row by row.
    let rated: Vec<(&Value, f64)> =
        values.iter().filter(|value| !is_missing(value)).filter_map(|value| Some((value, number(value)?))).collect();
    let is_said = |value: &Value| value.is_boolean() || value.as_str().is_some_and(|text| text.parse::<f64>().is_err());
    if rated.iter().all(|(value, _)| is_said(value)) {
        return !rated.is_empty();
    }
    let is_named = words_of(column).iter().any(|word| LABELS.contains(&word.as_str()));
    let among = |known: [f64; 2]| rated.iter().all(|(_, number)| known.contains(number));
    is_named && (among([0.0, 1.0]) || among([-1.0, 1.0]))
}

/// Whether a column is called a label, and holds numbers that are none.
pub(super) fn may_be_class(table: &Table, column: &str) -> bool {
    words_of(column).iter().any(|word| ["label", "labels"].contains(&word.as_str())) && !are_labels(table, column)
}

/// What the labels say, in words, with how many answers each stands at.
pub(super) fn labels_in_words(table: &Table, mapping: &ColumnMapping) -> Option<String> {
    let column = mapping.ratings.as_deref().filter(|column| mapping.is_grouped() && are_labels(table, column))?;
    let order = mapping.order()?;
    let [good, bad] = table.counted(&format!("labels: {column:?} {order:?}"), |row, [good, bad]| {
        match row.get(column).and_then(number) {
            Some(rating) if is_good(rating, order) => *good += 1,
            Some(_) => *bad += 1,
            None => {}
        }
    });
    Some(format!("By `{column}`, {good} answers are labelled good and {bad} bad."))
}

pub(super) fn is_good(rating: f64, order: RatingOrder) -> bool {
    (rating > 0.0) == (order == RatingOrder::HigherIsBetter)
}

/// Chooses the column of the answer that is imitated, and whether the prompt stands in it, where nothing is chosen.
pub fn guess_answer(table: &Table, mapping: &mut ColumnMapping) {
    if mapping.kind != ImportKind::Demonstrations || mapping.answers.is_some() {
        return;
    }
    let columns: Vec<ColumnSample> = table.columns.iter().map(|name| ColumnSample::at(table, name)).collect();
    let used: HashSet<&str> = mapping.named().collect();
    let named = |name: &str| {
        columns.iter().find(|column| column.last == name && column.is_content() && !used.contains(&*column.name))
    };
    if let Some(answer) = ANSWER.iter().find_map(|name| named(name)) {
        mapping.answers = Some(answer.name.clone());
    } else if let Some(answered) = columns.iter().find(|column| column.whole > 0 && is_answered(table, &column.name)) {
        // What was asked stands in it, too.
        mapping.answers = Some(answered.name.clone());
        mapping.prompt = None;
    }
}

/// Whether a column holds conversations in which the assistant has the last word, in some of the first rows.
fn is_answered(table: &Table, column: &str) -> bool {
    let said = |row: &TableRow| values::content_of(row.get(column)?, column).ok();
    let is_assistant = |content: Content| match transcript::turns(&content) {
        Some(turns) => turns.last().is_some_and(|last| last.role == "assistant"),
        None => content.as_messages().and_then(<[_]>::last).is_some_and(|last| last.role == "assistant"),
    };
    table.sample().iter().filter_map(said).any(is_assistant)
}

impl ColumnMapping {
    /// Which column of a demonstration is missing, as a sentence.
    pub(super) fn lacks_answer(&self, table: &Table) -> Option<String> {
        let Some(answer) = &self.answers else {
            return Some("Choose the column that holds the answer to be imitated (`answers`).".to_owned());
        };
        if answer.contains(".*") {
            return Some(format!("`{answer}` holds several answers; choose a column with one answer in each row."));
        }
        let first = table.sample().iter();
        let bare = first.filter(|row| values::are_bare_texts(row, answer, answer)).count();
        let has_prompt = self.prompt.is_some() || self.context.is_some();
        (!has_prompt && bare * 2 > table.sample().len()).then(|| "Choose the column that holds the prompt.".to_owned())
    }
}

impl Reader<'_> {
    /// The one answer of a row, as something to imitate.
    pub(super) fn demonstration(&self, row: &TableRow) -> Result<Taken, String> {
        self.single(row, self.mapping.answers.as_deref().unwrap_or_default(), None)
    }

    /// The answer in a column with what was asked before it. Of a conversation it is what the assistant says last.
    pub(super) fn single(&self, row: &TableRow, column: &str, label: Option<bool>) -> Result<Taken, String> {
        let category = values::category(row, self.mapping.category.as_deref())?;
        let Parts { prompt, first: answer, notes, .. } = values::parts(row, self, column, column)?;
        // An answer that is nothing may be a bad one, but nobody imitates it.
        if label.is_none() && answer.is_blank() {
            return Err(format!("`{column}` is empty"));
        }
        let content = MappedContent::Single(SingleAnswer { prompt, answer, label, category });
        Ok(Taken { content, labels: Vec::new(), notes, ratings: None, from: None })
    }
}
