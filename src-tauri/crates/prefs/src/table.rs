//! Files of foreign form as a table: rows with named columns, whatever the files are.
//!
//! Kinds of file are told apart by what is in them: JSON Lines and other JSON, CSV, TSV and Parquet, each of the texts also
//! compressed by gzip or zstd. A folder of shards, or a pattern, is one table. Files larger than what is kept in memory are read
//! from their beginning for every look at all rows. A tree of messages, whole or with one message to a row, becomes a row for each
//! question with several answers; in a record of Argilla or Label Studio the majority of its annotators speaks. A conversation
//! that stands as text in a cell, or as a dict of lists, becomes a list of messages. Other objects inside a row are offered as
//! columns with dotted names (`chosen.content`, `answers.0.text`), except those that are a message or a list of messages: these
//! are content as they stand. [`crate::mapping`] makes pairs of a table.

pub(crate) mod cells;
mod columns;
mod compression;
mod delimited;
mod encoding;
mod json;
pub(crate) mod labelled;
mod literal;
mod messages;
mod mt_bench;
mod names;
mod parquet;
mod potato;
pub(crate) mod reading;
mod sample;
mod shards;
mod source;
mod trees;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::pair::SAYING;
use crate::rows::not_a_number;
use crate::{Error, Place, Refused, jsonl};

/// Bytes of rows, as they lie in memory, up to which all of them are kept.
const KEPT: usize = 128 << 20;

/// First rows that are kept of larger files.
const HEAD_ROWS: usize = 5_000;

/// Different values of a column that are kept.
const DISTINCT: usize = 4_096;

/// How deep objects and lists are opened.
const DEEPEST: usize = 7;

/// Characters of a sample value.
const SAMPLE: usize = 120;

/// What kind of file a table came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON value per line.
    JsonLines,
    /// One JSON array of rows.
    JsonArray,
    /// One JSON object that holds the rows.
    JsonObject,
    /// JSON objects over several lines each, one after the other.
    JsonObjects,
    /// Text separated by commas or semicolons, with a header.
    Csv,
    /// Text separated by tabs, with a header.
    Tsv,
    /// Columns in binary form.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::JsonLines => "JSON Lines",
            Self::JsonArray => "JSON array",
            Self::JsonObject => "JSON object",
            Self::JsonObjects => "JSON objects",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Parquet => "Parquet",
        })
    }
}

/// The rows of files under their columns. Nothing is dropped without being counted: every line is a row, refused or blank.
#[derive(Debug)]
pub struct Table {
    /// What the files are.
    pub format: Format,
    /// The files, in the order in which they are read; none where the table was made of bytes.
    pub files: Vec<PathBuf>,
    /// The columns, in the order in which they first come.
    pub columns: Vec<String>,
    /// How many rows there are.
    pub row_count: usize,
    /// The first rows that could not be read, by line and reason.
    pub refused: Vec<Refused>,
    /// How many rows could not be read.
    pub refused_count: usize,
    /// Lines with nothing in them.
    pub blank: usize,
    /// Keys of rows under which conversations stood as text, with how often, and are messages now.
    pub as_text: BTreeMap<String, usize>,
    /// What is to be said of the files themselves, as sentences.
    pub notices: Vec<String>,
    /// Of each of `refused` the number of its file, and how many rows come before it.
    refused_in: Vec<(usize, usize)>,
    /// Some rows by which columns are known.
    sample: Vec<TableRow>,
    /// The first rows, or all.
    kept: Vec<TableRow>,
    /// Where all rows can be read, if not all are kept.
    source: Option<source::Source>,
    known: Mutex<Known>,
}

/// Takes a row, or one that cannot be read with the number of its file, until it has enough.
pub(crate) type TakeRow<'a> = dyn FnMut(Result<&TableRow, (usize, Refused)>) -> ControlFlow<()> + 'a;

