//! One way from a file of any form to pairs or prompts, for every shell: the columns are guessed, the user's choices go before
//! the guess, and what is still open is an error that says how to decide it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::mapping::{self, COLUMN_KEYS, ColumnMapping, ImportKind, Mapped, MappedContent};
use crate::prompts::Prompt;
use crate::table::Table;
use crate::{Error, Pair, Place, Refused};

/// Choices by name, as [`ColumnMapping::set`] takes them: `prompt` to a column, `plain_text` to `as_user_message`.
pub type Choices = BTreeMap<String, String>;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Read {
    /// How, in a sentence: the kind of file, and which column is what.
    pub how: String,
    /// What was left out or done otherwise, as sentences: columns that were not used among them.
    pub notices: Vec<String>,
    /// How the columns were taken.
    pub mapping: ColumnMapping,
    /// The rows.
    pub mapped: Mapped,
}

/// A data set that was opened, and how it is read. Its rows are read when they are asked for.
#[derive(Debug)]
pub struct Opened {
    /// The rows.
    pub table: Table,
    /// Which column is what.
    pub mapping: ColumnMapping,
    /// How, in a sentence: the kind of file, and which column is what.
    pub how: String,
    /// What is left out of the columns or done otherwise, as sentences.
    pub notices: Vec<String>,
}

/// Opens a file, a folder of shards or the files that a pattern names, to be read as the columns say. Without a choice of
/// `kind` they say that too.
///
/// # Errors
/// When a file cannot be read, a choice has no meaning, or a question about the data is open; and [`Error::Cancelled`] where
/// it is wanted no more.
pub fn open(path: &Path, choices: &Choices, is_wanted: &dyn Fn() -> bool) -> Result<Opened, Error> {
    let table = Table::read_wanted(path, is_wanted)?;
    let mapping = chosen(path, &table, choices)?;
    decided(path, &table, &mapping)?;
    let how = how(&table, &mapping);
    let notices = mapping::notices(&table, &mapping);
    table.failure()?;
    Ok(Opened { table, mapping, how, notices })
}

/// What was done to rows and which columns are not used, as sentences.
pub fn sentences(notes: &BTreeMap<String, usize>, ignored_keys: &BTreeMap<String, usize>) -> Vec<String> {
    let rows = |count: usize| if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    let mut sentences: Vec<String> =
        notes.iter().map(|(note, count)| format!("In {}: {note}.", rows(*count))).collect();
    if !ignored_keys.is_empty() {
        let unused: Vec<String> =
            ignored_keys.iter().map(|(name, count)| format!("`{name}` ({})", rows(*count))).collect();
        sentences.push(format!("Not used: {}.", unused.join(", ")));
    }
    sentences
}

/// Reads a file of pairs.
///
/// # Errors
/// As [`read`], and when the file holds no pairs.
pub fn read_pairs(path: &Path, choices: &Choices) -> Result<Read, Error> {
    let table = Table::read(path)?;
    let mut mapping = chosen(path, &table, choices)?;
    if mapping.kind == ImportKind::Candidates {
        // Without a column that says which is better there are no pairs in it.
        mapping.kind = ImportKind::Pairs;
    }
    if mapping.kind != ImportKind::Pairs {
        // No answers were found. A file that is empty or damaged says so by its refused rows.
        if !table.is_empty() {
            let named: Vec<String> = table.columns.iter().take(8).map(|name| format!("`{name}`")).collect();
            let question = format!(
                "It has no columns that are known as a chosen and a rejected answer, but {}. Set `chosen=COLUMN` and \
                 `rejected=COLUMN`, or `answer_a=COLUMN`, `answer_b=COLUMN` and `preference=COLUMN`.",
                named.join(", ")
            );
            return Err(Error::Undecided { path: path.to_path_buf(), question });
        }
        mapping.kind = ImportKind::Pairs;
    }
    let mut read = finish(path, &table, mapping)?;
    let rows = std::mem::take(&mut read.mapped.rows);
    for row in rows {
        let reason = match row.content {
            MappedContent::Pair(_) => {
                read.mapped.rows.push(row);
                continue;
            }
            MappedContent::Single(_) => "its prompt has no answer that is labelled the other way: it makes no pair",
            MappedContent::Candidates(_) | MappedContent::Prompt(_) => "neither answer is said to be better",
        };
        read.mapped.refused.push(Refused { place: row.place, reason: reason.to_owned() });
    }
    read.mapped.refused.sort_by_key(|refused| refused.place);
    Ok(read)
}

