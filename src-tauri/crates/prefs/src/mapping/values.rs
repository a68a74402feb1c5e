//! From the values of one row to its prompt and answers, whichever way they are written: plain text, messages, `ShareGPT`'s
//! turns, or whole transcripts.

use serde_json::{Map, Value};

use super::{ColumnMapping, PlainText, Reader, transcript, turns};
use crate::jsonl::{explicit, extract_prompt, spoken};
use crate::pair::BesidePrompt;
use crate::rows::{is_missing, kind};
use crate::table::{TableRow, cells, is_message};
use crate::{Content, Message, MessageContent, Pair};

/// A row with two answers.
pub(super) struct Parts {
    pub(super) prompt: Content,
    pub(super) first: Content,
    pub(super) second: Content,
    /// What was done to them, as sentences.
    pub(super) notes: Vec<&'static str>,
}

const SHARED: &str = "turns that both answers begin with went over to the prompt";
const BLANKS: &str =
    "the prompt and the question that the answers begin with differ in blanks; it is read as the answers have it";
const TRANSCRIPT: &str = "the prompt is a text that begins with `Human:` and holds `Assistant:`: it is read as the messages of a conversation";
const LAST_LEFT_OUT: &str = "what the assistant said last was left out of the prompt";

/// The prompt and the answers in the columns `first` and `second`.
pub(super) fn parts(row: &TableRow, reader: &Reader, first: &str, second: &str) -> Result<Parts, String> {
    let mapping = reader.mapping;
    let mut notes: Vec<&'static str> = asks_in_transcript(row, mapping).then_some(TRANSCRIPT).into_iter().collect();
    let (prompt, answers) = if reader.turn_lists {
        let turns::Lists { prompt, first, second } = turns::lists(row, mapping, first, second)?;
        (Some(prompt), [first, second])
    } else {
        together(row, mapping, first, second)?
    };
    let [mut one, mut other] = answers;
    if let (Some(Content::Text(asked)), Content::Text(one), Content::Text(other)) = (&prompt, &mut one, &mut other) {
        notes.extend(reader.repeats.take_off(asked, one, other)?);
    }
    let (prompt, one, other) = match (prompt, one, other) {
        (Some(prompt), one @ Content::Text(_), other @ Content::Text(_)) => explicit(prompt, one, other)?,
        (Some(prompt), one, other) => {
            let (prompt, one, other, moved) = conversation(spoken_by(prompt, "user"), spoken(one), spoken(other))?;
            notes.extend(moved);
            (prompt, one, other)
        }
        (None, one, other) => without_prompt(mapping, one, other, [first, second])?,
    };
    let prompt = beside(row, mapping)?.join(with_what_came_before(row, mapping, prompt)?)?;
    let (one, other) = match prompt {
        Content::Text(_) => (one, other),
        Content::Messages(_) => (spoken(one), spoken(other)),
    };
    for (answer, column) in [(&one, first), (&other, second)] {
        let last = answer.as_messages().and_then(<[Message]>::last);
        if let Some(last) = last.filter(|last| ["user", "system"].contains(&last.role.as_str())) {
            return Err(format!("`{column}` ends with what the {} says; the answer is missing", last.role));
        }
    }
    let pair = Pair { prompt, chosen: one, rejected: other, category: None };
    pair.validate()?;
    if pair.prompt.is_blank() {
        return Err("the prompt is empty".to_owned());
    }
    Ok(Parts { prompt: pair.prompt, first: pair.chosen, second: pair.rejected, notes })
}

/// Prompt and answers as the columns have them, transcripts opened.
fn together(
    row: &TableRow,
    mapping: &ColumnMapping,
    first: &str,
    second: &str,
) -> Result<(Option<Content>, [Content; 2]), String> {
    let asks_in_transcript = asks_in_transcript(row, mapping);
    let prompt = prompt(row, mapping)?;
    let answers = [answer(row, first)?, answer(row, second)?];
    // A text that only looks like the beginning of a transcript must not tear the two answers apart.
    let [one, other] =
        [(&answers[0], first), (&answers[1], second)].map(|(answer, column)| transcript::answered(answer, column));
    if let (Some(one), Some(other)) = (one, other) {
        return Ok((prompt, [one?.into(), other?.into()]));
    }
    // The space after `Assistant:` is the transcript's.
    let trimmed = |answer: Content| match answer {
        Content::Text(text) if asks_in_transcript => Content::Text(text.trim().to_owned()),
        other => other,
    };
    Ok((prompt, answers.map(trimmed)))
}

