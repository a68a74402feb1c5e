//! The elements of a JSON array, one after the other, without holding the array or the object that it stands in.

use std::io::BufRead;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::Place;
use crate::rows::{MAX_LINE_BYTES, Parsed, parse};
use crate::table::is_message;

/// Takes an element with its place, until it has enough.
pub(crate) type TakeElement<'a> = dyn FnMut(Place, Result<Value, String>) -> ControlFlow<()> + 'a;

/// What is said of a row after which nothing can be read.
const REST: &str = "the rest of the file cannot be read";

/// Hands every element of an array to `take`, with its number and the line that it begins on. Where the array breaks off or
/// makes no sense, the place is handed over as a refused row, and nothing after it: where the next element begins is not known
/// any more. `input` stands at the opening bracket, on `line`.
pub(crate) fn elements(input: impl BufRead, line: usize, take: &mut TakeElement) -> std::io::Result<ControlFlow<()>> {
    let mut bytes = Bytes::new(input, line);
    let mut rows = 0;
    let counted = &mut |place: Place, value| {
        rows = place.row.unwrap_or(rows);
        take(place, value)
    };
    if bytes.elements(Before::Bracket, counted)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    if bytes.next_filled()?.is_some() {
        let reason = format!("not valid JSON: trailing characters at column {}; {REST}", bytes.column);
        return Ok(take(Place::row(rows + 1, bytes.line), Err(reason)));
    }
    Ok(ControlFlow::Continue(()))
}

/// As [`elements`], of the array that stands under `key` in the one object of `input`. What the object holds after the array is
/// not looked at.
pub(crate) fn elements_under(
    input: impl BufRead,
    key: &str,
    take: &mut TakeElement,
) -> std::io::Result<ControlFlow<()>> {
    let mut bytes = Bytes::new(input, 1);
    let mut member = bytes.first_member()?;
    while let Some((name, first)) = member {
        if name == key && first == b'[' {
            return bytes.elements(Before::First, take);
        }
        bytes.pass_value(first, |_| true)?;
        member = bytes.next_member()?;
    }
    Ok(ControlFlow::Continue(()))
}

