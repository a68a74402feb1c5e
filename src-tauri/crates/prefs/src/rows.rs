//! From the bytes of a JSONL (or JSON array) file to one JSON value per row, with every bad row named.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, Read};

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Longest line that is parsed. A file without line breaks must not fill the memory.
const MAX_LINE_BYTES: usize = 64 << 20;

/// A row that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[ts(rename = "RefusedRow")]
pub struct Refused {
    /// Line of the file, from 1.
    pub line: usize,
    /// What was expected and what was found, in plain words.
    pub reason: String,
}

/// What a file held: `taken.len() + refused.len() + blank` is the number of its rows.
pub(crate) struct Rows<T> {
    pub(crate) taken: Vec<(usize, T)>,
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
    mut input: impl BufRead,
    parse: impl Fn(Value, &mut Ignored) -> Result<T, String>,
) -> std::io::Result<Rows<T>> {
    let mut rows = Rows { taken: Vec::new(), refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
    let mut ignored = Ignored::default();
    let mut take = |rows: &mut Rows<T>, line: usize, value: Result<Value, String>| match value
        .and_then(|value| parse(value, &mut ignored))
    {
        Ok(row) => rows.taken.push((line, row)),
        Err(reason) => rows.refused.push(Refused { line, reason }),
    };
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        let whole = read_line(&mut input, &mut buffer)?;
        if buffer.is_empty() && whole {
            break;
        }
        line += 1;
        // Files that were joined have their byte order marks in the middle too.
        let text = buffer.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&buffer).trim_ascii();
        if !whole {
            let limit = MAX_LINE_BYTES >> 20;
            let reason = format!("the line is longer than {limit} MiB; is the file really one JSON object per line?");
            rows.refused.push(Refused { line, reason });
        } else if text.is_empty() {
            rows.blank += 1;
        } else if text[0] == b'[' && rows.taken.is_empty() && rows.refused.is_empty() {
            // No row of ours begins with a bracket: the whole file is one JSON array.
            let first_line = line;
            let mut array = text.to_vec();
            array.push(b'\n');
            input.read_to_end(&mut array)?;
            read_array(&array, first_line, |line, value| take(&mut rows, line, value));
            break;
        } else {
            take(&mut rows, line, parse_json(text));
        }
    }
    rows.ignored_keys = ignored.0;
    Ok(rows)
}

/// Reads up to and including the next line feed into `buffer` (emptied first). `false`: the line was longer than the
/// limit; it is skipped to its end and only its beginning is in the buffer.
fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
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

/// Parses one row. A key that comes twice is refused, at any depth: taking either would drop the other. `NaN` and
/// `Infinity`, which Python writes and JSON does not have, become a [marked](not_a_number) value.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        format!("byte {at} is not UTF-8 text; the file is damaged or in another encoding")
    })?;
    if text.contains('\0') {
        return Err("the line holds NUL bytes; the file is damaged or in another encoding (expected UTF-8)".to_owned());
    }
    serde_json::from_str(&without_nan(text)).map(|Unique(value)| value).map_err(|error| explain(&error))
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
    let column = error.column();
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

/// The JSON values of a text one after the other, however many lines each takes, with the line that each begins on. `None`
/// where the text does not begin with one.
pub(crate) fn one_after_another(text: &str) -> Option<Vec<(usize, Result<Value, String>)>> {
    let marked = without_nan(text);
    // Old Macintosh files break lines with a carriage return alone.
    let line_break = if marked.contains('\n') { '\n' } else { '\r' };
    let mut values = Vec::new();
    let (mut line, mut seen) = (1, 0);
    let mut stream = serde_json::Deserializer::from_str(&marked).into_iter::<&RawValue>();
    while let Some(value) = stream.next() {
        match value {
            Ok(raw) => {
                let offset = raw.get().as_ptr() as usize - marked.as_ptr() as usize;
                line += marked[seen..offset].matches(line_break).count();
                seen = offset;
                values.push((line, parse_json(raw.get().as_bytes())));
            }
            Err(_) if values.is_empty() => return None,
            Err(error) => {
                line += marked[seen..stream.byte_offset()].matches(line_break).count();
                let reason = format!("{}; the rest of the file cannot be read", explain(&error));
                values.push((line, Err(reason)));
                break;
            }
        }
    }
    Some(values)
}

/// The rows of an array that stands inside a file, from a line on.
pub(crate) fn read_array_at<T>(array: &str, line: usize, parse: impl Fn(Value) -> Result<T, String>) -> Rows<T> {
    let mut rows = Rows { taken: Vec::new(), refused: Vec::new(), blank: 0, ignored_keys: BTreeMap::new() };
    read_array(array.as_bytes(), line, |line, value| match value.and_then(&parse) {
        Ok(row) => rows.taken.push((line, row)),
        Err(reason) => rows.refused.push(Refused { line, reason }),
    });
    rows
}

/// Hands every element of the JSON array in `bytes` to `take` with the line it begins on; where the array breaks off, the
/// place is handed over as one refused row.
fn read_array(bytes: &[u8], first_line: usize, mut take: impl FnMut(usize, Result<Value, String>)) {
    // What comes before a broken byte is still an array, one that breaks off there.
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), true),
    };
    let text: &str = &without_nan(text);
    let mut elements: Vec<&RawValue> = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let outcome = Elements(&mut elements).deserialize_all(&mut deserializer).and_then(|()| deserializer.end());
    let (mut line, mut seen) = (first_line, 0);
    for element in elements {
        let offset = element.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[seen..offset].matches('\n').count();
        seen = offset;
        take(line, parse_json(element.get().as_bytes()));
    }
    if broken {
        line += text[seen..].matches('\n').count();
        take(line, Err("not UTF-8 text; this row and the rest of the file cannot be read".to_owned()));
    } else if let Err(error) = outcome {
        let line = first_line + error.line().saturating_sub(1);
        take(line, Err(format!("{}; the rest of the file cannot be read", explain(&error))));
    }
}

/// Collects the elements of an array as they come, keeping those read before an error.
struct Elements<'a, 'de>(&'a mut Vec<&'de RawValue>);

impl<'de> Elements<'_, 'de> {
    fn deserialize_all<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(element) = access.next_element()? {
            self.0.push(element);
        }
        Ok(())
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
