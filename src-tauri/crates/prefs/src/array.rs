//! The elements of a JSON array, one after the other, without holding the array.

use std::io::BufRead;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::rows::{MAX_LINE_BYTES, Parsed, parse};

/// What is said of a row after which nothing can be read.
const REST: &str = "the rest of the file cannot be read";

/// Hands every element of an array to `take`, with the line that it begins on. Where the array breaks off or makes no sense,
/// the place is handed over as a refused row, and nothing after it: where the next element begins is not known any more.
/// `input` stands at the opening bracket, on `line`.
pub(crate) fn elements(
    input: impl BufRead,
    line: usize,
    take: &mut dyn FnMut(usize, Result<Value, String>) -> ControlFlow<()>,
) -> std::io::Result<ControlFlow<()>> {
    let mut bytes = Bytes { input, line, column: 0 };
    let mut element = Vec::new();
    let mut before = Before::Bracket;
    loop {
        let next = bytes.next_filled()?;
        let (line, column) = (bytes.line, bytes.column);
        let broken = |what: String| (line, Err(format!("{what}; {REST}")));
        let unexpected = |expected: &str| broken(format!("not valid JSON: {expected} at column {column}"));
        let Some(byte) = next else {
            let (line, reason) = broken(format!("the line breaks off before its JSON ends (after column {column})"));
            return Ok(take(line, reason));
        };
        match (before, byte) {
            (Before::Bracket, b'[') => before = Before::First,
            (Before::First | Before::Comma, b']') => break,
            (Before::Comma, b',') => before = Before::Element,
            (Before::Element, b']') => {
                let (line, reason) = unexpected("trailing comma");
                return Ok(take(line, reason));
            }
            (Before::First | Before::Element, b',' | b':' | b'}') => {
                let (line, reason) = unexpected("expected value");
                return Ok(take(line, reason));
            }
            (Before::Bracket | Before::Comma, _) => {
                let (line, reason) = unexpected("expected `,` or `]`");
                return Ok(take(line, reason));
            }
            (Before::First | Before::Element, byte) => {
                element.clear();
                if !bytes.read_value(byte, &mut element)? {
                    let limit = MAX_LINE_BYTES >> 20;
                    let (line, reason) = broken(format!("the row is longer than {limit} MiB"));
                    return Ok(take(line, reason));
                }
                let broken_at = |what: &str| Err(format!("{what}; {REST}"));
                let (value, ends) = match parse(&element) {
                    Ok(value) => (Ok(value), false),
                    Err(Parsed::Refused(reason)) => (Err(reason), false),
                    Err(Parsed::NoText(_)) => (broken_at("not UTF-8 text"), true),
                    Err(Parsed::NoJson(reason)) => (broken_at(&reason), true),
                };
                if take(line, value).is_break() || ends {
                    return Ok(ControlFlow::Break(()));
                }
                before = Before::Comma;
            }
        }
    }
    if bytes.next_filled()?.is_some() {
        let reason = format!("not valid JSON: trailing characters at column {}; {REST}", bytes.column);
        return Ok(take(bytes.line, Err(reason)));
    }
    Ok(ControlFlow::Continue(()))
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
struct Bytes<R> {
    input: R,
    line: usize,
    column: usize,
}

impl<R: BufRead> Bytes<R> {
    fn next(&mut self) -> std::io::Result<Option<u8>> {
        let Some(&byte) = self.input.fill_buf()?.first() else { return Ok(None) };
        self.input.consume(1);
        self.pass(byte);
        Ok(Some(byte))
    }

    fn pass(&mut self, byte: u8) {
        if byte == b'\n' {
            (self.line, self.column) = (self.line + 1, 0);
        } else {
            self.column += 1;
        }
    }

    /// The next byte that is no white space.
    fn next_filled(&mut self) -> std::io::Result<Option<u8>> {
        loop {
            match self.next()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => {}
                other => return Ok(other),
            }
        }
    }

    /// Reads the value that begins with `first` up to its end, or to that of the text. `false`: it is too long.
    fn read_value(&mut self, first: u8, value: &mut Vec<u8>) -> std::io::Result<bool> {
        value.push(first);
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
            value.extend_from_slice(&buffer[..used]);
            self.line += buffer[..used].split(|byte| *byte == b'\n').count() - 1;
            self.column = match buffer[..used].iter().rposition(|byte| *byte == b'\n') {
                Some(at) => used - at - 1,
                None => self.column + used,
            };
            self.input.consume(used);
            if ends {
                return Ok(true);
            }
            if value.len() > MAX_LINE_BYTES {
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
        let mut rows = Vec::new();
        let input = std::io::BufReader::with_capacity(piece, text);
        let flow = elements(input, 1, &mut |line, value| {
            rows.push((line, value));
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

    proptest! {
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
