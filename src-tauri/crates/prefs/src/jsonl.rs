//! Pairs in JSONL: one object per line with `chosen`, `rejected` and, where it is not their common beginning, `prompt`.
//!
//! The forms are TRL's: all text or all messages, explicit or implicit prompt. Three more that are common in published
//! data are taken too: a JSON array of such objects in place of lines, a text answer to a prompt of messages (it becomes
//! one assistant message), and a text prompt with answers of messages (it becomes one user message, and answers that
//! repeat it lose it).

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::mapping::transcript::answered;
use crate::pair::BesidePrompt;
use crate::rows::{self, Ignored, kind};
use crate::{Content, Conversation, Error, Message, MessageContent, Pair, Place, Refused, whole};

/// A pair and where it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Numbered {
    pub place: Place,
    pub pair: Pair,
}

/// What a file of pairs held. Nothing is dropped without being counted: every line is a pair, refused or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The pairs, in file order.
    pub pairs: Vec<Numbered>,
    /// Rows that were not taken, each with its line and reason.
    pub refused: Vec<Refused>,
    /// Lines with nothing but white space.
    pub blank: usize,
    /// Keys of rows (`score`) and of messages (`chosen[].name`) that have no meaning here, with how often each came.
    pub ignored_keys: BTreeMap<String, usize>,
}

impl Reading {
    /// The pairs alone.
    pub fn into_pairs(self) -> Vec<Pair> {
        self.pairs.into_iter().map(|numbered| numbered.pair).collect()
    }
}

/// Reads a file of pairs.
///
/// # Errors
/// When the file cannot be read or is UTF-16; bad rows are in [`Reading::refused`].
pub fn read_pairs(path: &Path) -> Result<Reading, Error> {
    read_pairs_from(open(path)?).map_err(Error::io("read", path))
}

/// Reads pairs from any input.
///
/// # Errors
/// When reading itself fails; bad rows are in [`Reading::refused`].
pub fn read_pairs_from(input: impl BufRead) -> std::io::Result<Reading> {
    let rows = rows::read(input, pair_from_value)?;
    let pairs = rows.taken.into_iter().map(|(place, pair)| Numbered { place, pair }).collect();
    Ok(Reading { pairs, refused: rows.refused, blank: rows.blank, ignored_keys: rows.ignored_keys })
}

/// Writes pairs, one line each, with explicit prompts; the file appears whole or not at all.
///
/// # Errors
/// When a pair does not [validate](Pair::validate) (nothing is written then), or writing fails.
pub fn write_pairs<P: Borrow<Pair>>(path: &Path, pairs: &[P]) -> Result<(), Error> {
    for (index, pair) in pairs.iter().map(Borrow::borrow).enumerate() {
        pair.validate().map_err(|reason| Error::InvalidPair { index, reason })?;
    }
    write_lines(path, pairs.iter().map(|pair| Ok(pair.borrow())))
}

/// Writes rows as they come, one line each; the file appears whole or not at all.
pub(crate) fn write_lines<T: Serialize>(
    path: &Path,
    rows: impl Iterator<Item = serde_json::Result<T>>,
) -> Result<(), Error> {
    let write = |file: &mut File| {
        let mut file = BufWriter::new(file);
        for row in rows {
            serde_json::to_writer(&mut file, &row?)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    whole::write_by(path, write).map_err(Error::io("write", path))
}

/// Opens a text file for reading, refusing UTF-16, whose every line would be refused for a reason that helps nobody.
pub(crate) fn open(path: &Path) -> Result<impl BufRead + use<>, Error> {
    let mut input = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    let start = input.fill_buf().map_err(Error::io("read", path))?;
    match encoding(start) {
        Some(encoding) => Err(Error::Encoding { path: path.to_path_buf(), encoding }),
        None => Ok(input),
    }
}

/// The encoding of a text that is not UTF-8, by how it begins.
pub(crate) fn encoding(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xFF, 0xFE, ..] => Some("UTF-16 (little endian)"),
        [0xFE, 0xFF, ..] => Some("UTF-16 (big endian)"),
        // Without a byte order mark: no text in UTF-8 has a NUL beside its first character.
        [first, 0, ..] if *first != 0 => Some("UTF-16 (little endian)"),
        [0, second, ..] if *second != 0 => Some("UTF-16 (big endian)"),
        _ => None,
    }
}

