//! What Potato writes of what its annotators say, as far as the texts are in it.
//!
//! Up to version 1 a row is `{"id", "displayed_text", "label_annotations": {"schema": {"label": "value"}}, …}`, or in a table
//! `displayed_text` and a column `schema:::label` for each label; since version 2 it is `{"instance_id", "user_id", "labels":
//! {"schema": {"selection": "A"}}, …}` or a column `schema.selection`, and the texts are in the task's own data file.

use serde_json::{Map, Value};

/// What rows held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: usize,
}

impl Counts {
    /// Whether there were any: their columns are not those of the file.
    pub(super) fn any(&self) -> bool {
        self.rows > 0
    }

    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        (self.rows > 0).then(|| {
            format!(
                "{} rows are annotations of Potato, each what one annotator says: the texts are taken out of `displayed_text` \
                 where they stand there, and the label that was chosen is what the column of its question says.",
                self.rows
            )
        })
    }
}

/// Columns of Potato's own, which hold no text of the task.
const OWN: [&str; 14] = [
    "id",
    "instance_id",
    "user",
    "user_id",
    "displayed_text",
    "label_annotations",
    "span_annotations",
    "behavioral_data",
    "labels",
    "spans",
    "links",
    "annotator_origin",
    "annotator_origin_detail",
    "_room",
];

/// Brings a row of Potato's into the form of columns.
///
/// # Errors
/// When it is one, and its texts are elsewhere.
pub(super) fn open(row: Map<String, Value>, counts: &mut Counts) -> Result<Map<String, Value>, String> {
    if row.contains_key("instance_id_to_label_to_value") {
        return Err(elsewhere("it is the state of one annotator in Potato"));
    }
    let Some(chosen) = chosen_labels(&row) else { return Ok(row) };
    counts.rows += 1;
    let mut opened = Map::new();
    if let Some(Value::String(shown)) = row.get("displayed_text") {
        opened.extend(texts(shown));
    }
    let is_answer = |key: &str| key.contains(":::") || is_selection(key).is_some() || key.ends_with("._spans");
    let of_the_task = |key: &str| !OWN.contains(&key) && !is_answer(key) && !key.contains("._room");
    let has_prompt = row.iter().any(|(key, value)| of_the_task(key) && value.is_string());
    if opened.is_empty() && !has_prompt {
        return Err(elsewhere("it says what an annotator of Potato chose"));
    }
    if !has_prompt && opened.keys().all(|key| LISTED.contains(&key.as_str())) {
        return Err(elsewhere("`displayed_text` has the two texts that were compared, and not what was asked"));
    }
    for (schema, label) in chosen {
        opened.entry(schema).or_insert(label);
    }
    for (key, value) in row {
        if !["label_annotations", "labels", "displayed_text"].contains(&key.as_str()) && !is_answer(&key) {
            opened.entry(key).or_insert(value);
        }
    }
    Ok(opened)
}

fn elsewhere(what: &str) -> String {
    format!(
        "{what}; the texts are in the data file of the task (`data_files` in its configuration). Put the columns of that file \
         beside these, by the instance's id, and import the result"
    )
}

/// The schema of a column that holds what was selected, or where a slider stood.
fn is_selection(key: &str) -> Option<&str> {
    key.strip_suffix(".selection").or_else(|| key.strip_suffix(".scale_value"))
}

/// What was chosen by the name of its schema; `None` where the row is none of Potato's.
fn chosen_labels(row: &Map<String, Value>) -> Option<Vec<(String, Value)>> {
    let has = |keys: &[&str]| keys.iter().all(|key| row.contains_key(*key));
    let by_schema =
        match row.get("label_annotations").or_else(|| row.get("labels").filter(|_| has(&["instance_id", "user_id"]))) {
            Some(Value::Object(by_schema)) => by_schema.clone(),
            _ => Map::new(),
        };
    let mut tables: Map<String, Value> = Map::new();
    for (key, value) in row {
        let place = match key.split_once(":::") {
            Some((schema, label)) if has(&["displayed_text"]) => Some((schema, label)),
            _ => is_selection(key).filter(|_| has(&["instance_id", "user_id"])).map(|schema| (schema, "selection")),
        };
        let Some((schema, label)) = place else { continue };
        let labels = tables.entry(schema).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(labels) = labels {
            labels.insert(label.to_owned(), value.clone());
        }
    }
    if by_schema.is_empty() && tables.is_empty() && !has(&["displayed_text", "label_annotations"]) {
        return None;
    }
    let labels = |(schema, labels): (String, Value)| Some((schema, label(labels.as_object()?)));
    Some(by_schema.into_iter().chain(tables).filter_map(labels).collect())
}

/// The one label of a schema that was chosen, or what was filled in. Where several were chosen, all of their names.
fn label(labels: &Map<String, Value>) -> Value {
    let is_chosen = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !["", "false", "False", "nan"].contains(&text.as_str()),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    };
    let chosen: Vec<(&String, &Value)> = labels.iter().filter(|(_, value)| is_chosen(value)).collect();
    match chosen.as_slice() {
        [] => Value::Null,
        [(name, value)] if ["selection", "scale_value"].contains(&name.as_str()) => (*value).clone(),
        [(name, _)] => Value::String((*name).clone()),
        several => several.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ").into(),
    }
}

/// What the two texts of a list are called here.
const LISTED: [&str; 2] = ["response_a", "response_b"];

/// The texts of what was shown: sections with a legend each, or a list of two with letters or numbers before them.
fn texts(shown: &str) -> Map<String, Value> {
    let sections: Vec<&str> = shown.split("<div name=\"instance_text\"").skip(1).collect();
    let section = |section: &&str| {
        let (_, rest) = section.split_once("<legend> ")?;
        let (legend, rest) = rest.split_once(" </legend> ")?;
        let text = rest.rsplit_once("</div>")?.0;
        // The row of columns side by side has an end of its own, behind that of the last.
        let ends = [" </div> ", " <br/> ", " "];
        let text = ends.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
        Some((legend.to_owned(), Value::from(text)))
    };
    if sections.len() > 1 {
        return sections.iter().map(section).collect::<Option<Map<_, _>>>().unwrap_or_default();
    }
    let two = |one: &str, other: &str, third: &str| {
        let mark = format!("<br>{other}");
        let (first, second) = shown.strip_prefix(one)?.split_once(&mark)?;
        let is_clear = !second.contains(&mark) && !second.contains(&format!("<br>{third}"));
        is_clear.then_some([first, second])
    };
    let two = two("A. ", "B. ", "C. ").or_else(|| two("0. ", "1. ", "2. "));
    let named = |texts: [&str; 2]| LISTED.map(str::to_owned).into_iter().zip(texts.map(Value::from));
    two.into_iter().flat_map(named).collect()
}
