//! Guessing which column is which, by names that data sets use and by what stands in the columns. The guess is shown to the
//! user, who can change it.

use std::collections::HashSet;

use serde_json::Value;

use super::preference::{ANSWER_WORDS, Scheme, normal};
use super::values::transcript;
use super::{ColumnMapping, ImportKind};
use crate::Content;
use crate::pair::{CHAT_TEMPLATE_KWARGS, TOOLS};
use crate::table::{Table, is_conversation, is_filled, is_message};

/// Rows that are looked at.
const LOOKED_AT: usize = 200;

/// Words by which a better and a worse answer are told apart.
const BETTER_WORSE: [(&str, &str); 16] = [
    ("chosen", "rejected"),
    ("winner", "loser"),
    ("win", "lose"),
    ("winning", "losing"),
    ("good", "bad"),
    ("better", "worse"),
    ("best", "worst"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
    ("accepted", "rejected"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("w", "l"),
    ("output", "rejected"),
    ("chosen", "reject"),
    ("selected", "rejected"),
];

/// Words by which two answers are told apart that stand side by side.
const SIDE_BY_SIDE: [(&str, &str); 7] =
    [("a", "b"), ("0", "1"), ("1", "2"), ("first", "second"), ("left", "right"), ("one", "two"), ("x", "y")];

/// Words of columns that are about an answer, or about questions, and not the answer.
const ABOUT: [&str; 16] = [
    "score", "scores", "rating", "ratings", "rank", "id", "name", "tokens", "logp", "logps", "source", "length",
    "reason", "ids", "turn", "turns",
];

const PROMPT: [&str; 27] = [
    "prompt",
    "instruction",
    "question",
    "query",
    "user_prompt",
    "user",
    "input",
    "messages",
    "conversations",
    "conversation",
    "history",
    "dialogue",
    "dialog",
    "trajectory",
    "request",
    "user_message",
    "human",
    "post",
    "info_post",
    "turns_0",
    "prompt_text",
    "instructions",
    "task_prompt",
    "problem",
    "context",
    "article",
    "text",
];
const SYSTEM: [&str; 4] = ["system", "system_prompt", "system_message", "system_text"];
const CONTEXT: [&str; 3] = ["input", "context", "passage"];
const CATEGORY: [&str; 9] =
    ["category", "subset", "task", "topic", "domain", "task_type", "subject", "source", "dataset"];
const PREFERENCE: [&str; 17] = [
    "preference",
    "preferred",
    "winner",
    "label",
    "labels",
    "choice",
    "better",
    "better_response",
    "verdict",
    "judgement",
    "judgment",
    "vote",
    "selected",
    "chosen",
    "human_preference",
    "overall_preference",
    "preferred_response",
];

/// Guesses what a table holds and in which columns.
pub fn guess(table: &Table) -> ColumnMapping {
    let columns: Vec<Looked> = table.columns.iter().map(|name| Looked::at(table, name)).collect();
    let mut mapping = ColumnMapping::new(ImportKind::Prompts);
    if let Some((chosen, rejected)) = two_of(&columns, &BETTER_WORSE) {
        mapping.kind = ImportKind::Pairs;
        (mapping.chosen, mapping.rejected) = (Some(chosen), Some(rejected));
    } else if let Some((a, b)) = two_of(&columns, &SIDE_BY_SIDE).or_else(|| shp(&columns)) {
        mapping.kind = ImportKind::Candidates;
        (mapping.answer_a, mapping.answer_b) = (Some(a), Some(b));
        mapping.preference = preference(table, &columns, &mapping);
        if mapping.preference.is_some() {
            mapping.kind = ImportKind::Pairs;
        }
    }
    let used: HashSet<String> = mapping.answers_and_preference().cloned().collect();
    let free: Vec<&Looked> = columns.iter().filter(|column| !used.contains(&column.name)).collect();
    let by_name = |names: &[&str], fits: &dyn Fn(&Looked) -> bool| {
        names.iter().find_map(|name| free.iter().find(|column| column.normal == *name && fits(column)))
    };
    let prompt = by_name(&PROMPT, &Looked::is_content).copied();
    let prompt = prompt.filter(|prompt| !answers_hold_all(&columns, &mapping) || prompt.is_first_choice());
    let prompt = prompt.or_else(|| only_text(&free).filter(|_| !answers_hold_all(&columns, &mapping)));
    mapping.prompt = prompt.map(|column| column.name.clone());
    mapping.system = by_name(&SYSTEM, &|column| column.texts > 0).map(|column| column.name.clone());
    if let Some(prompt) = prompt.filter(|prompt| ["instruction", "question", "query"].contains(&prompt.normal.as_str()))
    {
        let beside = |column: &Looked| column.texts > 0 && column.name != prompt.name;
        mapping.context = by_name(&CONTEXT, &beside).map(|column| column.name.clone());
    }
    let beside = |name: &str| free.iter().find(|column| column.name == name).map(|column| column.name.clone());
    (mapping.tools, mapping.chat_template_kwargs) = (beside(TOOLS), beside(CHAT_TEMPLATE_KWARGS));
    mapping.category = by_name(&CATEGORY, &Looked::is_label).map(|column| column.name.clone());
    mapping
}

impl ColumnMapping {
    fn answers_and_preference(&self) -> impl Iterator<Item = &String> {
        [&self.chosen, &self.rejected, &self.answer_a, &self.answer_b, &self.preference].into_iter().flatten()
    }
}

/// A column and what its first rows hold.
struct Looked {
    name: String,
    normal: String,
    filled: usize,
    texts: usize,
    conversations: usize,
    /// Values that are a whole conversation, question and answer.
    whole: usize,
    mean_length: f64,
    distinct: usize,
    longest: usize,
}

impl Looked {
    fn at(table: &Table, name: &str) -> Self {
        let rows = table.rows.iter().take(LOOKED_AT);
        let values: Vec<&Value> = rows.filter_map(|row| row.get(name)).filter(|value| is_filled(value)).collect();
        let lengths: Vec<usize> = values.iter().map(|value| length(value)).collect();
        let is_whole = |value: &&&Value| match value {
            Value::String(text) => transcript(&Content::from(text.as_str())).is_some(),
            Value::Array(items) => items.len() > 1 && is_conversation(value),
            _ => false,
        };
        Self {
            name: name.to_owned(),
            normal: normal(name),
            filled: values.len(),
            texts: values.iter().filter(|value| value.is_string()).count(),
            conversations: values.iter().filter(|value| is_conversation(value) || is_message(value)).count(),
            whole: values.iter().filter(is_whole).count(),
            mean_length: lengths.iter().sum::<usize>() as f64 / values.len().max(1) as f64,
            distinct: values.iter().map(ToString::to_string).collect::<HashSet<_>>().len(),
            longest: lengths.into_iter().max().unwrap_or(0),
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.normal.split('_')
    }

    /// Texts or messages, in nearly all rows that hold anything.
    fn is_content(&self) -> bool {
        self.filled > 0 && (self.texts + self.conversations) * 10 >= self.filled * 9
    }

    /// Whether this may be one of two answers.
    fn is_answer(&self) -> bool {
        self.is_content() && !self.words().any(|word| ABOUT.contains(&word))
    }

    /// Whether this may be a category: short and with few different values.
    fn is_label(&self) -> bool {
        let few = self.filled < 20 || self.distinct * 4 <= self.filled * 3 || self.normal == "category";
        self.filled > 0 && self.conversations == 0 && self.longest <= 80 && few
    }

    fn is_first_choice(&self) -> bool {
        ["prompt", "instruction", "question"].contains(&self.normal.as_str())
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.to_string().len(),
        _ => 0,
    }
}

/// Two columns whose names differ in one of the given words; of several such twos the one with the longest texts, so that
/// answers go before what is said about them, and full columns before sparse ones. Among equals the earlier words count.
fn two_of(columns: &[Looked], words: &[(&str, &str)]) -> Option<(String, String)> {
    let mut best: Option<(f64, &Looked, &Looked)> = None;
    let most = columns.iter().map(|column| column.filled).max().unwrap_or(0).max(1);
    for (one, other) in words {
        for column in columns.iter().filter(|column| column.is_answer()) {
            let replaced = column.words().map(|word| if word == *one { *other } else { word }).collect::<Vec<_>>();
            let replaced = replaced.join("_");
            if replaced == column.normal {
                continue;
            }
            let Some(twin) = columns.iter().find(|twin| twin.normal == replaced && twin.is_answer()) else { continue };
            let named = column.words().any(|word| ANSWER_WORDS[..16].contains(&word)) as u8;
            // Elements of a list are answers only where it says so: they may as well be turns or references.
            if *one == "0" && named == 0 {
                continue;
            }
            let filled = column.filled.min(twin.filled) as f64 / most as f64;
            let score = (column.mean_length + twin.mean_length) * filled * (1.0 + f64::from(named));
            if best.as_ref().is_none_or(|(known, ..)| score > *known) {
                best = Some((score, column, twin));
            }
        }
        // `winner` and `loser` that hold names of models are no answers; those that hold sentences are.
        if let Some((score, one, other)) = best
            && score > 16.0
        {
            return Some((one.name.clone(), other.name.clone()));
        }
    }
    best.filter(|(_, one, other)| !one.words().chain(other.words()).any(|word| word == "model" || word == "models"))
        .map(|(_, one, other)| (one.name.clone(), other.name.clone()))
}

/// Stanford's SHP writes the letters in capitals after `ref`.
fn shp(columns: &[Looked]) -> Option<(String, String)> {
    let named = |name: &str| columns.iter().find(|column| column.normal == name).map(|column| column.name.clone());
    Some((named("human_ref_a")?, named("human_ref_b")?))
}

/// The column that says which of the two answers is better: known by its name, and nearly all of it understood.
fn preference(table: &Table, columns: &[Looked], mapping: &ColumnMapping) -> Option<String> {
    let answers: Vec<&String> = mapping.answers_and_preference().collect();
    let understood = |column: &&Looked| {
        let mapping = ColumnMapping { preference: Some(column.name.clone()), ..mapping.clone() };
        let scheme = Scheme::of(table, &mapping);
        let rows = table.rows.iter().take(LOOKED_AT);
        let values: Vec<&Value> =
            rows.filter_map(|row| row.get(&column.name)).filter(|value| is_filled(value)).collect();
        let known = values.iter().filter(|value| scheme.of_value(value).is_some()).count();
        !values.is_empty() && known * 10 >= values.len() * 9
    };
    let mut named = PREFERENCE.iter().flat_map(|name| columns.iter().filter(move |column| column.normal == *name));
    named.find(|column| !answers.contains(&&column.name) && understood(column)).map(|column| column.name.clone())
}

/// Whether the answers are whole conversations, which begin with the prompt.
fn answers_hold_all(columns: &[Looked], mapping: &ColumnMapping) -> bool {
    let mut answers =
        mapping.answers_and_preference().filter(|name| mapping.preference.as_ref() != Some(name)).peekable();
    answers.peek().is_some()
        && answers.all(|name| {
            let column = columns.iter().find(|column| column.name == *name);
            column.is_some_and(|column| column.filled > 0 && column.whole * 10 >= column.filled * 9)
        })
}

/// The one column that holds texts of some length, where no name says anything.
fn only_text<'a>(free: &[&'a Looked]) -> Option<&'a Looked> {
    let long = |column: &&&Looked| column.is_content() && column.mean_length >= 15.0 && column.distinct > 1;
    let mut found = free.iter().filter(long);
    let only = found.next()?;
    found.next().is_none().then_some(*only)
}
