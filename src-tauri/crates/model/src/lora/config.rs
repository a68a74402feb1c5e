//! Which linears get an adapter, and how large: the settings of `LoRA` (arXiv 2106.09685) under PEFT's names.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use ts_rs::TS;

use crate::config::{LinearShape, OUTPUT_HEAD};
use crate::error::{Error, Result};
use crate::lora::patterns::{self, Patterns};

/// The settings of a `LoRA` adapter. A linear with an adapter computes `W x + s · B A x` with `s = lora_alpha / r`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// The rank: rows of `A` and columns of `B`.
    pub r: usize,
    /// The adapter's output is scaled by `lora_alpha / r`, or by `lora_alpha / √r` with `use_rslora`.
    pub lora_alpha: f64,
    /// The probability that an input of `A` is set to zero in training; the others are scaled up to keep the mean.
    pub lora_dropout: f64,
    /// The linears that get an adapter.
    pub target_modules: TargetModules,
    /// Scale by the root of the rank (rsLoRA, arXiv 2312.03732), so that a higher rank does not weaken the
    /// adapter.
    pub use_rslora: bool,
    /// Train each linear's direction and the length of its rows apart (DoRA, arXiv 2402.09353).
    pub use_dora: bool,
    /// Another rank for linears whose names match.
    #[serde(skip_serializing_if = "Patterns::is_empty")]
    #[ts(as = "Option<HashMap<String, f64>>", optional)]
    pub rank_pattern: Patterns<usize>,
    /// Another `lora_alpha` for linears whose names match.
    #[serde(skip_serializing_if = "Patterns::is_empty")]
    #[ts(as = "Option<HashMap<String, f64>>", optional)]
    pub alpha_pattern: Patterns<f64>,
}

impl Default for LoraConfig {
    /// Rank and alpha of TRL's `ModelConfig`, on every linear, without dropout.
    fn default() -> Self {
        Self {
            r: 16,
            lora_alpha: 32.0,
            lora_dropout: 0.0,
            target_modules: TargetModules::AllLinear,
            use_rslora: false,
            use_dora: false,
            rank_pattern: Patterns::default(),
            alpha_pattern: Patterns::default(),
        }
    }
}

/// The linears that get an adapter: `"all-linear"`, another text as a regular expression, or a list of names, as in PEFT.
#[derive(Debug, Clone, PartialEq, Eq, TS)]
#[ts(type = "string | string[]")]
pub enum TargetModules {
    /// Every linear except the output head.
    AllLinear,
    /// Every linear whose name is one of these or ends with a dot and one of these.
    Names(Vec<String>),
    /// Every linear whose whole name matches this regular expression (Python's `re.fullmatch`).
    Pattern(String),
}

/// A setting of an adapter that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name in PEFT's `adapter_config.json`.
    pub key: &'static str,
    /// What is wrong, naming the setting.
    pub what: String,
    /// What to do, in whole sentences.
    pub hint: String,
}

/// PEFT's word for [`TargetModules::AllLinear`].
const ALL_LINEAR: &str = "all-linear";

impl Serialize for TargetModules {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::AllLinear => serializer.serialize_str(ALL_LINEAR),
            Self::Names(names) => names.serialize(serializer),
            Self::Pattern(pattern) => serializer.serialize_str(pattern),
        }
    }
}

impl<'de> Deserialize<'de> for TargetModules {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "target_modules must be \"all-linear\", a pattern or a list of module names")]
        enum Written {
            Word(String),
            Names(Vec<String>),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) => Ok(Self::of_word(word)),
            Written::Names(names) => Ok(Self::Names(names)),
        }
    }
}

impl TargetModules {
    /// A text in the place of a list: `"all-linear"` in any case of letters, anything else a regular expression.
    pub fn of_word(word: String) -> Self {
        if word.eq_ignore_ascii_case(ALL_LINEAR) { Self::AllLinear } else { Self::Pattern(word) }
    }
}

impl LoraConfig {
    /// The rank of the adapter on this linear.
    pub fn rank_of(&self, linear: &str) -> usize {
        self.rank_pattern.of(linear).copied().unwrap_or(self.r)
    }