/// Whether the column of the prompt holds a transcript as text.
fn asks_in_transcript(row: &TableRow, mapping: &ColumnMapping) -> bool {
    let written = mapping.prompt.as_deref().and_then(|column| row.get(column));
    matches!(written, Some(Value::String(text)) if transcript::turns(&text.as_str().into()).is_some())
}

/// Whether both answers are texts in which nothing says where a prompt ends.
pub(super) fn are_bare_texts(row: &TableRow, first: &str, second: &str) -> bool {
    let texts = [first, second].map(|column| match row.get(column) {
        Some(Value::String(text)) => Some(Content::from(text.as_str())),
        _ => None,
    });
    matches!(&texts, [Some(one), Some(other)] if transcript::turns(one).is_none() || transcript::turns(other).is_none())
}

/// The parts of two answers that have no prompt of their own.
fn without_prompt(
    mapping: &ColumnMapping,
    one: Content,
    other: Content,
    columns: [&str; 2],
) -> Result<(Content, Content, Content), String> {
    match (one, other) {
        // `ms-swift`: the better answer ends the conversation, the worse one stands alone.
        (Content::Messages(mut said), Content::Text(text))
            if said.messages.len() > 1 && said.messages.last().is_some_and(|last| last.role == "assistant") =>
        {
            let answer: Vec<Message> = said.messages.pop().into_iter().collect();
            Ok((Content::Messages(said), answer.into(), spoken(Content::Text(text))))
        }
        (Content::Text(_), Content::Text(_)) if mapping.prompt_from.is_none() => {
            let nothing = match &mapping.prompt {
                Some(prompt) => format!("`{prompt}` is empty"),
                None => "no column holds the prompt".to_owned(),
            };
            Err(format!("{nothing}, and `{}` and `{}` are texts that do not say where it ends", columns[0], columns[1]))
        }
        (one, other) => extract_prompt(one, other),
    }
}

/// Takes the prompt off answers that repeat it, and gives it the turns that both answers begin with: what is left of them is
/// where they differ.
fn conversation(
    prompt: Content,
    one: Content,
    other: Content,
) -> Result<(Content, Content, Content, Option<&'static str>), String> {
    let (Content::Messages(mut asked), Content::Messages(mut one), Content::Messages(mut other)) = (prompt, one, other)
    else {
        return Err("the prompt and its answers must all be text or all be messages".to_owned());
    };
    let said = &mut asked.messages;
    take_off(said, &mut one.messages, &mut other.messages);
    let shared = shared_turns(&one.messages, &other.messages);
    let begins_with_question =
        |answer: &[Message]| answer.first().is_some_and(|first| ["user", "system"].contains(&first.role.as_str()));
    let mut differs_in_blanks = false;
    if begins_with_question(&one.messages) || begins_with_question(&other.messages) {
        // The whole conversation may be in the answers, and the prompt be its last question.
        let asked = &one.messages[..shared];
        differs_in_blanks = !asked.ends_with(said);
        if differs_in_blanks && !ends_but_for_blanks(asked, said) {
            return Err(
                "an answer begins with another question than the prompt, and which of the two was asked is not known"
                    .to_owned(),
            );
        }
        said.clear();
    }
    said.extend(one.messages.drain(..shared));
    other.messages.drain(..shared);
    let moved = if differs_in_blanks { Some(BLANKS) } else { (shared > 0).then_some(SHARED) };
    Ok((Content::Messages(asked), Content::Messages(one), Content::Messages(other), moved))
}

/// Whether turns end with these, but for blanks around what is said.
fn ends_but_for_blanks(turns: &[Message], end: &[Message]) -> bool {
    let is_same = |(one, other): (&Message, &Message)| {
        one.role == other.role && one.is_plain() && other.is_plain() && one.text().trim() == other.text().trim()
    };
    turns.len() >= end.len() && turns.iter().rev().zip(end.iter().rev()).all(is_same)
}

/// How many turns both answers begin with, up to the last after which the assistant speaks. Each keeps at least one.
fn shared_turns(one: &[Message], other: &[Message]) -> usize {
    let most = one.len().min(other.len()).saturating_sub(1);
    let mut shared = one.iter().zip(other).take(most).take_while(|(one, other)| one == other).count();
    while shared > 0 && one[shared - 1].role == "assistant" {
        shared -= 1;
    }
    shared
}

