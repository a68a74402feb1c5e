//! Records of tools for labelling, Argilla's and Label Studio's: a row in which several annotators answered a question becomes
//! one in which a strict majority of them says it. A record that this program wrote becomes the pair it was written of.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::export::side_by_side::{KEPT, Kept};
use crate::export::{argilla, label_studio};
use crate::pair::{BesidePrompt, CHAT_TEMPLATE_KWARGS, TOOLS};

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
}

impl Counts {
    /// Whether there were any: their columns are not those of the file.
    pub(super) fn any(&self) -> bool {
        !self.records.is_empty() || self.in_tables > 0
    }

    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { records, by_several, without_majority, as_written, not_submitted, others, in_tables } = self;
        if records.is_empty() {
            return (*in_tables > 0).then(|| {
                format!(
                    "{in_tables} rows are pairs that this program wrote for a labeller, each with what one annotator says; a \
                     pair of which nothing is said keeps its label."
                )
            });
        }
        let of: Vec<String> =
            records.iter().map(|(tool, count)| format!("{count} rows are records of {tool}")).collect();
        let mut sentence = format!("{}: of each counts what more than half of its annotators say.", of.join(", "));
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                let _ = write!(sentence, " {count} {what}.");
            }
        };
        add(*by_several, "have several annotators");
        add(*without_majority, "have answers, but no majority for one, and say nothing here");
        add(
            *as_written,
            "were written by this program and have no majority for an answer: they keep the label that they had",
        );
        add(*not_submitted, "answers that are drafts, were discarded or cancelled are left out");
        add(*others, "other results of annotations, such as comments, are left out");
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
type Votes = BTreeMap<String, Vec<String>>;

/// Looks at a row.
///
/// # Errors
/// When it is a record that this program wrote, and was changed since.
pub(super) fn open(row: Map<String, Value>, counts: &mut Counts) -> Result<Looked, String> {
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
    } else {
        let said = votes.iter().map(|(tag, votes)| (tag.clone(), json!({"selected": majority(votes)})));
        row.insert("annotations".to_owned(), Value::Object(said.collect()));
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
    let alone: Vec<String> =
        row.get(argilla::QUESTION).and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    let votes = votes.get(argilla::QUESTION).unwrap_or(&alone);
    let better = match majority(votes) {
        Some(said) if said == answers[0] || said == "left" => Some(0),
        Some(said) if said == answers[1] || said == "right" => Some(1),
        _ => None,
    };
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
    let is_known = |name: &str| name == KEPT || answers.contains(&name) || CONTAINERS.contains(&name);
    for beside in ["", "metadata", "data", "meta"] {
        for (name, value) in at(row, beside).into_iter().flatten().filter(|(name, _)| !is_known(name)) {
            own.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(own)
}

/// What more than half of the votes say.
fn majority(votes: &[String]) -> Option<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for vote in votes {
        *counts.entry(vote).or_default() += 1;
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
        |answer: &&Value| answer.get("status").and_then(Value::as_str).is_none_or(|status| status == "submitted");
    let mut all = Votes::new();
    for (question, answers) in at(row, "responses")? {
        let Some(answers) = answers.as_array().filter(|answers| answers.iter().all(is_answer)) else { continue };
        let said = answers.iter().filter(is_submitted).filter_map(|answer| answer.get("value")?.as_str());
        let votes: Vec<String> = said.map(str::to_owned).collect();
        counts.not_submitted += answers.len() - votes.len();
        all.insert(question.clone(), votes);
    }
    Some(all)
}

/// What each tag of a task of Label Studio has that chooses one of two things; `None` where the row is no such task. A tie is
/// one where the choice for it is that of this program's own configuration.
fn task_votes(row: &Map<String, Value>, counts: &mut Counts) -> Option<Votes> {
    let is_own = at(row, "data")?.contains_key(KEPT);
    let annotations = row.get("annotations")?.as_array()?;
    let chooses = |annotation: &Value| results(annotation).any(|result| selected(result).is_some());
    if !is_own && !annotations.iter().any(chooses) {
        return None;
    }
    let mut all = Votes::new();
    for annotation in annotations {
        if annotation.get("was_cancelled") == Some(&Value::Bool(true)) {
            counts.not_submitted += 1;
            continue;
        }
        for result in results(annotation) {
            let tag = result.get("from_name").and_then(Value::as_str);
            if let Some(side) = selected(result) {
                all.entry(tag.unwrap_or("pairwise").to_owned()).or_default().push(side.to_owned());
            } else if tag == Some(label_studio::UNDECIDED) {
                all.entry(label_studio::BETTER.to_owned()).or_default().push("tie".to_owned());
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

/// The side that a result chooses.
fn selected(result: &Value) -> Option<&str> {
    (result.get("type")? == "pairwise").then(|| result.get("value")?.get("selected")?.as_str())?
}
