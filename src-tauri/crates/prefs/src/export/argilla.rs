//! Pairs as a data set of Argilla 2: a folder as its `Dataset.to_disk` writes it, which `Dataset.from_disk` takes.
//!
//! A record has the texts in `fields`, one response of each annotator to the question `preference` (`response_a`, `response_b`
//! or `tie`), and as a suggestion of the agent `tiebreak` the answer that is the chosen one here. Argilla's server refuses a
//! response of a user that it does not have, so `users.json` says which to make.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::side_by_side::{KEPT, SideBySide, last_words};
use super::{ratings, validate, write_array};
use crate::store::{ExportedPair, ExportedPairs, PairVerdict};
use crate::{Error, whole};

/// The two answers, as fields and as what the question is answered by.
pub(crate) const ANSWERS: [&str; 2] = ["response_a", "response_b"];
const TIE: &str = "tie";
pub(crate) const QUESTION: &str = "preference";
/// Who suggests the label that a pair has here.
const AGENT: &str = "tiebreak";

/// The file of the records, in the folder.
pub const RECORDS: &str = "records.json";
/// The file of the users, in the folder.
pub const USERS: &str = "users.json";
const CONFIGURATION: &str = ".argilla";

/// A user of Argilla, as `argilla.User(**user, password=…)` makes one.
#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    username: &'a str,
}

/// Writes the folder, each of its files whole or not at all.
///
/// # Errors
/// When a pair does not [validate](crate::Pair::validate) (nothing is written then), or writing fails.
pub fn write(folder: &Path, exported: &ExportedPairs) -> Result<(), Error> {
    validate(&exported.pairs)?;
    let configuration = folder.join(CONFIGURATION);
    std::fs::create_dir_all(&configuration).map_err(Error::io("make the folder", &configuration))?;
    write_json(&configuration.join("settings.json"), &settings())?;
    write_json(&configuration.join("dataset.json"), &data_set())?;
    let users: Vec<User> =
        exported.annotators.iter().map(|annotator| User { id: &annotator.uuid, username: &annotator.name }).collect();
    write_json(&folder.join(USERS), &users)?;
    write_array(&folder.join(RECORDS), exported.pairs.iter().map(|pair| record(pair, exported)))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    whole::write_by(path, |file| serde_json::to_writer_pretty(file, value).map_err(Into::into))
        .map_err(Error::io("write", path))
}

fn record(pair: &ExportedPair, exported: &ExportedPairs) -> serde_json::Result<Value> {
    let shown = SideBySide::of(pair);
    let responses = last_words(pair).into_iter().filter_map(|judgement| {
        let user = exported.annotators.iter().find(|annotator| annotator.name == judgement.annotator)?;
        let (value, status) = match judgement.verdict {
            PairVerdict::Skip => (None, "discarded"),
            verdict => (Some(shown.better(verdict).map_or(TIE, |better| ANSWERS[better])), "submitted"),
        };
        Some(json!({"value": value, "user_id": user.uuid, "status": status}))
    });
    let responses: Vec<Value> = responses.collect();
    let mut by_question = Map::new();
    if !responses.is_empty() {
        by_question.insert(QUESTION.to_owned(), responses.into());
    }
    let mut metadata = Map::new();
    metadata.insert("origin".to_owned(), pair.sourced.source.name().into());
    let mut beside = |name: &str, value: Option<Value>| value.map(|value| metadata.insert(name.to_owned(), value));
    beside("import_file", pair.import_file.as_deref().map(Value::from));
    beside("import_line", pair.import_line.map(Value::from));
    beside("import_row", pair.import_row.map(Value::from));
    for (name, value) in ratings(pair) {
        beside(name, Some(value.into()));
    }
    beside("held_out", pair.held_out.then(|| "yes".into()));
    beside("category", pair.sourced.pair.category.as_deref().map(Value::from));
    if !pair.judgements.is_empty() {
        beside("judgements", Some(serde_json::to_string(&pair.judgements)?.into()));
    }
    beside(KEPT, Some(shown.kept(pair)?.into()));
    Ok(json!({
        "id": pair.sourced.id.to_string(),
        "fields": {"prompt": shown.prompt, ANSWERS[0]: shown.answers[0], ANSWERS[1]: shown.answers[1]},
        "metadata": metadata,
        "suggestions": {QUESTION: {"value": ANSWERS[shown.chosen], "score": null, "agent": AGENT}},
        "responses": by_question,
        "vectors": {},
    }))
}

/// How Argilla shows the records and what it asks.
fn settings() -> Value {
    let field = |name: &str, title: &str| {
        let text = json!({"type": "text", "use_markdown": false});
        json!({"name": name, "title": title, "required": true, "settings": text})
    };
    let terms = |name: &str| json!({"name": name, "settings": {"type": "terms"}});
    let float = |name: &str| json!({"name": name, "settings": {"type": "float"}});
    json!({
        "guidelines": "Which of the two responses is better?",
        "allow_extra_metadata": true,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "fields": [field("prompt", "Prompt"), field(ANSWERS[0], "Response A"), field(ANSWERS[1], "Response B")],
        "questions": [{
            "name": QUESTION,
            "title": "Which of the two responses is better?",
            "required": true,
            "settings": {"type": "label_selection", "options": [
                {"value": ANSWERS[0], "text": "Response A"},
                {"value": ANSWERS[1], "text": "Response B"},
                {"value": TIE, "text": "Neither"},
            ]},
        }],
        "metadata": [
            terms("origin"), terms("import_file"), terms("category"), terms("held_out"),
            {"name": "import_line", "settings": {"type": "integer"}},
            {"name": "import_row", "settings": {"type": "integer"}},
            float("score_chosen"), float("score_rejected"), float("rank_chosen"), float("rank_rejected"), float("margin"),
        ],
        "vectors": [],
    })
}

fn data_set() -> Value {
    json!({"name": "tiebreak-pairs", "status": "draft", "allow_extra_metadata": true})
}
