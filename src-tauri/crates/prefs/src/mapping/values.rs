//! From the values of one row to its prompt and answers, whichever way they are written: plain text, messages, `ShareGPT`'s
//! turns, or whole transcripts.

use serde_json::Value;

use super::ColumnMapping;
use crate::jsonl::{explicit, extract_prompt, spoken};
use crate::pair::BesidePrompt;
use crate::rows::kind;
use crate::table::{TableRow, is_message};
use crate::{Content, Message, MessageContent, Pair};

/// A row with two answers.
pub(super) struct Parts {
    pub(super) prompt: Content,
    pub(super) first: Content,
    pub(super) second: Content,
}

/// The prompt and the answers in the columns `first` and `second`.
pub(super) fn parts(row: &TableRow, mapping: &ColumnMapping, first: &str, second: &str) -> Result<Parts, String> {
    let mut prompt = prompt(row, mapping)?;
    let system = system(row, mapping)?;
    let mut answers = [answer(row, first)?, answer(row, second)?];
    // A text that only looks like the beginning of a transcript must not tear the two answers apart.
    let transcripts = answers.each_ref().map(transcript);
    if let [Some(one), Some(other)] = transcripts {
        answers = [one.into(), other.into()];
    }
    let [mut first, mut second] = answers;
    let spoken_answers = matches!(first, Content::Messages(_)) && matches!(second, Content::Messages(_));
    if spoken_answers && let Some(Content::Text(text)) = &prompt {
        prompt = Some(vec![Message::new("user", text.clone())].into());
    }
    if let Some(Content::Messages(asked)) = &mut prompt {
        take_off(&mut asked.messages, &mut first, &mut second);
    }
    let (prompt, first, second) = match prompt {
        Some(prompt) => explicit(prompt, first, second)?,
        None => extract_prompt(first, second)?,
    };
    let parts = match system {
        None => Parts { prompt, first, second },
        Some(system) => {
            let prompt = with_system(prompt, &system)?;
            Parts { prompt, first: spoken(first), second: spoken(second) }
        }
    };
    let prompt = beside(row, mapping)?.join(parts.prompt)?;
    let pair = Pair { prompt, chosen: parts.first, rejected: parts.second, category: None };
    pair.validate()?;
    if pair.prompt.is_blank() {
        return Err("the prompt is empty".to_owned());
    }
    Ok(Parts { prompt: pair.prompt, first: pair.chosen, second: pair.rejected })
}

/// The prompt of a row without answers. A conversation is asked up to its last question: what the assistant said to it is
/// left out.
pub(super) fn prompt_alone(row: &TableRow, mapping: &ColumnMapping) -> Result<Content, String> {
    let mut prompt = prompt(row, mapping)?.ok_or("the prompt is empty")?;
    if let Content::Messages(asked) = &mut prompt {
        while asked.messages.last().is_some_and(|last| last.role == "assistant") {
            asked.messages.pop();
        }
    }
    if let Some(system) = system(row, mapping)? {
        prompt = with_system(prompt, &system)?;
    }
    if prompt.is_blank() {
        return Err("the prompt is empty".to_owned());
    }
    beside(row, mapping)?.join(prompt)
}

/// Tools and template arguments of a row.
fn beside(row: &TableRow, mapping: &ColumnMapping) -> Result<BesidePrompt, String> {
    let value = |column: &Option<String>| column.as_deref().and_then(|column| row.get(column)).cloned();
    BesidePrompt::from_values(value(&mapping.tools), value(&mapping.chat_template_kwargs))
}

/// The category, where there is one.
pub(super) fn category(row: &TableRow, column: Option<&str>) -> Result<Option<String>, String> {
    let Some(value) = column.and_then(|column| row.get(column)) else { return Ok(None) };
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned())),
        Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
        other => Err(format!("the category: expected text, found {}", kind(other))),
    }
}

fn answer(row: &TableRow, column: &str) -> Result<Content, String> {
    let value = row.get(column).ok_or_else(|| format!("`{column}` is empty"))?;
    content_of(value, column)
}

fn prompt<'a>(row: &'a TableRow, mapping: &'a ColumnMapping) -> Result<Option<Content>, String> {
    let filled = |column: Option<&'a str>| column.and_then(|column| Some((column, row.get(column)?)));
    let prompt = filled(mapping.prompt.as_deref()).map(|(column, value)| content_of(value, column)).transpose()?;
    let prompt = prompt.map(|prompt| transcript(&prompt).map_or(prompt, Content::from));
    let Some((column, context)) = filled(mapping.context.as_deref()) else { return Ok(prompt) };
    let Content::Text(context) = content_of(context, column)? else {
        return Err(format!("`{column}` is added to the prompt and must be text, but holds messages"));
    };
    if context.trim().is_empty() {
        return Ok(prompt);
    }
    match prompt {
        None => Ok(Some(Content::Text(context))),
        Some(Content::Text(prompt)) => Ok(Some(Content::Text(format!("{prompt}\n\n{context}")))),
        Some(Content::Messages(mut said)) => {
            let asked = said.messages.iter_mut().rev().find(|message| message.role == "user");
            let asked = asked.ok_or_else(|| format!("`{column}` is added to the question, but the prompt has none"))?;
            let Some(MessageContent::Text(question)) = &mut asked.content else {
                return Err(format!("`{column}` is added to the question, but the question is more than text"));
            };
            question.push_str("\n\n");
            question.push_str(&context);
            Ok(Some(Content::Messages(said)))
        }
    }
}

