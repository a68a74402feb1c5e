//! Which linears get an adapter, and how large: the settings of `LoRA` (arXiv 2106.09685) under PEFT's names.

use serde::{Deserialize, Serialize};

use crate::config::OUTPUT_HEAD;
use crate::error::{Error, Result};

/// A linear of the model: `in_features` numbers in, `out_features` out, the weight `[out, in]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearShape {
    /// The path of the module in Hugging Face's naming, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Width of the input.
    pub in_features: usize,
    /// Width of the output.
    pub out_features: usize,
}

/// The settings of a `LoRA` adapter. A linear with an adapter computes `W x + lora_alpha / r · B A x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// The rank: rows of `A` and columns of `B`.
    pub r: usize,
    /// The adapter's output is scaled by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// The probability that an input of `A` is set to zero in training; the others are scaled up to keep the mean.
    pub lora_dropout: f64,
    /// The linears that get an adapter.
    pub target_modules: TargetModules,
}

impl Default for LoraConfig {
    /// Rank and alpha of TRL's `ModelConfig`, on every linear, without dropout.
    fn default() -> Self {
        Self { r: 16, lora_alpha: 32.0, lora_dropout: 0.0, target_modules: TargetModules::AllLinear }
    }
}

/// The linears that get an adapter: `"all-linear"` or a list of names, as in PEFT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// Every linear except the output head.
    AllLinear,
    /// Every linear whose name is one of these or ends with a dot and one of these.
    Names(Vec<String>),
}

/// PEFT's word for [`TargetModules::AllLinear`].
const ALL_LINEAR: &str = "all-linear";

impl Serialize for TargetModules {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::AllLinear => serializer.serialize_str(ALL_LINEAR),
            Self::Names(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TargetModules {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "target_modules must be \"all-linear\" or a list of module names")]
        enum Written {
            Word(String),
            Names(Vec<String>),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == ALL_LINEAR => Ok(Self::AllLinear),
            Written::Word(word) => Err(serde::de::Error::custom(format!(
                "target_modules is \"{word}\"; write \"{ALL_LINEAR}\" or a list such as [\"q_proj\", \"v_proj\"]"
            ))),
            Written::Names(names) => Ok(Self::Names(names)),
        }
    }
}

impl LoraConfig {
    /// What the adapter's output is multiplied by: `lora_alpha / r`.
    pub fn scale(&self) -> f64 {
        self.lora_alpha / self.r as f64
    }

    /// Refuses values without meaning.
    ///
    /// # Errors
    /// [`Error::Lora`] when `r` is 0, `lora_alpha` not above 0, or `lora_dropout` outside 0 (included) to 1 (excluded).
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String, hint: &str| Err(Error::Lora { what, hint: hint.to_string() });
        if self.r == 0 {
            return refuse("r is 0".into(), "Set the rank to 1 or more; 8 to 64 is usual");
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            return refuse(format!("lora_alpha is {}", self.lora_alpha), "Set it above 0; once or twice r is usual");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            let what = format!("lora_dropout is {}", self.lora_dropout);
            return refuse(what, "Set it to 0 or more and below 1; 0 to 0.1 is usual");
        }
        Ok(())
    }

    /// The places in `linears` of those that get an adapter, ascending. Checks the other settings too.
    ///
    /// A linear matches a name when its own name equals it or ends with a dot and it (PEFT's
    /// `check_target_module_exists`).
    ///
    /// # Errors
    /// [`Error::Lora`] when a setting has no meaning, when a name matches no linear, or when nothing is selected.
    pub fn resolve(&self, linears: &[LinearShape]) -> Result<Vec<usize>> {
        self.check()?;
        let places = |keep: &dyn Fn(&str) -> bool| {
            linears.iter().enumerate().filter(|(_, linear)| keep(&linear.name)).map(|(place, _)| place).collect()
        };
        let names = match &self.target_modules {
            TargetModules::AllLinear => return Ok(places(&|linear| linear != OUTPUT_HEAD)),
            TargetModules::Names(names) => names,
        };
        if names.is_empty() {
            return Err(Error::Lora { what: "target_modules is empty".into(), hint: choices(linears) });
        }
        if let Some(stranger) = names.iter().find(|name| !linears.iter().any(|linear| matches(&linear.name, name))) {
            let what = format!("target_modules names \"{stranger}\", which is no linear of this model");
            return Err(Error::Lora { what, hint: choices(linears) });
        }
        Ok(places(&|linear| names.iter().any(|name| matches(linear, name))))
    }
}

