//! One preference pair and its parts.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::rows::{holds_not_a_number, is_missing};

/// One turn of a conversation, with all that the file says of it: a chat template may read any of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, `tool`, or what else the model's template knows.
    pub role: String,
    /// What is said; `None` where the file has no `content` at all, which templates tell from an empty one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub content: Option<MessageContent>,
    /// The other fields as they are: `tool_calls`, `reasoning_content`, `thinking`, `name`, …
    #[serde(flatten)]
    #[ts(skip)]
    pub fields: Map<String, Value>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum MessageContent {
    Text(String),
    /// Parts such as `{"type": "text", "text": "…"}`.
    #[ts(type = "unknown[]")]
    Parts(Vec<Value>),
    /// `null`, as beside `tool_calls`.
    Null,
}

/// `null` is a value of its own here, not an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MessageContent>, D::Error> {
    MessageContent::deserialize(deserializer).map(Some)
}

impl MessageContent {
    /// What a row has as a message's content. What is none is given back.
    pub(crate) fn of(value: Option<Value>) -> Result<Option<Self>, Value> {
        match value {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(Self::Null)),
            Some(Value::String(text)) => Ok(Some(Self::Text(text))),
            Some(Value::Array(parts)) if parts.iter().all(Value::is_object) => Ok(Some(Self::Parts(parts))),
            Some(other) => Err(other),
        }
    }
}

impl Message {
    /// A message by `role` saying `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(MessageContent::Text(content.into())), fields: Map::new() }
    }

    /// A message as a row has it, with `content` read by [`MessageContent::of`]; `place` says where it stands, and `nothing`
    /// that it has nothing to say. A field that holds no number, as `pandas` writes of one that is not there, is left out.
    pub(crate) fn of_row(
        role: String,
        content: Option<MessageContent>,
        mut fields: Map<String, Value>,
        place: &str,
        nothing: &str,
    ) -> Result<Self, String> {
        fields.retain(|_, value| !is_missing(value));
        let message = Self { role, content, fields };
        let parts = match &message.content {
            Some(MessageContent::Parts(parts)) => parts.as_slice(),
            _ => &[],
        };
        if parts.iter().chain(message.fields.values()).any(holds_not_a_number) {
            return Err(format!("{place} holds NaN or Infinity, which is no number in JSON"));
        }
        if let Some(kind) = message.medium() {
            return Err(format!("{place} holds more than text: a part of the type `{kind}`"));
        }
        // What says nothing in any way is a row with a hole rather than an empty answer.
        let has_text = matches!(message.content, Some(MessageContent::Text(_)));
        if !has_text && message.is_blank() {
            return Err(format!("{place} {nothing} and calls no tool"));
        }
        Ok(message)
    }

    /// What is said as text: of parts, those that are text, one after the other.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            Some(MessageContent::Text(text)) => Cow::Borrowed(text),
            Some(MessageContent::Parts(parts)) => Cow::Owned(parts.iter().filter_map(text_of_part).collect()),
            Some(MessageContent::Null) | None => Cow::Borrowed(""),
        }
    }

    /// All that is said, for a person to read: the text, parts that are none, and the other fields by name.
    pub fn shown(&self) -> Cow<'_, str> {
        if self.is_plain() {
            return self.text();
        }
        let mut shown = self.text().into_owned();
        let mut add = |name: &str, value: &Value| {
            if !shown.is_empty() {
                shown.push_str("\n\n");
            }
            let _ = match value {
                Value::String(text) => write!(shown, "{name}: {text}"),
                other => write!(shown, "{name}: {other}"),
            };
        };
        if let Some(MessageContent::Parts(parts)) = &self.content {
            parts.iter().filter(|part| text_of_part(part).is_none()).for_each(|part| add("part", part));
        }
        self.saying().for_each(|(name, value)| add(name, value));
        Cow::Owned(shown)
    }

    /// The kind of a part that is a picture, a sound or a file, which no model here reads.
    pub fn medium(&self) -> Option<&str> {
        let Some(MessageContent::Parts(parts)) = &self.content else { return None };
        let kinds = parts.iter().filter_map(|part| part.get("type").and_then(Value::as_str));
        let is_medium = |kind: &&str| ["image", "audio", "video", "file"].iter().any(|medium| kind.contains(medium));
        kinds.into_iter().find(is_medium)
    }

    /// The other fields, those that hold something.
    pub fn saying(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.iter().filter(|(_, value)| says_something(Some(value)))
    }

    /// Whether this is a role and a text, and nothing more.
    pub fn is_plain(&self) -> bool {
        matches!(self.content, Some(MessageContent::Text(_))) && self.fields.is_empty()
    }

    /// Whether nothing is said: white space, and no call of a tool, thought or part that is no text either.
    pub fn is_blank(&self) -> bool {
        let all_text = match &self.content {
            Some(MessageContent::Parts(parts)) => parts.iter().all(|part| text_of_part(part).is_some()),
            _ => true,
        };
        all_text && self.text().trim().is_empty() && SAYING.iter().all(|field| !says_something(self.fields.get(*field)))
    }
}