fn system(row: &TableRow, mapping: &ColumnMapping) -> Result<Option<String>, String> {
    let Some(column) = mapping.system.as_deref() else { return Ok(None) };
    match row.get(column) {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{column}`: expected the system prompt as text, found {}", kind(other))),
    }
}

fn with_system(prompt: Content, system: &str) -> Result<Content, String> {
    let mut said = match prompt {
        Content::Messages(said) => said,
        Content::Text(text) => vec![Message::new("user", text)].into(),
    };
    match said.messages.first().filter(|first| first.role == "system") {
        Some(first) if first.text() == system => {}
        Some(_) => return Err("the prompt has a system message, and the system column says something else".to_owned()),
        None => said.messages.insert(0, Message::new("system", system)),
    }
    Ok(Content::Messages(said))
}

/// Takes the prompt off answers that both repeat it; a system message that both begin with goes over to the prompt.
fn take_off(asked: &mut Vec<Message>, first: &mut Content, second: &mut Content) {
    let (Content::Messages(one), Content::Messages(other)) = (first, second) else { return };
    let (one, other) = (&mut one.messages, &mut other.messages);
    let repeats = |answer: &[Message], asked: &[Message]| answer.len() > asked.len() && answer.starts_with(asked);
    if let (Some(system), Some(same)) = (one.first(), other.first())
        && system.role == "system"
        && system == same
        && asked.first().is_some_and(|first| first.role != "system")
        && repeats(&one[1..], asked)
        && repeats(&other[1..], asked)
    {
        asked.insert(0, system.clone());
    }
    if repeats(one, asked) && repeats(other, asked) {
        one.drain(..asked.len());
        other.drain(..asked.len());
    }
}

/// One value as text or messages.
pub(super) fn content_of(value: &Value, column: &str) -> Result<Content, String> {
    match value {
        Value::String(text) => Ok(Content::Text(text.clone())),
        Value::Number(number) => Ok(Content::Text(number.to_string())),
        Value::Object(_) if is_message(value) => Ok(vec![message(value, 1, column)?].into()),
        Value::Array(items) if items.is_empty() => Err(format!("`{column}`: the list is empty")),
        Value::Array(items) => {
            let messages = items.iter().enumerate().map(|(at, item)| message(item, at + 1, column));
            messages.collect::<Result<Vec<_>, _>>().map(Content::from)
        }
        other => Err(format!("`{column}`: expected text or messages, found {}", kind(other))),
    }
}

fn message(value: &Value, number: usize, column: &str) -> Result<Message, String> {
    let place = format!("message {number} of `{column}`");
    let Value::Object(fields) = value else {
        return Err(format!("{place}: expected `role` and `content` or `from` and `value`, found {}", kind(value)));
    };
    let mut fields = fields.clone();
    let (speaker, said) = if fields.contains_key("role") { ("role", "content") } else { ("from", "value") };
    let Some(Value::String(role)) = fields.shift_remove(speaker) else {
        return Err(format!("{place} does not say who speaks (`role` or `from`)"));
    };
    let content = match fields.shift_remove(said) {
        Some(Value::String(text)) => Some(MessageContent::Text(text)),
        Some(Value::Array(parts)) if parts.iter().all(Value::is_object) => Some(MessageContent::Parts(parts)),
        Some(Value::Null) => Some(MessageContent::Null),
        Some(other) => return Err(format!("{place}: expected text or a list of parts, found {}", kind(&other))),
        None => None,
    };
    let role = match role.as_str() {
        "human" | "user" | "prompter" => "user",
        "gpt" | "assistant" | "chatgpt" | "bot" | "model" => "assistant",
        other => other,
    };
    let message = Message { role: role.to_owned(), content, fields };
    let says_nothing = !matches!(message.content, Some(MessageContent::Text(_)));
    if says_nothing && message.is_blank() {
        return Err(format!("{place} says nothing (`content` or `value`) and calls no tool"));
    }
    Ok(message)
}

const HUMAN: &str = "\n\nHuman:";
const ASSISTANT: &str = "\n\nAssistant:";

/// The turns of a transcript as Anthropic's HH-RLHF writes it. A last turn in which the assistant has yet to speak is left
/// out.
pub(super) fn transcript(content: &Content) -> Option<Vec<Message>> {
    let Content::Text(text) = content else { return None };
    let text = text.trim_start();
    if !text.starts_with(HUMAN.trim_start()) || !text.contains(ASSISTANT) {
        return None;
    }
    let mut messages = Vec::new();
    let mut rest = &text[HUMAN.trim_start().len()..];
    let mut role = "user";
    loop {
        let next = |mark: &str| rest.find(mark).map(|at| (at, at + mark.len()));
        let turn = match (next(HUMAN), next(ASSISTANT)) {
            (Some(human), Some(assistant)) if human < assistant => Some((human, "user")),
            (_, Some(assistant)) => Some((assistant, "assistant")),
            (Some(human), None) => Some((human, "user")),
            (None, None) => None,
        };
        let Some(((end, begin), speaker)) = turn else { break };
        messages.push(Message::new(role, rest[..end].trim()));
        (rest, role) = (&rest[begin..], speaker);
    }
    let last = rest.trim();
    if !(last.is_empty() && role == "assistant") {
        messages.push(Message::new(role, last));
    }
    Some(messages)
}
