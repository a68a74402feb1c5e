//! Parquet, row by row: the form in which the Hugging Face hub keeps data sets.

use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use super::source::{Item, Take};
use crate::Place;

/// A piece of one column that a file says to hold more than this is refused: it is decompressed in memory.
const MOST_BYTES: i64 = 2 << 30;

/// Rows of a column that are decoded at a time.
const BATCH: usize = 256;

/// Hands every row to `take`, with its number from 1. A file that breaks off ends with a refused row.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub(super) fn scan(path: &Path, take: &mut Take) -> Result<ControlFlow<()>, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("the Parquet file cannot be read: {error}");
    let file = File::open(path).map_err(|error| damaged(&error))?;
    let reader = guarded(|| SerializedFileReader::new(file))?.map_err(|error| damaged(&error))?;
    for (at, group) in reader.metadata().row_groups().iter().enumerate() {
        for column in group.columns() {
            if column.uncompressed_size() > MOST_BYTES {
                return Err(format!(
                    "its column `{}` holds {} MiB in row group {}; at most {} MiB are read at a time. Write it anew with \
                     smaller row groups",
                    column.column_path().string(),
                    column.uncompressed_size() >> 20,
                    at + 1,
                    MOST_BYTES >> 20
                ));
            }
        }
    }
    let mut rows = guarded(|| RowIter::from_file_into(Box::new(reader)).with_batch_size(BATCH))?;
    let mut number = 0;
    loop {
        // The library's reader of rows panics on some damaged files.
        let row = match guarded(|| rows.next()) {
            Ok(None) => return Ok(ControlFlow::Continue(())),
            Ok(Some(Ok(row))) => row,
            Ok(Some(Err(error))) => return Ok(take(broken(number + 1, &damaged(&error)))),
            Err(reason) => return Ok(take(broken(number + 1, &reason))),
        };
        number += 1;
        let item = match values(row) {
            Ok(values) => Item::Row(Place::row(number, number), values),
            Err(reason) => Item::Refused(Place::row(number, number), reason),
        };
        if take(item).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn broken(number: usize, reason: &str) -> Item {
    Item::Refused(Place::row(number, number), format!("{reason}; the rest of the file cannot be read"))
}

fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| "the Parquet file is damaged".to_owned())
}

fn values(row: Row) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for (name, field) in row.into_columns() {
        if values.insert(name.clone(), value(&field)).is_some() {
            return Err(format!("the column `{name}` comes twice"));
        }
    }
    Ok(values)
}

/// A field as JSON has it. Of bytes that are no text it is how many there are, so that they are named and nothing is made of
/// them.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(yes) => (*yes).into(),
        Field::Byte(number) => (*number).into(),
        Field::Short(number) => (*number).into(),
        Field::Int(number) => (*number).into(),
        Field::Long(number) => (*number).into(),
        Field::UByte(number) => (*number).into(),
        Field::UShort(number) => (*number).into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        // A float is written as it reads: 0.1 in 32 bits is 0.1 and no long fraction.
        Field::Float(number) => decimal(&number.to_string()),
        Field::Float16(number) => decimal(&number.to_string()),
        Field::Double(number) => decimal(&number.to_string()),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => Value::Object(Map::from_iter([("bytes".to_owned(), bytes.len().into())])),
        },
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_)
        | Field::Decimal(_) => Value::String(field.to_string()),
        Field::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect())
        }
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::MapInternal(map) => {
            let entry = |(key, field): &(Field, Field)| {
                let key = match value(key) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (key, value(field))
            };
            Value::Object(map.entries().iter().map(entry).collect())
        }
    }
}

/// What is no number is nothing, as `pandas` writes of a value that is not there.
fn decimal(text: &str) -> Value {
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}