/// The prompt of a row without answers. A conversation is asked up to its last question: what the assistant said to it is
/// left out.
pub(super) fn prompt_alone(row: &TableRow, mapping: &ColumnMapping) -> Result<(Content, Vec<&'static str>), String> {
    let mut notes: Vec<&'static str> = asks_in_transcript(row, mapping).then_some(TRANSCRIPT).into_iter().collect();
    let mut prompt = prompt(row, mapping)?.ok_or("the prompt is empty")?;
    if let Content::Messages(asked) = &mut prompt {
        while asked.messages.last().is_some_and(|last| last.role == "assistant") {
            asked.messages.pop();
            if !notes.contains(&LAST_LEFT_OUT) {
                notes.push(LAST_LEFT_OUT);
            }
        }
    }
    let prompt = with_what_came_before(row, mapping, prompt)?;
    if prompt.is_blank() {
        return Err("the prompt is empty".to_owned());
    }
    Ok((beside(row, mapping)?.join(prompt)?, notes))
}

/// What is asked before an answer, in the columns of a row or in `turns` that stand before it.
pub(super) fn asked(row: &TableRow, mapping: &ColumnMapping, turns: Option<&[Value]>) -> Result<Content, String> {
    let said = match turns {
        Some(turns) => {
            let messages = turns.iter().enumerate().map(|(at, turn)| message(turn, at + 1, "turns"));
            messages.collect::<Result<Vec<_>, _>>()?.into()
        }
        None => prompt(row, mapping)?.ok_or("the prompt is empty")?,
    };
    beside(row, mapping)?.join(with_what_came_before(row, mapping, said)?)
}

/// The prompt with earlier turns and the system message, plain text as the mapping says that models read it.
fn with_what_came_before(row: &TableRow, mapping: &ColumnMapping, prompt: Content) -> Result<Content, String> {
    let (earlier, system) = (turns::earlier(row, mapping)?, system(row, mapping)?);
    let before = system.is_some() || !earlier.is_empty();
    if before && mapping.plain_text == Some(PlainText::AsIs) && prompt.as_text().is_some() {
        return Err("the prompt is text that is to stand as it is (`plain_text=as_is`), which has no place for a system \
                    message or earlier turns; leave these columns out (`system=none`, `history=none`), or read the text as a \
                    user's message (`plain_text=as_user_message`)"
            .to_owned());
    }
    let mut prompt = with_earlier(prompt, earlier);
    if let Some(system) = system {
        prompt = with_system(prompt, &system)?;
    }
    // Rows whose system message or earlier turns are empty are conversations as the others are.
    let is_conversation = mapping.system.is_some() || mapping.history.is_some();
    Ok(match mapping.plain_text {
        Some(PlainText::AsUserMessage) => spoken_by(prompt, "user"),
        None if is_conversation => spoken_by(prompt, "user"),
        Some(PlainText::AsIs) | None => prompt,
    })
}

fn spoken_by(said: Content, role: &str) -> Content {
    match said {
        Content::Text(text) => vec![Message::new(role, text)].into(),
        messages @ Content::Messages(_) => messages,
    }
}

/// The prompt after the turns that came before it; a system message stays first.
fn with_earlier(prompt: Content, earlier: Vec<Message>) -> Content {
    if earlier.is_empty() {
        return prompt;
    }
    let Content::Messages(mut said) = spoken_by(prompt, "user") else { return earlier.into() };
    let at = usize::from(said.messages.first().is_some_and(|first| first.role == "system"));
    said.messages.splice(at..at, earlier);
    Content::Messages(said)
}

/// Tools and template arguments of a row.
fn beside(row: &TableRow, mapping: &ColumnMapping) -> Result<BesidePrompt, String> {
    let value = |column: &Option<String>| column.as_deref().and_then(|column| row.get(column)).cloned();
    BesidePrompt::from_values(value(&mapping.tools), value(&mapping.chat_template_kwargs))
}

pub(super) fn category(row: &TableRow, column: Option<&str>) -> Result<Option<String>, String> {
    let Some(value) = column.and_then(|column| row.get(column)) else { return Ok(None) };
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned())),
        Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
        // So `pandas` writes that there is none.
        value if is_missing(value) => Ok(None),
        other => Err(format!("the category: expected text, found {}", kind(other))),
    }
}