/// What was found out by looking at all rows, so that they are read once for it.
#[derive(Debug, Default)]
struct Known {
    filled: Option<Arc<HashMap<String, usize>>>,
    scalars: HashMap<String, Arc<Vec<Value>>>,
    counted: HashMap<String, Arc<Vec<usize>>>,
    /// Why a look at all rows came to no end.
    failed: Option<Error>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// Number of its file among the table's, from 0.
    pub file: usize,
    /// Where it begins in it.
    pub place: Place,
    /// The row as it stands in the file.
    pub values: Map<String, Value>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct Column {
    /// Its name, dotted where it lies inside an object or a list.
    pub name: String,
    /// Share of the rows that have something there, 0 to 1.
    pub filled: f64,
    /// The beginning of the first value.
    pub sample: String,
}

impl Table {
    /// Reads a file, whose kind is found by its content, a folder of shards or the files that a pattern names.
    ///
    /// # Errors
    /// When a file cannot be read, is UTF-16 or of an unknown binary kind, or the files do not belong together. Bad rows are in
    /// [`Table::refused`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_while(path, KEPT, &|| true)
    }

    /// As [`Table::read`], keeping all rows only where they take no more than so many bytes.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn read_keeping(path: &Path, most_bytes: usize) -> Result<Self, Error> {
        Self::read_while(path, most_bytes, &|| true)
    }

    /// As [`Table::read`], as long as it is wanted.
    ///
    /// # Errors
    /// As [`Table::read`], and [`Error::Cancelled`].
    pub fn read_wanted(path: &Path, is_wanted: &dyn Fn() -> bool) -> Result<Self, Error> {
        Self::read_while(path, KEPT, is_wanted)
    }

    fn read_while(path: &Path, most_bytes: usize, is_wanted: &dyn Fn() -> bool) -> Result<Self, Error> {
        let source = source::Source::of(path)?;
        let mut reading = reading::Reading::new(source.files(), most_bytes);
        let format = source.scan(&mut |file, item| {
            if is_wanted() { reading.add(file, item) } else { ControlFlow::Break(()) }
        })?;
        if !is_wanted() {
            return Err(Error::Cancelled);
        }
        let header = source.header()?;
        let left_out = source.left_out.clone();
        let mut table = reading.table(format.unwrap_or(Format::JsonLines), header, Some(source));
        table.notices.extend(left_out);
        Ok(table)
    }

    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    /// Never for what the bytes are: rows that make no sense are in [`Table::refused`].
    pub fn from_bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let mut reading = reading::Reading::new(Vec::new(), usize::MAX);
        let (format, header) = source::scan_bytes(bytes, &mut |item| reading.add(0, item))?;
        Ok(reading.table(format, header, None))
    }

    /// The first rows: all of them, or so many that nobody looks at more one by one.
    pub fn first_rows(&self) -> &[TableRow] {
        &self.kept[..self.kept.len().min(HEAD_ROWS)]
    }

    /// The rows by which it is guessed what columns hold: the first ones, and some of each column that is empty there.
    pub(crate) fn sample(&self) -> &[TableRow] {
        &self.sample
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.row_count == 0
    }

    /// Hands every row to `take`, in order, until it has enough. Where the files cannot be read to their end,
    /// [`Table::failure`] says so afterwards.
    pub fn each_row(&self, mut take: impl FnMut(&TableRow) -> ControlFlow<()>) {
        self.each(&mut |next| match next {
            Ok(row) => take(row),
            Err(_) => ControlFlow::Continue(()),
        });
    }

    /// As [`Table::each_row`], with the rows that cannot be read among them.
    pub(crate) fn each(&self, take: &mut TakeRow) {
        let Some(source) = &self.source else {
            let mut refused = self.refused_in.iter().zip(&self.refused).peekable();
            for (at, row) in self.kept.iter().enumerate() {
                while let Some(((file, _), bad)) = refused.next_if(|((_, before), _)| *before <= at) {
                    if take(Err((*file, bad.clone()))).is_break() {
                        return;
                    }
                }
                if take(Ok(row)).is_break() {
                    return;
                }
            }
            let _ = refused.try_for_each(|((file, _), bad)| take(Err((*file, bad.clone()))));
            return;
        };
        let (mut rows, mut ended) = (0, false);
        let mut opened = reading::Opened::default();
        let mut give = |file: usize, place: Place, row: Result<Map<String, Value>, String>| match row {
            Ok(values) => {
                rows += 1;
                take(Ok(&TableRow { file, place, values }))
            }
            Err(reason) => take(Err((file, Refused { place, reason: in_file(&self.files, file, reason) }))),
        };
        let scanned = source.scan(&mut |file, item| {
            let flow = match item {
                source::Item::Row(place, values) => match opened.rows(file, place, values) {
                    Ok(values) => values.into_iter().try_for_each(|values| give(file, place, Ok(values))),
                    Err(reason) => give(file, place, Err(reason)),
                },
                source::Item::Refused(place, reason) => give(file, place, Err(reason)),
                source::Item::Blank(_) => ControlFlow::Continue(()),
            };
            ended |= flow.is_break();
            flow
        });
        ended |= !ended && scanned.is_ok() && opened.rest(&mut give).is_break();
        let mut known = self.known();
        match scanned {
            Err(error) => known.failed = Some(error),
            Ok(_) if !ended && rows != self.row_count => {
                let path = self.files.first().cloned().unwrap_or_default();
                let reason = "the files were changed while they were read; try again when nothing writes to them";
                known.failed = Some(Error::Choice { path, reason: reason.to_owned() });
            }
            Ok(_) => {}
        }
    }

    /// Says why a look at all rows came to no end, where it was not the files.
    pub(crate) fn fail(&self, error: Error) {
        self.known().failed = Some(error);
    }

    /// Why a look at all rows came to no end, if one did.
    ///
    /// # Errors
    /// That is its result.
    pub fn failure(&self) -> Result<(), Error> {
        match self.known().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Every column with how much of it is filled and a sample.
    pub fn describe(&self) -> Vec<Column> {
        let filled = self.filled();
        let describe = |name: &String| {
            let of = |row: &'_ TableRow| row.get(name).or_else(|| row.list(name).into_iter().flatten().next()).cloned();
            let mut values = self.sample.iter().filter_map(of).filter(is_filled);
            let share = if self.is_empty() { 0.0 } else { filled[name] as f64 / self.row_count as f64 };
            Column {
                name: name.clone(),
                filled: share,
                sample: values.next().map_or_else(String::new, |value| sample(&value)),
            }
        };
        self.columns.iter().map(describe).collect()
    }

    /// In how many rows each column holds something.
    pub(crate) fn filled(&self) -> Arc<HashMap<String, usize>> {
        if let Some(filled) = &self.known().filled {
            return Arc::clone(filled);
        }
        let mut counts = vec![0; self.columns.len()];
        self.each_row(|row| {
            for (count, name) in counts.iter_mut().zip(&self.columns) {
                *count += usize::from(row.holds(name));
            }
            ControlFlow::Continue(())
        });
        let filled = Arc::new(self.columns.iter().cloned().zip(counts).collect());
        Arc::clone(self.known().filled.insert(filled))
    }

    /// The different values of a column, as far as they are no lists or objects: all of them, or so many that more would say
    /// nothing else. A negative number is among them if there is any.
    pub(crate) fn scalars(&self, column: &str) -> Arc<Vec<Value>> {
        if let Some(values) = self.known().scalars.get(column) {
            return Arc::clone(values);
        }
        let (mut seen, mut values, mut has_negative) = (HashSet::new(), Vec::new(), false);
        self.each_row(|row| {
            let value = row.get(column).filter(|value| !value.is_array() && !value.is_object());
            let Some(value) = value else { return ControlFlow::Continue(()) };
            let is_negative = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).is_some_and(|it| it < 0.0);
            if (values.len() < DISTINCT || is_negative && !has_negative) && seen.insert(value.to_string()) {
                has_negative |= is_negative;
                values.push(value.clone());
            }
            ControlFlow::Continue(())
        });
        let values = Arc::new(values);
        self.known().scalars.insert(column.to_owned(), Arc::clone(&values));
        values
    }

    /// What `count` adds up over all rows, counted once for every `key`.
    pub(crate) fn counted<const N: usize>(
        &self,
        key: &str,
        mut count: impl FnMut(&TableRow, &mut [usize; N]),
    ) -> [usize; N] {
        self.found(key, || {
            let mut counts = [0; N];
            self.each_row(|row| {
                count(row, &mut counts);
                ControlFlow::Continue(())
            });
            counts
        })
    }

    /// What `find` finds in the rows, looked for once for every `key`.
    pub(crate) fn found<const N: usize>(&self, key: &str, find: impl FnOnce() -> [usize; N]) -> [usize; N] {
        let known = self.known().counted.get(key).map(Arc::clone);
        if let Some(counts) = known.and_then(|counts| <[usize; N]>::try_from(counts.as_slice()).ok()) {
            return counts;
        }
        let counts = find();
        self.known().counted.insert(key.to_owned(), Arc::new(counts.to_vec()));
        counts
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that a path names: itself, the shards in a folder, or those of a pattern.
///
/// # Errors
/// When there is none, or they do not belong together.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    shards::Shards::of(path).map(|shards| shards.files)
}

