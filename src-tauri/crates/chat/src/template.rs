//! Chat templates, rendered as `transformers` renders them (`render_jinja_template` and
//! `_cached_compile_jinja_template` in `utils/chat_template_utils.py`, version 5).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local};
use minijinja::{AutoEscape, Environment, ErrorKind, Value, context};
use prefs::{Conversation, Message, MessageContent, text_of_part};

use crate::{Error, python};

/// The name under which the one template is kept.
const NAME: &str = "chat_template";

/// A compiled chat template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    reads_clock: bool,
    /// Whether it takes the text out of a message's parts; tried when the first such message comes.
    reads_parts: OnceLock<bool>,
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

impl ChatTemplate {
    /// Compiles a template; the error says what is wrong with it.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(false);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        python::install(&mut environment);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
        });
        environment
            .add_template_owned(NAME, without_generation_tags(source).into_owned())
            .map_err(|error| explain(&error))?;
        let mut this = Self { environment, reads_clock: source.contains("strftime_now"), reads_parts: OnceLock::new() };
        this.set_time(SystemTime::now());
        Ok(this)
    }

    /// Whether the template may ask for the time.
    pub(crate) fn reads_clock(&self) -> bool {
        self.reads_clock
    }

    /// Sets the time that `strftime_now` tells, in this machine's time zone.
    pub(crate) fn set_time(&mut self, time: SystemTime) {
        let time: DateTime<Local> = time.into();
        self.environment.add_function("strftime_now", move |format: &str| strftime(&time, format));
    }

    /// Renders a conversation.
    pub(crate) fn render(
        &self,
        said: &Conversation,
        add_generation_prompt: bool,
        special_tokens: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        if said.messages.is_empty() {
            return Err(Error::NoMessages);
        }
        if !said.messages.iter().any(has_parts) {
            return self.fill_in(said, add_generation_prompt, special_tokens);
        }
        if let Some(kind) = said.messages.iter().find_map(Message::medium) {
            return Err(Error::Part(kind.to_owned()));
        }
        if *self.reads_parts.get_or_init(|| self.takes_text_of_parts(special_tokens)) {
            return self.fill_in(said, add_generation_prompt, special_tokens);
        }
        // Such a template would print the list as Python prints it, or fail.
        let messages = said.messages.iter().map(joined).collect::<Result<Vec<_>, _>>()?;
        self.fill_in(&Conversation { messages, ..said.clone() }, add_generation_prompt, special_tokens)
    }

    fn fill_in(
        &self,
        said: &Conversation,
        add_generation_prompt: bool,
        special_tokens: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        // TRL passes tools, and transformers documents, as None where there are none.
        let tools = if said.tools.is_empty() { Value::from(()) } else { Value::from_serialize(&said.tools) };
        let messages = said.messages.iter().map(|message| match with_reasoning(message) {
            Some(aliased) => Value::from_serialize(aliased),
            None => Value::from_serialize(message),
        });
        let messages = Value::from(messages.collect::<Vec<_>>());
        let given = Value::from_serialize(&said.chat_template_kwargs);
        let ours = context! { messages, add_generation_prompt };
        let all = context! { ..ours, ..given, ..context! { tools, documents => () }, ..Value::from_serialize(special_tokens) };
        let template = self.environment.get_template(NAME).map_err(|error| Error::Template(explain(&error)))?;
        template.render(all).map_err(|error| match raised(&error) {
            Some(message) => Error::Refused(message),
            None => Error::Template(explain(&error)),
        })
    }

    /// Whether the text of a message in parts comes out as text.
    fn takes_text_of_parts(&self, special_tokens: &BTreeMap<String, String>) -> bool {
        const TEXT: &str = "text of a part";
        let part = serde_json::json!({ "type": "text", "text": TEXT });
        let asked = Message { content: Some(MessageContent::Parts(vec![part])), ..Message::new("user", "") };
        let rendered = self.fill_in(&vec![asked].into(), true, special_tokens);
        rendered.is_ok_and(|text| {
            text.split(TEXT).count() == 2 && !["'type'", "\"type\""].iter().any(|key| text.contains(key))
        })
    }
}

/// Names under which data sets have what the assistant thought; the first is what most templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A message that says what the assistant thought, under the names that templates read it by
/// (`_alias_reasoning_fields` of `transformers` 5.24); none where it says nothing of the kind.
fn with_reasoning(message: &Message) -> Option<serde_json::Map<String, serde_json::Value>> {
    let reasoning = REASONING.iter().filter_map(|name| message.fields.get(*name)).find(|value| !value.is_null())?;
    let mut aliased = serde_json::Map::from_iter([("thinking".to_owned(), reasoning.clone())]);
    let serde_json::Value::Object(fields) = serde_json::to_value(message).ok()? else { return None };
    aliased.extend(fields);
    aliased.insert("reasoning_content".to_owned(), reasoning.clone());
    Some(aliased)
}

fn has_parts(message: &Message) -> bool {
    matches!(message.content, Some(MessageContent::Parts(_)))
}

/// The message with its parts of text as one text.
fn joined(message: &Message) -> Result<Message, Error> {
    let Some(MessageContent::Parts(parts)) = &message.content else { return Ok(message.clone()) };
    if let Some(other) = parts.iter().find(|part| text_of_part(part).is_none()) {
        let kind = other.get("type").and_then(serde_json::Value::as_str).unwrap_or("unknown");
        return Err(Error::Part(kind.to_owned()));
    }
    Ok(Message { content: Some(MessageContent::Text(message.text().into_owned())), ..message.clone() })
}

/// What went wrong, with the line of the template and the reasons beneath.
fn explain(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let _ = write!(text, ": {deeper}");
        source = deeper.source();
    }
    text
}

/// The message of the template's own `raise_exception`, if that is what ended it.
fn raised(error: &minijinja::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(deeper) = source {
        if let Some(raised) = deeper.downcast_ref::<Raised>() {
            return Some(raised.0.clone());
        }
        source = deeper.source();
    }
    None
}

fn strftime(time: &DateTime<Local>, format: &str) -> Result<String, minijinja::Error> {
    let items: Vec<Item> = StrftimeItems::new(format).collect();
    if items.contains(&Item::Error) {
        let message = format!("strftime_now does not know the format {format:?}");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(time.format_with_items(items.iter()).to_string())
}

/// `{% generation %}` marks what the assistant said and renders as what it holds, in a scope of its own: a `{% with %}`.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        let Some(end) = tag.find("%}") else { break };
        result.push_str(before);
        let (inside, after) = (&tag[2..end], &tag[end + 2..]);
        let open = if inside.starts_with(['-', '+']) { &inside[..1] } else { "" };
        let close =
            if inside.len() > open.len() && inside.ends_with(['-', '+']) { &inside[inside.len() - 1..] } else { "" };
        let replaced = match inside[open.len()..inside.len() - close.len()].trim() {
            "generation" => format!("{{%{open} with {close}%}}"),
            "endgeneration" => format!("{{%{open} endwith {close}%}}"),
            _ => tag[..end + 2].to_owned(),
        };
        result.push_str(&replaced);
        rest = after;
    }
    result.push_str(rest);
    Cow::Owned(result)
}
