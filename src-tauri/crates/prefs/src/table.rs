//! A file of foreign form as a table: rows with named columns, whatever the file is.
//!
//! Kinds of file are told apart by what is in them: JSON Lines and other JSON, CSV and TSV. A conversation that stands as text
//! in a cell, or as a dict of lists, becomes a list of messages. Other objects inside a row are
//! offered as columns with dotted names (`chosen.content`, `answers.0.text`), except those that are a message or a list of
//! messages: these are content as they stand. [`crate::mapping`] makes pairs of a table.

pub(crate) mod cells;
mod delimited;
mod json;
mod literal;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jsonl::open;
use crate::pair::{CHAT_TEMPLATE_KWARGS, SAYING, TOOLS};
use crate::rows::not_a_number;
use crate::{Error, Refused};

/// Largest file that is read; the whole of it is held in memory while its columns are chosen.
const MOST_BYTES: u64 = 2 << 30;

/// Columns that are offered. More than this is a list that nobody reads.
const MOST_COLUMNS: usize = 200;

/// How deep objects and lists are opened, and how many elements of a list become columns.
const DEEPEST: usize = 7;
const MOST_ELEMENTS: usize = 4;

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
        })
    }
}

/// A file's rows under their columns. Nothing is dropped without being counted: every line is a row, refused or blank.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What the file is.
    pub format: Format,
    /// The columns, in the order in which they first come.
    pub columns: Vec<String>,
    /// The rows, in file order.
    pub rows: Vec<TableRow>,
    /// Rows that could not be read, by line and reason.
    pub refused: Vec<Refused>,
    /// Lines with nothing in them.
    pub blank: usize,
    /// Keys of rows under which conversations stood as text, with how often, and are messages now.
    pub as_text: BTreeMap<String, usize>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// Line of the file it begins on, from 1.
    pub line: usize,
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
    /// Reads a file, whose kind is found by its content.
    ///
    /// # Errors
    /// When the file cannot be read, is UTF-16, compressed or binary, or larger than 2 GiB. Bad rows are in
    /// [`Table::refused`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Error::TooLarge { path: path.to_path_buf(), most_gib: MOST_BYTES >> 30 });
        }
        if let Some(what) = binary(&bytes) {
            return Err(Error::Binary { path: path.to_path_buf(), what });
        }
        Self::from_bytes(&bytes).map_err(Error::io("read", path))
    }

    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    /// Never for what the bytes are: rows that make no sense are in [`Table::refused`].
    pub fn from_bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match text.trim_ascii_start().first() {
            Some(b'[' | b'{') => json::read(text),
            Some(b'"') if lines_are_json(text) => json::read(text),
            _ => Ok(delimited::read(text)),
        }
    }

    /// Every column with how much of it is filled and a sample.
    pub fn describe(&self) -> Vec<Column> {
        let describe = |name: &String| {
            let mut filled =
                self.rows.iter().filter_map(|row| row.get(name)).filter(|value| is_filled(value)).peekable();
            let sample = filled.peek().map_or_else(String::new, |value| sample(value));
            let share = if self.rows.is_empty() { 0.0 } else { filled.count() as f64 / self.rows.len() as f64 };
            Column { name: name.clone(), filled: share, sample }
        };
        self.columns.iter().map(describe).collect()
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

/// A file that begins with a quotation mark is JSON texts, one per line, or CSV with a quoted header: the first two lines
/// decide.
fn lines_are_json(text: &[u8]) -> bool {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(2);
    lines.all(|line| serde_json::from_slice::<Value>(line).is_ok())
}

fn names_of(rows: &[TableRow]) -> Vec<String> {
    let mut names = Names::default();
    for row in rows {
        for (key, value) in &row.values {
            names.open(key, value, 1);
        }
    }
    names.ordered
}

#[derive(Default)]
struct Names {
    ordered: Vec<String>,
    known: HashSet<String>,
}

impl Names {
    fn open(&mut self, name: &str, value: &Value, depth: usize) {
        let too_deep = depth >= DEEPEST;
        let is_beside = [TOOLS, CHAT_TEMPLATE_KWARGS].contains(&name.rsplit('.').next().unwrap_or(name));
        let is_one = is_message(value) || not_a_number(value).is_some();
        match value {
            // What the chat template is given is one thing, however much it holds.
            Value::Object(_) | Value::Array(_) if is_beside => {
                self.add(name);
            }
            Value::Object(fields) if !too_deep && !fields.is_empty() && !is_one => {
                for (key, value) in fields {
                    self.open(&format!("{name}.{key}"), value, depth + 1);
                }
            }
            Value::Array(_) if is_conversation(value) || is_ranking(value) || is_turns(value) => self.add(name),
            Value::Array(items) if !too_deep && !items.is_empty() => {
                for (at, value) in items.iter().take(MOST_ELEMENTS).enumerate() {
                    self.open(&format!("{name}.{at}"), value, depth + 1);
                }
            }
            _ => self.add(name),
        }
    }

    fn add(&mut self, name: &str) {
        if self.ordered.len() < MOST_COLUMNS && !self.known.contains(name) {
            self.known.insert(name.to_owned());
            self.ordered.push(name.to_owned());
        }
    }
}

/// Names a file that no reader of text can take, by how it begins.
fn binary(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 11] = [
        (b"PAR1", "a Parquet file"),
        (b"ARROW1", "an Arrow file"),
        (b"PK\x03\x04", "a zip archive or an Excel sheet"),
        (b"\x1F\x8B", "compressed by gzip"),
        (b"\x28\xB5\x2F\xFD", "compressed by zstd"),
        (b"%PDF", "a PDF file"),
        (b"BZh", "compressed by bzip2"),
        (b"\xFD7zXZ", "compressed by xz"),
        (b"7z\xBC\xAF", "a 7-Zip archive"),
        (b"SQLite format 3", "an SQLite database"),
        (b"\xD0\xCF\x11\xE0", "an old Excel sheet or Word document"),
    ];
    kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests;