/// The path with `*` of a column that is one element of a list: `completions.*.response` of `completions.0.response`.
pub(crate) fn starred(column: &str) -> Option<String> {
    let mut parts: Vec<&str> = column.split('.').collect();
    let number = parts.iter().skip(1).position(|part| part.bytes().all(|byte| byte.is_ascii_digit()))? + 1;
    parts[number] = "*";
    Some(parts.join("."))
}

/// A reason with the name of the file, where there are several.
pub(crate) fn in_file(files: &[PathBuf], file: usize, reason: String) -> String {
    match files.get(file).filter(|_| files.len() > 1) {
        Some(path) => format!("in `{}`: {reason}", path.file_name().unwrap_or_default().to_string_lossy()),
        None => reason,
    }
}

impl TableRow {
    /// The value in a column, by its dotted name; `None` where there is none or it is `null`.
    pub fn get(&self, column: &str) -> Option<&Value> {
        let value = match self.values.get(column) {
            Some(value) => Some(value),
            None => in_object(&self.values, column),
        };
        value.filter(|value| !value.is_null())
    }
}

impl TableRow {
    /// The values of a list, by a path with `*` for their number (`completions.*.response`), or of a column that is a list.
    pub fn list(&self, path: &str) -> Vec<Option<&Value>> {
        let (list, rest) = match path.split_once(".*") {
            Some((list, rest)) => (list, rest.strip_prefix('.').unwrap_or(rest)),
            None => (path, ""),
        };
        let Some(Value::Array(items)) = self.get(list) else { return Vec::new() };
        let value = |item| if rest.is_empty() { Some(item) } else { inside(item, rest) };
        items.iter().map(|item| value(item).filter(|value| !value.is_null())).collect()
    }

