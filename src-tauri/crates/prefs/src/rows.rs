//! From the bytes of a JSONL (or JSON array) file to one JSON value per row, with every bad row named.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Place;
use crate::array;

/// Longest line that is parsed. A file without line breaks must not fill the memory.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 20;

/// A row that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[ts(rename = "RefusedRow")]
pub struct Refused {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What was expected and what was found, in plain words.
    pub reason: String,
}

/// What a file held: `taken.len() + refused.len() + blank` is the number of its rows.
pub(crate) struct Rows<T> {
    pub(crate) taken: Vec<(Place, T)>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) blank: usize,
    pub(crate) ignored_keys: BTreeMap<String, usize>,
}

/// Counts the keys of rows and messages that have no meaning here, so that dropping them is said.
#[derive(Default)]
pub(crate) struct Ignored(BTreeMap<String, usize>);

impl Ignored {
    pub(crate) fn count<'a>(&mut self, keys: impl IntoIterator<Item = &'a String>) {
        for key in keys {
            *self.0.entry(key.clone()).or_default() += 1;
        }
    }
}

/// Reads all rows, turning each JSON value into a `T` with `parse`, which says in plain words why it cannot.
pub(crate) fn read<T>(
    input: impl BufRead,
    parse: impl Fn(Value, &mut Ignored) -> Result<T, String>,
) -> std::io::Result<Rows<T>> {
    let mut rows = Rows { taken: Vec::new(), refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
    let mut ignored = Ignored::default();
    let _ = each(without_mark(input)?, &mut |place, next| {
        match next {
            Next::Blank => rows.blank += 1,
            Next::Value(value) => match value.and_then(|value| parse(value, &mut ignored)) {
                Ok(row) => rows.taken.push((place, row)),
                Err(reason) => rows.refused.push(Refused { place, reason }),
            },
        }
        ControlFlow::Continue(())
    })?;
    rows.ignored_keys = ignored.0;
    Ok(rows)
}

/// What stands on a line.
pub(crate) enum Next {
    Blank,
    /// A JSON value, or why there is none.
    Value(Result<Value, String>),
}

/// Hands every line to `take`, or, where what comes first is a bracket, every element of that array: no row of ours begins
/// with one.
pub(crate) fn each(
    mut input: impl BufRead,
    take: &mut dyn FnMut(Place, Next) -> ControlFlow<()>,
) -> std::io::Result<ControlFlow<()>> {
    // Whether something that is not seen stands on the line so far.
    let (mut line, mut is_indented) = (0, false);
    while let Some(byte) = input.fill_buf()?.first().copied() {
        match byte {
            b'\n' => {
                (line, is_indented) = (line + 1, false);
                if take(Place::line(line), Next::Blank).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            b'[' => {
                return array::elements(input, line + 1, &mut |place, value| take(place, Next::Value(value)));
            }
            byte if byte.is_ascii_whitespace() => is_indented = true,
            _ => break,
        }
        input.consume(1);
    }
    let mut buffer = Vec::new();
    loop {
        let whole = read_line(&mut input, &mut buffer)?;
        if buffer.is_empty() && whole {
            // A last line of white space alone, without an end.
            return Ok(if is_indented { take(Place::line(line + 1), Next::Blank) } else { ControlFlow::Continue(()) });
        }
        (line, is_indented) = (line + 1, false);
        // Files that were joined have their byte order marks in the middle too.
        let text = buffer.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&buffer).trim_ascii();
        let next = if !whole {
            let limit = MAX_LINE_BYTES >> 20;
            let reason = format!("the line is longer than {limit} MiB; is the file really one JSON object per line?");
            Next::Value(Err(reason))
        } else if text.is_empty() {
            Next::Blank
        } else {
            Next::Value(parse_json(text))
        };
        if take(Place::line(line), next).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Passes a byte order mark at the beginning of a text.
pub(crate) fn without_mark<'a>(mut input: impl BufRead + 'a) -> std::io::Result<impl BufRead + 'a> {
    let mut start = Vec::new();
    input.by_ref().take(3).read_to_end(&mut start)?;
    if start == b"\xEF\xBB\xBF" {
        start.clear();
    }
    Ok(std::io::Cursor::new(start).chain(input))
}

/// Reads up to and including the next line feed into `buffer` (emptied first). `false`: the line was longer than the
/// limit; it is skipped to its end and only its beginning is in the buffer.
pub(crate) fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    buffer.clear();
    input.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', buffer)?;
    if buffer.len() <= MAX_LINE_BYTES || buffer.ends_with(b"\n") {
        return Ok(true);
    }
    buffer.truncate(1);
    loop {
        let available = input.fill_buf()?;
        let Some(end) = available.iter().position(|&byte| byte == b'\n') else {
            let all = available.len();
            if all == 0 {
                return Ok(false);
            }
            input.consume(all);
            continue;
        };
        input.consume(end + 1);
        return Ok(false);
    }
}

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// It is not UTF-8.
    NoText(String),
    /// It is not JSON.
    NoJson(String),
    /// It is JSON, and refused for what it says.
    Refused(String),
}

