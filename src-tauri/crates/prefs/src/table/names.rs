//! The columns that rows offer: keys, and paths into what lies under them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{DEEPEST, is_conversation, is_message, is_ranking, is_turns};
use crate::pair::{CHAT_TEMPLATE_KWARGS, TOOLS};
use crate::rows::not_a_number;

/// Columns that are offered. More than this is a list that nobody reads.
const MOST_COLUMNS: usize = 200;

/// Elements of a list that become columns.
const MOST_ELEMENTS: usize = 4;

#[derive(Default)]
pub(super) struct Names {
    pub(super) ordered: Vec<String>,
    known: HashSet<String>,
}

impl Names {
    pub(super) fn open(&mut self, name: &str, value: &Value, depth: usize) {
        let too_deep = depth >= DEEPEST;
        let is_beside = [TOOLS, CHAT_TEMPLATE_KWARGS].contains(&name.rsplit('.').next().unwrap_or(name));
        let is_one = is_message(value) || not_a_number(value).is_some();
        match value {
            // What the chat template is given is one thing, however much it holds.
            Value::Object(_) | Value::Array(_) if is_beside => {
                self.add(name);
            }
            Value::Object(fields) if !too_deep && !fields.is_empty() && !is_one => {
                for (key, value) in fields {
                    self.open(&format!("{name}.{key}"), value, depth + 1);
                }
            }
            Value::Array(_) if is_conversation(value) || is_ranking(value) || is_turns(value) => self.add(name),
            Value::Array(items) if !too_deep && !items.is_empty() => {
                for (at, value) in items.iter().take(MOST_ELEMENTS).enumerate() {
                    self.open(&format!("{name}.{at}"), value, depth + 1);
                }
                self.open_all(&format!("{name}.*"), &items.iter().collect::<Vec<_>>(), depth + 1);
            }
            _ => self.add(name),
        }
    }

    /// What the elements of a list have in common, under a name with `*` for their number.
    fn open_all(&mut self, name: &str, values: &[&Value], depth: usize) {
        // Inside of lists of lists there is no one number.
        if name.matches(".*").count() > 1 || depth >= DEEPEST {
            return;
        }
        let is_one = |value: &&&Value| is_message(value) || is_conversation(value) || not_a_number(value).is_some();
        let objects: Vec<&Map<String, Value>> = values.iter().filter_map(|value| value.as_object()).collect();
        if !objects.is_empty() && objects.len() == values.len() && !values.iter().any(|value| is_one(&value)) {
            for key in objects[0].keys() {
                let inside: Vec<&Value> = objects.iter().filter_map(|object| object.get(key)).collect();
                self.open_all(&format!("{name}.{key}"), &inside, depth + 1);
            }
        } else if values.iter().any(|value| !value.is_null()) {
            self.add(name);
        }
    }

    fn add(&mut self, name: &str) {
        if self.ordered.len() < MOST_COLUMNS && !self.known.contains(name) {
            self.known.insert(name.to_owned());
            self.ordered.push(name.to_owned());
        }
    }
}
