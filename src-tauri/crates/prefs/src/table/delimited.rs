//! CSV and TSV: a header, then one record per row. Spreadsheets of some countries separate by semicolons.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::Format;
use super::source::{Item, Take};
use crate::Place;
use crate::rows::{MAX_LINE_BYTES, read_line};

/// How a file of cells is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delimited {
    delimiter: u8,
    quotes: Quotes,
    /// The first line says what separates cells (`sep=;`), as for Excel, and is no header.
    says_separator: bool,
}

impl Delimited {
    /// How a file that begins with `start` is read.
    pub(super) fn of<R: BufRead>(start: &[u8], open: &mut dyn FnMut() -> std::io::Result<R>) -> std::io::Result<Self> {
        let said = said_separator(start);
        let delimiter = said.unwrap_or_else(|| delimiter(start));
        let says_separator = said.is_some();
        let quotes = if delimiter == b'\t' { quotes_between_tabs(open, says_separator)? } else { Quotes::OfCells };
        Ok(Self { delimiter, quotes, says_separator })
    }

    pub(super) fn format(self) -> Format {
        if self.delimiter == b'\t' { Format::Tsv } else { Format::Csv }
    }
}

/// Hands every record under the header to `take`.
pub(super) fn scan(mut input: impl BufRead, how: Delimited, take: &mut Take) -> std::io::Result<ControlFlow<()>> {
    let Delimited { delimiter, quotes, says_separator } = how;
    if says_separator {
        read_line(&mut input, &mut Vec::new())?;
    }
    let kept = Rc::new(RefCell::new(Kept::default()));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(quotes == Quotes::OfCells)
        .flexible(true)
        .has_headers(false)
        .from_reader(Keeping { input, kept: Rc::clone(&kept) });
    let mut place = Position { kept: Rc::clone(&kept), line: 1 + usize::from(says_separator), after_return: false };
    let mut header: Option<Vec<String>> = None;
    let mut record = csv::ByteRecord::new();
    // A flexible reader of bytes takes any record.
    while reader.read_byte_record(&mut record).map_err(std::io::Error::other)? {
        let end = reader.position().byte();
        let blank = place.skip_blank_lines();
        let line = place.line;
        let (bytes, is_last) = place.take(end);
        if kept.borrow().is_cut {
            let after = count_lines(reader.into_inner().input)?;
            let reason = match (Fields { bytes: &bytes, delimiter, quotes, is_last: true, after }).misquoted() {
                Some(reason) => reason,
                None => {
                    format!("the record is longer than {} MiB; the rest of the file is not read", MAX_LINE_BYTES >> 20)
                }
            };
            return Ok(take(Item::Refused(Place::line(line), reason)));
        }
        let mut hand = |item: Item| take(item).is_break();
        if blank > 0 && hand(Item::Blank(blank)) {
            return Ok(ControlFlow::Break(()));
        }
        let Some(names) = &header else {
            header = Some(named(&record));
            continue;
        };
        let item = if record.iter().all(<[u8]>::is_empty) {
            Item::Blank(1)
        } else {
            let fields = Fields { bytes: &bytes, delimiter, quotes, is_last, after: 0 };
            match row(&record, names, &fields) {
                Ok(values) => Item::Row(Place::line(line), values),
                Err(reason) => Item::Refused(Place::line(line), reason),
            }
        };
        if hand(item) {
            return Ok(ControlFlow::Break(()));
        }
    }
    let blank = place.skip_blank_lines();
    Ok(if blank > 0 { take(Item::Blank(blank)) } else { ControlFlow::Continue(()) })
}

/// The columns that a header names.
pub(super) fn header(start: &[u8], how: Delimited) -> Vec<String> {
    let start = if how.says_separator { after_first_line(start) } else { start };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(how.delimiter).flexible(true).has_headers(false).from_reader(start);
    let mut record = csv::ByteRecord::new();
    if reader.read_byte_record(&mut record).unwrap_or(false) { named(&record) } else { Vec::new() }
}

/// Bytes that the reader of cells has read, from the beginning of the record that comes next.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Place of the first of them in the file.
    from: u64,
    /// The file has ended, or no more of it is read.
    ended: bool,
    /// A record was too long: no more is read.
    is_cut: bool,
}

/// Keeps what is read until the record that it belongs to was looked at.
struct Keeping<R> {
    input: R,
    kept: Rc<RefCell<Kept>>,
}

