//! Where Jinja in Python and minijinja differ, Python's way: how values are printed, `tojson`, and what counts as a
//! sequence.
//!
//! Two differences cannot be reached from outside minijinja. `~` joins `true`, `none` and lists in minijinja's spelling;
//! templates join text and numbers with it, which are spelled alike. And a loop over `none` is empty, where Python fails:
//! the few templates that insist on tools are rendered without any here, and are refused by `transformers`.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// Makes `environment` behave like Python's.
pub(crate) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    environment.set_formatter(|output, _, value| Ok(output.write_str(&text(value)?)?));
    environment.add_filter("string", |value: Value| text(&value));
    environment.add_filter("join", |values: &Value, separator: Option<&str>| join(values, separator.unwrap_or("")));
    environment.add_filter("tojson", |value: &Value, options: Kwargs| tojson(value, &options));
    environment.add_filter("trim", |value: Value, characters: Option<String>| -> Result<String, Error> {
        Ok(strip(&text(&value)?, characters.as_deref(), true, true).to_owned())
    });
    // In Python text is a sequence of characters, and so is whatever has a length and an index.
    environment.add_test("sequence", |value: Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined)
    });
    environment
        .add_test("iterable", |value: Value| value.is_undefined() || !value.is_none() && value.try_iter().is_ok());
    // A Python bool is a number.
    environment.add_test("number", |value: Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Python's `str(value)`; undefined prints as nothing.
fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        _ => {
            let mut result = String::new();
            write_repr(&mut result, value)?;
            Ok(result)
        }
    }
}

/// Python's `repr(value)`.
fn write_repr(result: &mut String, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => result.push_str("None"),
        ValueKind::Bool => result.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => result.push_str(&number(value)),
        ValueKind::String => write_quoted(result, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            for (index, item) in value.try_iter()?.enumerate() {
                result.push_str(if index == 0 { "[" } else { ", " });
                write_repr(result, &item)?;
            }
            result.push_str(if value.len() == Some(0) { "[]" } else { "]" });
        }
        ValueKind::Map => {
            for (index, key) in value.try_iter()?.enumerate() {
                result.push_str(if index == 0 { "{" } else { ", " });
                write_repr(result, &key)?;
                result.push_str(": ");
                write_repr(result, &value.get_item(&key)?)?;
            }
            result.push_str(if value.len() == Some(0) { "{}" } else { "}" });
        }
        kind => return Err(invalid(format!("a value of the kind {kind} cannot be printed"))),
    }
    Ok(())
}

/// A number as Python prints it.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else { return value.to_string() };
    if float != 0.0 && float.is_finite() && !(1e-4..1e16).contains(&float.abs()) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{float:?}").replace("NaN", "nan")
}

/// Text as Python's `repr` quotes it.
fn write_quoted(result: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    result.push(quote);
    for character in text.chars() {
        match character {
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            _ if character == quote => result.extend(['\\', quote]),
            '\0'..=' ' | '\x7f'..='\u{a0}' | '\u{ad}' if character != ' ' => {
                let _ = write!(result, "\\x{:02x}", character as u32);
            }
            _ => result.push(character),
        }
    }
    result.push(quote);
}

/// Python's `separator.join(map(str, values))`.
fn join(values: &Value, separator: &str) -> Result<String, Error> {
    let texts: Vec<String> = values.try_iter()?.map(|value| text(&value)).collect::<Result<_, _>>()?;
    Ok(texts.join(separator))
}

/// How `json.dumps` writes.
struct Json {
    ensure_ascii: bool,
    indent: Option<String>,
    between: String,
    colon: String,
    sort_keys: bool,
}