/// Reads a file for its prompts. Of pairs it is what both answers were given to.
///
/// # Errors
/// As [`read`], and when the file holds no prompts.
pub fn read_prompts(path: &Path, choices: &Choices) -> Result<Read, Error> {
    let table = Table::read(path)?;
    let mut mapping = chosen(path, &table, choices)?;
    if mapping.prompt.is_some() || mapping.kind == ImportKind::Prompts {
        mapping.forget_pairs();
        mapping.kind = ImportKind::Prompts;
    }
    let mut read = finish(path, &table, mapping)?;
    for row in &mut read.mapped.rows {
        let (prompt, category) = (row.content.prompt().clone(), row.content.category().map(str::to_owned));
        row.content = MappedContent::Prompt(Prompt { prompt, category });
    }
    Ok(read)
}

impl Read {
    /// Whether every column has the name of what it is, so that nothing was guessed.
    pub fn is_by_name(&self) -> bool {
        self.mapping.chosen_columns().all(|(key, column)| key == column)
    }

    /// The pairs, each with its place.
    pub fn pairs(&self) -> impl Iterator<Item = (Place, &Pair)> {
        self.mapped.rows.iter().filter_map(|row| match &row.content {
            MappedContent::Pair(pair) => Some((row.place, pair)),
            _ => None,
        })
    }

    /// The pairs alone.
    pub fn into_pairs(self) -> Vec<Pair> {
        let pair = |content| match content {
            MappedContent::Pair(pair) => Some(pair),
            _ => None,
        };
        self.mapped.rows.into_iter().filter_map(|row| pair(row.content)).collect()
    }

    /// The prompts, each with its place.
    pub fn prompts(&self) -> impl Iterator<Item = (Place, &Prompt)> {
        self.mapped.rows.iter().filter_map(|row| match &row.content {
            MappedContent::Prompt(prompt) => Some((row.place, prompt)),
            _ => None,
        })
    }

    /// The prompts alone.
    pub fn into_prompts(self) -> Vec<Prompt> {
        let prompt = |content| match content {
            MappedContent::Prompt(prompt) => Some(prompt),
            _ => None,
        };
        self.mapped.rows.into_iter().filter_map(|row| prompt(row.content)).collect()
    }
}

/// The guess, with the user's choices in it.
fn chosen(path: &Path, table: &Table, choices: &Choices) -> Result<ColumnMapping, Error> {
    let mut mapping = mapping::guess(table);
    let wrong = |reason| Error::Choice { path: path.to_path_buf(), reason };
    // Columns first: naming one takes back what was said of another.
    let (columns, others): (Vec<_>, Vec<_>) = choices.iter().partition(|(key, _)| COLUMN_KEYS.contains(&key.as_str()));
    for (key, value) in columns.into_iter().chain(others) {
        mapping.set(key, value).map_err(wrong)?;
    }
    mapping::guess_answer(table, &mut mapping);
    Ok(mapping)
}

/// Refuses data that holds nothing or leaves a question open.
fn decided(path: &Path, table: &Table, mapping: &ColumnMapping) -> Result<(), Error> {
    if table.is_empty() && table.refused_count == 0 {
        // What there was instead, such as trees whose questions have one answer each.
        let header: Vec<String> = table.columns.iter().take(8).map(|name| format!("`{name}`")).collect();
        let nothing = match header.as_slice() {
            [] => "it holds no rows".to_owned(),
            header => format!("it holds a header ({}) and no rows", header.join(", ")),
        };
        let found: Vec<&str> =
            std::iter::once(nothing.as_str()).chain(table.notices.iter().map(String::as_str)).collect();
        return Err(Error::Choice { path: path.to_path_buf(), reason: found.join(". ") });
    }
    match mapping.incomplete(table).filter(|_| !table.is_empty()) {
        Some(question) => Err(Error::Undecided { path: path.to_path_buf(), question }),
        None => Ok(()),
    }
}

fn finish(path: &Path, table: &Table, mapping: ColumnMapping) -> Result<Read, Error> {
    decided(path, table, &mapping)?;
    let mapped = mapping::apply(table, &mapping);
    let mut notices = mapping::notices(table, &mapping);
    notices.extend(sentences(&mapped.notes, &mapped.ignored_keys));
    table.failure()?;
    Ok(Read { how: how(table, &mapping), notices, mapping, mapped })
}

/// `JSON Lines: prompt = question, chosen = better, rejected = worse`.
fn how(table: &Table, mapping: &ColumnMapping) -> String {
    let mut text = format!("{}:", table.format);
    let mut separator = " ";
    for (key, column) in mapping.chosen_columns() {
        let _ = write!(text, "{separator}{key} = {column}");
        separator = ", ";
    }
    if let Some(meaning) = mapping::meaning(table, mapping) {
        let _ = write!(text, "; {meaning}");
    }
    text
}
