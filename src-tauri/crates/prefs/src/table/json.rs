//! JSON in its forms: one value per line, one array, objects one after the other over several lines, and one object that
//! holds the rows.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::ops::ControlFlow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::source::{Item, Take};
use super::{Format, is_conversation};
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
    rows::each(input, &mut |line, next| match next {
        Next::Blank => take(Item::Blank(1)),
        Next::Value(value) => take(item(line, value)),
    })
}

fn item(line: usize, value: Result<Value, String>) -> Item {
    match value.and_then(row).and_then(no_table) {
        Ok(row) => Item::Row(line, row),
        Err(reason) => Item::Refused(line, reason),
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

/// Whether a file has one value per line, and not one value alone or values over several lines.
pub(super) fn are_lines(mut input: impl BufRead) -> std::io::Result<bool> {
    let mut next = || {
        let mut line = Vec::new();
        loop {
            let whole = rows::read_line(&mut input, &mut line)?;
            if line.is_empty() && whole {
                return std::io::Result::Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    };
    // A value that is refused for what it says is one value on its line all the same.
    let is_value = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str::<&RawValue>(&rows::without_nan(text.trim())).is_ok(),
        // Of a damaged text every line is refused or taken by itself.
        Err(_) => true,
    };
    let Some(first) = next()? else { return Ok(true) };
    let Some(second) = next()? else { return Ok(false) };
    // A first line that is broken does not make its neighbours another form.
    Ok(is_value(&first) || second.trim_ascii().first() == Some(&b'{') && is_value(&second))
}

/// One object that holds the rows under a key.
pub(super) fn rows_under(input: impl BufRead, key: &str, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    array::elements_under(input, key, &mut |line, value| take(item(line, value)))
}

/// A file that is not one value per line: objects over several lines, or one object that holds all rows.
pub(super) fn whole(text: &[u8], take: &mut Take) -> (Format, ControlFlow<()>) {
    let found = std::str::from_utf8(text).ok().and_then(of_objects);
    let Some((format, items)) = found else {
        // What is no form of objects is refused line by line. Reading from memory cannot fail.
        let flow = lines(text, take).unwrap_or(ControlFlow::Continue(()));
        return (Format::JsonLines, flow);
    };
    for item in items {
        if take(item).is_break() {
            return (format, ControlFlow::Break(()));
        }
    }
    (format, ControlFlow::Continue(()))
}

/// What an object, or objects one after the other, hold.
type Objects = (Format, Vec<Item>);

fn of_objects(text: &str) -> Option<Objects> {
    let is_one_line = text.lines().filter(|line| !line.trim().is_empty()).nth(1).is_none();
    let values = rows::one_after_another(text)?;
    if let [(line, Ok(Value::Object(object)))] = values.as_slice() {
        return of_one(*line, object, is_one_line);
    }
    if is_one_line && values.len() == 1 {
        return None;
    }
    Some((Format::JsonObjects, values.into_iter().map(|(line, value)| item(line, value)).collect()))
}

/// A file that is one object: its rows under a key, `pandas`' columns, or one row over several lines.
fn of_one(line: usize, object: &Map<String, Value>, is_one_line: bool) -> Option<Objects> {
    let holds_rows = |value: &Value| {
        value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
            && !is_conversation(value)
    };
    let keys: Vec<&str> = ROWS.into_iter().filter(|key| object.get(*key).is_some_and(holds_rows)).collect();
    let refused = |reason: String| Some((Format::JsonObject, vec![Item::Refused(line, reason)]));
    match keys.as_slice() {
        [] => {}
        // Such a file is read row by row (`rows_under`), unless something beside its rows is damaged.
        [_] => return None,
        several => {
            let named: Vec<String> = several.iter().map(|key| format!("`{key}`")).collect();
            return refused(format!(
                "the file is one object that holds several tables ({}); save each in a file of its own",
                named.join(", ")
            ));
        }
    }
    if let Some(rows) = of_columns(object) {
        return Some((Format::JsonObject, rows.into_iter().map(|row| Item::Row(line, row)).collect()));
    }
    let lengths: Vec<usize> =
        object.values().filter(|value| !is_conversation(value)).filter_map(Value::as_array).map(Vec::len).collect();
    if object.len() > 1 && lengths.len() == object.len() && lengths[0] > 1 && lengths.iter().all(|it| *it == lengths[0])
    {
        return refused(
            "the file is one object whose keys hold lists, a column each; save it with one object per row (in pandas: \
             to_json(…, orient=\"records\", lines=True))"
                .to_owned(),
        );
    }
    if is_one_line {
        return None;
    }
    Some((Format::JsonObject, vec![item(line, Ok(Value::Object(object.clone())))]))
}

/// `DataFrame.to_json` without an orientation: each column an object of row numbers.
fn of_columns(object: &Map<String, Value>) -> Option<Vec<Map<String, Value>>> {
    let columns: Option<Vec<(&String, &Map<String, Value>)>> =
        object.iter().map(|(name, column)| Some((name, column.as_object()?))).collect();
    let columns = columns.filter(|columns| columns.len() > 1)?;
    let numbers: BTreeSet<u64> = columns[0].1.keys().map(|key| key.parse().ok()).collect::<Option<_>>()?;
    if numbers.is_empty() || columns.iter().any(|(_, column)| column.len() != numbers.len()) {
        return None;
    }
    let row = |number: u64| {
        let cells =
            columns.iter().map(|(name, column)| Some(((*name).clone(), column.get(&number.to_string())?.clone())));
        cells.collect::<Option<Map<_, _>>>()
    };
    numbers.into_iter().map(row).collect()
}
