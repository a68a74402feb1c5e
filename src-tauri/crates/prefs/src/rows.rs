//! From the bytes of a JSONL (or JSON array) file to one JSON value per row, with every bad row named.

use std::collections::BTreeMap;
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
        let text = if line == 1 { buffer.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&buffer) } else { &buffer };
        let text = text.trim_ascii();
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

/// Parses one row. A key that comes twice is refused: taking either would drop the other.
fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        format!("byte {at} is not UTF-8 text; the file is damaged or in another encoding")
    })?;
    if text.contains('\0') {
        return Err("the line holds NUL bytes; the file is damaged or in another encoding (expected UTF-8)".to_owned());
    }
    if text.starts_with('{') {
        serde_json::from_str(text).map(|Unique(map)| Value::Object(map))
    } else {
        serde_json::from_str(text)
    }
    .map_err(|error| explain(&error))
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

/// A JSON object none of whose keys comes twice.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Unique;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut map = Map::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if map.contains_key(&key) {
                        return Err(de::Error::custom(format!("the key `{key}` comes twice")));
                    }
                    map.insert(key, value);
                }
                Ok(Unique(map))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Hands every element of the JSON array in `bytes` to `take` with the line it begins on; where the array breaks off, the
/// place is handed over as one refused row.
fn read_array(bytes: &[u8], first_line: usize, mut take: impl FnMut(usize, Result<Value, String>)) {
    // What comes before a broken byte is still an array, one that breaks off there.
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), true),
    };
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
        Value::Object(_) => "an object",
    }
}
