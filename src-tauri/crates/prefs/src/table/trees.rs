//! Trees of messages, as Open Assistant publishes them: questions with ranked replies, which are asked further. Of each question
//! that has several answers comes one row.

use serde_json::{Map, Value, json};

/// How deep trees are gone into.
const DEEPEST: usize = 64;

/// What trees held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    trees: usize,
    questions: usize,
    with_one_answer: usize,
    deleted: usize,
}

impl Counts {
    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { trees, questions, with_one_answer, deleted } = self;
        (*trees > 0).then(|| {
            format!(
                "The rows are {trees} trees of messages: {questions} of their questions have several answers and are rows \
                 here, {with_one_answer} have one answer and are left out, as are {deleted} deleted messages. `only` chooses \
                 among them, such as lang=en&depth=1."
            )
        })
    }
}

/// The questions of a tree; `None` where the row is none.
pub(super) fn open(row: &Map<String, Value>, counts: &mut Counts) -> Option<Vec<Map<String, Value>>> {
    let root = row.get("prompt")?.as_object()?;
    if !(root.get("role").is_some_and(Value::is_string) && root.get("replies").is_some_and(Value::is_array)) {
        return None;
    }
    counts.trees += 1;
    let tree = row.get("message_tree_id").or_else(|| root.get("message_id")).cloned().unwrap_or_default();
    let mut questions = Vec::new();
    go_into(root, &mut Vec::new(), &tree, &mut questions, counts);
    Some(questions)
}

fn go_into(
    message: &Map<String, Value>,
    before: &mut Vec<Value>,
    tree: &Value,
    questions: &mut Vec<Map<String, Value>>,
    counts: &mut Counts,
) {
    let is_asked = message.get("role").and_then(Value::as_str) != Some("assistant");
    let role = if is_asked { "user" } else { "assistant" };
    before.push(json!({"role": role, "content": message.get("text").cloned().unwrap_or_default()}));
    let replies: Vec<&Map<String, Value>> =
        message.get("replies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
    let is_there = |reply: &&&Map<String, Value>| reply.get("deleted") != Some(&Value::Bool(true));
    let there: Vec<&Map<String, Value>> = replies.iter().filter(is_there).copied().collect();
    counts.deleted += replies.len() - there.len();
    if is_asked && there.len() > 1 {
        counts.questions += 1;
        let of =
            |field: &str| there.iter().map(|reply| reply.get(field).cloned().unwrap_or_default()).collect::<Value>();
        let mut row = Map::new();
        row.insert("prompt".to_owned(), Value::Array(before.clone()));
        row.insert("answers".to_owned(), of("text"));
        row.insert("ranks".to_owned(), of("rank"));
        row.insert("lang".to_owned(), message.get("lang").cloned().unwrap_or_default());
        row.insert("depth".to_owned(), before.len().div_ceil(2).into());
        row.insert("message_tree_id".to_owned(), tree.clone());
        questions.push(row);
    } else if is_asked && there.len() == 1 {
        counts.with_one_answer += 1;
    }
    if before.len() < DEEPEST {
        for reply in there {
            go_into(reply, before, tree, questions, counts);
        }
    }
    before.pop();
}