/// Fields in which a message says something beside its content.
pub(crate) const SAYING: [&str; 5] = ["tool_calls", "reasoning_content", "thinking", "reasoning", "function_call"];

fn says_something(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

/// The text of a part of a message, where it is one of text.
pub fn text_of_part(part: &Value) -> Option<&str> {
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "input_text" | "output_text") => part.get("text").and_then(Value::as_str),
        _ => None,
    }
}

/// The turns of a conversation, and what its chat template is given beside them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "ConversationForm", into = "ConversationForm")]
pub struct Conversation {
    /// The turns.
    pub messages: Vec<Message>,
    /// The tools that the assistant may call; only a prompt has them.
    pub tools: Vec<Value>,
    /// Further arguments of the chat template, such as `enable_thinking`; only a prompt has them.
    pub chat_template_kwargs: Map<String, Value>,
}

/// How a conversation is kept: the list of its messages, with tools or arguments an object.
#[derive(Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(untagged)]
#[ts(rename = "Conversation")]
enum ConversationForm {
    List(Vec<Message>),
    Object {
        messages: Vec<Message>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[ts(type = "unknown[] | undefined")]
        tools: Vec<Value>,
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        #[ts(type = "{ [argument: string]: unknown } | undefined")]
        chat_template_kwargs: Map<String, Value>,
    },
}

impl From<ConversationForm> for Conversation {
    fn from(form: ConversationForm) -> Self {
        match form {
            ConversationForm::List(messages) => messages.into(),
            ConversationForm::Object { messages, tools, chat_template_kwargs } => {
                Self { messages, tools, chat_template_kwargs }
            }
        }
    }
}

impl From<Conversation> for ConversationForm {
    fn from(conversation: Conversation) -> Self {
        let Conversation { messages, tools, chat_template_kwargs } = conversation;
        if tools.is_empty() && chat_template_kwargs.is_empty() {
            Self::List(messages)
        } else {
            Self::Object { messages, tools, chat_template_kwargs }
        }
    }
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl Conversation {
    /// Whether these are roles and texts, and nothing more.
    pub fn is_plain(&self) -> bool {
        self.tools.is_empty() && self.chat_template_kwargs.is_empty() && self.messages.iter().all(Message::is_plain)
    }
}

/// A prompt or an answer: plain text (taken as it is) or messages (rendered by the model's chat template).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(untagged)]
pub enum Content {
    /// Text as it is.
    Text(String),
    /// Turns of a conversation.
    #[ts(as = "ConversationForm")]
    Messages(Conversation),
}

impl Content {
    /// The text itself, or what the last message says; empty where there is no message.
    pub fn last_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Messages(said) => said.messages.last().map(Message::text).unwrap_or_default().into_owned(),
        }
    }

    /// The text, where this is plain text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Messages(_) => None,
        }
    }

    /// The messages, where this is a conversation.
    pub fn as_messages(&self) -> Option<&[Message]> {
        match self {
            Self::Text(_) => None,
            Self::Messages(said) => Some(&said.messages),
        }
    }

    /// Length in characters (Unicode scalar values) of the text, or of all messages' contents together.
    pub fn chars(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Messages(said) => said.messages.iter().map(|message| message.text().chars().count()).sum(),
        }
    }

    /// Whether nothing is said but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Messages(said) => said.messages.iter().all(Message::is_blank),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<Message>> for Content {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages.into())
    }
}

/// A prompt with a better and a worse answer. The three parts are all text or all messages, and the answers do not
/// repeat the prompt. Tools and arguments of the chat template are the prompt's; in JSON they stand beside it, as TRL has
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PairForm", into = "PairForm")]
pub struct Pair {
    /// What was asked.
    pub prompt: Content,
    /// The preferred answer.
    pub chosen: Content,
    /// The other answer.
    pub rejected: Content,
    /// A label of the user's own, by which results can be told apart.
    pub category: Option<String>,
}

/// A pair as TRL's data sets have it.
#[derive(Serialize, Deserialize)]
struct PairForm {
    prompt: Content,
    chosen: Content,
    rejected: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(flatten)]
    beside: BesidePrompt,
}

/// Where a data set has what [`BesidePrompt`] holds.
pub(crate) const TOOLS: &str = "tools";
pub(crate) const CHAT_TEMPLATE_KWARGS: &str = "chat_template_kwargs";

