//! Trees of messages with one message to a row, as Open Assistant's Parquet files have them. The rows, which may stand in any
//! order and in several files, are joined by `message_id` and `parent_id` and then read as [trees].

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde_json::{Map, Value};

use super::reading::bytes_of;
use super::trees;
use crate::Place;
use crate::rows::{is_missing, kind};

/// The largest messages, as they lie in memory, that are held while they are joined.
const MOST_HELD: usize = 1 << 30;

/// What is held of a message beside who says it in reply to what.
const KEPT: [&str; 4] = ["text", "rank", "lang", "message_tree_id"];

/// Takes a question of a tree, or a message that belongs to none, with the number of its file and its place in it.
pub(super) type TakeJoined<'a> = dyn FnMut(usize, Place, Result<Map<String, Value>, String>) -> ControlFlow<()> + 'a;

/// The messages that were read so far.
#[derive(Debug)]
pub(super) struct Messages {
    held: Vec<Message>,
    places: HashMap<String, usize>,
    bytes: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Message {
    file: usize,
    place: Place,
    id: String,
    parent: Option<String>,
    /// As a tree has it.
    fields: Map<String, Value>,
}

/// How a message hangs together with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// So many messages deep in a tree, from 1.
    InTree(usize),
    Orphan,
    AfterOrphan,
    OtherTree,
    /// It comes after itself.
    Circle,
}

impl Default for Messages {
    fn default() -> Self {
        Self { held: Vec::new(), places: HashMap::new(), bytes: 0, most_bytes: MOST_HELD }
    }
}

/// Whether a row has the columns of one message of a tree.
fn is_message_of_tree(row: &Map<String, Value>) -> bool {
    let has = |field: &str| row.contains_key(field);
    has("message_id") && has("role") && has("text") && (has("parent_id") || has("message_tree_id"))
}

impl Messages {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    /// Takes a row in; `None` where it is no message of a tree, nor any row before it.
    ///
    /// # Errors
    /// Why the row cannot be one.
    pub(super) fn add(&mut self, file: usize, place: Place, row: &Map<String, Value>) -> Option<Result<(), String>> {
        if !is_message_of_tree(row) {
            let reason = "the rows before it are messages of trees, and this is none: it needs `message_id`, `parent_id`, \
                          `role` and `text`";
            return (!self.is_empty()).then(|| Err(reason.to_owned()));
        }
        Some(Message::of(file, place, row).and_then(|message| self.hold(message)))
    }

    fn hold(&mut self, message: Message) -> Result<(), String> {
        if let Some(first) = self.places.get(&message.id) {
            return Err(format!("the message `{}` stands in {} already", message.id, self.held[*first].place));
        }
        let fields = message.fields.iter().map(|(key, value)| key.len() + bytes_of(value)).sum::<usize>();
        let names = message.id.len() * 2 + message.parent.as_ref().map_or(0, String::len);
        // What does not fit is not held, and neither is anything after it.
        self.bytes += size_of::<Message>() + fields + names;
        if self.bytes > self.most_bytes {
            return Err(format!(
                "more than {} MiB of messages to be joined into trees: split the file by `message_tree_id`",
                self.most_bytes >> 20
            ));
        }
        self.places.insert(message.id.clone(), self.held.len());
        self.held.push(message);
        Ok(())
    }

