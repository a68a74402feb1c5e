//! Which of two answers is better, as files say it: `a`, `response_b`, `1`, `tie`, the answer's text, and more.

use serde_json::Value;

use super::ColumnMapping;
use crate::table::{Table, TableRow};

/// Rows looked at to tell `0, 1` from `1, 2`; a single row cannot.
const LOOKED_AT: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preferred {
    First,
    Second,
    /// A tie, or nothing said.
    Neither,
}

/// How the column speaks, found by looking at all of it.
pub(super) struct Scheme {
    answers: [String; 2],
    /// The number that stands for the first answer; the next one is the second.
    first: i64,
    /// Stanford's SHP: 1 says that A is better, 0 that B is.
    one_is_first: bool,
}

impl Scheme {
    pub(super) fn of(table: &Table, mapping: &ColumnMapping) -> Self {
        let name = |column: &Option<String>| column.as_deref().map(normal).unwrap_or_default();
        let answers = [name(&mapping.answer_a), name(&mapping.answer_b)];
        let column = mapping.preference.as_deref().unwrap_or_default();
        let values = table.rows.iter().take(LOOKED_AT).filter_map(|row| row.get(column));
        let numbers: Vec<i64> = values.filter_map(number).collect();
        // With 0, 1 and 2 in it, 0 is the tie; with 0 and 1 alone, they count from 0.
        let counts_from_zero = numbers.contains(&0) && !numbers.contains(&2);
        let one_is_first = counts_from_zero && answers[0].starts_with("human_ref") && normal(column) == "labels";
        Self { answers, first: i64::from(!counts_from_zero), one_is_first }
    }

    /// What a row says.
    pub(super) fn preferred(&self, row: &TableRow, column: &str) -> Result<Preferred, String> {
        let Some(value) = row.get(column) else { return Ok(Preferred::Neither) };
        self.of_value(value).ok_or_else(|| {
            let value: String = value.to_string().chars().take(60).collect();
            format!(
                "`{column}` says {value}: expected a, b, 1, 2, first, second, tie, or the name of an answer's column"
            )
        })
    }

    pub(super) fn of_value(&self, value: &Value) -> Option<Preferred> {
        match value {
            Value::Null => Some(Preferred::Neither),
            Value::Bool(first) => Some(if *first { Preferred::First } else { Preferred::Second }),
            Value::String(text) if text.trim().is_empty() => Some(Preferred::Neither),
            Value::String(_) | Value::Number(_) => match number(value) {
                Some(number) => self.of_number(number),
                None => self.of_text(&normal(value.as_str()?)),
            },
            _ => None,
        }
    }

    fn of_number(&self, number: i64) -> Option<Preferred> {
        match number - self.first {
            0 if self.one_is_first => Some(Preferred::Second),
            1 if self.one_is_first => Some(Preferred::First),
            0 => Some(Preferred::First),
            1 => Some(Preferred::Second),
            _ if number == 0 => Some(Preferred::Neither),
            _ => None,
        }
    }

    fn of_text(&self, text: &str) -> Option<Preferred> {
        if text == self.answers[0] {
            return Some(Preferred::First);
        }
        if text == self.answers[1] {
            return Some(Preferred::Second);
        }
        let mut words = text.split('_').filter(|word| !word.is_empty());
        let first_word = words.clone().next()?;
        if ["tie", "tied", "both", "equal", "same", "draw", "neither", "none", "null", "nan"].contains(&first_word) {
            return Some(Preferred::Neither);
        }
        // `response_a`, `Answer B`, `A is better`: one word names the answer, the others say nothing else.
        let filler = |word: &str| {
            ["is", "better", "much", "slightly", "wins", "win", "assistant", "the", "preferred"].contains(&word)
                || ANSWER_WORDS.contains(&word)
        };
        let named: Vec<&str> = words.by_ref().filter(|word| !filler(word)).collect();
        let [named] = named.as_slice() else { return None };
        match *named {
            "a" | "first" | "left" | "one" => Some(Preferred::First),
            "b" | "second" | "right" | "two" => Some(Preferred::Second),
            digits => self.of_number(digits.parse().ok()?),
        }
    }
}

/// Words for an answer in the names of columns.
pub(super) const ANSWER_WORDS: [&str; 17] = [
    "response",
    "responses",
    "answer",
    "answers",
    "completion",
    "completions",
    "output",
    "outputs",
    "reply",
    "replies",
    "candidate",
    "candidates",
    "generation",
    "summary",
    "summaries",
    "conversation",
    "model",
];

/// Lower case, with `_` between words.
pub(super) fn normal(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

fn number(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    (number.fract() == 0.0 && number.abs() < 1e6).then_some(number as i64)
}
