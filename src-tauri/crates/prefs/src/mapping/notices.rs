//! What an import leaves behind or changes that its user would want to know before it is done.

use super::guess::HISTORY;
use super::preference::{ANSWER_WORDS, differing, normal};
use std::collections::HashSet;

use super::rating_names::rates;
use super::{ColumnMapping, ImportKind, guess, is_used, rated_columns, single};
use crate::rows::is_missing;
use crate::table::{Format, Table, is_filled};
use crate::words::counted;
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
const READ: [&str; 15] = [
    "images",
    "image",
    "image_url",
    "image_path",
    "pixel_values",
    "videos",
    "video",
    "audios",
    "audio",
    "functions",
    "builtin_tools",
    "documents",
    "enable_thinking",
    "thinking",
    "reasoning_effort",
];

/// Of these the switches, where `false` says something too. Under the other names true or false is a mark, and no image.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// The columns that change what a model reads and are not kept, with the rows that fill them.
pub(super) fn not_kept<'a>(table: &'a Table, mapping: &ColumnMapping) -> Vec<(&'a str, usize)> {
    let mut columns: Vec<(&str, usize)> = Vec::new();
    let used: Vec<&str> = mapping.named().collect();
    for path in table.columns.iter().map(String::as_str).filter(|name| !used.contains(name)) {
        // What stands in an object or a list is a column of its own, by a path.
        let mut end = 0;
        let read = path.split('.').find_map(|part| {
            end += part.len() + 1;
            let name = normal(part);
            (READ.contains(&name.as_str()) || HISTORY.contains(&name.as_str())).then_some((name, end - 1))
        });
        let Some((name, end)) = read else { continue };
        let is_switch = SWITCHES.contains(&name.as_str());
        let fills = |value: &Value| is_filled(value) && !is_missing(value) && (is_switch || !value.is_boolean());
        let [rows] = table.counted(&format!("not kept: {path}"), |row, [rows]| {
            *rows += usize::from(row.get(path).is_some_and(fills));
        });
        match columns.iter_mut().find(|(known, _)| *known == &path[..end]) {
            Some((_, most)) => *most = rows.max(*most),
            None if rows > 0 => columns.push((&path[..end], rows)),
            None => {}
        }
    }
    columns
}

/// Whether a column is called as one of earlier turns.
pub(super) fn is_history(path: &str) -> bool {
    HISTORY.contains(&normal(path.rsplit('.').next().unwrap_or(path)).as_str())
}

/// The columns that the mapping does not use, with the rows that fill them.
fn unused<'a>(table: &'a Table, mapping: &ColumnMapping) -> Vec<(&'a str, usize)> {
    let used: HashSet<&str> = mapping.named().collect();
    let filled = table.filled();
    let others = table.columns.iter().map(String::as_str).filter(|name| !is_used(name, &used));
    others.map(|name| (name, filled[name])).filter(|(_, filled)| *filled > 0).collect()
}

/// What columns such as `response_a` and `response_b`, or `answer_1` and `answer_2`, have in common.
fn family(name: &str) -> String {
    let name = normal(name);
    let is_number = |word: &str| word.parse::<usize>().is_ok() || word.len() == 1;
    let words: Vec<&str> = name.split('_').filter(|word| !is_number(word)).collect();
    words.join("_")
}

/// A few columns in words, with the rows that fill them.
pub(super) fn listed(columns: &[(&str, usize)]) -> String {
    let shown: Vec<String> = columns.iter().take(5).map(|(name, rows)| format!("`{name}` ({rows} rows)")).collect();
    let more = if columns.len() > 5 { format!(" and {} more", columns.len() - 5) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Rows that a column of another kind says something of: that they are held out, as exports of this program have it, or that they
/// are a tie, as distilabel's `status` does.
fn marked(table: &Table, unused: &[(&str, usize)]) -> Vec<String> {
    let count = |name: &str, says: fn(&str) -> bool| {
        let [rows] = table.counted(&format!("marked: {name}"), |row, [rows]| {
            let said = row.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase));
            *rows += usize::from(said.is_some_and(|said| says(said.trim())));
        });
        rows
    };
    let mut said = Vec::new();
    for (name, _) in unused {
        if normal(name) == "held_out" {
            let rows = count(name, |said| ["true", "yes", "1", "1.0"].contains(&said));
            if rows > 0 {
                said.push(format!(
                    "{} marked as held out (`{name}`), and would be trained on like all others. Bring them in from a file of their \
                     own, and hold that file out.",
                    counted(rows, "row is", "rows are")
                ));
            }
        } else if normal(name) == "status" {
            let rows = count(name, |said| said == "tie");
            if rows > 0 {
                said.push(format!(
                    "{} marked as a tie (`{name}`), and would be pairs like all others: in them neither answer was found better. \
                     Leave these rows out of the file where that is meant.",
                    counted(rows, "row is", "rows are")
                ));
            }
        }
    }
    said
}