/// What stands beside a prompt of messages in a data set.
#[derive(Serialize, Deserialize)]
pub(crate) struct BesidePrompt {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    chat_template_kwargs: Map<String, Value>,
}

impl BesidePrompt {
    /// Takes tools and arguments out of a prompt.
    pub(crate) fn split(prompt: Content) -> (Content, Self) {
        match prompt {
            Content::Text(_) => (prompt, Self { tools: Vec::new(), chat_template_kwargs: Map::new() }),
            Content::Messages(Conversation { messages, tools, chat_template_kwargs }) => {
                (messages.into(), Self { tools, chat_template_kwargs })
            }
        }
    }

    /// Takes them out of a row: TRL reads `tools` as a list or as JSON in a text.
    pub(crate) fn of(row: &mut Map<String, Value>) -> Result<Self, String> {
        Self::from_values(row.shift_remove(TOOLS), row.shift_remove(CHAT_TEMPLATE_KWARGS))
    }

    /// Reads the two values.
    pub(crate) fn from_values(tools: Option<Value>, chat_template_kwargs: Option<Value>) -> Result<Self, String> {
        let tools = match parsed(tools, TOOLS)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(tools)) if tools.iter().all(Value::is_object) => tools,
            Some(_) => return Err("`tools`: expected a list of tools, each an object".to_owned()),
        };
        let chat_template_kwargs = match parsed(chat_template_kwargs, CHAT_TEMPLATE_KWARGS)? {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(arguments)) => arguments,
            Some(_) => {
                return Err("`chat_template_kwargs`: expected an object with the template's arguments".to_owned());
            }
        };
        let holds = [
            (TOOLS, tools.iter().any(holds_not_a_number)),
            (CHAT_TEMPLATE_KWARGS, chat_template_kwargs.values().any(holds_not_a_number)),
        ];
        if let Some((key, _)) = holds.iter().find(|(_, holds)| *holds) {
            return Err(format!("`{key}` holds NaN or Infinity, which is no number in JSON"));
        }
        if let Some(name) = NOT_THE_TEMPLATES.iter().find(|name| chat_template_kwargs.contains_key(**name)) {
            return Err(format!("`chat_template_kwargs` sets `{name}`, which is decided here; leave it out"));
        }
        Ok(Self { tools, chat_template_kwargs })
    }

    /// Puts them into the prompt they stood beside.
    pub(crate) fn join(self, prompt: Content) -> Result<Content, String> {
        match prompt {
            Content::Messages(said) => Ok(Content::Messages(Conversation {
                messages: said.messages,
                tools: self.tools,
                chat_template_kwargs: self.chat_template_kwargs,
            })),
            text @ Content::Text(_) if self.tools.is_empty() && self.chat_template_kwargs.is_empty() => Ok(text),
            Content::Text(_) => Err("`tools` and `chat_template_kwargs` are for the chat template, which plain text \
                                     does not pass through; give `prompt` as messages"
                .to_owned()),
        }
    }
}

/// JSON that stands in a text, as it does where a column of a table holds it.
fn parsed(value: Option<Value>, key: &str) -> Result<Option<Value>, String> {
    match value {
        // So `pandas` writes that there is none.
        Some(value) if is_missing(&value) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| format!("`{key}` is a text that is no JSON; give it as JSON or leave it out")),
        other => Ok(other),
    }
}

/// Arguments of `transformers`' `apply_chat_template` that are not the template's, or that the encoding of a pair decides.
const NOT_THE_TEMPLATES: [&str; 11] = [
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "max_length",
    "messages",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "tokenize",
    "truncation",
];

impl TryFrom<PairForm> for Pair {
    type Error = String;

    fn try_from(form: PairForm) -> Result<Self, String> {
        let PairForm { prompt, chosen, rejected, category, beside } = form;
        Ok(Self { prompt: beside.join(prompt)?, chosen, rejected, category })
    }
}

impl From<Pair> for PairForm {
    fn from(pair: Pair) -> Self {
        let Pair { prompt, chosen, rejected, category } = pair;
        let (prompt, beside) = BesidePrompt::split(prompt);
        Self { prompt, chosen, rejected, category, beside }
    }
}

