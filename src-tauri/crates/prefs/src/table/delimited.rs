//! CSV and TSV: a header, then one record per row. Spreadsheets of some countries separate by semicolons.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Format, Table, TableRow, cells};
use crate::Refused;

pub(super) fn read(text: &[u8]) -> Table {
    let delimiter = delimiter(text);
    let format = if delimiter == b'\t' { Format::Tsv } else { Format::Csv };
    let (columns, rows, refused, as_text) = Default::default();
    let mut table = Table { format, columns, rows, refused, blank: 0, as_text };
    let quotes = if format == Format::Csv { Quotes::OfCells } else { quotes_between_tabs(text) };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(quotes == Quotes::OfCells)
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
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
        let fields = Fields { bytes, delimiter, quotes, is_last: end == text.len() };
        match row(&record, names, &fields) {
            Ok(values) => table.rows.push(TableRow { line, values }),
            Err(reason) => table.refused.push(Refused { line, reason }),
        }
    }
    table.blank += place.skip_blank_lines();
    table.as_text = cells::open(&mut table.rows);
    table
}

/// A record as it stands in the file.
struct Fields<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    quotes: Quotes,
    is_last: bool,
}

/// What quotation marks at the beginning of a cell are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// They enclose cells, which may go over several lines.
    OfCells,
    /// They enclose cells, each on one line; a cell that begins with one alone is refused.
    OfCellsOnOneLine,
    Text,
}

impl Fields<'_> {
    /// What is wrong with the quotation marks of the record. The reader would go on as if nothing were.
    fn misquoted(&self) -> Option<String> {
        #[derive(PartialEq)]
        enum At {
            Begin,
            Bare,
            Quoted,
            Closed,
        }
        if self.quotes != Quotes::OfCells {
            return None;
        }
        let mut at = At::Begin;
        let (mut breaks, mut tabs) = (false, false);
        for &byte in self.bytes {
            at = match (at, byte) {
                (At::Begin, b'"') => {
                    (breaks, tabs) = (false, false);
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) => {
                    breaks |= byte == b'\n';
                    tabs |= byte == b'\t';
                    At::Quoted
                }
                (At::Closed, b'"') => At::Quoted,
                (At::Closed, b'\r' | b'\n') => At::Begin,
                (At::Begin | At::Bare | At::Closed, _) if byte == self.delimiter => At::Begin,
                (At::Closed, _) => {
                    return Some(
                        "text stands after a closing quotation mark; a mark inside of text is written twice".to_owned(),
                    );
                }
                (At::Begin | At::Bare, _) => At::Bare,
            };
            if at == At::Closed && breaks && tabs && self.delimiter == b'\t' {
                return Some(
                    "a quotation mark that begins a cell is closed on a later line, with columns in between; write it twice \
                     where it is meant as text"
                        .to_owned(),
                );
            }
        }
        let opened = at == At::Quoted && self.is_last;
        opened
            .then(|| "a quotation mark is opened here and never closed; the rest of the file cannot be read".to_owned())
    }
}

/// What the quotation marks of a tab-separated file are. Where every line has as many cells as the header, no cell goes over
/// several lines; marks that no cell closes are then text, unless others are written twice as only quotes are.
fn quotes_between_tabs(text: &[u8]) -> Quotes {
    let lines = || text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let cells = |line: &[u8]| count(line, b'\t') + 1;
    let mut filled = lines().filter(|line| !line.is_empty());
    let Some(header) = filled.next() else { return Quotes::OfCells };
    if filled.any(|line| cells(line) != cells(header)) {
        return Quotes::OfCells;
    }
    let (mut lone, mut doubled) = (false, false);
    for cell in lines().flat_map(|line| line.split(|&byte| byte == b'\t')).filter(|cell| cell.starts_with(b"\"")) {
        match enclosed(cell) {
            Some(inner) => doubled |= inner.contains(&b'"'),
            None => lone = true,
        }
    }
    match (lone, doubled) {
        (false, _) => Quotes::OfCells,
        (true, true) => Quotes::OfCellsOnOneLine,
        (true, false) => Quotes::Text,
    }
}

/// What stands between the two quotation marks of a cell, where those inside are written twice.
fn enclosed(cell: &[u8]) -> Option<&[u8]> {
    let inner = cell.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (count(inner, b'"') == 2 * count_pairs(inner)).then_some(inner)
}

/// How many times a quotation mark is written twice.
fn count_pairs(bytes: &[u8]) -> usize {
    let (mut pairs, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        let is_pair = &bytes[at..at + 2] == b"\"\"";
        pairs += usize::from(is_pair);
        at += if is_pair { 2 } else { 1 };
    }
    pairs
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

fn row(record: &csv::ByteRecord, names: &[String], fields: &Fields) -> Result<Map<String, Value>, String> {
    if let Some(reason) = fields.misquoted() {
        return Err(reason);
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
        let one_line = fields.quotes == Quotes::OfCellsOnOneLine && field.starts_with(b"\"");
        let inner = if one_line { enclosed(field) } else { Some(field) };
        let inner = inner.ok_or_else(|| {
            format!(
                "`{name}` begins with a quotation mark that is not closed; write it twice where it is meant as text"
            )
        })?;
        let text = std::str::from_utf8(inner)
            .map_err(|_| format!("`{name}` is not UTF-8 text; save the file as UTF-8 and try again"))?;
        if text.contains('\0') {
            return Err(format!("`{name}` holds NUL bytes; the file is damaged or in another encoding"));
        }
        let text = if one_line { text.replace("\"\"", "\"") } else { text.to_owned() };
        Ok((name.clone(), if text.is_empty() { Value::Null } else { Value::String(text) }))
    };
    names.iter().zip(record).map(value).collect()
}