    /// Whether a column, or one of the values of a path with `*`, holds something.
    pub(crate) fn holds(&self, column: &str) -> bool {
        if column.contains(".*") {
            self.list(column).into_iter().flatten().any(is_filled)
        } else {
            self.get(column).is_some_and(is_filled)
        }
    }
}

fn in_object<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    // A key may itself hold dots, so every dot may be the border.
    path.match_indices('.').find_map(|(at, _)| inside(object.get(&path[..at])?, &path[at + 1..]))
}

fn inside<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => object.get(path).or_else(|| in_object(object, path)),
        Value::Array(items) => {
            let (index, rest) = path.split_once('.').map_or((path, None), |(index, rest)| (index, Some(rest)));
            let item = items.get(index.parse::<usize>().ok()?)?;
            rest.map_or(Some(item), |rest| inside(item, rest))
        }
        _ => None,
    }
}

pub(crate) fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Whether a value is one turn of a conversation: `role` and `content`, or `ShareGPT`'s `from` and `value`.
pub(crate) fn is_message(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    let has = |field: &str| fields.get(field).is_some_and(Value::is_string);
    let says = fields.contains_key("content") || SAYING.iter().any(|field| fields.contains_key(*field));
    has("role") && says || has("from") && fields.contains_key("value")
}

