//! Rows of data sets that Argilla published: the texts are columns, and beside them stands a question with what each annotator
//! answered. Version 1 has a list of answers, or of columns, under the question's name; version 2 three lists, of answers, of
//! annotators and of states.

use serde_json::{Map, Value, json};

use super::{Counts, Vote, annotator, majority, put_votes};

/// What one annotator answered, as it stands there.
struct Answer<'a> {
    by: Option<&'a Value>,
    value: &'a Value,
    status: Option<&'a str>,
}

/// Puts what most annotators say in place of their answers to each question, and gives whether the row has any.
pub(super) fn open(row: &mut Map<String, Value>, counts: &mut Counts) -> bool {
    let mut opened = Vec::new();
    for (key, value) in row.iter() {
        let (question, answers) = match (key.strip_suffix(".responses"), value) {
            (Some(question), Value::Array(values)) => (question, flat(row, key, values)),
            (_, Value::Array(answers)) => (key.as_str(), listed(answers)),
            (_, Value::Object(columns)) => (key.as_str(), in_columns(columns)),
            _ => continue,
        };
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else { continue };
        let given: Vec<(usize, &Answer)> =
            answers.iter().enumerate().filter(|(_, it)| it.status.is_none_or(|status| status == "submitted")).collect();
        // Answers of another kind, such as a number or a text of one's own, are no choice between two.
        let votes: Option<Vec<Vote>> = given
            .iter()
            .filter(|(_, answer)| !answer.value.is_null())
            .map(|(place, answer)| Some(Vote { annotator: annotator(answer.by, *place), said: choice(answer.value)? }))
            .collect();
        let Some(votes) = votes else { continue };
        opened.push((key.clone(), question.to_owned(), votes, answers.len() - given.len()));
    }
    if opened.is_empty() {
        return false;
    }
    *counts.records.entry("Argilla").or_default() += 1;
    counts.by_several += usize::from(opened.iter().any(|(_, _, votes, _)| votes.len() > 1));
    counts.without_majority +=
        usize::from(opened.iter().any(|(_, _, votes, _)| !votes.is_empty() && majority(votes).is_none()));
    let mut by_column = Vec::new();
    for (key, question, votes, left_out) in opened {
        counts.not_submitted += left_out;
        for beside in ["", ".users", ".status"] {
            row.remove(&format!("{key}{beside}"));
        }
        row.insert(question.clone(), json!({"value": majority(&votes)}));
        by_column.push((format!("{question}.value"), votes));
    }
    put_votes(row, by_column.into_iter());
    true
}

/// `[{"user_id": …, "value": …, "status": "submitted"}]`
fn listed(answers: &[Value]) -> Option<Vec<Answer<'_>>> {
    let answer = |from| {
        let from: &Map<String, Value> = Value::as_object(from)?;
        let (by, value, status) = (from.get("user_id")?, from.get("value")?, from.get("status")?);
        Some(Answer { by: Some(by), value, status: status.as_str() })
    };
    answers.iter().map(answer).collect()
}

/// `{"user_id": […], "value": […], "status": […]}`
fn in_columns(columns: &Map<String, Value>) -> Option<Vec<Answer<'_>>> {
    let list = |key: &str| columns.get(key)?.as_array();
    beside(list("value")?, list("user_id")?, list("status")?)
}

/// `"question.responses": […], "question.responses.users": […], "question.responses.status": […]`
fn flat<'a>(row: &'a Map<String, Value>, key: &str, values: &'a [Value]) -> Option<Vec<Answer<'a>>> {
    let list = |ending: &str| row.get(&format!("{key}{ending}"))?.as_array();
    beside(values, list(".users")?, list(".status")?)
}

fn beside<'a>(values: &'a [Value], by: &'a [Value], statuses: &'a [Value]) -> Option<Vec<Answer<'a>>> {
    let alike = values.len() == by.len() && values.len() == statuses.len();
    let answer = |((value, by), status): ((&'a Value, &'a Value), &'a Value)| Answer {
        by: Some(by),
        value,
        status: status.as_str(),
    };
    alike.then(|| values.iter().zip(by).zip(statuses).map(answer).collect())
}

/// The answer that is chosen, or `tie`: a text, or the first of two ranks, which stand in a list of both or in two lists.
fn choice(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let one = |entry: &Value| Some((entry.get("value")?.as_str()?.to_owned(), entry.get("rank")?.as_f64()?));
    let ranked: Vec<(String, f64)> = match value {
        Value::Array(entries) => entries.iter().map(one).collect::<Option<_>>()?,
        Value::Object(columns) => {
            let (names, ranks) = (columns.get("value")?.as_array()?, columns.get("rank")?.as_array()?);
            let of = |(name, rank): (&Value, &Value)| Some((name.as_str()?.to_owned(), rank.as_f64()?));
            (names.len() == ranks.len()).then(|| names.iter().zip(ranks).map(of).collect::<Option<_>>())??
        }
        _ => return None,
    };
    match ranked.as_slice() {
        [(one, of_one), (other, of_other)] => Some(match of_one.total_cmp(of_other) {
            std::cmp::Ordering::Less => one.clone(),
            std::cmp::Ordering::Greater => other.clone(),
            std::cmp::Ordering::Equal => "tie".to_owned(),
        }),
        _ => None,
    }
}