/// `json.dumps` with the defaults of `transformers`: nothing but control characters is escaped.
fn tojson(value: &Value, options: &Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<Value>>("indent")?.filter(|indent| !indent.is_none());
    let indent = match indent {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(i64::try_from(indent)?.clamp(0, 64)).unwrap_or(0)),
        }),
    };
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let (between, colon) = match separators.as_deref() {
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some([between, colon]) => (between.clone(), colon.clone()),
        Some(_) => return Err(invalid("tojson needs two separators")),
    };
    let json = Json {
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        indent,
        between,
        colon,
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut result = String::new();
    json.write(&mut result, value, 0)?;
    Ok(result)
}

impl Json {
    fn write(&self, result: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => result.push_str("null"),
            ValueKind::Bool => result.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => result.push_str(&number(value).replace("nan", "NaN").replace("inf", "Infinity")),
            ValueKind::String => self.write_text(result, value.as_str().unwrap_or_default()),
            ValueKind::Seq => {
                result.push('[');
                for (index, item) in value.try_iter()?.enumerate() {
                    self.start_item(result, index, depth);
                    self.write(result, &item, depth + 1)?;
                }
                self.end(result, value, depth);
                result.push(']');
            }
            ValueKind::Map => {
                let mut entries = Vec::new();
                for key in value.try_iter()? {
                    let name = match key.kind() {
                        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
                        ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                            let mut name = String::new();
                            self.write(&mut name, &key, 0)?;
                            name
                        }
                        kind => return Err(invalid(format!("tojson cannot write a key of the kind {kind}"))),
                    };
                    entries.push((name, value.get_item(&key)?));
                }
                if self.sort_keys {
                    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                }
                result.push('{');
                for (index, (name, item)) in entries.iter().enumerate() {
                    self.start_item(result, index, depth);
                    self.write_text(result, name);
                    result.push_str(&self.colon);
                    self.write(result, item, depth + 1)?;
                }
                self.end(result, value, depth);
                result.push('}');
            }
            kind => return Err(invalid(format!("tojson cannot write a value of the kind {kind}"))),
        }
        Ok(())
    }

    fn start_item(&self, result: &mut String, index: usize, depth: usize) {
        if index > 0 {
            result.push_str(&self.between);
        }
        self.new_line(result, depth + 1);
    }

    fn end(&self, result: &mut String, value: &Value, depth: usize) {
        if value.len() != Some(0) {
            self.new_line(result, depth);
        }
    }

    fn new_line(&self, result: &mut String, depth: usize) {
        if let Some(indent) = &self.indent {
            result.push('\n');
            result.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn write_text(&self, result: &mut String, text: &str) {
        result.push('"');
        for character in text.chars() {
            match character {
                '"' => result.push_str("\\\""),
                '\\' => result.push_str("\\\\"),
                '\n' => result.push_str("\\n"),
                '\r' => result.push_str("\\r"),
                '\t' => result.push_str("\\t"),
                '\u{8}' => result.push_str("\\b"),
                '\u{c}' => result.push_str("\\f"),
                '\0'..' ' => {
                    let _ = write!(result, "\\u{:04x}", character as u32);
                }
                _ if self.ensure_ascii && !character.is_ascii() => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let _ = write!(result, "\\u{unit:04x}");
                    }
                }
                _ => result.push(character),
            }
        }
        result.push('"');
    }
}

/// Methods of Python's `str`, `dict` and `list`.
fn method(state: &State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let (Some(text), "strip" | "lstrip" | "rstrip") = (value.as_str(), name) {
        let (characters,): (Option<&str>,) = minijinja::value::from_args(arguments)?;
        return Ok(Value::from(strip(text, characters, name != "rstrip", name != "lstrip")));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
}

/// Python's `strip`, whose white space has four control characters more than Rust's.
fn strip<'a>(text: &'a str, characters: Option<&str>, start: bool, end: bool) -> &'a str {
    let goes = |character: char| match characters {
        Some(characters) => characters.contains(character),
        None => character.is_whitespace() || matches!(character, '\x1c'..='\x1f'),
    };
    let text = if start { text.trim_start_matches(goes) } else { text };
    if end { text.trim_end_matches(goes) } else { text }
}
