//! One JSON object of columns, as `pandas` writes it (`to_json`, and `to_dict("list")`): `{"prompt": {"0": …, "1": …}, "chosen":
//! {…}}` or `{"prompt": […], "chosen": […]}`. The columns lie one behind the other, so that each is read by a reader of its own,
//! from where it begins, and the rows are put together one at a time. With `orient="index"` each member is a row.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::is_message;
use super::source::{Item, Open, Take};
use crate::Place;
use crate::array::{self, Bytes};
use crate::rows::{MAX_LINE_BYTES, parse_json};

/// Columns that are read at the same time: each has a file open, of which macOS gives a program 256.
const MOST_COLUMNS: usize = 128;

/// The same of a file that cannot be entered in the middle: each decompresses all that lies before it.
const MOST_COMPRESSED: usize = 32;

/// Largest file whose columns have their rows in different orders. It is held in memory, at up to 17 times its size.
const MOST_HELD: u64 = 24 << 20;

/// How the one object of a file holds its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Columns(Columns),
    /// Columns whose rows come in different orders.
    Disordered,
    /// Each member is a row.
    Rows,
    /// Columns that cannot be read, and why.
    Refused(String),
}

/// Where the columns of a file lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    places: Vec<Column>,
    rows: usize,
    are_lists: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    /// Place of the byte behind its bracket, and the line there.
    at: u64,
    line: usize,
    keys: Keys,
}

/// The keys of a column's cells: two columns with the same keys in the same order have equal ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Keys {
    count: usize,
    in_order: [u8; 32],
    /// Does not depend on the order.
    sum: u128,
}

/// Looks at the members of the one object of a text. None where they are no columns and no rows.
pub(super) fn find(input: impl BufRead, can_be_entered: bool) -> std::io::Result<Option<Found>> {
    let mut bytes = Bytes::new(input, 1);
    let mut columns: Vec<Column> = Vec::new();
    let (mut names, mut shapes, mut rows, mut cells) = (HashSet::new(), HashSet::new(), Vec::new(), Vec::new());
    let (mut are_columns, mut are_rows) = (true, true);
    let mut member = bytes.first_member()?;
    while let Some((name, first)) = member {
        match name.parse::<u64>() {
            Ok(number) if first == b'{' && are_rows => rows.push(number),
            _ => are_rows = false,
        }
        are_columns &= matches!(first, b'{' | b'[');
        if !(are_columns || are_rows) {
            return Ok(None);
        }
        shapes.insert(first);
        let (at, line) = (bytes.at, bytes.line);
        if are_columns {
            are_columns = names.insert(name.clone());
            match keys(&mut bytes, first, columns.is_empty().then_some(&mut cells))? {
                Some(keys) => columns.push(Column { name, at, line, keys }),
                None => are_columns = false,
            }
        } else {
            bytes.pass_value(first, |_| true)?;
        }
        member = bytes.next_member()?;
    }
    if !bytes.has_closed || bytes.next_filled()?.is_some() {
        return Ok(None);
    }
    if are_columns && columns.len() > 1 && shapes.len() == 1 {
        // Of keys that come twice it would not be known which is meant.
        return Ok(if are_different(cells) {
            of_columns(columns, shapes.contains(&b'['), can_be_entered)
        } else {
            None
        });
    }
    Ok((are_rows && !rows.is_empty() && are_different(rows)).then_some(Found::Rows))
}

fn are_different(mut numbers: Vec<u64>) -> bool {
    numbers.sort_unstable();
    numbers.windows(2).all(|two| two[0] != two[1])
}

fn of_columns(columns: Vec<Column>, are_lists: bool, can_be_entered: bool) -> Option<Found> {
    let first = &columns[0].keys;
    let rows = first.count;
    // A list of one text may as well be part of a row.
    if rows == 0 || are_lists && rows == 1 {
        return None;
    }
    if columns.iter().any(|column| (column.keys.count, column.keys.sum) != (rows, first.sum)) {
        return None;
    }
    if columns.iter().any(|column| column.keys.in_order != first.in_order) {
        return Some(Found::Disordered);
    }
    let most = if can_be_entered { MOST_COLUMNS } else { MOST_COMPRESSED };
    if columns.len() > most {
        let how = if can_be_entered { "" } else { " where it is compressed or UTF-16" };
        return Some(Found::Refused(format!(
            "the file is one object of {} columns, of which {most} can be read{how}; {RECORDS}",
            columns.len()
        )));
    }
    Some(Found::Columns(Columns { places: columns, rows, are_lists }))
}

const RECORDS: &str = "save it with one object per row (in pandas: to_json(…, orient=\"records\", lines=True))";