/// Of MT-Bench's questions, and of any list whose first text is the prompt: what is asked after it.
fn further_questions(table: &Table, mapping: &ColumnMapping) -> Option<String> {
    let list = mapping.prompt.as_deref()?.strip_suffix(".0")?;
    let path = format!("{list}.*");
    let [rows, questions] = table.counted(&format!("further questions: {list}"), |row, [rows, questions]| {
        let further = row.list(&path).into_iter().skip(1).flatten().filter(|value| is_filled(value)).count();
        *rows += usize::from(further > 0);
        *questions += further;
    });
    (rows > 0).then(|| {
        format!(
            "Of `{list}` the first text is the prompt. What is asked after it is left out, {questions} questions in {rows} rows: \
             each belongs to an answer that is still to be given."
        )
    })
}

/// Sentences about the files themselves, about what the mapping leaves out of them though it bears on preferences, and what was read otherwise than
/// it stands there.
pub fn notices(table: &Table, mapping: &ColumnMapping) -> Vec<String> {
    let mut notices = table.notices.clone();
    let used: Vec<&str> = mapping.named().collect();
    let unused = unused(table, mapping);
    let last = |name: &str| normal(name.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or(name));
    let find = |fits: &dyn Fn(&str) -> bool| -> Vec<(&str, usize)> {
        unused.iter().filter(|(name, _)| fits(name)).copied().collect()
    };
    if let ([only], Format::Csv | Format::Tsv) = (table.columns.as_slice(), table.format) {
        notices.push(format!(
            "The first line is taken as the name of the only column, and not as a row: `{}`.",
            only.chars().take(80).collect::<String>()
        ));
    }
    match mapping.kind {
        ImportKind::Prompts => {
            let answers = find(&|name| {
                let last = last(name);
                ANSWERS.contains(&last.as_str()) || last.split('_').any(|word| ANSWER_WORDS[..14].contains(&word))
            });
            let judges = find(&|name| JUDGES.contains(&last(name).as_str()));
            if !answers.is_empty() {
                notices.push(format!(
                    "Only prompts come in. Answers are left out: {}. A pair needs two answers to one prompt in one row; an answer \
                     to be imitated comes in as a demonstration (`kind=demonstrations`).",
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
            if let Some((rated, prompts)) = rated_columns::few_pairs(table, mapping) {
                let (answers, ratings) = (rated.answers.unwrap_or_default(), rated.ratings.unwrap_or_default());
                notices.push(format!(
                    "{prompts} prompts have answers that are rated differently. To make pairs of them, and of them alone, \
                     import pairs of rated answers (`answers={answers},ratings={ratings}`)."
                ));
            }
            notices.extend(further_questions(table, mapping));
            let not_kept = not_kept(table, mapping);
            if !not_kept.is_empty() {
                notices
                    .push(format!("What a model reads depends on columns that are left out: {}.", listed(&not_kept)));
            }
        }
        ImportKind::Candidates => {
            let answers = mapping.answer_a.as_deref().map(family).unwrap_or_default();
            let siblings = find(&|name| family(name) == answers);
            if !siblings.is_empty() {
                notices.push(format!("Two answers of each row come in. Others are left out: {}.", listed(&siblings)));
            }
            let judges = find(&|name| JUDGES.contains(&family(&last(name)).as_str()));
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
        ImportKind::Demonstrations => {
            let judges = find(&|name| JUDGES.contains(&last(name).as_str()) || rates(name));
            if !judges.is_empty() {
                notices.push(format!(
                    "Every answer comes in as one to be imitated, whatever judges it: {} is left out.",
                    listed(&judges)
                ));
            }
            let not_kept = not_kept(table, mapping);
            if !not_kept.is_empty() {
                notices
                    .push(format!("What a model reads depends on columns that are left out: {}.", listed(&not_kept)));
            }
        }
        ImportKind::Pairs => {
            notices.extend(single::labels_in_words(table, mapping));
            notices.extend(marked(table, &unused));
        }
    }
    for name in &used {
        let twin = format!("{name} (2)");
        if table.columns.contains(&twin) && !used.contains(&twin.as_str()) {
            notices
                .push(format!("Two columns are called `{name}`: the first is read, and the other, `{twin}`, is not."));
        }
    }
    for (key, rows) in &table.as_text {
        if used.iter().any(|name| *name == key || name.starts_with(&format!("{key}."))) {
            notices.push(format!("`{key}` holds conversations as text, in {rows} rows; they are read as messages."));
        }
    }
    notices
}
