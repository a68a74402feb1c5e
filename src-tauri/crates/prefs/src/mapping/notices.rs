//! What an import leaves behind or changes that its user would want to know before it is done.

use super::preference::{ANSWER_WORDS, differing, normal};
use super::{ColumnMapping, ImportKind, guess};
use crate::table::{Table, is_filled};
use serde_json::Value;

/// Names of columns that judge a single answer: KTO's labels, ranks, scores.
const JUDGES: [&str; 12] = [
    "label",
    "labels",
    "rank",
    "rating",
    "ratings",
    "score",
    "scores",
    "reward",
    "helpfulness",
    "overall_score",
    "desirable",
    "kto_tag",
];

/// Names of columns that hold an answer by another word than [`ANSWER_WORDS`].
const ANSWERS: [&str; 4] = ["text", "generations", "chosen", "rejected"];

/// Names of columns that change what a model reads, in ways that this program has not.
const READ: [&str; 12] = [
    "images",
    "image",
    "image_url",
    "videos",
    "video",
    "audios",
    "audio",
    "functions",
    "documents",
    "enable_thinking",
    "thinking",
    "history",
];

/// The columns that change what a model reads and are not kept, with the rows that fill them. Of earlier turns those that are
/// lists can be kept, by naming the column.
pub(super) fn not_kept<'a>(table: &'a Table, mapping: &ColumnMapping) -> Vec<(&'a str, usize)> {
    let is_list = |name: &str| table.rows.iter().any(|row| row.get(name).is_some_and(Value::is_array));
    let mut columns: Vec<(&str, usize)> = Vec::new();
    for (name, rows) in unused(table, mapping) {
        // What stands in an object or a list is a column of its own, by a path.
        let name = name.split('.').next().unwrap_or(name);
        if !READ.contains(&normal(name).as_str()) || normal(name) == "history" && is_list(name) {
            continue;
        }
        match columns.iter_mut().find(|(known, _)| *known == name) {
            Some((_, most)) => *most = rows.max(*most),
            None => columns.push((name, rows)),
        }
    }
    columns
}

/// The columns that the mapping does not use, with the rows that fill them.
fn unused<'a>(table: &'a Table, mapping: &ColumnMapping) -> Vec<(&'a str, usize)> {
    let used: Vec<&str> = mapping.named().collect();
    let filled = |name: &str| table.rows.iter().filter(|row| row.get(name).is_some_and(is_filled)).count();
    let others = table.columns.iter().map(String::as_str).filter(|name| !used.contains(name));
    others.map(|name| (name, filled(name))).filter(|(_, filled)| *filled > 0).collect()
}

/// A few columns in words, with the rows that fill them.
pub(super) fn listed(columns: &[(&str, usize)]) -> String {
    let shown: Vec<String> = columns.iter().take(5).map(|(name, rows)| format!("`{name}` ({rows} rows)")).collect();
    let more = if columns.len() > 5 { format!(" and {} more", columns.len() - 5) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Sentences about what the mapping leaves out of the file though it bears on preferences, and what was read otherwise than
/// it stands there.
pub fn notices(table: &Table, mapping: &ColumnMapping) -> Vec<String> {
    let mut notices = Vec::new();
    let used: Vec<&str> = mapping.named().collect();
    let unused = unused(table, mapping);
    let last = |name: &str| normal(name.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or(name));
    let find = |fits: &dyn Fn(&str) -> bool| -> Vec<(&str, usize)> {
        unused.iter().filter(|(name, _)| fits(name)).copied().collect()
    };
    match mapping.kind {
        ImportKind::Prompts => {
            let answers = find(&|name| {
                let last = last(name);
                ANSWERS.contains(&last.as_str()) || last.split('_').any(|word| ANSWER_WORDS[..14].contains(&word))
            });
            let judges = find(&|name| JUDGES.contains(&last(name).as_str()));
            if !answers.is_empty() {
                notices.push(format!(
                    "Only prompts come in. Answers are left out: {}. A pair needs two answers to one prompt in one row.",
                    listed(&answers)
                ));
            }
            let tree = find(&|name| ["parent_id", "role"].contains(&last(name).as_str()));
            if tree.len() == 2 {
                notices.push(format!(
                    "Each row seems to be one message of a tree: {}. Its text comes in as a prompt, also where the \
                     assistant says it. Make pairs of the answers to one message before importing.",
                    listed(&tree)
                ));
            }
            if !judges.is_empty() {
                notices.push(format!("What judges single answers is left out: {}.", listed(&judges)));
            }
            let not_kept = not_kept(table, mapping);
            if !not_kept.is_empty() {
                notices
                    .push(format!("What a model reads depends on columns that are left out: {}.", listed(&not_kept)));
            }
        }
        ImportKind::Candidates => {
            let without_number = |name: &str| {
                let name = normal(name);
                let words: Vec<&str> = name.split('_').filter(|word| word.parse::<usize>().is_err()).collect();
                words.join("_")
            };
            let family = mapping.answer_a.as_deref().map(without_number).unwrap_or_default();
            let siblings = find(&|name| without_number(name) == family);
            if !siblings.is_empty() {
                notices.push(format!("Two answers of each row come in. Others are left out: {}.", listed(&siblings)));
            }
            let judges = find(&|name| JUDGES.contains(&last(name).as_str()));
            if !judges.is_empty() {
                notices.push(format!("What judges single answers is left out: {}.", listed(&judges)));
            }
            let differ = differing(mapping);
            let said = find(&|name| guess::preference_rank(name, &differ).is_some());
            if !said.is_empty() {
                notices.push(format!(
                    "Both answers come in to be labelled. What may say which is better is left out: {}. To take it over, \
                     import pairs with it as the preference.",
                    listed(&said)
                ));
            }
        }
        ImportKind::Pairs => {}
    }
    for (key, rows) in &table.as_text {
        if used.iter().any(|name| *name == key || name.starts_with(&format!("{key}."))) {
            notices.push(format!("`{key}` holds conversations as text, in {rows} rows; they are read as messages."));
        }
    }
    notices
}
