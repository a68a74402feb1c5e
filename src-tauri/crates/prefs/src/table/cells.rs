//! Conversations that stand in a file in another form than a list of messages: as a text that holds one (JSON, or what
//! Python or `NumPy` print), and as a dict of lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DEEPEST, is_conversation, is_message, literal};

/// Opens what holds a conversation, and counts for each column the rows in which one stood as text.
pub(super) fn open(row: &mut Map<String, Value>, as_text: &mut BTreeMap<String, usize>) {
    for (key, value) in row {
        if open_value(value, 1) {
            *as_text.entry(key.clone()).or_default() += 1;
        }
    }
}

/// Whether a conversation stood there as text.
fn open_value(value: &mut Value, depth: usize) -> bool {
    match value {
        Value::String(text) => match conversation(text) {
            Some(said) => {
                *value = said;
                true
            }
            None => false,
        },
        // What is said in a message is nobody's to open.
        _ if is_message(value) || is_conversation(value) || depth >= DEEPEST => false,
        Value::Object(fields) => {
            if let Some(messages) = of_lists(fields) {
                *value = messages;
                return false;
            }
            fields.values_mut().fold(false, |found, value| open_value(value, depth + 1) | found)
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, value| open_value(value, depth + 1) | found),
        _ => false,
    }
}

/// The conversation that a text holds and is nothing but.
fn conversation(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if !speaks(trimmed) {
        return None;
    }
    let value = match trimmed.chars().next()? {
        '"' => return conversation(&serde_json::from_str::<String>(trimmed).ok()?),
        '[' | '{' | 'a' => serde_json::from_str(trimmed).ok().or_else(|| literal::parse(trimmed))?,
        _ => return None,
    };
    match value {
        Value::Object(fields) if fields.get("messages").is_some_and(is_conversation) => Some(Value::Object(fields)),
        Value::Object(fields) => of_lists(&fields).or_else(|| Some(Value::Object(fields)).filter(is_message)),
        value => is_conversation(&value).then_some(value),
    }
}

/// Whether there is a word in quotation marks without which there is no conversation: quick to see.
fn speaks(text: &str) -> bool {
    let begins = text.starts_with(['[', '{', '"']) || text.starts_with("array(");
    begins && ["role", "from"].iter().any(|key| text.contains(key))
}

/// Whether a text begins like a list of messages. One that could be read is no text any more, so that this one cannot.
pub(crate) fn is_broken_conversation(text: &str) -> bool {
    let begin = |text: &str, mark: char| text.trim_start().strip_prefix(mark).map(str::to_owned);
    let text = text.trim_start().trim_start_matches("array(");
    let Some(fields) = begin(text, '[').and_then(|text| begin(&text, '{')) else { return false };
    let key = fields.trim_start().trim_start_matches(['\'', '"', '\\']);
    let is_key = ["role", "content", "from", "value"]
        .iter()
        .any(|name| key.strip_prefix(name).is_some_and(|rest| rest.starts_with(['\'', '"', '\\'])));
    is_key && serde_json::from_str::<Value>(text).is_err() && literal::parse(text).is_none()
}

/// The list that a text holds, in JSON or as Python writes it.
pub(crate) fn list(text: &str) -> Option<Vec<Value>> {
    let text = text.trim();
    if !text.starts_with('[') {
        return None;
    }
    match serde_json::from_str(text).ok().or_else(|| literal::parse(text))? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// `{"role": [..], "content": [..]}` as a list of messages: so older versions of `datasets` keep a list of dicts.
fn of_lists(fields: &Map<String, Value>) -> Option<Value> {
    let speaks = |who: &str, what: &str| {
        fields.get(who).is_some_and(|value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string)))
            && fields.get(what).is_some_and(Value::is_array)
    };
    if !speaks("role", "content") && !speaks("from", "value") {
        return None;
    }
    let lists: Option<Vec<(&String, &Vec<Value>)>> =
        fields.iter().map(|(key, value)| Some((key, value.as_array()?))).collect();
    let lists = lists?;
    let length = lists.first()?.1.len();
    if length == 0 || lists.iter().any(|(_, list)| list.len() != length) {
        return None;
    }
    let message = |at: usize| {
        // A field that only some messages have is null in the others.
        let own = lists.iter().filter(|(key, list)| !list[at].is_null() || key.as_str() == "content");
        Value::Object(own.map(|(key, list)| ((*key).clone(), list[at].clone())).collect())
    };
    Some(Value::Array((0..length).map(message).collect()))
}