/// Hands the values of a text to `take`, one after the other, however many lines each takes. Where one makes no sense, its place
/// is handed over as a refused row, and nothing after it.
pub(crate) fn values(input: impl BufRead, take: &mut TakeElement) -> std::io::Result<ControlFlow<()>> {
    let mut bytes = Bytes::new(input, 1);
    let mut row = 1;
    while let Some(first) = bytes.next_filled()? {
        let place = Place::row(row, bytes.line);
        let value = bytes.value(first)?;
        let is_broken = value.is_err();
        if take(place, value.unwrap_or_else(|what| Err(format!("{what}; {REST}")))).is_break() || is_broken {
            return Ok(ControlFlow::Break(()));
        }
        row += 1;
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether a text begins with a value that makes sense.
pub(crate) fn begins_with_value(input: impl BufRead) -> std::io::Result<bool> {
    let mut bytes = Bytes::new(input, 1);
    Ok(match bytes.next_filled()? {
        Some(first) => bytes.value(first)?.is_ok(),
        None => false,
    })
}

/// As [`values`], of what stands under the names of the one object of a text.
pub(crate) fn values_of_members(input: impl BufRead, take: &mut TakeElement) -> std::io::Result<ControlFlow<()>> {
    let mut bytes = Bytes::new(input, 1);
    let mut row = 1;
    let mut member = bytes.first_member()?;
    while let Some((_, first)) = member {
        let place = Place::row(row, bytes.line);
        let value = bytes.value(first)?;
        let is_broken = value.is_err();
        if take(place, value.unwrap_or_else(|what| Err(format!("{what}; {REST}")))).is_break() || is_broken {
            return Ok(ControlFlow::Break(()));
        }
        row += 1;
        member = bytes.next_member()?;
    }
    Ok(ControlFlow::Continue(()))
}

/// The names of an object's members, in the order of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// Those with an array of objects that are no conversation.
    pub(crate) rows: Vec<String>,
    pub(crate) others: Vec<String>,
}

/// Which of `keys` hold an array of objects in the one object of `input`, and what else that holds. None where `input` is not one
/// object, as far as that can be seen without holding it.
pub(crate) fn members(input: impl BufRead, keys: &[&str]) -> std::io::Result<Option<Members>> {
    let mut bytes = Bytes::new(input, 1);
    let mut found = Members::default();
    let mut member = bytes.first_member()?;
    if member.is_none() {
        return Ok(None);
    }
    while let Some((name, first)) = member {
        if first == b'[' && keys.contains(&name.as_str()) {
            let (mut all, mut messages, mut objects, mut is_broken) = (0_usize, 0, 0, false);
            let ended = bytes.elements(Before::First, &mut |_, value| {
                all += 1;
                match value {
                    Ok(value) => {
                        objects += usize::from(value.is_object());
                        messages += usize::from(is_message(&value));
                    }
                    // One that is refused for what it says is a row all the same.
                    Err(reason) => {
                        is_broken = reason.ends_with(REST);
                        objects += 1;
                    }
                }
                ControlFlow::Continue(())
            })?;
            if all > usize::from(is_broken) && objects == all && messages < all {
                found.rows.push(name);
            } else {
                found.others.push(name);
            }
            if is_broken || ended.is_break() {
                // What comes after it cannot be seen.
                return Ok(Some(found));
            }
        } else {
            bytes.pass_value(first, |_| true)?;
            found.others.push(name);
        }
        member = bytes.next_member()?;
    }
    Ok((bytes.has_closed && bytes.next_filled()?.is_none()).then_some(found))
}

/// What comes next.
#[derive(Clone, Copy)]
enum Before {
    Bracket,
    /// The first element, or the end.
    First,
    Element,
    Comma,
}

/// The bytes of a text with their place.
pub(crate) struct Bytes<R> {
    input: R,
    /// How many were read.
    pub(crate) at: u64,
    pub(crate) line: usize,
    column: usize,
    /// The last one ended a line by itself, as a carriage return does.
    after_return: bool,
    /// Whether the end of the object was seen whose members were gone through.
    pub(crate) has_closed: bool,
}

impl<R: BufRead> Bytes<R> {
    pub(crate) fn new(input: R, line: usize) -> Self {
        Self { input, at: 0, line, column: 0, after_return: false, has_closed: false }
    }

    /// Hands the elements of an array to `take`. Breaks where that has enough, or where nothing further can be read.
    fn elements(&mut self, mut before: Before, take: &mut TakeElement) -> std::io::Result<ControlFlow<()>> {
        let mut row = 1;
        loop {
            let next = self.next_filled()?;
            let (place, column) = (Place::row(row, self.line), self.column);
            let mut broken = |what: String| {
                let _ = take(place, Err(format!("{what}; {REST}")));
                Ok(ControlFlow::Break(()))
            };
            let unexpected = |expected: &str| format!("not valid JSON: {expected} at column {column}");
            let Some(byte) = next else {
                return broken(format!(
                    "the file breaks off before its JSON ends (line {}, after column {column})",
                    place.line
                ));
            };
            match (before, byte) {
                (Before::Bracket, b'[') => before = Before::First,
                (Before::First | Before::Comma, b']') => return Ok(ControlFlow::Continue(())),
                (Before::Comma, b',') => before = Before::Element,
                (Before::Element, b']') => return broken(unexpected("trailing comma")),
                (Before::First | Before::Element, b',' | b':' | b'}') => {
                    return broken(unexpected("expected value"));
                }
                (Before::Bracket | Before::Comma, _) => return broken(unexpected("expected `,` or `]`")),
                (Before::First | Before::Element, byte) => {
                    let value = match self.value(byte)? {
                        Ok(value) => value,
                        Err(what) => return broken(what),
                    };
                    if take(place, value).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    row += 1;
                    before = Before::Comma;
                }
            }
        }
    }

    /// The name of an object's first member and the first byte of its value; none where there is no such member.
    pub(crate) fn first_member(&mut self) -> std::io::Result<Option<(String, u8)>> {
        if self.next_filled()? != Some(b'{') {
            return Ok(None);
        }
        match self.next_filled()? {
            Some(b'"') => self.member(),
            _ => Ok(None),
        }
    }

    /// The next member, after the value of one was passed.
    pub(crate) fn next_member(&mut self) -> std::io::Result<Option<(String, u8)>> {
        match self.next_filled()? {
            Some(b',') if self.next_filled()? == Some(b'"') => self.member(),
            end => {
                self.has_closed = end == Some(b'}');
                Ok(None)
            }
        }
    }

    /// A member whose opening quotation mark was read.
    pub(crate) fn member(&mut self) -> std::io::Result<Option<(String, u8)>> {
        let mut name = Vec::new();
        let is_whole = self.read_value(b'"', &mut name)?;
        let Ok(name) = serde_json::from_slice(&name) else { return Ok(None) };
        if !is_whole || self.next_filled()? != Some(b':') {
            return Ok(None);
        }
        Ok(self.next_filled()?.map(|first| (name, first)))
    }

    fn next(&mut self) -> std::io::Result<Option<u8>> {
        let Some(&byte) = self.input.fill_buf()?.first() else { return Ok(None) };
        self.input.consume(1);
        self.pass_break(byte);
        Ok(Some(byte))
    }

    /// Counts a byte, and the line that it ends. Old Macintosh files end lines with a carriage return alone.
    fn pass_break(&mut self, byte: u8) {
        self.at += 1;
        match byte {
            b'\n' if self.after_return => self.column = 0,
            b'\n' | b'\r' => (self.line, self.column) = (self.line + 1, 0),
            _ => self.column += 1,
        }
        self.after_return = byte == b'\r';
    }

    /// Counts bytes, and the lines that they end.
    fn pass(line: &mut usize, column: &mut usize, after_return: &mut bool, bytes: &[u8]) {
        let mut seen = 0;
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let is_second = bytes[at] == b'\n' && if at == 0 { *after_return } else { bytes[at - 1] == b'\r' };
            *line += usize::from(!is_second);
            *column = 0;
            seen = at + 1;
        }
        *column += bytes.len() - seen;
        if let Some(last) = bytes.last() {
            *after_return = *last == b'\r';
        }
    }

    /// The next byte that is no white space.
    pub(crate) fn next_filled(&mut self) -> std::io::Result<Option<u8>> {
        loop {
            match self.next()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => {}
                other => return Ok(other),
            }
        }
    }

    /// The value that begins with `first`, or why it is refused for what it says; or why nothing can be read after it.
    fn value(&mut self, first: u8) -> std::io::Result<Result<Result<Value, String>, String>> {
        let mut value = Vec::new();
        if !self.read_value(first, &mut value)? {
            return Ok(Err(format!("the row is longer than {} MiB", MAX_LINE_BYTES >> 20)));
        }
        Ok(match parse(&value) {
            Ok(value) => Ok(Ok(value)),
            Err(Parsed::Refused(reason)) => Ok(Err(reason)),
            Err(Parsed::NoText(_)) => Err("not UTF-8 text".to_owned()),
            Err(Parsed::NoJson(reason)) => Err(reason),
        })
    }

    /// Reads the value that begins with `first` up to its end, or to that of the text. `false`: it is too long.
    pub(crate) fn read_value(&mut self, first: u8, value: &mut Vec<u8>) -> std::io::Result<bool> {
        value.push(first);
        self.pass_value(first, |part| {
            value.extend_from_slice(part);
            value.len() <= MAX_LINE_BYTES
        })
    }

    /// Hands the rest of the value that begins with `first` to `keep`, part by part, as long as that says so. `false`: it did not.
    pub(crate) fn pass_value(&mut self, first: u8, mut keep: impl FnMut(&[u8]) -> bool) -> std::io::Result<bool> {
        let (mut depth, mut in_text, mut escaped) = (usize::from(matches!(first, b'[' | b'{')), first == b'"', false);
        let is_bare = depth == 0 && !in_text;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(true);
            }
            let mut used = 0;
            let mut ends = false;
            for &byte in buffer {
                // A bare word ends before whatever cannot be in one.
                if is_bare && !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') || byte > 0x7F) {
                    ends = true;
                    break;
                }
                used += 1;
                if in_text {
                    if escaped {
                        escaped = false;
                    } else if byte == b'\\' {
                        escaped = true;
                    } else if byte == b'"' {
                        in_text = false;
                        ends = depth == 0;
                    }
                } else {
                    match byte {
                        b'"' => in_text = true,
                        b'[' | b'{' => depth += 1,
                        b']' | b'}' => {
                            depth -= 1;
                            ends = depth == 0;
                        }
                        _ => {}
                    }
                }
                if ends {
                    break;
                }
            }
            let goes_on = keep(&buffer[..used]);
            self.at += used as u64;
            Self::pass(&mut self.line, &mut self.column, &mut self.after_return, &buffer[..used]);
            self.input.consume(used);
            if ends {
                return Ok(true);
            }
            if !goes_on {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Reads in pieces of `piece` bytes, so that every place is once the end of one.
    fn read(text: &[u8], piece: usize) -> Vec<(usize, Result<Value, String>)> {
        let mut rows: Vec<(usize, Result<Value, String>)> = Vec::new();
        let input = std::io::BufReader::with_capacity(piece, text);
        let flow = elements(input, 1, &mut |place, value| {
            assert_eq!(place.row, Some(rows.len() + 1));
            rows.push((place.line, value));
            ControlFlow::Continue(())
        });
        let _ = flow.unwrap();
        rows
    }

    fn refusal(text: &str) -> (usize, String) {
        let (line, last) = read(text.as_bytes(), 8).pop().unwrap();
        (line, last.unwrap_err())
    }

    #[test]
    fn elements_come_with_their_lines() {
        let text = b"[\n {\"a\": \"x],[\\\"\"},\n\n [1, {\"b\": []}], NaN,\n \"t\" , 4]\n";
        for piece in 1..40 {
            let lines: Vec<usize> =
                read(text, piece).into_iter().map(|(line, value)| value.map(|_| line).unwrap()).collect();
            assert_eq!(lines, [2, 4, 4, 5, 5], "{piece}");
        }
        assert!(read(b"[]", 1).is_empty());
    }

    #[test]
    fn what_makes_no_sense_within_a_text_is_a_row_of_its_own() {
        for bad in ["\\ud83d", "\\ud83d\\u0041", "\\x", "\u{1}", "\\ud8"] {
            let rows = read(format!("[{{\"a\": \"{bad}\"}}, {{\"b\": 2}}]").as_bytes(), 7);
            assert_eq!(rows.len(), 2, "{bad}: {rows:?}");
            assert!(rows[0].1.as_ref().is_err_and(|reason| !reason.contains(REST)), "{bad}: {rows:?}");
            assert_eq!(rows[1].1.as_ref().unwrap()["b"], 2);
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_once() {
        assert_eq!(refusal("[1,\n2").0, 2);
        assert!(refusal("[1,\n2").1.contains("breaks off"), "{:?}", refusal("[1,\n2"));
        assert!(refusal("[1,]").1.contains("trailing comma at column 4"));
        assert!(refusal("[1 2]").1.contains("expected `,` or `]` at column 4"));
        assert!(refusal("[1] x").1.contains("trailing characters at column 5"));
        assert!(refusal("[{\"a\": tru}, 2]").1.contains("rest of the file"));
        assert!(refusal("[,1]").1.contains("expected value"));
        // One that is refused for what it says takes nothing with it.
        let rows = read(b"[{\"a\": 1, \"a\": 2}, 3]", 4);
        assert!(rows[0].1.is_err() && rows[1].1 == Ok(3.into()));
    }

    fn keys(text: &[u8], piece: usize) -> Option<Vec<String>> {
        members(std::io::BufReader::with_capacity(piece, text), &["data", "rows"]).unwrap().map(|found| found.rows)
    }

    fn under(text: &[u8], piece: usize) -> Vec<(usize, Result<Value, String>)> {
        let mut rows = Vec::new();
        let input = std::io::BufReader::with_capacity(piece, text);
        let _ = elements_under(input, "data", &mut |place, value| {
            rows.push((place.line, value));
            ControlFlow::Continue(())
        })
        .unwrap();
        rows
    }

    #[test]
    fn the_rows_of_an_object_are_found_without_holding_it() {
        let text = b"{\"v\": {\"data\": [1, \"}\"]},\n \"d\\u0061ta\" : [\n{\"a\": \"]}\"},\n {}], \"rows\": [1]}\n";
        for piece in 1..60 {
            assert_eq!(keys(text, piece), Some(vec!["data".to_owned()]), "{piece}");
            let lines: Vec<usize> =
                under(text, piece).into_iter().map(|(line, row)| row.map(|_| line).unwrap()).collect();
            assert_eq!(lines, [3, 4], "{piece}");
        }
        let others = members(text.as_slice(), &["data"]).unwrap().unwrap().others;
        assert_eq!(others, ["v", "rows"]);
        let found = |text: &str| keys(text.as_bytes(), 7);
        let none = Some(vec![]);
        assert_eq!(found(r#"{"data": [{"a": 1}], "rows": [{"a": 1}]}"#).unwrap(), ["data", "rows"]);
        assert_eq!(found(r#"{"data": [], "rows": [{"a": 1}, 2]}"#), none, "what holds no objects alone");
        assert_eq!(found(r#"{"data": [{"role": "user", "content": "q"}]}"#), none, "a conversation");
        assert_eq!(found(r#"{"rows": {"data": [{}]}}"#), none, "not at the top");
        for no_object in ["", "[]", "{", "{}x", r#"{"a": 1} {"data": [{}]}"#, r#"{"a" 1}"#, r#"{"data": [{}], }"#] {
            assert!(found(no_object).is_none_or(|keys| keys.is_empty()), "{no_object}");
        }
        // What breaks off is refused by its place; the rows before it are there.
        let broken = b"{\"data\": [{\"a\": 1},\n {\"a\": tru}, {}]}";
        assert_eq!(keys(broken, 5), Some(vec!["data".to_owned()]));
        let rows = under(broken, 5);
        assert!(rows.len() == 2 && rows[0].1.is_ok() && rows[1].0 == 2, "{rows:?}");
    }

    proptest! {
        /// Rows between other members, of any texts.
        #[test]
        fn rows_of_an_object_are_those_that_serde_reads(
            texts in prop::collection::vec("[ -~\n\"\\\\é{}]{0,12}", 1..6),
            other in "[ -~\"{}\\[\\]]{0,12}",
            piece in 1_usize..20,
        ) {
            let rows: Vec<Value> = texts.iter().map(|text| serde_json::json!({ text.as_str(): text })).collect();
            let object = serde_json::json!({"before": [other.as_str()], "data": rows, "after": {other: 1}});
            for text in [serde_json::to_vec(&object).unwrap(), serde_json::to_vec_pretty(&object).unwrap()] {
                prop_assert_eq!(keys(&text, piece), Some(vec!["data".to_owned()]));
                let found: Vec<Value> = under(&text, piece).into_iter().map(|(_, row)| row.unwrap()).collect();
                prop_assert_eq!(&found, &rows);
            }
        }

        /// Whatever the bytes are: what is read of an array that `serde_json` reads whole is the same, and a broken one ends with
        /// one refusal.
        #[test]
        fn it_reads_what_serde_reads(
            values in prop::collection::vec("[ -~\n\"\\\\é]{0,12}", 0..6),
            cut in 0_usize..80,
            change in proptest::option::of((0_usize..80, any::<u8>())),
            piece in 1_usize..20,
        ) {
            let mut text = serde_json::to_vec_pretty(&values).unwrap();
            if let Some((at, byte)) = change && at < text.len() {
                text[at] = byte;
            }
            text.truncate(text.len().saturating_sub(cut.saturating_sub(40)));
            let rows = read(&text, piece);
            let taken: Vec<Value> = rows.iter().filter_map(|(_, value)| value.clone().ok()).collect();
            let refused = rows.iter().filter(|(_, value)| value.is_err()).count();
            match serde_json::from_slice::<Vec<Value>>(&text) {
                Ok(values) if refused == 0 => prop_assert_eq!(values, taken),
                // NUL bytes are refused, which serde takes.
                Ok(_) => prop_assert!(text.contains(&0)),
                Err(_) if text.windows(3).any(|word| word == b"NaN") => {}
                Err(error) => prop_assert!(refused > 0 || text.is_empty(), "{error}: {}", String::from_utf8_lossy(&text)),
            }
        }
    }
}