/// Whether a value is a list of turns.
pub(crate) fn is_conversation(value: &Value) -> bool {
    matches!(value, Value::Array(items) if !items.is_empty() && items.iter().all(is_message))
}

/// Whether a value is `Argilla`'s ranking of answers: a list of names with their ranks.
pub(crate) fn is_ranking(value: &Value) -> bool {
    let is_rank = |item: &Value| item["rank"].is_number() && item["value"].is_string();
    matches!(value, Value::Array(items) if !items.is_empty() && items.iter().all(is_rank))
}

/// Whether a value is a list of earlier turns as LLaMA-Factory has them: questions, each with its answer.
pub(crate) fn is_turns(value: &Value) -> bool {
    let is_turn = |item: &Value| item.as_array().is_some_and(|two| two.len() == 2 && two.iter().all(Value::is_string));
    matches!(value, Value::Array(items) if !items.is_empty() && items.iter().all(is_turn))
}

/// A value in words.
pub(crate) fn shown(value: &Value) -> String {
    not_a_number(value).map_or_else(|| value.to_string(), str::to_owned)
}

fn sample(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => shown(other),
    };
    let mut sample: String = text.chars().take(SAMPLE).collect();
    if sample.len() < text.len() {
        sample.push('…');
    }
    sample
}

/// Names a file that no reader of text can take, by how it begins.
fn binary(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 23] = [
        (b"version https://git-lfs", "a pointer of Git LFS, whose file was not fetched (`git lfs pull` does)"),
        (b"ARROW1", "an Arrow file"),
        (b"PK\x03\x04", "a zip archive or an Excel sheet"),
        (b"\x1F\x8B", "compressed by gzip twice"),
        (b"\x28\xB5\x2F\xFD", "compressed by zstd twice"),
        (b"%PDF", "a PDF file"),
        (b"BZh", "compressed by bzip2"),
        (b"\xFD7zXZ", "compressed by xz"),
        (b"7z\xBC\xAF", "a 7-Zip archive"),
        (b"SQLite format 3", "an SQLite database"),
        (b"\xD0\xCF\x11\xE0", "an old Excel sheet or Word document"),
        (b"\x89PNG", "a PNG image"),
        (b"\xFF\xD8\xFF", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"RIFF", "an image, a sound or a film"),
        (b"Rar!", "a RAR archive"),
        (b"GGUF", "a model (GGUF)"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x93NUMPY", "an array of NumPy"),
        (b"\x80\x04\x95", "a pickle of Python"),
        (b"\x80\x05\x95", "a pickle of Python"),
        (b"\x7FELF", "a program"),
        (b"{\\rtf", "a text document (RTF)"),
    ];
    let known = kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what);
    let is_html = || {
        let start = bytes.trim_ascii_start();
        start.get(..14).is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE html"))
            || start.starts_with(b"<html")
    };
    // What no text holds, in any encoding of one byte and in UTF-8; UTF-16 is told apart before.
    let is_no_text = || {
        let start = &bytes[..bytes.len().min(4096)];
        let control = start.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)).count();
        control * 20 > start.len() && jsonl::encoding(bytes).is_none()
    };
    known
        .or_else(|| (bytes.get(257..262) == Some(b"ustar".as_slice())).then_some("a tar archive"))
        .or_else(|| is_html().then_some("a web page (HTML)"))
        .or_else(|| is_no_text().then_some("no text"))
}

#[cfg(test)]
mod tests;