fn answer(row: &TableRow, column: &str) -> Result<Content, String> {
    let value = row.get(column).ok_or_else(|| format!("`{column}` is empty"))?;
    content_of(value, column)
}

pub(super) fn prompt<'a>(row: &'a TableRow, mapping: &'a ColumnMapping) -> Result<Option<Content>, String> {
    let filled = |column: Option<&'a str>| column.and_then(|column| Some((column, row.get(column)?)));
    let prompt = filled(mapping.prompt.as_deref()).map(|(column, value)| content_of(value, column)).transpose()?;
    let prompt = prompt.map(|prompt| transcript::asked(&prompt).map_or(prompt, Content::from));
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
        Some(value) if is_missing(value) => Ok(None),
        Some(other) => Err(format!("`{column}`: expected the system prompt as text, found {}", kind(other))),
    }
}

fn with_system(prompt: Content, system: &str) -> Result<Content, String> {
    let Content::Messages(mut said) = spoken_by(prompt, "user") else { return Err("the prompt is empty".to_owned()) };
    match said.messages.first().filter(|first| first.role == "system") {
        Some(first) if first.text() == system => {}
        Some(_) => return Err("the prompt has a system message, and the system column says something else".to_owned()),
        None => said.messages.insert(0, Message::new("system", system)),
    }
    Ok(Content::Messages(said))
}

/// Takes the prompt off answers that both repeat it; a system message that both begin with goes over to the prompt.
fn take_off(asked: &mut Vec<Message>, one: &mut Vec<Message>, other: &mut Vec<Message>) {
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
        Value::String(text) if cells::is_broken_conversation(text) => Err(format!(
            "`{column}` holds a conversation as text that is neither JSON nor what Python prints; it cannot be read"
        )),
        Value::String(text) => Ok(Content::Text(text.clone())),
        // A fraction may have been written in another way than it is printed here.
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Content::Text(number.to_string())),
        Value::Number(number) => Err(format!(
            "`{column}` holds the number {number}, whose digits may be others in the file; write it there as text, in quotation marks"
        )),
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
    let content = MessageContent::of(fields.shift_remove(said))
        .map_err(|other| format!("{place}: expected text or a list of parts, found {}", kind(&other)))?;
    let role = match role.to_lowercase().as_str() {
        "human" | "user" | "prompter" => "user".to_owned(),
        "gpt" | "assistant" | "chatgpt" | "bot" | "model" => "assistant".to_owned(),
        "system" => "system".to_owned(),
        "tool" | "observation" | "function_response" if speaker == "from" => "tool".to_owned(),
        "function_call" if speaker == "from" => return called(content, fields, &place),
        _ if speaker == "from" => {
            return Err(format!(
                "{place} is said by `{role}`: expected human, gpt, system, function_call, observation or tool"
            ));
        }
        _ => role,
    };
    Message::of_row(role, content, fields, &place, "says nothing (`content` or `value`)")
}

/// `ShareGPT`'s call of a function, which is JSON in a text, as the call that chat templates know.
fn called(content: Option<MessageContent>, mut fields: Map<String, Value>, place: &str) -> Result<Message, String> {
    let unread = || format!("{place} is a `function_call`: expected JSON with `name` and `arguments`");
    let Some(MessageContent::Text(text)) = content else { return Err(unread()) };
    let calls = match serde_json::from_str(&text) {
        Ok(Value::Array(calls)) if !calls.is_empty() => calls,
        Ok(call @ Value::Object(_)) => vec![call],
        _ => return Err(unread()),
    };
    let call = |call: Value| {
        let Value::Object(call) = call else { return Err(unread()) };
        let is_call =
            call.len() == 2 && call.get("name").is_some_and(Value::is_string) && call.contains_key("arguments");
        if is_call { Ok(serde_json::json!({"type": "function", "function": call})) } else { Err(unread()) }
    };
    let calls: Vec<Value> = calls.into_iter().map(call).collect::<Result<_, _>>()?;
    fields.insert("tool_calls".to_owned(), Value::Array(calls));
    Ok(Message { role: "assistant".to_owned(), content: Some(MessageContent::Text(String::new())), fields })
}
