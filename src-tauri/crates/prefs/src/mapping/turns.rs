//! Turns of a conversation that are kept apart: earlier ones in a column of their own, and lists of questions and of
//! answers side by side.

use serde_json::Value;

use super::ColumnMapping;
use crate::rows::kind;
use crate::table::{Table, TableRow, cells, is_conversation, is_turns};
use crate::words::counted;
use crate::{Content, Message};

/// The turns before the question, from the column `history`.
pub(super) fn earlier(row: &TableRow, mapping: &ColumnMapping) -> Result<Vec<Message>, String> {
    let Some((column, value)) = mapping.history.as_deref().and_then(|column| Some((column, row.get(column)?))) else {
        return Ok(Vec::new());
    };
    let items = match value {
        Value::Array(items) => items.clone(),
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => cells::list(text).ok_or_else(|| {
            format!("`{column}`: expected earlier turns as a list of questions with their answers, found text")
        })?,
        other => return Err(format!("`{column}`: expected a list of earlier turns, found {}", kind(other))),
    };
    let value = Value::Array(items);
    if is_conversation(&value) {
        return match super::values::content_of(&value, column)? {
            Content::Messages(said) => Ok(said.messages),
            Content::Text(_) => Ok(Vec::new()),
        };
    }
    let Value::Array(items) = &value else { return Ok(Vec::new()) };
    if items.is_empty() {
        return Ok(Vec::new());
    }
    if !is_turns(&value) {
        return Err(format!("`{column}`: expected earlier turns, each a list of a question and its answer"));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let turn = |two: &Value| [Message::new("user", text(&two[0])), Message::new("assistant", text(&two[1]))];
    Ok(items.iter().flat_map(turn).collect())
}

/// Prompt and answers of a row in which each is a list of turns, as text.
pub(super) struct Lists {
    pub(super) prompt: Content,
    pub(super) first: Content,
    pub(super) second: Content,
}

/// Whether the prompt and both answers are lists of texts in a text, in most rows: Chatbot Arena keeps all questions of a
/// conversation in one cell and all answers in another. An answer alone may be a list because one was asked for. The rows
/// that are none are refused one by one.
pub(super) fn are_lists(table: &Table, mapping: &ColumnMapping) -> bool {
    let (Some(prompt), (Some(first), Some(second))) = (&mapping.prompt, mapping.two_answers()) else { return false };
    let length = |row: &TableRow, column: &str| match row.get(column)? {
        Value::String(text) => Some(texts(text)?.len()),
        _ => None,
    };
    let is_list = |row: &&TableRow| {
        let lengths = [prompt, first, second].map(|column| length(row, column));
        lengths[0].is_some_and(|length| length > 0) && lengths.iter().all(|length| *length == lengths[0])
    };
    let key = format!("lists of turns: {prompt:?} {first:?} {second:?}");
    let [lists] = table.counted(&key, |row, [lists]| *lists += usize::from(is_list(&row)));
    lists * 2 > table.row_count
}

/// A list of texts, some of which may be missing.
fn texts(text: &str) -> Option<Vec<Option<String>>> {
    let text_of = |item: Value| match item {
        Value::String(text) => Some(Some(text)),
        Value::Null => Some(None),
        _ => None,
    };
    cells::list(text)?.into_iter().map(text_of).collect()
}

/// The parts of a row of lists. Of several turns the answers must differ in the last alone: a pair has one prompt.
pub(super) fn lists(row: &TableRow, mapping: &ColumnMapping, first: &str, second: &str) -> Result<Lists, String> {
    let turns = |column: &str| -> Result<Vec<String>, String> {
        let cell = row.get(column).and_then(Value::as_str);
        let cell = cell.and_then(texts).ok_or_else(|| {
            // Half of a character, as `json.dumps` writes it, is no text.
            let half = cell.is_some_and(|cell| cell.to_lowercase().contains("\\ud"));
            let hint = if half { "; it may hold half of a character (`\\ud83d`)" } else { "" };
            format!("`{column}`: expected a list of texts{hint}")
        })?;
        let said = cell.into_iter().collect::<Option<Vec<String>>>();
        said.ok_or_else(|| format!("`{column}`: a turn of the list is empty"))
    };
    let asked = turns(mapping.prompt.as_deref().unwrap_or_default())?;
    let (mut one, mut other) = (turns(first)?, turns(second)?);
    for (column, answers) in [(first, &one), (second, &other)] {
        if answers.len() != asked.len() {
            let turns = |count| counted(count, "turn", "turns");
            return Err(format!(
                "`{column}` holds {}, and `{}` {}: which answer is to which question cannot be told",
                turns(answers.len()),
                mapping.prompt.as_deref().unwrap_or_default(),
                turns(asked.len())
            ));
        }
    }
    let (Some(last_one), Some(last_other)) = (one.pop(), other.pop()) else {
        return Err(format!("`{first}`: the list is empty"));
    };
    if let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) {
        return Err(format!(
            "the two answers differ in turn {} of {} already, so that there is no one prompt before the last",
            at + 1,
            asked.len()
        ));
    }
    if asked.len() == 1 {
        let prompt = Content::Text(asked.into_iter().next().unwrap_or_default());
        return Ok(Lists { prompt, first: Content::Text(last_one), second: Content::Text(last_other) });
    }
    let mut messages = Vec::new();
    for (at, question) in asked.into_iter().enumerate() {
        messages.push(Message::new("user", question));
        messages.extend(one.get(at).map(|answer| Message::new("assistant", answer.clone())));
    }
    let answer = |text: String| Content::from(vec![Message::new("assistant", text)]);
    Ok(Lists { prompt: messages.into(), first: answer(last_one), second: answer(last_other) })
}
