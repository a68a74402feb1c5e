//! Guessing which column is which, by names that data sets use and by what stands in the columns. The guess is shown to the
//! user, who can change it.

use std::collections::HashSet;

use serde_json::Value;

use super::preference::{ANSWER_WORDS, IN_ORDER, Scheme, differing, normal, readings};
use super::question::agree;
use super::rated_columns::{
    choose_ratings, lists_of_two, one_answer_a_row, rated_answers, ratings_beside, two_ratings,
};
use super::transcript;
use super::{ColumnMapping, ImportKind};
use crate::Content;
use crate::pair::{CHAT_TEMPLATE_KWARGS, TOOLS};
use crate::table::labelled::votes;
use crate::table::{Table, TableRow, cells, is_conversation, is_filled, is_message, is_turns};

/// Words by which a better and a worse answer are told apart.
const BETTER_WORSE: [(&str, &str); 17] = [
    ("chosen", "rejected"),
    ("winner", "loser"),
    ("win", "lose"),
    ("winning", "losing"),
    ("good", "bad"),
    ("better", "worse"),
    ("best", "worst"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
    ("preferred", "non_preferred"),
    ("accepted", "rejected"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("w", "l"),
    ("output", "rejected"),
    ("chosen", "reject"),
    ("selected", "rejected"),
];

/// Words of columns that are about an answer, or about questions, and not the answer.
const ABOUT: [&str; 16] = [
    "score", "scores", "rating", "ratings", "rank", "id", "name", "tokens", "logp", "logps", "source", "length",
    "reason", "ids", "turn", "turns",
];

/// Names of columns with the turns before the question.
pub(super) const HISTORY: [&str; 5] =
    ["history", "chat_history", "conversation_history", "dialogue_history", "previous_turns"];

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
/// Who says which answer is better.
const ANNOTATOR: [&str; 10] = [
    "annotator",
    "annotator_id",
    "annotator_name",
    "labeler",
    "labeller",
    "labeler_id",
    "rater",
    "rater_id",
    "worker",
    "worker_id",
];
const CATEGORY: [&str; 9] =
    ["category", "subset", "task", "topic", "domain", "task_type", "subject", "source", "dataset"];
/// Of these also the last part of a dotted name is taken (`data.prompt`).
const PROMPT_INSIDE: [&str; 7] =
    ["prompt", "instruction", "question", "query", "messages", "conversations", "conversation"];
const PREFERENCE: [&str; 21] = [
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
    "better_response_id",
    "safer_response_id",
    "preference_strength",
    "comparison",
];

/// Words in the name of a column that holds 1 where the answer it names is the better one.
const WINS: [&str; 6] = ["winner", "wins", "won", "better", "preferred", "chosen"];

/// Guesses what a table holds and in which columns.
pub fn guess(table: &Table) -> ColumnMapping {
    let columns: Vec<ColumnSample> = table.columns.iter().map(|name| ColumnSample::at(table, name)).collect();
    let mut mapping = ColumnMapping::new(ImportKind::Prompts);
    let better_worse = lists_of_two(table).or_else(|| two_of(&columns, &BETTER_WORSE));
    if let Some((better, _)) = better_worse.as_ref().filter(|(better, _)| names_columns(table, &columns, better)) {
        // `chosen` that says `response_b` beside the responses is no answer, but the preference.
        mapping.kind = ImportKind::Candidates;
        if let Some((a, b)) = two_of(&columns, &IN_ORDER) {
            mapping.kind = ImportKind::Pairs;
            (mapping.answer_a, mapping.answer_b, mapping.preference) = (Some(a), Some(b), Some(better.clone()));
            if let [scheme] = readings(table, &mapping).schemes.as_slice() {
                mapping.preference_scheme = Some(*scheme);
            }
        }
    } else if let Some((chosen, rejected)) = better_worse {
        mapping.kind = ImportKind::Pairs;
        (mapping.rating_a, mapping.rating_b) = ratings_beside(table, &chosen, &rejected).unzip();
        (mapping.chosen, mapping.rejected) = (Some(chosen), Some(rejected));
    } else if let Some(answers) = rated_answers(table) {
        mapping.kind = ImportKind::Pairs;
        mapping.answers = Some(answers);
        choose_ratings(table, &mut mapping);
    } else if let Some((a, b)) = two_of(&columns, &IN_ORDER).or_else(|| shp(&columns)) {
        mapping.kind = ImportKind::Pairs;
        (mapping.answer_a, mapping.answer_b) = (Some(a), Some(b));
        match preferences(table, &mapping).as_slice() {
            [] => match two_ratings(table, &mapping) {
                Some((of_a, of_b)) => (mapping.rating_a, mapping.rating_b) = (Some(of_a), Some(of_b)),
                None => mapping.kind = ImportKind::Candidates,
            },
            [only] => {
                mapping.preference = Some(only.clone());
                if let [scheme] = readings(table, &mapping).schemes.as_slice() {
                    mapping.preference_scheme = Some(*scheme);
                }
            }
            // Which of them is asked.
            _ => {}
        }
    } else if let Some((chosen, rejected)) = beside_a_conversation(&columns) {
        mapping.kind = ImportKind::Pairs;
        (mapping.chosen, mapping.rejected) = (Some(chosen), Some(rejected));
    }
    let used: HashSet<String> = mapping.answers_and_preference().cloned().collect();
    let free: Vec<&ColumnSample> = columns.iter().filter(|column| !used.contains(&column.name)).collect();
    let by_name = |names: &[&str], fits: &dyn Fn(&ColumnSample) -> bool| {
        names.iter().find_map(|name| free.iter().find(|column| column.normal == *name && fits(column)))
    };
    let inside = || {
        let last = |column: &&&ColumnSample| column.is_content() && PROMPT_INSIDE.contains(&column.last.as_str());
        free.iter().find(last)
    };
    // A column of that very name is the prompt whatever some rows hold there: these are refused one by one.
    let named = || by_name(&PROMPT[..1], &|column| column.texts + column.conversations > 0);
    let prompt = by_name(&PROMPT, &ColumnSample::is_content).or_else(named).or_else(inside).copied();
    let prompt = prompt.filter(|prompt| !answers_hold_all(&columns, &mapping) || prompt.is_first_choice());
    let prompt = prompt.or_else(|| only_text(&free).filter(|_| !answers_hold_all(&columns, &mapping)));
    mapping.prompt = prompt.map(|column| column.name.clone());
    // One that holds something else is refused row by row rather than left out.
    mapping.system = by_name(&SYSTEM, &|column| column.filled > 0).map(|column| column.name.clone());
    if let Some(prompt) = prompt.filter(|prompt| ["instruction", "question", "query"].contains(&prompt.normal.as_str()))
    {
        let beside = |column: &ColumnSample| column.texts > 0 && column.name != prompt.name;
        mapping.context = by_name(&CONTEXT, &beside).map(|column| column.name.clone());
    }
    let beside = |name: &str| beside_prompt(table, &free, name);
    (mapping.tools, mapping.chat_template_kwargs) = (beside(TOOLS), beside(CHAT_TEMPLATE_KWARGS));
    let history = |column: &&&ColumnSample| {
        HISTORY.contains(&column.last.as_str())
            && column.turns + column.conversations > 0
            && mapping.prompt.as_ref() != Some(&column.name)
    };
    mapping.history = free.iter().find(history).filter(|_| mapping.prompt.is_some()).map(|column| column.name.clone());
    let says_who = mapping.preference.is_some() || mapping.ratings.is_some() || mapping.rating_a.is_some();
    let who = |column: &ColumnSample| says_who && column.filled > 0 && column.conversations == 0;
    mapping.annotator = by_name(&ANNOTATOR, &who).map(|column| column.name.clone());
    mapping.category = by_name(&CATEGORY, &ColumnSample::is_label).map(|column| column.name.clone());
    one_answer_a_row(table, &columns, mapping)
}

impl ColumnMapping {
    fn answers_and_preference(&self) -> impl Iterator<Item = &String> {
        let two = [&self.chosen, &self.rejected, &self.answer_a, &self.answer_b, &self.preference];
        two.into_iter().chain([&self.answers, &self.ratings, &self.rating_a, &self.rating_b]).flatten()
    }
}

/// A column and what its first rows hold.
pub(super) struct ColumnSample {
    pub(super) name: String,
    normal: String,
    /// The last part of a dotted name.
    pub(super) last: String,
    pub(super) filled: usize,
    texts: usize,
    conversations: usize,
    /// Values that are earlier turns, also as text.
    turns: usize,
    /// Values that are a whole conversation, question and answer.
    pub(super) whole: usize,
    mean_length: f64,
    distinct: usize,
    longest: usize,
}

impl ColumnSample {
    pub(super) fn at(table: &Table, name: &str) -> Self {
        let rows = table.sample().iter();
        let values: Vec<&Value> = rows.filter_map(|row| row.get(name)).filter(|value| is_filled(value)).collect();
        let lengths: Vec<usize> = values.iter().map(|value| length(value)).collect();
        let is_whole = |value: &&&Value| match value {
            Value::String(text) => transcript::turns(&Content::from(text.as_str())).is_some(),
            Value::Array(items) => items.len() > 1 && is_conversation(value),
            _ => false,
        };
        let holds_turns = |value: &&&Value| match value {
            Value::String(text) => cells::list(text).is_some_and(|items| is_turns(&Value::Array(items))),
            value => is_turns(value),
        };
        Self {
            name: name.to_owned(),
            normal: normal(name),
            last: normal(name.rsplit('.').next().unwrap_or(name)),
            turns: values.iter().filter(holds_turns).count(),
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

    /// Texts or messages, in most rows that hold anything.
    pub(super) fn is_content(&self) -> bool {
        self.filled > 0 && are_most(self.texts + self.conversations, self.filled)
    }

    /// Whether this may be one of two answers.
    fn is_answer(&self) -> bool {
        // These names say so whatever stands there; what cannot be read is refused by line.
        let by_name = self.filled > 0 && ["chosen", "rejected"].contains(&self.normal.as_str());
        by_name || self.is_content() && !self.words().any(|word| ABOUT.contains(&word))
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

/// Whether so many of all rows say what a column holds: others are refused one by one, and one of six must not turn the guess.
pub(super) fn are_most(some: usize, all: usize) -> bool {
    some * 5 >= all * 4
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
fn two_of(columns: &[ColumnSample], words: &[(&str, &str)]) -> Option<(String, String)> {
    let mut best: Option<(f64, &ColumnSample, &ColumnSample)> = None;
    let most = columns.iter().map(|column| column.filled).max().unwrap_or(0).max(1);
    for (one, other) in words {
        for column in columns.iter().filter(|column| column.is_answer()) {
            let replaced = column.words().map(|word| if word == *one { *other } else { word }).collect::<Vec<_>>();
            let replaced = replaced.join("_");
            // Of a list of objects that are no messages one field of one element is not the answer.
            if replaced == column.normal || inside_element(&column.name) && words.len() == BETTER_WORSE.len() {
                continue;
            }
            // The second and the third element of a list are no first and second answer.
            let first = column.name.strip_suffix(".1").filter(|_| *one == "1").map(|list| format!("{list}.0"));
            if first.is_some_and(|first| columns.iter().any(|column| column.name == first)) {
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

/// Whether a column lies inside an element of a list: `chosen.0.speaker`.
fn inside_element(name: &str) -> bool {
    let mut parts = name.split('.').skip_while(|part| part.parse::<usize>().is_err());
    parts.next().is_some() && parts.next().is_some()
}

/// Whether all that a column holds are names of other columns, or what tells them apart.
fn names_columns(table: &Table, columns: &[ColumnSample], name: &str) -> bool {
    let others: Vec<&ColumnSample> =
        columns.iter().filter(|column| column.name != name && column.is_answer()).collect();
    let values: Vec<&Value> =
        table.sample().iter().filter_map(|row| row.get(name)).filter(|value| is_filled(value)).collect();
    let is_name = |value: &&Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = normal(&text);
        // What two columns of answers are told apart by.
        !text.is_empty()
            && others.iter().any(|column| {
                column.normal == text || column.words().count() > 1 && column.words().any(|word| word == text)
            })
    };
    !values.is_empty() && values.iter().all(is_name)
}

/// Stanford's SHP writes the letters in capitals after `ref`.
fn shp(columns: &[ColumnSample]) -> Option<(String, String)> {
    let named = |name: &str| columns.iter().find(|column| column.normal == name).map(|column| column.name.clone());
    Some((named("human_ref_a")?, named("human_ref_b")?))
}

/// The columns that say which of the two answers is better: known by their names, and nearly all of what they hold
/// understood. Several that say the same in every row count as one.
pub(super) fn preferences(table: &Table, mapping: &ColumnMapping) -> Vec<String> {
    let (Some(a), Some(b)) = (&mapping.answer_a, &mapping.answer_b) else { return Vec::new() };
    let differ = differing(mapping);
    let mut named: Vec<(usize, &String)> = table
        .columns
        .iter()
        .filter(|name| *name != a && *name != b)
        .filter_map(|name| Some((preference_rank(name, &differ)?, name)))
        .collect();
    named.sort_by_key(|(rank, _)| *rank);
    // Whatever labellers were asked under: what they say is one of the two answers.
    if named.is_empty() {
        let is_asked = |name: &&String| table.sample().iter().any(|row| votes(row, name).next().is_some());
        named.extend(table.columns.iter().filter(is_asked).map(|name| (PREFERENCE.len() + 1, name)));
    }
    let mut found: Vec<String> = Vec::new();
    let (known, others): (Vec<&String>, Vec<&String>) =
        named.into_iter().map(|(_, name)| name).partition(|name| understood(table, mapping, name));
    // Beside one that says it in words that are known, another may say something else in a few rows, or in later ones.
    let some: Vec<&String> = if known.is_empty() { Vec::new() } else { others };
    for name in known.into_iter().chain(some.into_iter().filter(|name| says_something(table, mapping, name))) {
        if !found.iter().any(|known| agree(table, mapping, known, name)) {
            found.push(name.clone());
        }
    }
    found
}

/// Whether a column says in any row which answer is better.
fn says_something(table: &Table, mapping: &ColumnMapping, name: &str) -> bool {
    if table.filled().get(name).is_none_or(|filled| *filled == 0) {
        return false;
    }
    let mapping = ColumnMapping { preference: Some(name.to_owned()), preference_scheme: None, ..mapping.clone() };
    readings(table, &mapping).schemes.into_iter().any(|scheme| {
        let key = format!("says: {name:?} {scheme:?} {:?} {:?}", mapping.answer_a, mapping.answer_b);
        let scheme = Scheme::with(table, &mapping, scheme);
        let says = |row: &TableRow| row.get(name).is_some_and(is_filled) && scheme.preferred(row, name).is_ok();
        table.counted(&key, |row, [said]| *said += usize::from(says(row))) != [0]
    })
}

/// How likely a column's name is to stand for a preference; the least is the likeliest.
pub(super) fn preference_rank(name: &str, differ: &[String; 2]) -> Option<usize> {
    let whole = normal(name);
    let parts: Vec<String> = name.split('.').map(normal).collect();
    let known = |name: &String| PREFERENCE.iter().position(|known| known == name);
    let inside = || match parts.split_last()? {
        (last, before) if last == "value" => before.iter().find_map(known),
        (last, _) => known(last),
    };
    let names_answer = || {
        let mut words: Vec<&str> = whole.split('_').collect();
        words.retain(|word| !ANSWER_WORDS.contains(word) && *word != "is");
        let both =
            words.iter().any(|word| WINS.contains(word)) && words.iter().any(|word| differ.iter().any(|it| it == word));
        (both && words.len() == 2).then_some(PREFERENCE.len())
    };
    known(&whole).or_else(inside).or_else(names_answer)
}

fn understood(table: &Table, mapping: &ColumnMapping, name: &str) -> bool {
    let mapping = ColumnMapping { preference: Some(name.to_owned()), preference_scheme: None, ..mapping.clone() };
    let rows: Vec<_> = table.sample().iter().filter(|row| row.get(name).is_some_and(is_filled)).collect();
    !rows.is_empty()
        && readings(table, &mapping).schemes.into_iter().any(|scheme| {
            let scheme = Scheme::with(table, &mapping, scheme);
            are_most(rows.iter().filter(|row| scheme.preferred(row, name).is_ok()).count(), rows.len())
        })
}

/// What is given to the chat template beside the prompt: the one column of that name, also inside of others. Several count
/// where they hold the same in every row.
fn beside_prompt(table: &Table, free: &[&ColumnSample], name: &str) -> Option<String> {
    let mut named = free.iter().filter(|column| column.last == name).map(|column| &column.name);
    let first = named.next()?;
    let same = |other: &String| {
        table.counted(&format!("same: {first:?} {other:?}"), |row, [differing]| {
            *differing += usize::from(row.get(first) != row.get(other));
        }) == [0]
    };
    named.all(same).then(|| first.clone())
}

/// `ms-swift` has the better answer at the end of the conversation, and the worse one beside it.
fn beside_a_conversation(columns: &[ColumnSample]) -> Option<(String, String)> {
    let rejected = columns.iter().find(|column| {
        ["rejected_response", "rejected", "rejected_messages"].contains(&column.normal.as_str()) && column.is_content()
    })?;
    let whole = columns.iter().find(|column| {
        ["messages", "conversations", "conversation"].contains(&column.normal.as_str())
            && column.filled > 0
            && are_most(column.whole, column.filled)
    })?;
    Some((whole.name.clone(), rejected.name.clone()))
}

/// Whether the answers are whole conversations, which begin with the prompt.
fn answers_hold_all(columns: &[ColumnSample], mapping: &ColumnMapping) -> bool {
    let mut answers =
        mapping.answers_and_preference().filter(|name| mapping.preference.as_ref() != Some(name)).peekable();
    answers.peek().is_some()
        && answers.all(|name| {
            let column = columns.iter().find(|column| column.name == *name);
            column.is_some_and(|column| column.filled > 0 && are_most(column.whole, column.filled))
        })
}

/// The one column that holds texts of some length, where no name says anything.
fn only_text<'a>(free: &[&'a ColumnSample]) -> Option<&'a ColumnSample> {
    let long = |column: &&&ColumnSample| column.is_content() && column.mean_length >= 15.0 && column.distinct > 1;
    let mut found = free.iter().filter(long);
    let only = found.next()?;
    found.next().is_none().then_some(*only)
}
