//! PEFT's settings that leave out some of the linears that `target_modules` names: `exclude_modules`,
//! `layers_to_transform` and `layers_pattern` (`check_target_module_exists` of PEFT 0.21).

use fancy_regex::Regex;
use serde_json::{Map, Value};

use crate::lora::config::{TargetModules, matches};

/// What those settings say; as they are left out, all is kept.
#[derive(Debug, Default)]
pub(super) struct Narrowed {
    exclude: Option<Excluded>,
    layers: Vec<u64>,
    /// Names of lists of layers, as regular expressions.
    lists: Vec<String>,
}

#[derive(Debug)]
enum Excluded {
    Names(Vec<String>),
    /// For whole names.
    Pattern(String),
}

impl Narrowed {
    /// Takes the settings out of `adapter_config.json`; what one of them is instead, and what it should be, where it is
    /// something else.
    pub(super) fn take(map: &mut Map<String, Value>) -> Result<Self, (&'static str, Value, &'static str)> {
        let mut this = Self::default();
        match map.remove("exclude_modules") {
            None | Some(Value::Null) => {}
            Some(Value::String(pattern)) if pattern.is_empty() => {}
            Some(Value::String(pattern)) => this.exclude = Some(Excluded::Pattern(pattern)),
            Some(value) => match serde_json::from_value::<Vec<String>>(value.clone()) {
                Ok(names) => this.exclude = (!names.is_empty()).then_some(Excluded::Names(names)),
                Err(_) => return Err(("exclude_modules", value, "a list of names")),
            },
        }
        match map.remove("layers_to_transform") {
            None | Some(Value::Null) => {}
            Some(value) => {
                match value.as_u64().map(|layer| vec![layer]).or_else(|| serde_json::from_value(value.clone()).ok()) {
                    Some(layers) => this.layers = layers,
                    None => return Err(("layers_to_transform", value, "a list of layers")),
                }
            }
        }
        match map.remove("layers_pattern") {
            None | Some(Value::Null) => {}
            Some(Value::String(list)) if list.is_empty() => {}
            Some(Value::String(list)) => this.lists.push(list),
            Some(value) => match serde_json::from_value(value.clone()) {
                Ok(lists) => this.lists = lists,
                Err(_) => return Err(("layers_pattern", value, "a name or a list of names")),
            },
        }
        Ok(this)
    }

    /// Whether anything may be left out.
    pub(super) fn is_on(&self) -> bool {
        self.exclude.is_some() || !self.layers.is_empty()
    }

    /// Whether a linear that `targets` names is kept. None where a pattern is no regular expression here.
    pub(super) fn keeps(&self, linear: &str, targets: &TargetModules) -> Option<bool> {
        let excluded = match &self.exclude {
            None => false,
            Some(Excluded::Names(names)) => names.iter().any(|name| matches(linear, name)),
            Some(Excluded::Pattern(pattern)) => is_match(&format!(r"\A(?:{pattern})\z"), linear)?,
        };
        // PEFT looks at layers only where the targets are names.
        let by_layer = !self.layers.is_empty() && !matches!(targets, TargetModules::Pattern(_));
        if excluded || !by_layer {
            return Some(!excluded);
        }
        let layer = if self.lists.is_empty() {
            layer_by(r"\A.*?\.[^.]*\.(\d+)\.", linear)?
        } else {
            let by_list = self.lists.iter().map(|list| layer_by(&format!(r"\A(?:.*?\.)?(?:{list})\.(\d+)\."), linear));
            by_list.collect::<Option<Vec<_>>>()?.into_iter().flatten().next()
        };
        Some(layer.is_some_and(|layer| self.layers.contains(&layer)))
    }
}

fn is_match(pattern: &str, text: &str) -> Option<bool> {
    Regex::new(pattern).ok()?.is_match(text).ok()
}

/// The number that the pattern captures of a name, if it matches. None where it is no regular expression.
#[allow(clippy::option_option)] // no match, a match without a number, and a match with one
fn layer_by(pattern: &str, name: &str) -> Option<Option<u64>> {
    let captures = Regex::new(pattern).ok()?.captures(name).ok()?;
    Some(captures.and_then(|captures| captures.iter().flatten().last()?.as_str().parse().ok()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As `check_target_module_exists` of PEFT 0.21.2 says of these names.
    #[test]
    fn linears_are_left_out_as_peft_leaves_them_out() {
        let names = [
            "model.layers.0.self_attn.q_proj",
            "model.layers.1.self_attn.q_proj",
            "model.layers.1.mlp.up_proj",
            "model.layers.12.mlp.up_proj",
            "lm_head",
        ];
        let kept = |settings: Value, targets: &TargetModules| -> Vec<usize> {
            let Value::Object(mut map) = settings else { panic!() };
            let narrowed = Narrowed::take(&mut map).unwrap();
            assert!(map.is_empty());
            (0..names.len()).filter(|&at| narrowed.keeps(names[at], targets).unwrap()).collect()
        };
        let by_name = TargetModules::Names(["q_proj", "up_proj", "lm_head"].map(String::from).into());
        let by_pattern = TargetModules::Pattern(".*".into());
        for (settings, expected) in [
            (json!({}), vec![0, 1, 2, 3, 4]),
            (json!({"exclude_modules": ["q_proj", "head"]}), vec![2, 3, 4]),
            (json!({"exclude_modules": ["layers.1.mlp.up_proj", "lm_head"]}), vec![0, 1, 3]),
            (json!({"exclude_modules": r".*\.1\..*"}), vec![0, 3, 4]),
            (json!({"exclude_modules": [], "layers_to_transform": [], "layers_pattern": ""}), vec![0, 1, 2, 3, 4]),
            (json!({"layers_to_transform": 1}), vec![1, 2]),
            (json!({"layers_to_transform": [0, 12], "layers_pattern": "layers"}), vec![0, 3]),
            (json!({"layers_to_transform": [1], "layers_pattern": ["h", "layers"]}), vec![1, 2]),
            (json!({"layers_to_transform": [1], "layers_pattern": ["h"]}), vec![]),
            (json!({"layers_to_transform": [1], "exclude_modules": ["up_proj"]}), vec![1]),
        ] {
            assert_eq!(kept(settings.clone(), &by_name), expected, "{settings}");
        }
        assert_eq!(kept(json!({"layers_to_transform": [1]}), &by_pattern), [0, 1, 2, 3, 4]);
        assert_eq!(
            kept(json!({"layers_to_transform": [1], "exclude_modules": ["lm_head"]}), &by_pattern),
            [0, 1, 2, 3]
        );
        for (field, value) in
            [("exclude_modules", json!(3)), ("layers_to_transform", json!("all")), ("layers_pattern", json!(1))]
        {
            let mut map = Map::from_iter([(field.to_string(), value)]);
            assert_eq!(Narrowed::take(&mut map).unwrap_err().0, field);
        }
        let mut map = Map::from_iter([("exclude_modules".to_string(), json!("("))]);
        assert_eq!(Narrowed::take(&mut map).unwrap().keeps("lm_head", &by_name), None);
    }
}