impl Pair {
    /// SHA-256 (hexadecimal) of prompt, chosen and rejected: two pairs with the same content have the same hash,
    /// whatever their category, file or line. Each part goes in with its own length, so that no two contents collide
    /// by moving a border.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [&self.prompt, &self.chosen, &self.rejected] {
            hash_content(&mut hasher, part);
        }
        format!("{:x}", hasher.finalize())
    }

    /// The pair labelled the other way round.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let Self { prompt, chosen, rejected, category } = self.clone();
        Self { prompt, chosen: rejected, rejected: chosen, category }
    }

    /// Whether the pair is made of messages, and so goes through the chat template.
    pub fn is_conversational(&self) -> bool {
        matches!(self.prompt, Content::Messages(_))
    }

    /// Checks what holds for every pair that was read: one form throughout, a prompt that is not empty, and messages with
    /// roles.
    ///
    /// # Errors
    /// Says in plain words what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let parts = [("prompt", &self.prompt), ("chosen", &self.chosen), ("rejected", &self.rejected)];
        for (name, part) in parts {
            if matches!(part, Content::Messages(_)) != self.is_conversational() {
                return Err(format!("`{name}` and `prompt` must both be text or both be messages"));
            }
            let Content::Messages(said) = part else { continue };
            if said.messages.is_empty() {
                return Err(format!("`{name}` holds no message"));
            }
            if let Some(at) = said.messages.iter().position(|message| message.role.is_empty()) {
                return Err(format!("message {} of `{name}` has an empty `role`", at + 1));
            }
            if name != "prompt" && !(said.tools.is_empty() && said.chat_template_kwargs.is_empty()) {
                return Err(format!("`{name}` has tools or template arguments of its own; they belong to the prompt"));
            }
        }
        if matches!(&self.prompt, Content::Text(text) if text.is_empty()) {
            return Err("`prompt` is empty".to_owned());
        }
        Ok(())
    }
}

impl Content {
    /// The same with the fields of all objects in one order, so that what is said alike is written alike.
    pub(crate) fn canonical(&self) -> Cow<'_, Self> {
        let Self::Messages(said) = self else { return Cow::Borrowed(self) };
        if said.is_plain() {
            return Cow::Borrowed(self);
        }
        let mut said = said.clone();
        for message in &mut said.messages {
            sort(&mut message.fields);
            if let Some(MessageContent::Parts(parts)) = &mut message.content {
                parts.iter_mut().for_each(Value::sort_all_objects);
            }
        }
        said.tools.iter_mut().for_each(Value::sort_all_objects);
        sort(&mut said.chat_template_kwargs);
        Cow::Owned(Self::Messages(said))
    }
}

fn sort(fields: &mut Map<String, Value>) {
    fields.sort_keys();
    fields.values_mut().for_each(Value::sort_all_objects);
}

pub(crate) fn hash_content(hasher: &mut Sha256, content: &Content) {
    match content {
        Content::Text(text) => {
            hasher.update(b"t");
            hash_text(hasher, text);
        }
        Content::Messages(said) if said.is_plain() => {
            hasher.update(b"m");
            hasher.update((said.messages.len() as u64).to_le_bytes());
            for message in &said.messages {
                hash_text(hasher, &message.role);
                hash_text(hasher, &message.text());
            }
        }
        Content::Messages(said) => {
            hasher.update(b"j");
            // Writing a value of ours as JSON does not fail.
            hash_text(hasher, &serde_json::to_string(said).unwrap_or_default());
        }
    }
}

fn hash_text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
    }

    #[test]
    fn the_hash_follows_content_only() {
        let one = pair("p", "c", "r");
        let labelled = Pair { category: Some("maths".to_owned()), ..one.clone() };
        assert_eq!(one.content_hash(), labelled.content_hash());
        assert_eq!(one.content_hash().len(), 64);
        assert_ne!(one.content_hash(), pair("p", "r", "c").content_hash());
        assert_ne!(pair("ab", "c", "r").content_hash(), pair("a", "bc", "r").content_hash());
        let spoken = Pair {
            prompt: vec![Message::new("user", "p")].into(),
            chosen: vec![Message::new("assistant", "c")].into(),
            rejected: vec![Message::new("assistant", "r")].into(),
            category: None,
        };
        assert_ne!(one.content_hash(), spoken.content_hash());
    }

    /// The hash names cached numbers on users' disks: it must never change for the same content.
    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(
            pair("p", "c", "r").content_hash(),
            // printf 't\1\0\0\0\0\0\0\0pt\1\0\0\0\0\0\0\0ct\1\0\0\0\0\0\0\0r' | sha256sum
            "940456027092969c9324ae8d908f461665e0170571cf25f7b7965073b6d7b359"
        );
    }

    #[test]
    fn mixed_and_empty_pairs_do_not_validate() {
        assert_eq!(pair("p", "", "").validate(), Ok(()));
        assert!(pair("", "c", "r").validate().is_err());
        let mixed = Pair { chosen: vec![Message::new("assistant", "c")].into(), ..pair("p", "", "r") };
        assert!(mixed.validate().is_err());
        let nobody = Pair {
            prompt: vec![Message::new("", "p")].into(),
            chosen: vec![Message::new("assistant", "c")].into(),
            rejected: Vec::new().into(),
            category: None,
        };
        assert!(nobody.validate().is_err());
    }
}
