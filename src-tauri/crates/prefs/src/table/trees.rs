//! Trees of messages, as Open Assistant publishes them: questions with ranked replies, which are asked further. Of each question
//! that has several answers comes one row.

use serde_json::{Map, Value, json};

/// How deep trees are gone into.
pub(super) const DEEPEST: usize = 64;

/// What trees held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Rows that were one message each.
    pub(super) messages: usize,
    trees: usize,
    questions: usize,
    with_one_answer: usize,
    without_answers: usize,
    deleted: usize,
    odd: usize,
}

impl Counts {
    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { messages, trees, questions, with_one_answer, without_answers, deleted, odd } = self;
        let odd = match odd {
            0 => String::new(),
            odd => format!(" {odd} replies that are no answers of an assistant are left out."),
        };
        let found = match messages {
            0 => format!("The rows are {trees} trees of messages"),
            messages => format!("{messages} rows with one message each are joined into {trees} trees"),
        };
        (*trees + *messages > 0).then(|| {
            format!(
                "{found}: {questions} of their questions have several answers and are rows \
                 here. Left out are {with_one_answer} questions with one answer, {without_answers} without any, and {deleted} \
                 messages that are deleted or come after one.{odd} `only` chooses among the rows, such as lang=en&depth=1."
            )
        })
    }
}

/// The questions of a tree; `None` where the row is none.
pub(super) fn open(row: &Map<String, Value>, counts: &mut Counts) -> Option<Vec<Map<String, Value>>> {
    let root = row.get("prompt")?.as_object()?;
    let has_replies = root.get("replies").is_some_and(|replies| replies.is_array() || replies.is_null());
    if !(root.get("role").is_some_and(Value::is_string) && root.contains_key("text") && has_replies) {
        return None;
    }
    counts.trees += 1;
    let tree = row.get("message_tree_id").or_else(|| root.get("message_id")).cloned().unwrap_or_default();
    let mut questions = Vec::new();
    if is_deleted(root) {
        counts.deleted += messages_in(root);
    } else {
        go_into(root, &mut Vec::new(), &tree, &mut questions, counts);
    }
    Some(questions)
}

fn is_deleted(message: &Map<String, Value>) -> bool {
    message.get("deleted") == Some(&Value::Bool(true))
}

fn replies_to(message: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    message.get("replies").and_then(Value::as_array).into_iter().flatten()
}

/// How many messages there are, with all that come after this one.
fn messages_in(message: &Map<String, Value>) -> usize {
    1 + replies_to(message).filter_map(Value::as_object).map(messages_in).sum::<usize>()
}

fn go_into(
    message: &Map<String, Value>,
    before: &mut Vec<Value>,
    tree: &Value,
    questions: &mut Vec<Map<String, Value>>,
    counts: &mut Counts,
) {
    let is_assistant = |message: &Map<String, Value>| message.get("role").and_then(Value::as_str) == Some("assistant");
    let is_asked = !is_assistant(message);
    let role = if is_asked { "user" } else { "assistant" };
    before.push(json!({"role": role, "content": message.get("text").cloned().unwrap_or_default()}));
    let mut there: Vec<&Map<String, Value>> = Vec::new();
    for reply in replies_to(message) {
        match reply.as_object() {
            Some(reply) if is_deleted(reply) => counts.deleted += messages_in(reply),
            // Speakers take turns.
            Some(reply) if is_assistant(reply) == is_asked => there.push(reply),
            _ => counts.odd += 1,
        }
    }
    match there.len() {
        _ if !is_asked => {}
        0 => counts.without_answers += 1,
        1 => counts.with_one_answer += 1,
        _ => {
            counts.questions += 1;
            let of = |field: &str| {
                there.iter().map(|reply| reply.get(field).cloned().unwrap_or_default()).collect::<Value>()
            };
            let mut row = Map::new();
            row.insert("prompt".to_owned(), Value::Array(before.clone()));
            row.insert("answers".to_owned(), of("text"));
            row.insert("ranks".to_owned(), of("rank"));
            row.insert("lang".to_owned(), message.get("lang").cloned().unwrap_or_default());
            row.insert("depth".to_owned(), before.len().div_ceil(2).into());
            row.insert("message_tree_id".to_owned(), tree.clone());
            questions.push(row);
        }
    }
    if before.len() < DEEPEST {
        for reply in there {
            go_into(reply, before, tree, questions, counts);
        }
    }
    before.pop();
}
