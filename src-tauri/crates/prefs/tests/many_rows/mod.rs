//! Rows of about 1.3 kB, no two alike, for what is measured on many of them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

const WORDS: [&str; 16] = [
    "preference",
    "answer",
    "the",
    "model",
    "a",
    "gradient",
    "of",
    "and",
    "is",
    "in",
    "reward",
    "margin",
    "token",
    "Ähre",
    "to",
    "policy",
];

/// Some text of about `words` words, another for every `number`.
fn text(number: usize, words: usize) -> String {
    let mut state = number as u64 + 1;
    let mut text = format!("Number {number}: ");
    for _ in 0..words {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 60) as usize]);
        text.push(' ');
    }
    text
}

/// A file of rows, with two answers to label or with a chosen and a rejected one.
pub(crate) fn write_rows(path: &Path, rows: usize, answers: [&str; 2]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..rows {
        let part = |part: usize, words: usize| text(number * 3 + part, words);
        let row = json!({
            "prompt": part(0, 20),
            answers[0]: part(1, 100),
            answers[1]: part(2, 100),
            "category": format!("category {}", number % 7),
        });
        writeln!(file, "{row}")?;
    }
    file.flush()
}