/// Where other data sets keep what was asked. A row that has one of these and no `prompt` is refused: its answers may well
/// share a first word, and that word would be taken for the prompt.
const ELSEWHERE: [&str; 6] = ["instruction", "question", "query", "input", "conversations", "messages"];

/// One JSON row to a pair with an explicit prompt, or why not.
pub(crate) fn pair_from_value(value: Value, ignored: &mut Ignored) -> Result<Pair, String> {
    let Value::Object(mut row) = value else {
        return Err(format!("expected an object with `chosen` and `rejected`, found {}", kind(&value)));
    };
    let chosen = required(&mut row, "chosen")?;
    let rejected = required(&mut row, "rejected")?;
    let prompt = optional(&mut row, "prompt")?;
    let category = category(&mut row)?;
    let beside = BesidePrompt::of(&mut row)?;
    let (chosen, rejected) = match (&prompt, answered(&chosen, "chosen"), answered(&rejected, "rejected")) {
        // Without a prompt of their own, two transcripts say themselves where the answer begins.
        (None, Some(chosen), Some(rejected)) => (chosen?.into(), rejected?.into()),
        _ => (chosen, rejected),
    };
    let (prompt, chosen, rejected) = match prompt {
        Some(prompt) => explicit(prompt, chosen, rejected)?,
        None => match ELSEWHERE.iter().find(|key| row.contains_key(**key)) {
            Some(key) => return Err(format!("there is no `prompt`, but `{key}`: rename it to `prompt`")),
            None => extract_prompt(chosen, rejected)?,
        },
    };
    ignored.count(row.keys());
    let pair = Pair { prompt: beside.join(prompt)?, chosen, rejected, category };
    pair.validate()?;
    Ok(pair)
}

fn required(row: &mut Map<String, Value>, key: &str) -> Result<Content, String> {
    optional(row, key)?.ok_or_else(|| {
        let found: Vec<String> = row.keys().take(8).map(|key| format!("`{key}`")).collect();
        let found = if found.is_empty() { "no other key".to_owned() } else { found.join(", ") };
        format!("`{key}` is missing: expected `chosen` and `rejected`, found {found}")
    })
}

/// A part of a row that may be missing; `null` is as good as missing only for the prompt (data sets with one column for
/// all rows write it so).
pub(crate) fn optional(row: &mut Map<String, Value>, key: &str) -> Result<Option<Content>, String> {
    match row.shift_remove(key) {
        None => Ok(None),
        Some(Value::Null) if key == "prompt" => Ok(None),
        Some(Value::String(text)) => Ok(Some(Content::Text(text))),
        Some(Value::Array(items)) => messages(items, key).map(|messages| Some(messages.into())),
        Some(other) => Err(format!("`{key}`: expected text or a list of messages, found {}", kind(&other))),
    }
}

pub(crate) fn messages(items: Vec<Value>, key: &str) -> Result<Vec<Message>, String> {
    if items.is_empty() {
        return Err(format!("`{key}`: the list of messages is empty"));
    }
    let message = |(at, item): (usize, Value)| {
        let number = at + 1;
        let Value::Object(mut fields) = item else {
            let found = kind(&item);
            return Err(format!("message {number} of `{key}`: expected `role` and `content`, found {found}"));
        };
        if !fields.contains_key("role") && fields.contains_key("from") && fields.contains_key("value") {
            return Err(format!(
                "message {number} of `{key}`: expected `role` and `content`, found `from` and `value` (ShareGPT's form)"
            ));
        }
        let role = match fields.shift_remove("role") {
            Some(Value::String(role)) => role,
            Some(other) => {
                return Err(format!("message {number} of `{key}`: expected `role` to be text, found {}", kind(&other)));
            }
            None => return Err(format!("message {number} of `{key}` has no `role`")),
        };
        let content = MessageContent::of(fields.shift_remove("content")).map_err(|other| {
            let found = kind(&other);
            format!("message {number} of `{key}`: expected `content` to be text or a list of parts, found {found}")
        })?;
        Message::of_row(role, content, fields, &format!("message {number} of `{key}`"), "has no `content`")
    };
    items.into_iter().enumerate().map(message).collect()
}

