//! CSV and TSV: a header, then one record per row. Spreadsheets of some countries separate by semicolons.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Format, Table, TableRow, is_conversation};
use crate::Refused;

pub(super) fn read(text: &[u8]) -> Table {
    let delimiter = delimiter(text);
    let format = if delimiter == b'\t' { Format::Tsv } else { Format::Csv };
    let mut table = Table { format, columns: Vec::new(), rows: Vec::new(), refused: Vec::new(), blank: 0 };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text);
    let mut place = Place { text, at: 0, line: 1 };
    let mut header: Option<Vec<String>> = None;
    let mut record = csv::ByteRecord::new();
    // Reading from memory cannot fail, and a flexible reader of bytes takes any record.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let end = reader.position().byte() as usize;
        table.blank += place.skip_blank_lines();
        let line = place.line;
        let bytes = &text[place.at..end];
        place.go_to(end);
        let Some(names) = &header else {
            let names = named(&record);
            table.columns.clone_from(&names);
            header = Some(names);
            continue;
        };
        if record.iter().all(<[u8]>::is_empty) {
            table.blank += 1;
            continue;
        }
        match row(&record, names, bytes, end == text.len()) {
            Ok(values) => table.rows.push(TableRow { line, values }),
            Err(reason) => table.refused.push(Refused { line, reason }),
        }
    }
    table.blank += place.skip_blank_lines();
    table
}

/// The place in the text that the reader has come to, with its line.
struct Place<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Place<'_> {
    /// Passes lines with nothing in them, which the reader passes too, and counts them.
    fn skip_blank_lines(&mut self) -> usize {
        let mut blank = 0;
        while let Some(byte @ (b'\n' | b'\r')) = self.text.get(self.at) {
            blank += usize::from(*byte == b'\n');
            self.at += 1;
        }
        self.line += blank;
        blank
    }

    fn go_to(&mut self, end: usize) {
        self.line += count(&self.text[self.at..end], b'\n');
        // The reader may stop between the two bytes of a line's end.
        self.at = end;
        if self.at > 0 && self.text[self.at - 1] == b'\r' && self.text.get(self.at) == Some(&b'\n') {
            self.at += 1;
            self.line += 1;
        }
    }
}

fn count(bytes: &[u8], which: u8) -> usize {
    bytes.split(|&byte| byte == which).count() - 1
}

/// The separator that comes most often in the header, outside quotation marks.
fn delimiter(text: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b'\t', 0), (b',', 0), (b';', 0)];
    for &byte in text.trim_ascii_start() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equal counts the later one is taken: with none at all, a single column, that must not be the tab.
    let most = counts[..2].iter().max_by_key(|(_, count)| *count).copied().unwrap_or((b',', 0));
    if counts[2].1 > most.1 { b';' } else { most.0 }
}

/// The header's names: a column without one is named by its place, one whose name was there before by its place among them.
fn named(header: &csv::ByteRecord) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let name = |(at, field): (usize, &[u8])| {
        let name = String::from_utf8_lossy(field).trim().to_owned();
        let name = if name.is_empty() { format!("column {}", at + 1) } else { name };
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    };
    header.iter().enumerate().map(name).collect()
}

fn row(record: &csv::ByteRecord, names: &[String], bytes: &[u8], is_last: bool) -> Result<Map<String, Value>, String> {
    let quotes = count(bytes, b'"');
    if is_last && quotes % 2 == 1 && bytes.trim_ascii_end().contains(&b'\n') {
        return Err("a quotation mark is opened here and never closed; the rest of the file cannot be read".to_owned());
    }
    let extra = record.iter().skip(names.len()).any(|field| !field.is_empty());
    if record.len() < names.len() || extra {
        return Err(format!(
            "expected {} fields as in the header, found {}; is a quotation mark missing?",
            names.len(),
            record.len()
        ));
    }
    let value = |(name, field): (&String, &[u8])| {
        let text = std::str::from_utf8(field)
            .map_err(|_| format!("`{name}` is not UTF-8 text; save the file as UTF-8 and try again"))?;
        if text.contains('\0') {
            return Err(format!("`{name}` holds NUL bytes; the file is damaged or in another encoding"));
        }
        Ok((name.clone(), cell(text)))
    };
    names.iter().zip(record).map(value).collect()
}

/// An empty cell is nothing, and a list of messages in JSON is the conversation that it says; all else is text.
fn cell(text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    if text.trim_start().starts_with('[')
        && let Ok(value) = serde_json::from_str::<Value>(text)
        && is_conversation(&value)
    {
        return value;
    }
    Value::String(text.to_owned())
}
