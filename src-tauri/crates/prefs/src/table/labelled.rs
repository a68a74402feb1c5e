//! Records of tools for labelling, Argilla's and Label Studio's: a row in which several annotators answered a question becomes
//! one in which a strict majority of them says it, and what each of them says stands beside it. A record that this program wrote
//! becomes the pair it was written of.

mod annotations;
mod argilla_rows;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

pub(super) use annotations::{Annotations, Joined};

use super::TableRow;
use crate::export::side_by_side::{KEPT, Kept};
use crate::export::{argilla, label_studio};
use crate::pair::{BesidePrompt, CHAT_TEMPLATE_KWARGS, TOOLS};
use crate::words::{counted, pairs};

/// What records held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    records: BTreeMap<&'static str, usize>,
    by_several: usize,
    without_majority: usize,
    /// Of those that this program wrote.
    as_written: usize,
    not_submitted: usize,
    /// Results of annotations that choose none of two, such as comments.
    others: usize,
    /// Rows of a table that one of the tools made of what this program wrote.
    in_tables: usize,
    /// Rows that are each an annotation, of tasks that have several; and those tasks.
    joined: (usize, usize),
}

impl Counts {
    /// Whether there were any: their columns are not those of the file.
    pub(super) fn any(&self) -> bool {
        !self.records.is_empty() || self.in_tables > 0
    }

    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { records, by_several, without_majority, as_written, not_submitted, others, in_tables, joined } = self;
        if records.is_empty() {
            let mut said = Vec::new();
            if *in_tables > 0 {
                said.push(format!(
                    "{} that this program wrote for a labeller, each with what its annotators say; a pair of which nothing is \
                     said keeps its label.",
                    pairs(*in_tables)
                ));
            }
            let (annotations, tasks) = joined;
            if *tasks > 0 {
                said.push(format!(
                    "{annotations} annotations are of {} of Label Studio: of each counts what more than half of its annotators \
                     say, and what each of them says is kept beside it.",
                    counted(*tasks, "task", "tasks")
                ));
            }
            return (!said.is_empty()).then(|| said.join(" "));
        }
        let of: Vec<String> =
            records.iter().map(|(tool, count)| format!("{} of {tool}", counted(*count, "record", "records"))).collect();
        let mut sentence = format!(
            "{}: of each counts what more than half of its annotators say, and what each of them says is kept beside it.",
            of.join(", ")
        );
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                let _ = write!(sentence, " {what}: {count}.");
            }
        };
        add(*by_several, "With several annotators");
        add(*without_majority, "Without a majority for an answer, to be labelled here");
        add(*as_written, "Written by this program and without a majority, so that they keep the label that they had");
        add(*not_submitted, "Answers left out because they are drafts, were discarded or cancelled");
        add(*others, "Other results of annotations, such as comments, left out");
        Some(sentence)
    }
}

/// A row after it was looked at.
pub(super) enum Looked {
    /// As it came, or with its answers brought together.
    Foreign(Map<String, Value>),
    /// What this program wrote. Nothing in it is to be interpreted any further.
    Own(Map<String, Value>),
}

/// What annotators said, by the question or the tag in which they said it.
type Votes = BTreeMap<String, Vec<Vote>>;

/// What one annotator said.
#[derive(Clone)]
struct Vote {
    annotator: String,
    said: String,
}

impl Vote {
    /// As [`put_votes`] writes it.
    fn of(value: &Value) -> Option<Self> {
        let text = |name| Some(value.get(name)?.as_str()?.to_owned());
        Some(Self { annotator: text("annotator")?, said: text("said")? })
    }
}

/// Under this name a row holds what each annotator said, by the column that has what most of them say. It is no column.
pub(crate) const VOTES: &str = "\u{2}votes";

/// What each annotator said of what stands in a column, with the annotator's name.
pub(crate) fn votes<'a>(row: &'a TableRow, column: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let votes = row.values.get(VOTES).and_then(|votes| votes.get(column)?.as_array());
    votes.into_iter().flatten().filter_map(|vote| Some((vote.get("annotator")?.as_str()?, vote.get("said")?)))
}

fn put_votes(row: &mut Map<String, Value>, by_column: impl Iterator<Item = (String, Vec<Vote>)>) {
    let vote = |vote: Vote| json!({"annotator": vote.annotator, "said": vote.said});
    let given = by_column.filter(|(_, votes)| !votes.is_empty());
    let votes: Map<String, Value> =
        given.map(|(column, votes)| (column, votes.into_iter().map(vote).collect())).collect();
    if !votes.is_empty() {
        row.insert(VOTES.to_owned(), Value::Object(votes));
    }
}

/// A name or a number by which a record calls an annotator, or the place among all where it says nothing.
fn annotator(named: Option<&Value>, place: usize) -> String {
    let parts = |user: &Map<String, Value>| {
        let part = |key: &str| user.get(key).filter(|part| part.is_string() || part.is_number()).cloned();
        part("username").or_else(|| part("email")).or_else(|| part("id"))
    };
    match named.and_then(|named| named.as_object().map_or_else(|| Some(named.clone()), parts)) {
        Some(Value::String(name)) if !name.trim().is_empty() => plain(&name),
        Some(Value::Number(number)) => format!("user {number}"),
        _ => format!("annotator {}", place + 1),
    }
}

