//! Pairs as tasks of Label Studio, and the labeling configuration that they are made for.
//!
//! A task has an annotation of each annotator, and as a prediction the answer that is the chosen one here. A tie has no place in
//! the tag `Pairwise`: it is a choice beside it. A skip is an annotation that was cancelled, as in Label Studio itself. No
//! annotation names a user by `completed_by`, because Label Studio refuses a file that names one that it does not have.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::side_by_side::{KEPT, SideBySide, last_words};
use super::{ratings, validate, write_array};
use crate::store::{ExportedPair, PairJudgement, PairVerdict};
use crate::{Error, whole};

pub(crate) const ANSWERS: [&str; 2] = ["answer1", "answer2"];
/// The tag in which one of the two is chosen, and the choice beside it.
pub(crate) const BETTER: &str = "preference";
pub(crate) const UNDECIDED: &str = "undecided";
/// Who predicts the label that a pair has here.
const MODEL: &str = "tiebreak";

/// The page on which Label Studio shows a task.
const CONFIGURATION: &str = r#"<View>
  <Header value="Which of the two answers is better?" />
  <Text name="prompt" value="$prompt" />
  <Pairwise name="preference" toName="answer1,answer2" />
  <View style="display: flex; gap: 1em">
    <View style="flex: 1"><Text name="answer1" value="$answer1" /></View>
    <View style="flex: 1"><Text name="answer2" value="$answer2" /></View>
  </View>
  <Choices name="undecided" toName="prompt" choice="single" showInline="true">
    <Choice value="tie" />
  </Choices>
</View>
"#;

/// Writes the tasks, and beside them the labeling configuration; each file appears whole or not at all.
///
/// # Errors
/// When a pair does not [validate](crate::Pair::validate) (nothing is written then), or writing fails.
pub fn write(tasks: &Path, configuration: &Path, pairs: &[ExportedPair]) -> Result<(), Error> {
    validate(pairs)?;
    whole::write_by(configuration, |file| std::io::Write::write_all(file, CONFIGURATION.as_bytes()))
        .map_err(Error::io("write", configuration))?;
    write_array(tasks, pairs.iter().map(task))
}

fn task(pair: &ExportedPair) -> serde_json::Result<Value> {
    let shown = SideBySide::of(pair);
    let mut data = Map::new();
    let texts = [("prompt", &shown.prompt), (ANSWERS[0], &shown.answers[0]), (ANSWERS[1], &shown.answers[1])];
    for (name, text) in texts {
        data.insert(name.to_owned(), text.as_str().into());
    }
    if let Some(category) = &pair.sourced.pair.category {
        data.insert("category".to_owned(), category.as_str().into());
    }
    data.insert(KEPT.to_owned(), shown.kept(pair)?.into());
    let annotations: Vec<Value> = last_words(pair).into_iter().map(|said| annotation(said, &shown)).collect();
    let mut meta = Map::new();
    meta.insert("origin".to_owned(), pair.sourced.source.name().into());
    meta.insert("import_file".to_owned(), json!(pair.import_file));
    meta.insert("import_line".to_owned(), json!(pair.import_line));
    meta.insert("import_row".to_owned(), json!(pair.import_row));
    meta.extend(ratings(pair).map(|(name, value)| (name.to_owned(), value.into())));
    if pair.held_out {
        meta.insert("held_out".to_owned(), true.into());
    }
    meta.insert("judgements".to_owned(), serde_json::to_string(&pair.judgements)?.into());
    Ok(json!({
        "id": pair.sourced.id,
        "data": data,
        "meta": meta,
        "annotations": annotations,
        "predictions": [{"model_version": MODEL, "result": [better(shown.chosen)]}],
    }))
}

fn annotation(judgement: &PairJudgement, shown: &SideBySide) -> Value {
    let tie = json!({"type": "choices", "from_name": UNDECIDED, "to_name": "prompt", "value": {"choices": ["tie"]}});
    let is_skip = judgement.verdict == PairVerdict::Skip;
    let result = (!is_skip).then(|| shown.better(judgement.verdict).map_or(tie, better));
    json!({
        "created_username": judgement.annotator,
        "lead_time": judgement.milliseconds as f64 / 1000.0,
        "was_cancelled": is_skip,
        "ground_truth": false,
        "result": Vec::from_iter(result),
    })
}

/// That an answer, by its place, is the better one.
fn better(place: usize) -> Value {
    let side = ["left", "right"][place];
    json!({"type": "pairwise", "from_name": BETTER, "to_name": ANSWERS[0], "value": {"selected": side}})
}
