//! JSON in its forms: one value per line, one array, objects one after the other over several lines, and one object that
//! holds the rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Format, Table, TableRow, cells, is_conversation, names_of};
use crate::Refused;
use crate::rows::{self, Rows, kind};

/// Keys under which an object keeps the rows of a file.
const ROWS: [&str; 12] = [
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

pub(super) fn read(text: &[u8]) -> std::io::Result<Table> {
    let is_array = text.trim_ascii_start().first() == Some(&b'[');
    if !is_array
        && let Ok(text) = std::str::from_utf8(text)
        && let Some(table) = of_objects(text)
    {
        return Ok(table);
    }
    let rows = rows::read(text, |value, _| row(value))?;
    Ok(table(if is_array { Format::JsonArray } else { Format::JsonLines }, rows))
}

fn row(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(row) => Ok(row),
        // A file of prompts may be just texts.
        Value::String(text) => Ok(Map::from_iter([("prompt".to_owned(), Value::String(text))])),
        other => Err(format!("expected an object with named columns, found {}", kind(&other))),
    }
}

fn table(format: Format, rows: Rows<Map<String, Value>>) -> Table {
    let mut taken: Vec<TableRow> = rows.taken.into_iter().map(|(line, values)| TableRow { line, values }).collect();
    let as_text = cells::open(&mut taken);
    let columns = names_of(&taken);
    Table { format, columns, rows: taken, refused: rows.refused, blank: rows.blank, as_text }
}

/// A file that is not one value per line: objects over several lines, or one object that holds all rows.
fn of_objects(text: &str) -> Option<Table> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let is_one_line = lines.next().is_none();
    // A value that is refused for what it says is one value on its line all the same.
    if serde_json::from_str::<&RawValue>(&rows::without_nan(first)).is_ok() && !is_one_line {
        return None;
    }
    let values = rows::one_after_another(text)?;
    if let [(line, Ok(Value::Object(object)))] = values.as_slice() {
        return of_one(text, *line, object, is_one_line);
    }
    if is_one_line && values.len() == 1 {
        return None;
    }
    let mut rows = Rows { taken: Vec::new(), refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
    for (line, value) in values {
        match value.and_then(row) {
            Ok(row) => rows.taken.push((line, row)),
            Err(reason) => rows.refused.push(Refused { line, reason }),
        }
    }
    Some(table(Format::JsonObjects, rows))
}

/// A file that is one object: its rows under a key, `pandas`' columns, or one row over several lines.
fn of_one(text: &str, line: usize, object: &Map<String, Value>, is_one_line: bool) -> Option<Table> {
    let holds_rows = |value: &Value| {
        value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
            && !is_conversation(value)
    };
    let keys: Vec<&str> = ROWS.into_iter().filter(|key| object.get(*key).is_some_and(holds_rows)).collect();
    let refused = |reason: String| {
        let mut rows = Rows { taken: Vec::new(), refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
        rows.refused.push(Refused { line, reason });
        Some(table(Format::JsonObject, rows))
    };
    match keys.as_slice() {
        [] => {}
        [key] => {
            let marked = rows::without_nan(text);
            let raw: BTreeMap<String, &RawValue> = serde_json::from_str(&marked).ok()?;
            let array = raw.get(*key)?.get();
            let before = array.as_ptr() as usize - marked.as_ptr() as usize;
            let line = 1 + marked[..before].matches('\n').count();
            let rows = rows::read_array_at(array, line, row);
            return Some(table(Format::JsonObject, rows));
        }
        several => {
            let named: Vec<String> = several.iter().map(|key| format!("`{key}`")).collect();
            return refused(format!(
                "the file is one object that holds several tables ({}); save each in a file of its own",
                named.join(", ")
            ));
        }
    }
    if let Some(rows) = of_columns(object) {
        let taken = rows.into_iter().map(|row| (line, row)).collect();
        let rows = Rows { taken, refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
        return Some(table(Format::JsonObject, rows));
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
    let taken = vec![(line, object.clone())];
    Some(table(Format::JsonObject, Rows { taken, refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() }))
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