fn plain(name: &str) -> String {
    name.trim().chars().filter(|sign| !sign.is_control()).take(80).collect()
}

/// Looks at a row.
///
/// # Errors
/// When it is a record that this program wrote, and was changed since.
pub(super) fn open(mut row: Map<String, Value>, counts: &mut Counts) -> Result<Looked, String> {
    if argilla_rows::open(&mut row, counts) {
        return Ok(Looked::Foreign(row));
    }
    let (tool, votes) = if let Some(votes) = argilla_votes(&row, counts) {
        ("Argilla", votes)
    } else if let Some(votes) = task_votes(&row, counts) {
        ("Label Studio", votes)
    } else {
        return match kept_in(&row)? {
            Some(kept) => {
                counts.in_tables += 1;
                own(&row, kept, &Votes::new(), counts).map(Looked::Own)
            }
            None => Ok(Looked::Foreign(row)),
        };
    };
    *counts.records.entry(tool).or_default() += 1;
    counts.by_several += usize::from(votes.values().any(|votes| votes.len() > 1));
    if let Some(kept) = kept_in(&row)? {
        return own(&row, kept, &votes, counts).map(Looked::Own);
    }
    counts.without_majority += usize::from(votes.values().any(|votes| !votes.is_empty() && majority(votes).is_none()));
    Ok(Looked::Foreign(together(row, &votes)))
}

/// The row with one answer in place of those to the same question.
fn together(mut row: Map<String, Value>, votes: &Votes) -> Map<String, Value> {
    if let Some(Value::Object(by_question)) = row.get_mut("responses") {
        for (question, votes) in votes {
            by_question.insert(question.clone(), json!({"value": majority(votes)}));
        }
        put_votes(
            &mut row,
            votes.iter().map(|(question, votes)| (format!("responses.{question}.value"), votes.clone())),
        );
    } else {
        let said = votes.iter().map(|(tag, votes)| (tag.clone(), json!({"selected": majority(votes)})));
        row.insert("annotations".to_owned(), Value::Object(said.collect()));
        put_votes(&mut row, votes.iter().map(|(tag, votes)| (format!("annotations.{tag}.selected"), votes.clone())));
    }
    row
}

/// What this program wrote of a pair, with the texts that stand beside it.
struct Written {
    kept: Kept,
    texts: [String; 3],
    /// What the two answers are called.
    answers: [&'static str; 2],
}

/// What of that a row has.
///
/// # Errors
/// When it was changed since.
fn kept_in(row: &Map<String, Value>) -> Result<Option<Written>, String> {
    let places = [
        ("fields", "metadata", argilla::ANSWERS),
        ("data", "data", label_studio::ANSWERS),
        // Tables that the two tools make of their records.
        ("", "", label_studio::ANSWERS),
        ("", "", argilla::ANSWERS),
    ];
    for (place, beside, answers) in places {
        let text = |place: &str, name: &str| Some(at(row, place)?.get(name)?.as_str()?.to_owned());
        let texts = [text(place, "prompt"), text(place, answers[0]), text(place, answers[1])];
        if let (Some(kept), [Some(prompt), Some(first), Some(second)]) = (text(beside, KEPT), texts) {
            let kept = Kept::of(&kept, [&prompt, &first, &second])?;
            return Ok(Some(Written { kept, texts: [prompt, first, second], answers }));
        }
    }
    Ok(None)
}

/// An object inside of a row, or the row itself.
fn at<'a>(row: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    if key.is_empty() { Some(row) } else { row.get(key)?.as_object() }
}

/// Where records have what is no column of its own.
const CONTAINERS: [&str; 9] =
    ["fields", "metadata", "data", "meta", "annotations", "predictions", "responses", "suggestions", "vectors"];

