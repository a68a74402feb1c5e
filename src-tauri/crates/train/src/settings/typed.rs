//! Settings as somebody types them: a field may hold what is no value at all.

use super::Settings;
use super::ranges::RANGES;
use super::remarks::Remark;
use serde_json::{Map, Value, json};

/// The settings in `typed`, a JSON object of them, and everything there is to say: of each value that cannot be read, and of
/// the others what [`Settings::remarks`] says. A value that cannot be read counts as its default.
pub fn remarks_on_typed(typed: &Value) -> (Settings, Vec<Remark>) {
    let mut remarks = Vec::new();
    let mut readable = |prefix: &str, fields: &Map<String, Value>| {
        let mut kept = Map::new();
        for (name, value) in fields {
            let alone = json!({ name.as_str(): value });
            let alone = if prefix.is_empty() { alone } else { json!({ prefix: alone }) };
            match serde_json::from_value::<Settings>(alone) {
                Ok(_) => drop(kept.insert(name.clone(), value.clone())),
                Err(error) => {
                    let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    remarks.push(unreadable(&key, value, &error));
                }
            }
        }
        kept
    };
    let mut fields = typed.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(lora)) = fields.get("lora") {
        let lora = readable("lora", lora);
        fields.insert("lora".to_owned(), lora.into());
    }
    let fields = readable("", &fields);
    let settings: Settings = serde_json::from_value(fields.into()).unwrap_or_default();
    let known: Vec<String> = remarks.iter().map(|remark: &Remark| remark.key.clone()).collect();
    remarks.extend(settings.remarks().into_iter().filter(|remark| !known.contains(&remark.key)));
    (settings, remarks)
}

/// Says in the words of a form what JSON's reader says in those of its types.
fn unreadable(key: &str, value: &Value, error: &serde_json::Error) -> Remark {
    let number = RANGES.iter().find(|range| range.key == key);
    match (number, value) {
        (Some(range), Value::Number(number)) if number.as_f64().is_some_and(|x| x.fract() != 0.0) => {
            Remark::refuse(key, format!("{key} is {number}, which is not a whole number"), range.hint)
        }
        (Some(range), Value::Number(number)) => Remark::refuse(key, format!("{key} is {number}"), range.hint),
        // JSON has null for a number that is none.
        (Some(range), _) => Remark::refuse(key, format!("{key} is not a number that can be used"), range.hint),
        (None, Value::Array(_)) if key == "loss_weights" => {
            Remark::refuse(key, format!("{key} holds what is not a number"), "Write numbers, such as 1, 0.5.")
        }
        (None, Value::Object(_)) => {
            let hint = "Write names with a number each, whole ones for ranks, such as down_proj = 32, up_proj = 16.";
            Remark::refuse(key, format!("{key} cannot be read"), hint)
        }
        _ => Remark::refuse(key, error.to_string(), ""),
    }
}