impl<R: BufRead> Read for Keeping<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut kept = self.kept.borrow_mut();
        // A quotation mark that is never closed must not bring the whole file into memory.
        kept.is_cut |= kept.bytes.len() > MAX_LINE_BYTES;
        let read = if kept.is_cut { 0 } else { self.input.read(buffer)? };
        kept.ended |= read == 0;
        kept.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

/// A record as it stands in the file.
struct Fields<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    quotes: Quotes,
    is_last: bool,
    /// Lines of the file behind it that are not read.
    after: usize,
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
        let lost = match self.after {
            0 => count(self.bytes.trim_ascii_end(), b'\n'),
            // The last line of the bytes goes on behind them.
            after => count(self.bytes, b'\n').saturating_sub(1) + after,
        };
        opened.then(|| {
            format!(
                "a quotation mark is opened here and never closed; {lost} lines after this one, the rest of the file, cannot be \
                 read"
            )
        })
    }
}

/// What the quotation marks of a tab-separated file are. Where every line has as many cells as the header, no cell goes over
/// several lines; marks that no cell closes are then text, unless others are written twice as only quotes are.
fn quotes_between_tabs<R: BufRead>(
    open: &mut dyn FnMut() -> std::io::Result<R>,
    says_separator: bool,
) -> std::io::Result<Quotes> {
    let mut input = open()?;
    let mut line = Vec::new();
    if says_separator {
        read_line(&mut input, &mut line)?;
    }
    let mut cells = None;
    let (mut lone, mut doubled) = (false, false);
    loop {
        let whole = read_line(&mut input, &mut line)?;
        if line.is_empty() && whole {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let own = count(text, b'\t') + 1;
        if !whole || *cells.get_or_insert(own) != own {
            return Ok(Quotes::OfCells);
        }
        for cell in text.split(|&byte| byte == b'\t').filter(|cell| cell.starts_with(b"\"")) {
            match enclosed(cell) {
                Some(inner) => doubled |= inner.contains(&b'"'),
                None => lone = true,
            }
        }
    }
    Ok(match (lone, doubled) {
        (false, _) => Quotes::OfCells,
        (true, true) => Quotes::OfCellsOnOneLine,
        (true, false) => Quotes::Text,
    })
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
struct Position {
    kept: Rc<RefCell<Kept>>,
    line: usize,
    /// The reader stopped between the two bytes of a line's end.
    after_return: bool,
}

impl Position {
    /// Passes lines with nothing in them, which the reader passes too, and counts them.
    fn skip_blank_lines(&mut self) -> usize {
        let mut kept = self.kept.borrow_mut();
        let mut passed = 0;
        if std::mem::take(&mut self.after_return) && kept.bytes.first() == Some(&b'\n') {
            passed = 1;
            self.line += 1;
        }
        let breaks = kept.bytes[passed..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let blank = count(&kept.bytes[passed..passed + breaks], b'\n');
        self.line += blank;
        kept.pass(passed + breaks);
        blank
    }

    /// The bytes up to `end`, and whether the file ends there.
    fn take(&mut self, end: u64) -> (Vec<u8>, bool) {
        let mut kept = self.kept.borrow_mut();
        let length = end.saturating_sub(kept.from).min(kept.bytes.len() as u64) as usize;
        let bytes = kept.bytes[..length].to_vec();
        let is_last = kept.ended && length == kept.bytes.len();
        kept.pass(length);
        self.line += count(&bytes, b'\n');
        self.after_return = bytes.last() == Some(&b'\r');
        (bytes, is_last)
    }
}

impl Kept {
    fn pass(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
        self.from += bytes as u64;
    }
}

/// How many lines are left of an input.
fn count_lines(mut input: impl BufRead) -> std::io::Result<usize> {
    let (mut breaks, mut last) = (0, b'\n');
    loop {
        let buffer = input.fill_buf()?;
        let Some(&end) = buffer.last() else { return Ok(breaks + usize::from(last != b'\n')) };
        last = end;
        breaks += count(buffer, b'\n');
        let length = buffer.len();
        input.consume(length);
    }
}

fn count(bytes: &[u8], which: u8) -> usize {
    bytes.split(|&byte| byte == which).count() - 1
}

/// The separator that the first line names and nothing else: `sep=;`.
fn said_separator(text: &[u8]) -> Option<u8> {
    let line = text.split(|&byte| byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line.get(..4)?.to_ascii_lowercase().as_slice() {
        b"sep=" => match line.get(4..)? {
            [separator @ (b',' | b';' | b'\t' | b'|')] => Some(*separator),
            _ => None,
        },
        _ => None,
    }
}

fn after_first_line(text: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', text).map_or(&[], |at| &text[at + 1..])
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
