//! The names of an adapter's tensors as PEFT writes them (`base_model.model.` and the linear's name), and as other programs
//! leave them: without that prefix, with the name of the adapter in them, of a model that was wrapped while it was saved, or
//! of the language part of a model for images and text.

use std::collections::BTreeMap;

use super::{A, B, MAGNITUDE, PREFIX};
use crate::config::OUTPUT_HEAD;

/// Parts of a name that wrappers add at any place: `torch.compile`, FSDP, and checkpointing of activations.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// What data parallelism and `DeepSpeed` put before every name.
const PARALLEL: &str = "module.";

/// How the model calls its language part, and what that is here.
const LANGUAGE: [(&str, &str); 2] = [("language_model.model.", "model."), ("model.language_model.", "model.")];

/// The adapter's own name in an unprocessed state: `lora_A.default.weight`.
const ADAPTER: &str = "default";

/// The tensors of an adapter's file.
#[derive(Debug)]
pub(super) struct Names {
    /// What each is called in the file, by the name that PEFT gives it.
    pub(super) in_file: BTreeMap<String, String>,
    /// How linears are called in the file, where they are called as in a model for images and text: what stands in place of
    /// `model.`.
    pub(super) language: Option<&'static str>,
}

impl Names {
    /// Reads the names in a file; where two of them are one, or parts of it name linears in two ways, both.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, (String, String)> {
        let mut in_file = BTreeMap::new();
        let mut styles: BTreeMap<Option<&'static str>, String> = BTreeMap::new();
        for name in names {
            let (plain, language) = plain(name);
            if let Some(other) = in_file.insert(plain.clone(), name.to_owned()) {
                return Err((other, name.to_owned()));
            }
            let is_of_layer = plain.contains(".layers.") && [A, B, MAGNITUDE].iter().any(|part| plain.ends_with(part));
            if is_of_layer {
                styles.entry(language).or_insert_with(|| name.to_owned());
            }
        }
        let mut styles = styles.into_iter();
        match (styles.next(), styles.next()) {
            (Some((_, one)), Some((_, other))) => Err((one, other)),
            (first, _) => Ok(Self { in_file, language: first.and_then(|(language, _)| language) }),
        }
    }

    /// What the adapter's settings call this linear.
    pub(super) fn in_settings(&self, linear: &str) -> String {
        match (self.language, linear.strip_prefix("model.")) {
            (Some(language), Some(rest)) => format!("{language}{rest}"),
            _ => linear.to_owned(),
        }
    }
}

/// The name that PEFT gives a tensor, and how it called the language part, where it did.
fn plain(name: &str) -> (String, Option<&'static str>) {
    let parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    let joined = parts.join(".");
    let mut rest = joined.as_str();
    while let Some(inner) = rest.strip_prefix(PARALLEL) {
        rest = inner;
    }
    rest = rest.strip_prefix(PREFIX).unwrap_or(rest);
    let spoken = LANGUAGE
        .iter()
        .find_map(|&(theirs, ours)| Some((format!("{ours}{}", rest.strip_prefix(theirs)?), Some(theirs))));
    let head = || rest.strip_prefix("language_model.").filter(|head| head.starts_with(OUTPUT_HEAD));
    let (mut module, language) = spoken.unwrap_or_else(|| (head().unwrap_or(rest).to_owned(), None));
    for (theirs, ours) in [
        (format!(".lora_A.{ADAPTER}.weight"), A),
        (format!(".lora_B.{ADAPTER}.weight"), B),
        (format!(".{MAGNITUDE}.{ADAPTER}.weight"), MAGNITUDE),
        (format!(".{MAGNITUDE}.weight"), MAGNITUDE),
    ] {
        if let Some(linear) = module.strip_suffix(&theirs) {
            module = format!("{linear}.{ours}");
            break;
        }
    }
    (format!("{PREFIX}{module}"), language)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn known_prefixes_are_those_of_one_linear() {
        let linear = "model.layers.0.self_attn.q_proj";
        for (name, language) in [
            ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", None),
            ("model.layers.0.self_attn.q_proj.lora_A.weight", None),
            ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight", None),
            ("module.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight", None),
            ("module.module.base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", None),
            ("_orig_mod.base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", None),
            ("base_model.model._orig_mod.model.layers.0.self_attn.q_proj.lora_A.weight", None),
            (
                "_fsdp_wrapped_module.base_model.model.model.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.\
                 self_attn.q_proj.lora_A.weight",
                None,
            ),
            (
                "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight",
                Some("model.language_model."),
            ),
            (
                "base_model.model.language_model.model.layers.0.self_attn.q_proj.lora_A.weight",
                Some("language_model.model."),
            ),
        ] {
            assert_eq!(plain(name), (format!("{PREFIX}{linear}.{A}"), language), "{name}");
        }
        assert_eq!(plain("base_model.model.language_model.lm_head.lora_B.weight").0, format!("{PREFIX}lm_head.{B}"));
        let magnitude = "base_model.model.lm_head.lora_magnitude_vector.default.weight";
        assert_eq!(plain(magnitude).0, format!("{PREFIX}lm_head.{MAGNITUDE}"));
        // What is none of them stays what it is, and belongs to no linear.
        assert_eq!(
            plain("vision_tower.layers.0.q_proj.lora_A.weight").0,
            format!("{PREFIX}vision_tower.layers.0.q_proj.{A}")
        );
    }

    #[test]
    fn a_tensor_under_two_names_and_linears_named_in_two_ways_are_ambiguous() {
        let names = ["model.layers.0.q.lora_A.weight", "module.model.layers.0.q.lora_A.weight"];
        assert_eq!(Names::of(names.into_iter()).unwrap_err(), (names[0].into(), names[1].into()));
        let names = ["model.layers.0.q.lora_A.weight", "model.language_model.layers.1.q.lora_A.weight"];
        assert_eq!(Names::of(names.into_iter()).unwrap_err(), (names[0].into(), names[1].into()));
        let names = ["lm_head.lora_A.weight", "model.language_model.layers.1.q.lora_A.weight"];
        let read = Names::of(names.into_iter()).unwrap();
        assert_eq!(read.in_settings("model.layers.1.q"), "model.language_model.layers.1.q");
        assert_eq!(read.in_settings("lm_head"), "lm_head");
        assert_eq!(read.in_file["base_model.model.model.layers.1.q.lora_A.weight"], names[1]);
    }
}
