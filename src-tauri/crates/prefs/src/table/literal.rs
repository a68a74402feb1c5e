//! Values as Python writes them with `repr`, and `NumPy` for an array of objects: what `DataFrame.to_csv` leaves of lists and
//! dicts.
//!
//! Only what these two write is read: no expressions, no prefixes of strings, no triple quotes, no tuples. Whatever else
//! stands there gives `None`.

use serde_json::{Map, Number, Value};

/// How deep lists and dicts may lie in each other.
const DEEPEST: usize = 64;

/// The value that a text is, as a whole.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.skip_space();
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, what: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '[' => self.list(depth),
            '{' => self.dict(depth),
            '\'' | '"' => self.string().map(Value::String),
            'a' => {
                if !self.eat("array(") {
                    return None;
                }
                let items = self.list(depth)?;
                let _ = self.eat(",") && self.eat("dtype=object");
                self.eat(")").then_some(items)
            }
            _ => self.word(),
        }
    }

    /// `NumPy` puts no commas between the elements of an array: two dicts may stand side by side.
    fn list(&mut self, depth: usize) -> Option<Value> {
        if !self.eat("[") {
            return None;
        }
        let mut items: Vec<Value> = Vec::new();
        loop {
            if self.eat("]") {
                return Some(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            if self.eat(",") {
                continue;
            }
            self.skip_space();
            let ends = self.rest.starts_with(']');
            let dicts_beside = items.last().is_some_and(Value::is_object) && self.rest.starts_with('{');
            if !ends && !dicts_beside {
                return None;
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Value> {
        if !self.eat("{") {
            return None;
        }
        let mut fields = Map::new();
        loop {
            if self.eat("}") {
                return Some(Value::Object(fields));
            }
            self.skip_space();
            let key = self.string()?;
            if !self.eat(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            if fields.insert(key, value).is_some() {
                return None;
            }
            if !self.eat(",") {
                self.skip_space();
                if !self.rest.starts_with('}') {
                    return None;
                }
            }
        }
    }

    fn word(&mut self) -> Option<Value> {
        let ends = |c: char| matches!(c, ',' | ']' | '}' | ')' | ' ' | '\n' | '\r' | '\t');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Value::Number(number(word)?),
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    // `''` and then another quotation mark would be the beginning of a string over several lines.
                    return (!self.rest.starts_with(quote)).then_some(text);
                }
                '\\' => {
                    let (_, escaped) = chars.next()?;
                    let digits = match escaped {
                        'n' => {
                            text.push('\n');
                            continue;
                        }
                        'r' => {
                            text.push('\r');
                            continue;
                        }
                        't' => {
                            text.push('\t');
                            continue;
                        }
                        '\\' | '\'' | '"' => {
                            text.push(escaped);
                            continue;
                        }
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => return None,
                    };
                    let mut code = 0;
                    for _ in 0..digits {
                        code = code * 16 + chars.next()?.1.to_digit(16)?;
                    }
                    text.push(char::from_u32(code)?);
                }
                '\n' | '\r' => return None,
                _ => text.push(c),
            }
        }
        None
    }
}

/// A number as JSON has it, which Python's are too but for `nan`, `inf` and leading zeros.
fn number(word: &str) -> Option<Number> {
    serde_json::from_str(word).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_and_numpy_write() {
        let said =
            json!([{"role": "user", "content": "It's \"q\"\n\u{1F600}"}, {"role": "assistant", "content": null}]);
        for text in [
            "[{'role': 'user', 'content': 'It\\'s \"q\"\\n\u{1F600}'}, {'role': 'assistant', 'content': None}]",
            "[{'role': 'user', 'content': 'It\\'s \"q\"\\n\\U0001f600'}\n {'role': 'assistant', 'content': None}]",
            "array([{'role': 'user', 'content': 'It\\'s \"q\"\\n\u{1F600}'},\n       {'role': 'assistant', 'content': None}],\n      dtype=object)",
        ] {
            assert_eq!(parse(text), Some(said.clone()), "{text}");
        }
        assert_eq!(
            parse("{'a': [1, -2.5, 1e-05], 'b': True, 'c': {}}"),
            Some(json!({"a": [1, -2.5, 1e-05], "b": true, "c": {}}))
        );
    }

    #[test]
    fn all_else_is_not_read() {
        for text in [
            "",
            "[",
            "['a' 'b']",
            "[1 2]",
            "('a', 'b')",
            "{'a': 1, 'a': 2}",
            "{1: 2}",
            "['a\nb']",
            "'''a'''",
            "f'a'",
            "b'a'",
            "['\\q']",
            "['\\ud83d']",
            "[nan]",
            "__import__('os')",
            "['a'] + ['b']",
            "[{'a': 1} ... {'a': 2}]",
            "['a'] x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }

    proptest::proptest! {
        /// A value written as Python writes it is read as it was.
        #[test]
        fn what_is_written_is_read(texts in proptest::collection::vec(".{0,12}", 0..6), numpy: bool) {
            let quoted = |text: &str| {
                let mut written = "'".to_owned();
                for c in text.chars() {
                    match c {
                        '\\' => written += "\\\\",
                        '\'' => written += "\\'",
                        '\n' => written += "\\n",
                        c if c.is_control() => written.extend(format!("\\U{:08x}", c as u32).chars()),
                        c => written.push(c),
                    }
                }
                written + "'"
            };
            let dicts: Vec<String> = texts.iter().map(|text| format!("{{'role': 'user', 'content': {}}}", quoted(text))).collect();
            let written = format!("[{}]", dicts.join(if numpy { "\n " } else { ", " }));
            let expected: Vec<Value> = texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            proptest::prop_assert_eq!(parse(&written), Some(Value::Array(expected)));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}'\",:\\\\a-zA-Z0-9 \n-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
