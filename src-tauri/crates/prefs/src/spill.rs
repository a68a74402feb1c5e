//! Rows that do not fit into memory while they wait for others, in a temporary file that has no name and goes with the process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde_json::{Map, Number, Value};

use crate::table::TableRow;
use crate::{Error, Place};

/// A temporary file of rows, written in records that each know the one before.
#[derive(Debug)]
pub(crate) struct Spill {
    file: File,
    folder: PathBuf,
    /// Where the next record will stand.
    end: u64,
    buffer: Vec<u8>,
}

/// Where a record stands; there is none at 0.
pub(crate) type RecordPlace = u64;

/// A row with its rating.
pub(crate) type Rated = (TableRow, f64);

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// Bytes of a record before its rows: the place of the record before it, and its length.
const HEAD: usize = 12;

/// Where large temporary files belong. `/tmp` may lie in memory.
fn folder() -> PathBuf {
    let usual = PathBuf::from("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && usual.is_dir() { usual } else { std::env::temp_dir() }
}

impl Spill {
    /// # Errors
    /// When no file can be made.
    pub(crate) fn new() -> Result<Self, Error> {
        let folder = folder();
        let file = tempfile::tempfile_in(&folder).map_err(failed(&folder))?;
        // Nothing stands at 0, so that it can say that there is no record.
        Ok(Self { file, folder, end: 1, buffer: Vec::new() })
    }

    /// Adds a record and returns its place. `before` is the place of the one that it goes on from.
    ///
    /// # Errors
    /// When the disk is full, or cannot be written to.
    pub(crate) fn add(&mut self, rows: &[Rated], before: RecordPlace) -> Result<RecordPlace, Error> {
        let begin = self.buffer.len();
        self.buffer.extend(before.to_le_bytes());
        self.buffer.extend([0; 4]);
        for (row, rating) in rows {
            put_row(row, *rating, &mut self.buffer);
        }
        let length = self.buffer.len() - begin;
        let written =
            u32::try_from(length - HEAD).map_err(|_| failed(&self.folder)(std::io::Error::other("too long")))?;
        self.buffer[begin + 8..begin + HEAD].copy_from_slice(&written.to_le_bytes());
        let place = self.end;
        self.end += length as u64;
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(place)
    }

    fn flush(&mut self) -> Result<(), Error> {
        let from = self.end - self.buffer.len() as u64;
        let written = self.file.seek(SeekFrom::Start(from)).and_then(|_| self.file.write_all(&self.buffer));
        self.buffer.clear();
        written.map_err(failed(&self.folder))
    }

    /// The rows of a record and of all before it, in the order in which they were added.
    ///
    /// # Errors
    /// When the file cannot be written or read.
    pub(crate) fn rows(&mut self, mut place: RecordPlace) -> Result<Vec<Rated>, Error> {
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        let mut records = Vec::new();
        while place > 0 {
            let (before, bytes) = self.record(place).map_err(failed(&self.folder))?;
            records.push(bytes);
            place = before;
        }
        let mut rows = Vec::new();
        for record in records.into_iter().rev() {
            let mut bytes = record.as_slice();
            while !bytes.is_empty() {
                rows.push(row(&mut bytes).ok_or_else(damaged).map_err(failed(&self.folder))?);
            }
        }
        Ok(rows)
    }

    fn record(&mut self, place: RecordPlace) -> std::io::Result<(RecordPlace, Vec<u8>)> {
        self.file.seek(SeekFrom::Start(place))?;
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head)?;
        let mut head = head.as_slice();
        let (before, length) = number(&mut head).zip(short(&mut head)).ok_or_else(damaged)?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes)?;
        Ok((before, bytes))
    }
}

fn damaged() -> std::io::Error {
    std::io::Error::other("what was written there is not what can be read")
}

fn failed(folder: &std::path::Path) -> impl Fn(std::io::Error) -> Error {
    let path = folder.to_path_buf();
    move |source| {
        let source = std::io::Error::new(
            source.kind(),
            format!("{source}; there must be room for the file's texts, or name another folder by TMPDIR"),
        );
        Error::Io { action: "keep rows that wait for others to the same prompt in", path: path.clone(), source }
    }
}