/// The pair that a record of this program was written of, as a row. What a majority of its annotators says counts, else the
/// label that it had.
fn own(
    row: &Map<String, Value>,
    written: Written,
    votes: &Votes,
    counts: &mut Counts,
) -> Result<Map<String, Value>, String> {
    let Written { kept, texts, answers } = written;
    // In a table each row is what one annotator says.
    let by = ["annotator", "created_username"].into_iter().find_map(|key| row.get(key));
    let alone = row.get(argilla::QUESTION).and_then(Value::as_str);
    let alone = alone.map(|said| Vote { annotator: annotator(by, 0), said: said.to_owned() });
    let alone: Vec<Vote> = match row.get(VOTES).and_then(|votes| votes.get(argilla::QUESTION)?.as_array()) {
        Some(several) => several.iter().filter_map(Vote::of).collect(),
        None => alone.into_iter().collect(),
    };
    let votes = votes.get(argilla::QUESTION).unwrap_or(&alone);
    let which = |said: &str| match said {
        said if said == answers[0] || said == "left" => Some(0),
        said if said == answers[1] || said == "right" => Some(1),
        _ => None,
    };
    let better = majority(votes).and_then(which);
    counts.as_written += usize::from(better.is_none() && !votes.is_empty());
    let mut own = Map::new();
    let mut parts = texts.map(Value::from);
    if let Some([asked, first, second]) = kept.conversation {
        let (asked, beside) = BesidePrompt::split(asked);
        let beside = serde_json::to_value(beside).map_err(|error| error.to_string())?;
        for name in [TOOLS, CHAT_TEMPLATE_KWARGS] {
            own.extend(beside.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        parts = [asked, first, second].map(|part| json!(part));
    }
    own.extend(["prompt", "response_a", "response_b"].map(str::to_owned).into_iter().zip(parts));
    let better = argilla::ANSWERS[better.unwrap_or(kept.chosen)];
    own.insert(argilla::QUESTION.to_owned(), better.into());
    let in_order = |vote: &Vote| {
        let said = which(&vote.said).map_or_else(|| vote.said.clone(), |at| argilla::ANSWERS[at].to_owned());
        Vote { said, ..vote.clone() }
    };
    put_votes(&mut own, std::iter::once((argilla::QUESTION.to_owned(), votes.iter().map(in_order).collect())));
    let is_known = |name: &str| name == KEPT || name == VOTES || answers.contains(&name) || CONTAINERS.contains(&name);
    for beside in ["", "metadata", "data", "meta"] {
        for (name, value) in at(row, beside).into_iter().flatten().filter(|(name, _)| !is_known(name)) {
            own.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(own)
}

/// What more than half of the votes say.
fn majority(votes: &[Vote]) -> Option<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for vote in votes {
        *counts.entry(&vote.said).or_default() += 1;
    }
    counts.into_iter().find(|(_, count)| 2 * count > votes.len()).map(|(vote, _)| vote)
}

/// The answers to each question of a record of Argilla to which all answers are texts; `None` where the row is no such record.
fn argilla_votes(row: &Map<String, Value>, counts: &mut Counts) -> Option<Votes> {
    at(row, "fields")?;
    let is_answer = |answer: &Value| {
        let value = answer.get("value");
        answer.get("user_id").is_some() && value.is_some_and(|value| value.is_string() || value.is_null())
    };
    // Argilla's own export has no status.
    let is_submitted =
        |answer: &Value| answer.get("status").and_then(Value::as_str).is_none_or(|status| status == "submitted");
    let mut all = Votes::new();
    for (question, answers) in at(row, "responses")? {
        let Some(answers) = answers.as_array().filter(|answers| answers.iter().all(is_answer)) else { continue };
        let vote = |(place, answer): (usize, &Value)| {
            let said = answer.get("value")?.as_str()?.to_owned();
            Some(Vote { annotator: annotator(answer.get("user_id"), place), said })
        };
        let submitted = answers.iter().enumerate().filter(|(_, answer)| is_submitted(answer));
        let votes: Vec<Vote> = submitted.filter_map(vote).collect();
        counts.not_submitted += answers.len() - votes.len();
        all.insert(question.clone(), votes);
    }
    Some(all)
}

/// What each tag of a task of Label Studio has that chooses one thing of several; `None` where the row is no such task. A tie is
/// one where the choice for it is that of this program's own configuration.
fn task_votes(row: &Map<String, Value>, counts: &mut Counts) -> Option<Votes> {
    let is_own = at(row, "data")?.contains_key(KEPT);
    let annotations = row.get("annotations")?.as_array()?;
    let chooses = |annotation: &Value| results(annotation).any(|result| selected(result).is_some());
    if !is_own && !annotations.iter().any(chooses) {
        return None;
    }
    let mut all = Votes::new();
    for (place, annotation) in annotations.iter().enumerate() {
        if annotation.get("was_cancelled") == Some(&Value::Bool(true)) {
            counts.not_submitted += 1;
            continue;
        }
        let by = ["created_username", "completed_by"].into_iter().find_map(|key| annotation.get(key));
        let mut add = |tag: &str, said: &str| {
            let vote = Vote { annotator: annotator(by, place), said: said.to_owned() };
            all.entry(tag.to_owned()).or_default().push(vote);
        };
        for result in results(annotation) {
            let tag = result.get("from_name").and_then(Value::as_str);
            if tag == Some(label_studio::UNDECIDED) {
                add(label_studio::BETTER, "tie");
            } else if let Some(said) = selected(result) {
                add(tag.or_else(|| result.get("type")?.as_str()).unwrap_or("pairwise"), said);
            } else {
                counts.others += 1;
            }
        }
    }
    Some(all)
}

fn results(annotation: &Value) -> impl Iterator<Item = &Value> {
    annotation.get("result").and_then(Value::as_array).into_iter().flatten()
}

/// The side that a result selects, or the one thing that it chooses.
fn selected(result: &Value) -> Option<&str> {
    let value = result.get("value")?;
    match result.get("type")?.as_str()? {
        "pairwise" => value.get("selected")?.as_str(),
        "choices" => match value.get("choices")?.as_array()?.as_slice() {
            [one] => one.as_str(),
            _ => None,
        },
        _ => None,
    }
}