/// Passes a value that begins with `first`. Its keys, where it is a list, or an object whose keys are all numbers and which is no
/// message. `numbers` takes them, in order.
fn keys<R: BufRead>(
    bytes: &mut Bytes<R>,
    first: u8,
    mut numbers: Option<&mut Vec<u64>>,
) -> std::io::Result<Option<Keys>> {
    let (mut hasher, mut keys) = (Sha256::new(), Keys::default());
    let (close, is_list) = if first == b'[' { (b']', true) } else { (b'}', false) };
    let mut are_cells = true;
    let mut next = bytes.next_filled()?;
    while let Some(byte) = next.filter(|byte| *byte != close || keys.count > 0) {
        let mut first = byte;
        if !is_list {
            let member = if byte == b'"' { bytes.member()? } else { None };
            let Some((name, begin)) = member else { return Ok(None) };
            first = begin;
            // `07` is another key than `7`.
            match name.parse::<u64>().ok().filter(|number| number.to_string() == name) {
                Some(number) => {
                    hasher.update(number.to_le_bytes());
                    keys.sum = keys.sum.wrapping_add(mixed(number));
                    if let Some(numbers) = &mut numbers {
                        numbers.push(number);
                    }
                }
                None => are_cells = false,
            }
        }
        if is_list && keys.count == 0 && first == b'{' {
            // A list of messages is one conversation.
            let mut element = Vec::new();
            let is_whole = bytes.read_value(first, &mut element)?;
            are_cells &= is_whole && !parse_json(&element).is_ok_and(|value| is_message(&value));
        } else {
            bytes.pass_value(first, |_| true)?;
        }
        keys.count += 1;
        match bytes.next_filled()? {
            Some(b',') => next = bytes.next_filled()?,
            Some(byte) if byte == close => break,
            _ => return Ok(None),
        }
    }
    keys.in_order = hasher.finalize().into();
    Ok(are_cells.then_some(keys))
}

/// A number whose sums over different sets of keys differ (the steps of `SplitMix64`).
fn mixed(number: u64) -> u128 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    u128::from(mixed ^ (mixed >> 31))
}

impl Columns {
    /// What is to be said of the file, as a sentence.
    pub(super) fn sentence(&self) -> String {
        format!(
            "The file is one object of columns: each of its {} keys is taken as a column of {} rows.",
            self.places.len(),
            self.rows
        )
    }

    /// Puts the rows together and hands them to `take`, each on the line of its first cell.
    pub(super) fn scan(&self, open: &Open, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
        let cells = |column: &Column| {
            std::io::Result::Ok(Cells { bytes: Bytes::new(open(column.at)?, column.line), are_listed: self.are_lists })
        };
        let mut readers = self.places.iter().map(cells).collect::<std::io::Result<Vec<_>>>()?;
        let mut cell = Vec::new();
        for row in 1..=self.rows {
            let (mut values, mut refused, mut begin) = (Map::new(), None, None);
            for (column, reader) in self.places.iter().zip(&mut readers) {
                let (line, is_whole) = reader.next(&mut cell)?;
                begin = begin.or(Some(line));
                match parse_json(&cell) {
                    _ if !is_whole => refused = refused.or(Some(too_long(&column.name))),
                    Ok(value) => {
                        values.insert(column.name.clone(), value);
                    }
                    Err(reason) => refused = refused.or_else(|| Some(format!("`{}`: {reason}", column.name))),
                }
            }
            let place = Place::row(row, begin.unwrap_or(1));
            let item = match refused {
                Some(reason) => Item::Refused(place, reason),
                None => Item::Row(place, values),
            };
            if take(item).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn too_long(column: &str) -> String {
    format!("`{column}` is longer than {} MiB", MAX_LINE_BYTES >> 20)
}

/// Reads the cells of a column.
struct Cells<R> {
    bytes: Bytes<R>,
    are_listed: bool,
}

impl<R: BufRead> Cells<R> {
    /// Reads the next one, and returns the line that it begins on and whether it is whole and not too long.
    fn next(&mut self, cell: &mut Vec<u8>) -> std::io::Result<(usize, bool)> {
        let mut next = self.bytes.next_filled()?;
        if next == Some(b',') {
            next = self.bytes.next_filled()?;
        }
        let line = self.bytes.line;
        let first = match next {
            Some(b'"') if !self.are_listed => self.bytes.member()?.map(|(_, first)| first),
            Some(byte) if self.are_listed => Some(byte),
            _ => None,
        };
        // When the columns were found, there were as many cells as rows.
        let first = first.ok_or_else(|| std::io::Error::other("the file was changed while it was read"))?;
        cell.clear();
        cell.push(first);
        let mut fits = true;
        self.bytes.pass_value(first, |part| {
            fits &= cell.len() + part.len() <= MAX_LINE_BYTES;
            if fits {
                cell.extend_from_slice(part);
            }
            true
        })?;
        Ok((line, fits))
    }
}

/// Hands the members of the one object of a text to `take`, each as a row.
pub(super) fn scan_rows(input: impl BufRead, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    array::values_of_members(input, &mut |place, value| {
        take(match value {
            Ok(Value::Object(row)) => Item::Row(place, row),
            Ok(_) => Item::Refused(place, "expected an object with named columns".to_owned()),
            Err(reason) => Item::Refused(place, reason),
        })
    })
}

/// Hands the rows of columns whose rows come in different orders to `take`, by the numbers of the rows.
pub(super) fn scan_disordered(mut input: impl BufRead, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    let mut text = Vec::new();
    input.by_ref().take(MOST_HELD + 1).read_to_end(&mut text)?;
    let refuse = |take: &mut Take, reason: String| Ok(take(Item::Refused(Place::line(1), reason)));
    if text.len() as u64 > MOST_HELD {
        let reason = format!(
            "the file is one object whose columns have their rows in different orders, which is read up to {} MiB; {RECORDS}",
            MOST_HELD >> 20
        );
        return refuse(take, reason);
    }
    let object = match parse_json(&text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => Map::new(),
        Err(reason) => return refuse(take, reason),
    };
    let mut rows: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for (name, column) in object {
        let Value::Object(cells) = column else { continue };
        for (key, cell) in cells {
            rows.entry(key.parse().unwrap_or(u64::MAX)).or_default().insert(name.clone(), cell);
        }
    }
    for (at, row) in rows.into_values().enumerate() {
        if take(Item::Row(Place::row(at + 1, 1), row)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