/// Parses one row. A key that comes twice is refused, at any depth: taking either would drop the other. `NaN` and
/// `Infinity`, which Python writes and JSON does not have, become a [marked](not_a_number) value.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    parse(bytes).map_err(|why| match why {
        Parsed::NoText(reason) | Parsed::NoJson(reason) | Parsed::Refused(reason) => reason,
    })
}

/// As [`parse_json`], telling the reasons apart.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Parsed> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        Parsed::NoText(format!("byte {at} is not UTF-8 text; the file is damaged or in another encoding"))
    })?;
    if text.contains('\0') {
        let reason = "the line holds NUL bytes; the file is damaged or in another encoding (expected UTF-8)";
        return Err(Parsed::Refused(reason.to_owned()));
    }
    serde_json::from_str(&without_nan(text)).map(|Unique(value)| value).map_err(|error| {
        let reason = explain(&error);
        if error.is_data() || is_within_text(&error) { Parsed::Refused(reason) } else { Parsed::NoJson(reason) }
    })
}

/// Whether what makes no sense stands in a text between quotation marks: half a character, as `json.dumps` writes it, or an escape
/// that is none. Where the value ends is known all the same.
fn is_within_text(error: &serde_json::Error) -> bool {
    let what = error.to_string();
    ["hex escape", "invalid escape", "control character", "invalid unicode code point"]
        .iter()
        .any(|words| what.contains(words))
}

/// The key of the object that stands for a number that JSON does not have.
const NOT_A_NUMBER: &str = "\u{1}";

/// What Python wrote, where a value stands for `NaN` or `Infinity`.
pub(crate) fn not_a_number(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(NOT_A_NUMBER)?.as_str()
}

/// Whether a value is `NaN`, as `pandas` writes of one that is not there. An infinite number is none of these.
pub(crate) fn is_missing(value: &Value) -> bool {
    not_a_number(value) == Some("NaN")
}

/// Whether such a value stands anywhere in one.
pub(crate) fn holds_not_a_number(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_not_a_number),
        Value::Object(fields) => not_a_number(value).is_some() || fields.values().any(holds_not_a_number),
        _ => false,
    }
}

/// The text with an object in place of each `NaN`, `Infinity` and `-Infinity` outside of strings. Line breaks stay where they
/// are.
pub(crate) fn without_nan(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
    if !text.contains(WORDS[0]) && !text.contains(WORDS[1]) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let ends =
        |at: usize| bytes.get(at).is_none_or(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'));
    let mut marked = String::new();
    let (mut kept, mut at, mut in_string) = (0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                if let Some(word) = WORDS.iter().find(|word| text[at..].starts_with(**word) && ends(at + word.len())) {
                    marked.push_str(&text[kept..at]);
                    let _ = write!(marked, "{{\"\\u0001\":\"{word}\"}}");
                    at += word.len();
                    kept = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    marked.push_str(&text[kept..]);
    Cow::Owned(marked)
}

fn explain(error: &serde_json::Error) -> String {
    // A row over several lines begins on the one that it is named by.
    let column = match error.line() {
        0 | 1 => error.column().to_string(),
        line => format!("{} of its line {line}", error.column()),
    };
    if error.is_eof() {
        return format!("the line breaks off before its JSON ends (after column {column})");
    }
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    match what {
        _ if error.is_data() => what.to_owned(),
        "recursion limit exceeded" => "the JSON is nested too deeply (more than 127 levels)".to_owned(),
        _ => format!("not valid JSON: {what} at column {column}"),
    }
}

/// A JSON value in which no object has a key twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Unique;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_string<E>(self, value: String) -> Result<Unique, E> {
                Ok(Unique(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut items = Vec::new();
                while let Some(Unique(item)) = access.next_element()? {
                    items.push(item);
                }
                Ok(Unique(Value::Array(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut map = Map::new();
                while let Some((key, Unique(value))) = access.next_entry::<String, Unique>()? {
                    if map.contains_key(&key) {
                        return Err(de::Error::custom(format!("the key `{key}` comes twice")));
                    }
                    map.insert(key, value);
                }
                Ok(Unique(Value::Object(map)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// What a JSON value is, in plain words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        _ if not_a_number(value).is_some() => "NaN or Infinity, which is no number in JSON",
        Value::Object(_) => "an object",
    }
}