pub(crate) fn category(row: &mut Map<String, Value>) -> Result<Option<String>, String> {
    match row.shift_remove("category") {
        None | Some(Value::Null) => Ok(None),
        // A file with one type for every column has it so where there is none.
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(format!("`category`: expected text, found {}", kind(&other))),
    }
}

/// Brings an explicit prompt and its answers to one form.
pub(crate) fn explicit(
    prompt: Content,
    chosen: Content,
    rejected: Content,
) -> Result<(Content, Content, Content), String> {
    if let (Content::Text(_), Content::Text(_), Content::Text(_)) = (&prompt, &chosen, &rejected) {
        return Ok((prompt, chosen, rejected));
    }
    match prompt {
        Content::Messages(_) => Ok((prompt, spoken(chosen), spoken(rejected))),
        Content::Text(text) => {
            if text.is_empty() {
                return Err("`prompt` is empty".to_owned());
            }
            let asked = Message::new("user", text);
            let chosen = answer_alone(spoken(chosen), &asked, "chosen")?;
            let rejected = answer_alone(spoken(rejected), &asked, "rejected")?;
            Ok((vec![asked].into(), chosen, rejected))
        }
    }
}

/// A bare text among messages is what the assistant says.
pub(crate) fn spoken(answer: Content) -> Content {
    match answer {
        Content::Text(text) => vec![Message::new("assistant", text)].into(),
        messages @ Content::Messages(_) => messages,
    }
}

/// Takes the question off an answer that repeats it. An answer that begins with another question is refused: which of
/// the two was asked?
fn answer_alone(answer: Content, asked: &Message, key: &str) -> Result<Content, String> {
    let Content::Messages(Conversation { mut messages, .. }) = answer else { return Ok(answer) };
    if messages.first() == Some(asked) && messages.len() > 1 {
        messages.remove(0);
    } else if let Some(first) = messages.first().filter(|first| first.role != "assistant") {
        return Err(format!(
            "`prompt` is text, but `{key}` begins with a `{}` message that is not this prompt; give `prompt` as messages",
            first.role
        ));
    }
    Ok(messages.into())
}

/// The prompt that `chosen` and `rejected` both begin with, and what is left of each: TRL's `extract_prompt`. Messages are
/// compared whole, text by character; a space before the first difference goes to the answers; where one is the
/// beginning of the other, the last common item stays with the answers.
pub(crate) fn extract_prompt(chosen: Content, rejected: Content) -> Result<(Content, Content, Content), String> {
    match (chosen, rejected) {
        (Content::Text(chosen), Content::Text(rejected)) => {
            let at = common_text(&chosen, &rejected);
            if at == 0 {
                return Err("there is no `prompt`, and `chosen` and `rejected` share no beginning".to_owned());
            }
            let (prompt, rest) = chosen.split_at(at);
            let is_letter = |c: char| c.is_alphanumeric();
            let goes_on = rest.starts_with(is_letter) || rejected[at..].starts_with(is_letter);
            if prompt.ends_with(is_letter) && goes_on {
                let shown: String = prompt.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
                return Err(format!(
                    "there is no `prompt`, and what both answers begin with ends inside a word (\"{shown}\"); give `prompt`"
                ));
            }
            Ok((prompt.into(), rest.into(), rejected[at..].into()))
        }
        (Content::Messages(chosen), Content::Messages(rejected)) => {
            let (mut chosen, mut rejected) = (chosen.messages, rejected.messages);
            let shorter = chosen.len().min(rejected.len());
            let differs = (0..shorter).find(|&at| chosen[at] != rejected[at]);
            let at = differs.unwrap_or(shorter.saturating_sub(1));
            if at == 0 {
                return Err("there is no `prompt`, and `chosen` and `rejected` share no first message".to_owned());
            }
            let answer = chosen.split_off(at);
            Ok((chosen.into(), answer.into(), rejected.split_off(at).into()))
        }
        _ => Err("there is no `prompt`, and of `chosen` and `rejected` one is text, the other messages".to_owned()),
    }
}

/// Bytes of the common prompt of two texts.
fn common_text(chosen: &str, rejected: &str) -> usize {
    let mut last = 0;
    for ((at, one), other) in chosen.char_indices().zip(rejected.chars()) {
        if one != other {
            return if chosen[..at].ends_with(' ') { at - 1 } else { at };
        }
        last = at;
    }
    last
}