    /// What the adapter's output on this linear is multiplied by: its alpha over its rank, or over the root of that.
    pub fn scale_of(&self, linear: &str) -> f64 {
        let (alpha, rank) = (self.alpha_pattern.of(linear).copied().unwrap_or(self.lora_alpha), self.rank_of(linear));
        alpha / if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 }
    }

    /// Refuses values without meaning.
    ///
    /// # Errors
    /// [`Error::Lora`] with the first of [`LoraConfig::faults`].
    pub fn check(&self) -> Result<()> {
        match self.faults().into_iter().next() {
            Some(Fault { what, hint, .. }) => Err(Error::Lora { what, hint }),
            None => Ok(()),
        }
    }

    /// Every value without meaning: a rank of 0, an alpha not above 0, `lora_dropout` outside 0 (included) to 1 (excluded),
    /// and patterns that are no regular expressions.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |key, what: String, hint: &str| faults.push(Fault { key, what, hint: hint.to_owned() });
        if self.r == 0 {
            fault("r", "r is 0".into(), "Set the rank to 1 or more; 8 to 64 is usual.");
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            let what = format!("lora_alpha is {}", self.lora_alpha);
            fault("lora_alpha", what, "Set it above 0; once or twice r is usual.");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            let what = format!("lora_dropout is {}", self.lora_dropout);
            fault("lora_dropout", what, "Set it to 0 or more and below 1; 0 to 0.1 is usual.");
        }
        if let Some((pattern, _)) = self.rank_pattern.0.iter().find(|(_, rank)| *rank == 0) {
            let what = format!("rank_pattern gives \"{pattern}\" the rank 0");
            fault("rank_pattern", what, "Set each rank to 1 or more.");
        }
        if let Some((pattern, alpha)) = self.alpha_pattern.0.iter().find(|(_, a)| !(a.is_finite() && *a > 0.0)) {
            let what = format!("alpha_pattern gives \"{pattern}\" the alpha {alpha}");
            fault("alpha_pattern", what, "Set each alpha above 0.");
        }
        let keys = self.rank_pattern.keys().map(|key| ("rank_pattern", key));
        for (setting, key) in keys.chain(self.alpha_pattern.keys().map(|key| ("alpha_pattern", key))) {
            faults.extend(patterns::tail(key).err().map(|error| not_a_pattern(setting, key, &error)));
        }
        if let TargetModules::Pattern(pattern) = &self.target_modules {
            faults.extend(patterns::whole(pattern).err().map(|error| not_a_pattern("target_modules", pattern, &error)));
        }
        faults
    }

    /// The places in `linears` of those that get an adapter, ascending. Checks the other settings too.
    ///
    /// A linear matches a name when its own name equals it or ends with a dot and it, and a pattern when all of its name
    /// does (PEFT's `check_target_module_exists`).
    ///
    /// # Errors
    /// [`Error::Lora`] when a setting has no meaning, when a name matches no linear, when nothing is selected,
    /// or with DoRA when the output head is.
    pub fn resolve(&self, linears: &[LinearShape]) -> Result<Vec<usize>> {
        let places = self.targets(linears)?;
        if self.use_dora && places.iter().any(|&place| linears[place].name == OUTPUT_HEAD) {
            let hint = format!("Leave {OUTPUT_HEAD} out of target_modules, or set use_dora = false.");
            return Err(Error::Lora { what: format!("use_dora is not supported on {OUTPUT_HEAD}"), hint });
        }
        Ok(places)
    }

    fn targets(&self, linears: &[LinearShape]) -> Result<Vec<usize>> {
        self.check()?;
        let places = |keep: &dyn Fn(&str) -> bool| {
            linears.iter().enumerate().filter(|(_, linear)| keep(&linear.name)).map(|(place, _)| place).collect()
        };
        let names = match &self.target_modules {
            TargetModules::AllLinear => return Ok(places(&|linear| linear != OUTPUT_HEAD)),
            TargetModules::Names(names) => names,
            TargetModules::Pattern(pattern) => {
                let whole = patterns::whole(pattern).map_err(|error| {
                    let Fault { what, hint, .. } = not_a_pattern("target_modules", pattern, &error);
                    Error::Lora { what, hint }
                })?;
                let found: Vec<usize> = places(&|linear| whole.is_match(linear).unwrap_or(false));
                if found.is_empty() {
                    let what = format!("the pattern target_modules = \"{pattern}\" matches no linear of this model");
                    let hint = format!("It must match a whole name, such as {}.", linears[0].name);
                    return Err(Error::Lora { what, hint });
                }
                return Ok(found);
            }
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

impl LoraConfig {
    /// Refuses a key of `rank_pattern` or `alpha_pattern` that matches no linear with an adapter: PEFT passes over it with
    /// a warning, and what was meant is not trained.
    ///
    /// # Errors
    /// As [`LoraConfig::resolve`], and for such a key.
    pub fn check_patterns(&self, linears: &[LinearShape]) -> Result<()> {
        let targets: Vec<&str> = self.resolve(linears)?.into_iter().map(|place| linears[place].name.as_str()).collect();
        let keys = [
            ("rank_pattern", self.rank_pattern.keys().collect::<Vec<_>>()),
            ("alpha_pattern", self.alpha_pattern.keys().collect()),
        ];
        for (setting, keys) in keys {
            if let Some(key) = keys.into_iter().find(|key| !targets.iter().any(|name| patterns::matches(key, name))) {
                let what = format!("{setting} has the key \"{key}\", which matches no linear that gets an adapter");
                let hint = format!("The key must match the end of a name after a dot. {}", choices(linears));
                return Err(Error::Lora { what, hint });
            }
        }
        Ok(())
    }
}

fn not_a_pattern(key: &'static str, pattern: &str, error: &fancy_regex::Error) -> Fault {
    let what = format!("{key} holds \"{pattern}\", which is no regular expression: {error}");
    let hint = r"Write it as Python does, such as .*\.(q|v)_proj, or give a list of names.".into();
    Fault { key, what, hint }
}

/// PEFT's rule: the whole name, or its end after a dot.
pub(crate) fn matches(module: &str, target: &str) -> bool {
    module.strip_suffix(target).is_some_and(|before| !target.is_empty() && (before.is_empty() || before.ends_with('.')))
}

/// The last parts of the names that exist, each once, as a sentence.
fn choices(linears: &[LinearShape]) -> String {
    format!("This model has: {}.", last_parts(linears.iter().map(|linear| linear.name.as_str())).join(", "))
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
        assert!((LoraConfig { r: 4, lora_alpha: 6.0, ..good }.scale_of("q_proj") - 1.5).abs() < 1e-15);
    }

    #[test]
    fn a_text_is_a_pattern_for_the_whole_name() {
        let resolve = |pattern: &str| {
            let target_modules = TargetModules::of_word(pattern.into());
            LoraConfig { target_modules, ..LoraConfig::default() }.resolve(&linears())
        };
        assert_eq!(resolve("ALL-LINEAR").unwrap(), [0, 1, 2], "PEFT lowers the letters");
        assert_eq!(resolve(r".*\.(q|k)_proj").unwrap(), [0, 2]);
        assert_eq!(resolve(r"model\.layers\.\d+\.(?!mlp).*|lm_head").unwrap(), [0, 2, 3], "with looking ahead");
        for (pattern, what) in [("q_proj", "matches no linear"), ("q|", "matches no linear"), ("(", "no regular")] {
            let message = resolve(pattern).unwrap_err().to_string();
            assert!(message.contains(what), "{pattern}: {message}");
        }
    }

    #[test]
    fn the_first_pattern_that_matches_gives_rank_and_alpha() {
        let config = LoraConfig {
            r: 4,
            lora_alpha: 8.0,
            rank_pattern: Patterns(vec![("layers.0.*_proj".into(), 2), ("q_proj".into(), 9)]),
            alpha_pattern: Patterns(vec![("up_proj".into(), 16.0)]),
            ..LoraConfig::default()
        };
        let linears = linears();
        let ranks: Vec<_> = linears.iter().map(|l| config.rank_of(&l.name)).collect();
        assert_eq!(ranks, [2, 2, 9, 4]);
        let scales: Vec<_> = linears.iter().map(|l| config.scale_of(&l.name)).collect();
        assert_eq!(scales, [4.0, 8.0, 8.0 / 9.0, 2.0]);
        let rooted = LoraConfig { use_rslora: true, ..config.clone() };
        assert!((rooted.scale_of(&linears[2].name) - 8.0 / 3.0).abs() < 1e-15);
        config.check_patterns(&linears).unwrap();
        let stray = LoraConfig { rank_pattern: Patterns(vec![("k_proj".into(), 2)]), ..config.clone() };
        assert!(stray.check_patterns(&linears).unwrap_err().to_string().contains("k_proj"));
        for bad in [
            LoraConfig { rank_pattern: Patterns(vec![("q_proj".into(), 0)]), ..config.clone() },
            LoraConfig { alpha_pattern: Patterns(vec![("q_proj".into(), f64::NAN)]), ..config.clone() },
            LoraConfig { alpha_pattern: Patterns(vec![("q[".into(), 1.0)]), ..config },
        ] {
            assert!(matches!(bad.check(), Err(Error::Lora { .. })), "{bad:?}");
        }
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
        // PEFT tries patterns in the order in which they stand, which is not that of their letters.
        let ordered: LoraConfig =
            serde_json::from_str(r#"{"rank_pattern": {"z": 1, "a": 2}, "target_modules": ".*"}"#).unwrap();
        assert_eq!(ordered.rank_pattern.keys().collect::<Vec<_>>(), ["z", "a"]);
        assert_eq!(ordered.target_modules, TargetModules::Pattern(".*".into()));
        assert_eq!(serde_json::from_str::<LoraConfig>(&serde_json::to_string(&ordered).unwrap()).unwrap(), ordered);
        for wrong in [r#"{"rank": 4}"#, r#"{"target_modules": 3}"#] {
            let error = serde_json::from_str::<LoraConfig>(wrong).unwrap_err().to_string();
            assert!(error.contains("rank") || error.contains("all-linear"), "{error}");
        }
    }
}