/// PEFT's rule: the whole name, or its end after a dot.
fn matches(module: &str, target: &str) -> bool {
    module.strip_suffix(target).is_some_and(|before| !target.is_empty() && (before.is_empty() || before.ends_with('.')))
}

/// The last parts of the names that exist, each once, as a sentence.
fn choices(linears: &[LinearShape]) -> String {
    format!("This model has: {}", last_parts(linears.iter().map(|linear| linear.name.as_str())).join(", "))
}

/// The last dotted part of each name, each part once, in order of first appearance.
pub(crate) fn last_parts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for name in names {
        let part = name.rsplit('.').next().unwrap_or(name);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn linears() -> Vec<LinearShape> {
        ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj", "lm_head"]
            .map(|name| LinearShape { name: name.into(), in_features: 4, out_features: 4 })
            .into()
    }

    fn resolve(names: &[&str]) -> Result<Vec<usize>> {
        let names = names.iter().map(ToString::to_string).collect();
        LoraConfig { target_modules: TargetModules::Names(names), ..LoraConfig::default() }.resolve(&linears())
    }

    #[test]
    fn all_linear_leaves_out_the_output_head() {
        assert_eq!(LoraConfig::default().resolve(&linears()).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_name_matches_whole_or_after_a_dot() {
        assert_eq!(resolve(&["q_proj"]).unwrap(), [0, 2]);
        assert_eq!(resolve(&["layers.1.self_attn.q_proj"]).unwrap(), [2]);
        assert_eq!(resolve(&["lm_head", "up_proj"]).unwrap(), [1, 3]);
    }

    #[test]
    fn a_name_that_matches_nothing_is_refused_with_the_choices() {
        for strangers in [&["proj"][..], &["q_proj", "c_attn"], &[""], &["head"], &[]] {
            let message = resolve(strangers).unwrap_err().to_string();
            assert!(message.contains("q_proj, up_proj, lm_head"), "{strangers:?}: {message}");
        }
    }

    #[test]
    fn values_without_meaning_are_refused() {
        let good = LoraConfig::default();
        assert!(good.check().is_ok());
        for bad in [
            LoraConfig { r: 0, ..good.clone() },
            LoraConfig { lora_alpha: 0.0, ..good.clone() },
            LoraConfig { lora_alpha: f64::NAN, ..good.clone() },
            LoraConfig { lora_dropout: 1.0, ..good.clone() },
            LoraConfig { lora_dropout: -0.1, ..good.clone() },
        ] {
            assert!(matches!(bad.check(), Err(Error::Lora { .. })), "{bad:?}");
        }
        assert!((LoraConfig { r: 4, lora_alpha: 6.0, ..good }.scale() - 1.5).abs() < 1e-15);
    }

    #[test]
    fn the_settings_are_written_as_in_peft() {
        let all: LoraConfig =
            serde_json::from_str(r#"{"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}"#).unwrap();
        assert_eq!((all.r, &all.target_modules), (4, &TargetModules::AllLinear));
        let some: LoraConfig = serde_json::from_str(r#"{"target_modules": ["q_proj", "v_proj"]}"#).unwrap();
        assert_eq!(some.target_modules, TargetModules::Names(vec!["q_proj".into(), "v_proj".into()]));
        for config in [all, some] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<LoraConfig>(&text).unwrap(), config);
        }
        for wrong in [r#"{"rank": 4}"#, r#"{"target_modules": "linear"}"#, r#"{"target_modules": 3}"#] {
            let error = serde_json::from_str::<LoraConfig>(wrong).unwrap_err().to_string();
            assert!(error.contains("rank") || error.contains("all-linear"), "{error}");
        }
    }
}