    /// Hands on the messages that belong to no tree, and then the questions of the trees, in the order of the first messages.
    /// A question has the place of its tree's first message.
    pub(super) fn join(self, counts: &mut trees::Counts, take: &mut TakeJoined) -> ControlFlow<()> {
        let mut replies: Vec<Vec<usize>> = vec![Vec::new(); self.held.len()];
        for (at, message) in self.held.iter().enumerate() {
            if let Some(parent) = message.parent.as_ref().and_then(|parent| self.places.get(parent)) {
                replies[*parent].push(at);
            }
        }
        let places = self.placed(&replies);
        for (message, place) in self.held.iter().zip(&places) {
            if let Some(reason) = place.refused(message) {
                take(message.file, message.place, Err(reason))?;
            }
        }
        let mut fields: Vec<Map<String, Value>> = Vec::with_capacity(self.held.len());
        let mut begun = Vec::new();
        for (at, message) in self.held.into_iter().enumerate() {
            if places[at] == Standing::InTree(1) {
                begun.push((at, message.file, message.place));
            }
            fields.push(message.fields);
        }
        for (root, file, place) in begun {
            let mut tree = Map::new();
            if let Some(id) = fields[root].get("message_tree_id") {
                tree.insert("message_tree_id".to_owned(), id.clone());
            }
            tree.insert("prompt".to_owned(), Value::Object(nested(root, &mut fields, &replies, &places)));
            for question in trees::open(&tree, counts).unwrap_or_default() {
                take(file, place, Ok(question))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// How each message hangs together with the others.
    fn placed(&self, replies: &[Vec<usize>]) -> Vec<Standing> {
        let mut places = vec![Standing::Circle; self.held.len()];
        let mut next: Vec<usize> = Vec::new();
        for (at, message) in self.held.iter().enumerate() {
            places[at] = match &message.parent {
                None => Standing::InTree(1),
                Some(parent) if !self.places.contains_key(parent) => Standing::Orphan,
                Some(_) => continue,
            };
            next.push(at);
        }
        // Everything that is not reached from the beginning of a tree or from an orphan comes after itself.
        while let Some(at) = next.pop() {
            for reply in &replies[at] {
                places[*reply] = match places[at] {
                    Standing::InTree(_) if self.held[*reply].is_of_another_tree_than(&self.held[at]) => {
                        Standing::OtherTree
                    }
                    Standing::InTree(depth) => Standing::InTree(depth + 1),
                    _ => Standing::AfterOrphan,
                };
                next.push(*reply);
            }
        }
        places
    }
}

impl Standing {
    /// Why a message is in no tree.
    fn refused(self, message: &Message) -> Option<String> {
        let parent = message.parent.as_deref().unwrap_or_default();
        match self {
            Self::InTree(depth) if depth <= trees::DEEPEST => None,
            Self::InTree(_) => Some(format!("it comes after more than {} messages", trees::DEEPEST - 1)),
            Self::Orphan => Some(format!("its parent `{parent}` is not there")),
            Self::AfterOrphan => Some(format!("it comes after a message that is in no tree, by way of `{parent}`")),
            Self::OtherTree => Some(format!("its parent `{parent}` has another `message_tree_id`")),
            Self::Circle => Some(format!("it comes after itself, by way of `{parent}`")),
        }
    }
}

impl Message {
    fn of(file: usize, place: Place, row: &Map<String, Value>) -> Result<Self, String> {
        let id = name(row, "message_id")?.ok_or("`message_id` is empty")?;
        let parent = name(row, "parent_id")?;
        let tree = name(row, "message_tree_id")?;
        if parent.is_none() && tree.as_ref().is_some_and(|tree| *tree != id) {
            return Err("it has no `parent_id` and is not the first message of its tree".to_owned());
        }
        let role = match row.get("role") {
            Some(Value::String(role)) if ["prompter", "user", "assistant"].contains(&role.as_str()) => role.clone(),
            Some(Value::String(role)) => return Err(format!("its `role` is `{role}`: expected prompter or assistant")),
            _ => return Err("`role` is empty".to_owned()),
        };
        let is_deleted = match row.get("deleted") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_deleted)) => *is_deleted,
            Some(Value::String(text)) => match text.trim().to_lowercase().as_str() {
                "true" => true,
                "false" | "" => false,
                _ => return Err(format!("`deleted` is `{text}`: expected true or false")),
            },
            Some(other) => return Err(format!("`deleted` is {other}: expected true or false")),
        };
        if !is_deleted && !row.get("text").is_some_and(Value::is_string) {
            return Err("`text` holds no text".to_owned());
        }
        let mut fields = Map::new();
        fields.insert("message_id".to_owned(), id.clone().into());
        fields.insert("role".to_owned(), role.into());
        fields.insert("deleted".to_owned(), is_deleted.into());
        for key in KEPT {
            if let Some(value) = row.get(key).filter(|value| !value.is_null()) {
                fields.insert(key.to_owned(), value.clone());
            }
        }
        // A tree may have it, and it need not be text there.
        fields.entry("text").or_insert(Value::Null);
        Ok(Self { file, place, id, parent, fields })
    }

    fn is_of_another_tree_than(&self, other: &Self) -> bool {
        let trees = [self, other].map(|message| message.fields.get("message_tree_id"));
        matches!(trees, [Some(own), Some(other)] if own != other)
    }
}

/// What a message is called by; none where nothing stands there.
fn name(row: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match row.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(value) if is_missing(value) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Some(other) => Err(format!("`{key}` is {}: expected text", kind(other))),
    }
}

/// A message with all that comes after it, no deeper than trees are gone into.
fn nested(
    at: usize,
    fields: &mut [Map<String, Value>],
    replies: &[Vec<usize>],
    places: &[Standing],
) -> Map<String, Value> {
    let is_there = |reply: &&usize| matches!(places[**reply], Standing::InTree(depth) if depth <= trees::DEEPEST);
    let after: Vec<usize> = replies[at].iter().filter(is_there).copied().collect();
    let after = after.into_iter().map(|reply| Value::Object(nested(reply, fields, replies, places))).collect();
    let mut message = std::mem::take(&mut fields[at]);
    message.insert("replies".to_owned(), Value::Array(after));
    message
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_held_has_a_limit_and_what_comes_after_is_refused() {
        let mut messages = Messages { most_bytes: 4_000, ..Messages::default() };
        let row = |number: usize| json!({"message_id": format!("m{number}"), "parent_id": null, "role": "prompter", "text": "x".repeat(900)});
        let add = |messages: &mut Messages, number: usize| {
            messages.add(0, Place::line(number), row(number).as_object().expect("an object")).expect("it is a message")
        };
        let taken: Vec<bool> = (0..20).map(|number| add(&mut messages, number).is_ok()).collect();
        let count = taken.iter().filter(|taken| **taken).count();
        assert!((1..5).contains(&count) && taken[..count].iter().all(|taken| *taken), "{taken:?}");
        assert_eq!(messages.count(), count);
        let reason = add(&mut messages, 30).expect_err("nothing more fits");
        assert!(reason.contains("split the file by `message_tree_id`"), "{reason}");
    }
}
