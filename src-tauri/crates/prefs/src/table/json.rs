//! JSON in its forms: one value per line, one array, objects one after the other over several lines, and one object that
//! holds the rows under a key.

use std::io::BufRead;
use std::ops::ControlFlow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::is_conversation;
use super::source::{Item, Take};
use crate::Place;
use crate::array;
use crate::rows::{self, Next, kind};

/// Keys under which an object keeps the rows of a file.
pub(super) const ROWS: [&str; 12] = [
    "data",
    "rows",
    "examples",
    "instances",
    "records",
    "items",
    "pairs",
    "results",
    "train",
    "test",
    "validation",
    "eval",
];

/// One value per line, or one array.
pub(super) fn lines(input: impl BufRead, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    rows::each(input, &mut |place, next| match next {
        Next::Blank => take(Item::Blank(1)),
        Next::Value(value) => take(item(place, value)),
    })
}

fn item(place: Place, value: Result<Value, String>) -> Item {
    match value.and_then(row).and_then(no_table) {
        Ok(row) => Item::Row(place, row),
        Err(reason) => Item::Refused(place, reason),
    }
}

fn row(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(row) => Ok(row),
        // A file of prompts may be just texts.
        Value::String(text) => Ok(Map::from_iter([("prompt".to_owned(), Value::String(text))])),
        other => Err(format!("expected an object with named columns, found {}", kind(&other))),
    }
}

/// Refuses a row that is a whole table in another wrapping: nearly all of it are objects under a key that holds rows.
fn no_table(row: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let holds_rows = |value: &Value| {
        value.as_array().is_some_and(|items| items.iter().any(|item| item.is_object() || item.is_array()))
            && !is_conversation(value)
    };
    let is_rows = |(key, value): &(&String, &Value)| ROWS.contains(&key.as_str()) && holds_rows(value);
    let found = row.iter().find_map(|(key, value)| {
        let inside = || value.as_object()?.iter().find(is_rows).map(|(under, value)| (format!("{key}.{under}"), value));
        if is_rows(&(key, value)) { Some((key.clone(), value)) } else { inside() }
    });
    let Some((path, rows)) = found else { return Ok(row) };
    let size = |value: &Value| value.to_string().len();
    if size(rows) * 10 < row.values().map(size).sum::<usize>() * 9 {
        return Ok(row);
    }
    Err(format!(
        "it is a table of its own: what seem to be the rows stand under `{path}`, and not all of them are objects, or the file \
         holds something else beside them; save these rows alone, one per line"
    ))
}

/// A file that begins with a quotation mark is JSON texts, one per line, or CSV with a quoted header: the first two lines
/// decide.
pub(super) fn first_lines_are_json(text: &[u8]) -> bool {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(2);
    lines.all(|line| serde_json::from_slice::<Value>(line).is_ok())
}

/// How the values of a file lie on its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One value per line.
    Lines,
    /// All of it on one line.
    OneLine,
    /// Values over several lines.
    SeveralLines,
}

/// Lines that are looked at where the first ones are no values.
const LOOKED_AT: usize = 50;

/// How the values of a file that begins with one lie on its lines.
pub(super) fn laid_out(mut input: impl BufRead) -> std::io::Result<Layout> {
    let mut line = Vec::new();
    let mut next = || loop {
        let whole = rows::read_line(&mut input, &mut line)?;
        if line.is_empty() && whole {
            return std::io::Result::Ok(None);
        }
        if !line.trim_ascii().is_empty() {
            // What is inside of a value is indented; values that lie each on a line are not.
            let is_value = is_value(line.trim_ascii());
            return Ok(Some((is_value, is_value && line.first() == Some(&b'{'))));
        }
    };
    let Some((first, _)) = next()? else { return Ok(Layout::Lines) };
    let Some((_, second)) = next()? else { return Ok(Layout::OneLine) };
    // Lines at the beginning that are broken do not make the others another form.
    let mut are_lines = first || second;
    for _ in 2..LOOKED_AT {
        match if are_lines { None } else { next()? } {
            Some((_, other)) => are_lines = other,
            None => break,
        }
    }
    Ok(if are_lines { Layout::Lines } else { Layout::SeveralLines })
}

/// Whether a line is one value. One that is refused for what it says is one all the same.
fn is_value(line: &[u8]) -> bool {
    match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str::<&RawValue>(&rows::without_nan(text.trim())).is_ok(),
        // Of a damaged text every line is refused or taken by itself.
        Err(_) => true,
    }
}

/// One object that holds the rows under a key.
pub(super) fn rows_under(input: impl BufRead, key: &str, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    array::elements_under(input, key, &mut |place, value| take(item(place, value)))
}

/// Values over several lines each.
pub(super) fn values(input: impl BufRead, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    array::values(input, &mut |place, value| take(item(place, value)))
}