/// Each kind of value by a byte before it. JSON would have a limit of depth, which a row that was opened may pass.
fn put_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'n'),
        Value::Bool(is_true) => to.push(if *is_true { b't' } else { b'f' }),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), ..) => put_number(b'u', whole, to),
            (None, Some(whole), _) => put_number(b'i', whole.cast_unsigned(), to),
            (None, None, float) => put_number(b'd', float.unwrap_or_default().to_bits(), to),
        },
        Value::String(text) => {
            to.push(b's');
            put_text(text, to);
        }
        Value::Array(items) => {
            put_number(b'a', items.len() as u64, to);
            for item in items {
                put_value(item, to);
            }
        }
        Value::Object(fields) => {
            put_number(b'o', fields.len() as u64, to);
            put_fields(fields, to);
        }
    }
}

fn put_fields(fields: &Map<String, Value>, to: &mut Vec<u8>) {
    for (key, value) in fields {
        put_text(key, to);
        put_value(value, to);
    }
}

fn put_number(kind: u8, number: u64, to: &mut Vec<u8>) {
    to.push(kind);
    to.extend(number.to_le_bytes());
}

fn put_text(text: &str, to: &mut Vec<u8>) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

fn put_row(row: &TableRow, rating: f64, to: &mut Vec<u8>) {
    for number in [row.file, row.place.line, row.place.row.map_or(0, |row| row + 1), row.values.len()] {
        to.extend((number as u64).to_le_bytes());
    }
    to.extend(rating.to_bits().to_le_bytes());
    put_fields(&row.values, to);
}

fn row(from: &mut &[u8]) -> Option<Rated> {
    let mut count = || number(from).map(|number| number as usize);
    let (file, line, row, fields) = (count()?, count()?, count()?, count()?);
    let rating = f64::from_bits(number(from)?);
    let place = Place { line, row: row.checked_sub(1) };
    Some((TableRow { file, place, values: read_fields(fields as u64, from)? }, rating))
}

fn read_fields(count: u64, from: &mut &[u8]) -> Option<Map<String, Value>> {
    (0..count).map(|_| Some((text(from)?, value(from)?))).collect()
}

fn value(from: &mut &[u8]) -> Option<Value> {
    Some(match *from.split_off_first()? {
        b'n' => Value::Null,
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'u' => number(from)?.into(),
        b'i' => number(from)?.cast_signed().into(),
        b'd' => Value::Number(Number::from_f64(f64::from_bits(number(from)?))?),
        b's' => text(from)?.into(),
        b'a' => (0..number(from)?).map(|_| value(from)).collect::<Option<Vec<_>>>()?.into(),
        b'o' => {
            let count = number(from)?;
            read_fields(count, from)?.into()
        }
        _ => return None,
    })
}

fn number(from: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*from.split_off(..8)?.first_chunk()?))
}

fn short(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*from.split_off(..4)?.first_chunk()?))
}

fn text(from: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(from)?).ok()?;
    String::from_utf8(from.split_off(..length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn deep(levels: usize) -> Value {
        (0..levels).fold(json!("x"), |inner, _| json!([inner]))
    }

    fn rated(number: usize, value: &Value) -> Rated {
        let values = json!({"prompt": format!("p{number} ä"), "x": value}).as_object().cloned().unwrap();
        let place = if number.is_multiple_of(2) { Place::line(number) } else { Place::row(number, 1) };
        (TableRow { file: number % 3, place, values }, -0.1 * number as f64)
    }

    #[test]
    fn rows_come_back_as_they_were_and_in_their_order() {
        let mut spill = Spill::new().unwrap();
        let values = [
            json!(null),
            json!([true, false, {"a": {}, "b": []}]),
            json!([u64::MAX, i64::MIN, 0.1, -0.0, 1e300]),
            json!("two\nlines \u{1} 😀"),
            deep(400),
        ];
        let (mut one, mut other) = ((0, vec![]), (0, vec![]));
        for round in 0..50 {
            for (number, value) in values.iter().enumerate() {
                let chain = if (round + number) % 3 == 0 { &mut one } else { &mut other };
                let rows = [rated(round * 7 + number, value), rated(round, &json!(number))];
                chain.0 = spill.add(&rows, chain.0).unwrap();
                chain.1.extend(rows);
            }
            if round % 9 == 0 {
                assert_eq!(spill.rows(one.0).unwrap(), one.1);
            }
        }
        assert_eq!(spill.rows(one.0).unwrap(), one.1);
        assert_eq!(spill.rows(other.0).unwrap(), other.1);
        assert_eq!(spill.rows(0).unwrap(), []);
    }
}
