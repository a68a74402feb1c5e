//! A run's settings: flat keys under their TRL names, tables `[data]` and `[lora]`.
//!
//! Where a default differs from TRL's, the field says why.

use crate::error::{Error, Result};
use crate::losses::{DISCOPOP_TAU, LossType, Objective, Shape};
use crate::schedule::SchedulerType;
use chat::{Limits, Truncation};
use model::{BaseDtype, LoraConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// All settings of a run, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Model folder (safetensors) or GGUF file.
    pub model: PathBuf,
    /// The run's folder: events, checkpoints and the adapter go here.
    pub output_dir: PathBuf,
    /// PEFT adapter to start from; the reference is still the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_adapter: Option<PathBuf>,
    /// `cpu`, `cuda`, `cuda:N` or `metal`.
    pub device: String,
    /// What the frozen weights are kept as: `auto` (as the file has them), `f32`, `bf16`, `f16`, `q8` or `q4`.
    pub dtype: BaseDtype,
    /// Seed of the adapter's start, the order of the pairs and dropout.
    pub seed: u64,
    /// Losses to minimise together; one name or a list.
    #[serde(deserialize_with = "one_or_many")]
    pub loss_type: Vec<LossType>,
    /// Weight of each loss; all 1 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_weights: Option<Vec<f64>>,
    /// Strength of the pull towards the reference.
    pub beta: f64,
    /// ε of `robust`, `exo_pair`, `aot` and `aot_unpaired`.
    pub label_smoothing: f64,
    /// Longest prompt and answer together, in tokens; 0 for no limit.
    pub max_length: usize,
    /// Longest prompt in tokens; longer ones lose their beginning. No limit where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_prompt_length: Option<usize>,
    /// Which end of a sequence longer than `max_length` is kept.
    pub truncation: Truncation,
    /// Peak learning rate. 5e-5 where TRL's default is 1e-6: TRL's is for training every weight, and an adapter wants
    /// some tens of times more.
    pub learning_rate: f64,
    /// Shape of the learning rate over the run.
    pub lr_scheduler_type: SchedulerType,
    /// Steps over which the learning rate rises from 0.
    pub warmup_steps: u64,
    /// The same as a share of the run; counts where `warmup_steps` is 0.
    pub warmup_ratio: f64,
    /// Decoupled weight decay of the adapter.
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm; 0 for no limit.
    pub max_grad_norm: f64,
    /// Pairs per microbatch.
    pub per_device_train_batch_size: usize,
    /// Microbatches per optimiser step.
    pub gradient_accumulation_steps: usize,
    /// Optimiser steps of the run; −1 to go by `num_train_epochs`.
    pub max_steps: i64,
    /// Passes over the pairs, where `max_steps` is −1.
    pub num_train_epochs: f64,
    /// Draw the pairs in another order each epoch.
    pub shuffle: bool,
    /// A `step` event every so many steps, with means over them.
    pub logging_steps: u64,
    /// Evaluate on `data.eval` every so many steps, and at the end; 0 for only at the end.
    pub eval_steps: u64,
    /// Held-out prompts that are answered at the start, with each evaluation and at the end, to be read by a person; 0
    /// for none.
    pub sample_prompts: usize,
    /// Write a checkpoint every so many steps, and at the end; 0 for only at the end. 50 where TRL has 500: steps are
    /// slow where no large GPU is.
    pub save_steps: u64,
    /// Newest checkpoints to keep; 0 for all. TRL keeps all.
    pub save_total_limit: usize,
    /// Compute each layer again in the backward instead of keeping its inner values: less memory, a third more work.
    pub gradient_checkpointing: bool,
    /// Go on with the run in `output_dir`: `false`, `true` (its newest whole checkpoint) or a checkpoint's folder.
    pub resume_from_checkpoint: Resume,
    /// Where the pairs are.
    pub data: DataConfig,
    /// The adapter; with `init_adapter` that adapter's own settings are used, except `lora_dropout`.
    pub lora: LoraConfig,
}

/// The table `[data]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Pairs to train on, JSONL.
    pub train: PathBuf,
    /// Held-out pairs to evaluate on, JSONL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval: Option<PathBuf>,
}

/// `resume_from_checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resume {
    /// Start a new run.
    #[default]
    No,
    /// Go on from the newest whole checkpoint, or from the start where there is none yet.
    Latest,
    /// Go on from this checkpoint.
    From(PathBuf),
}

const KEYS: [&str; 33] = [
    "model",
    "output_dir",
    "init_adapter",
    "device",
    "dtype",
    "seed",
    "loss_type",
    "loss_weights",
    "beta",
    "label_smoothing",
    "max_length",
    "max_prompt_length",
    "truncation",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "num_train_epochs",
    "shuffle",
    "logging_steps",
    "eval_steps",
    "sample_prompts",
    "save_steps",
    "save_total_limit",
    "gradient_checkpointing",
    "resume_from_checkpoint",
    // Tables.
    "data",
    "lora",
];
/// What others call something that has another name here.
const ELSEWHERE: [(&str, &str); 3] =
    [("load_in_4bit", "dtype = \"q4\""), ("load_in_8bit", "dtype = \"q8\""), ("torch_dtype", "dtype")];
const DATA_KEYS: [&str; 2] = ["train", "eval"];
const LORA_KEYS: [&str; 4] = ["r", "lora_alpha", "lora_dropout", "target_modules"];

/// Keys that may change between a run and its resumption, because they change no number of it.
const FREE: [&str; 7] = [
    "resume_from_checkpoint",
    "logging_steps",
    "eval_steps",
    "sample_prompts",
    "save_steps",
    "save_total_limit",
    "output_dir",
];

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            output_dir: PathBuf::new(),
            init_adapter: None,
            device: "cpu".into(),
            dtype: BaseDtype::Auto,
            seed: 42,
            loss_type: vec![LossType::Sigmoid],
            loss_weights: None,
            beta: 0.1,
            label_smoothing: 0.0,
            max_length: 1024,
            max_prompt_length: None,
            truncation: Truncation::KeepStart,
            learning_rate: 5e-5,
            lr_scheduler_type: SchedulerType::Linear,
            warmup_steps: 0,
            warmup_ratio: 0.0,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            per_device_train_batch_size: 8,
            gradient_accumulation_steps: 1,
            max_steps: -1,
            num_train_epochs: 3.0,
            shuffle: true,
            logging_steps: 1,
            eval_steps: 0,
            sample_prompts: 0,
            save_steps: 50,
            save_total_limit: 2,
            gradient_checkpointing: true,
            resume_from_checkpoint: Resume::No,
            data: DataConfig::default(),
            lora: LoraConfig::default(),
        }
    }
}

impl RunConfig {
    /// Reads a settings file. Relative paths are taken from the file's folder.
    ///
    /// # Errors
    /// When the file cannot be read, holds an unknown key, or a value without meaning.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::read(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|error| match error {
            Error::Config { what, hint } => Error::Config { what: format!("{}: {what}", path.display()), hint },
            other => other,
        })
    }

    /// Reads settings from TOML text. Relative paths are taken from `folder`.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let not_toml = |error: toml::de::Error| {
            Error::config(error.to_string().trim().to_owned(), "Correct this line; every key is listed in the README.")
        };
        let table: toml::Table = toml::from_str(text).map_err(not_toml)?;
        refuse_unknown(&table, "", &KEYS)?;
        for (name, keys) in [("data", &DATA_KEYS[..]), ("lora", &LORA_KEYS[..])] {
            if let Some(toml::Value::Table(inner)) = table.get(name) {
                refuse_unknown(inner, &format!("{name}."), keys)?;
            }
        }
        let mut config: Self = toml::from_str(text).map_err(not_toml)?;
        config.resolve_paths(folder)?;
        config.validate()?;
        Ok(config)
    }

    fn resolve_paths(&mut self, folder: &Path) -> Result<()> {
        let resolve = |path: &mut PathBuf| {
            if path.as_os_str().is_empty() {
                return Ok(());
            }
            *path = std::path::absolute(folder.join(&*path)).map_err(Error::read(folder))?;
            Ok(())
        };
        let required = [&mut self.model, &mut self.output_dir, &mut self.data.train];
        required.into_iter().chain(&mut self.data.eval).chain(&mut self.init_adapter).try_for_each(resolve)?;
        match &mut self.resume_from_checkpoint {
            Resume::From(path) => resolve(path),
            _ => Ok(()),
        }
    }

    /// Refuses values without meaning.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key.
    pub fn validate(&self) -> Result<()> {
        let needed = [("model", &self.model), ("output_dir", &self.output_dir), ("data.train", &self.data.train)];
        for (key, path) in needed {
            if path.as_os_str().is_empty() {
                return Err(Error::config(format!("{key} is missing"), format!("Add {key} to the settings.")));
            }
        }
        let range = |ok: bool, key: &str, value: &dyn std::fmt::Display, hint: &str| {
            if ok { Ok(()) } else { Err(Error::config(format!("{key} is {value}"), hint)) }
        };
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        range(positive(self.beta), "beta", &self.beta, "Set it above 0; 0.1 is usual.")?;
        let epsilon = self.label_smoothing;
        range((0.0..=0.5).contains(&epsilon), "label_smoothing", &epsilon, "Set it between 0 and 0.5.")?;
        range(positive(self.learning_rate), "learning_rate", &self.learning_rate, "Set it above 0.")?;
        range((0.0..=1.0).contains(&self.warmup_ratio), "warmup_ratio", &self.warmup_ratio, "Set it between 0 and 1.")?;
        range(not_negative(self.weight_decay), "weight_decay", &self.weight_decay, "Set it to 0 or more.")?;
        let norm = self.max_grad_norm;
        range(not_negative(norm), "max_grad_norm", &norm, "Set it to 0 (no limit) or more; 1 is usual.")?;
        for (key, value) in [
            ("per_device_train_batch_size", self.per_device_train_batch_size),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps),
        ] {
            range(value >= 1, key, &value, "Set it to 1 or more.")?;
        }
        range(self.logging_steps >= 1, "logging_steps", &self.logging_steps, "Set it to 1 or more.")?;
        range(self.max_length != 1, "max_length", &1, "Set it to 2 tokens or more, or 0 for no limit.")?;
        let prompt = self.max_prompt_length;
        range(prompt != Some(0), "max_prompt_length", &0, "Set it to 1 token or more, or leave it out.")?;
        let steps = self.max_steps;
        range(steps == -1 || steps >= 1, "max_steps", &steps, "Set it to 1 or more, or -1 to go by num_train_epochs.")?;
        let epochs = self.num_train_epochs;
        range(steps > 0 || positive(epochs), "num_train_epochs", &epochs, "Set it above 0.")?;
        range(i64::try_from(self.seed).is_ok(), "seed", &self.seed, "Set it to at most 9223372036854775807.")?;
        self.validate_losses()?;
        let device = self.device.as_str();
        let known = device == "cpu" || device == "metal" || device == "cuda" || device.starts_with("cuda:");
        range(known, "device", &self.device, "Set it to \"cpu\", \"cuda\", \"cuda:N\" or \"metal\".")?;
        self.lora.check()?;
        Ok(())
    }

    fn validate_losses(&self) -> Result<()> {
        if self.loss_type.is_empty() {
            return Err(Error::config("loss_type is empty", "Name at least one loss, such as \"sigmoid\"."));
        }
        if let Some(weights) = &self.loss_weights {
            if weights.len() != self.loss_type.len() {
                let what = format!("loss_weights has {} numbers for {} losses", weights.len(), self.loss_type.len());
                return Err(Error::config(what, "Give one weight for each entry of loss_type."));
            }
            if let Some(bad) = weights.iter().find(|w| !w.is_finite()) {
                return Err(Error::config(format!("loss_weights holds {bad}"), "Give finite numbers."));
            }
        }
        if self.loss_type.contains(&LossType::ExoPair) && self.label_smoothing == 0.0 {
            let hint = "Set label_smoothing above 0; the paper recommends 1e-3.";
            return Err(Error::config("the loss exo_pair is infinite with label_smoothing 0", hint));
        }
        if self.loss_type.contains(&LossType::Robust) && self.label_smoothing >= 0.5 {
            let hint = "Set label_smoothing below 0.5; 0.1 is usual.";
            return Err(Error::config("the loss robust needs label_smoothing below 0.5", hint));
        }
        Ok(())
    }

    /// The losses with their weights.
    pub fn objective(&self) -> Objective {
        let weight = |i: usize| self.loss_weights.as_ref().map_or(1.0, |weights| weights[i]);
        let terms = self.loss_type.iter().enumerate().map(|(i, &loss_type)| (loss_type, weight(i))).collect();
        let shape = Shape { beta: self.beta, label_smoothing: self.label_smoothing, discopop_tau: DISCOPOP_TAU };
        Objective { terms, shape }
    }

    /// Length limits for encoding.
    pub fn limits(&self) -> Limits {
        Limits {
            max_length: (self.max_length > 0).then_some(self.max_length),
            max_prompt_length: self.max_prompt_length,
            truncation: self.truncation,
        }
    }

    /// The settings as TOML, complete.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| {
            Error::config(format!("the settings cannot be written: {error}"), "Use paths that are plain text.")
        })
    }

    /// Every setting that shapes the run's numbers, as `key = value`, tables as `table.key`.
    fn fixed(&self) -> Result<Vec<(String, String)>> {
        let table: toml::Table = toml::from_str(&self.to_toml()?)
            .map_err(|error| Error::config(format!("the settings cannot be read back: {error}"), ""))?;
        let mut flat = Vec::new();
        for (key, value) in table.into_iter().filter(|(key, _)| !FREE.contains(&key.as_str())) {
            match value {
                toml::Value::Table(inner) => {
                    flat.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), value.to_string())));
                }
                value => flat.push((key, value.to_string())),
            }
        }
        flat.sort();
        Ok(flat)
    }

    /// What differs from the settings `earlier` that would change the run's numbers, a line for each key.
    ///
    /// # Errors
    /// As [`RunConfig::to_toml`].
    pub fn changes_since(&self, earlier: &Self) -> Result<Vec<String>> {
        let (old, new) = (earlier.fixed()?, self.fixed()?);
        let find = |list: &[(String, String)], key: &str| {
            list.iter().find(|(k, _)| k == key).map_or("unset".to_owned(), |(_, value)| value.clone())
        };
        let mut keys: Vec<_> = old.iter().chain(&new).map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        let line = |key: &str| {
            let (was, is) = (find(&old, key), find(&new, key));
            (was != is).then(|| format!("{key} was {was} and is now {is}"))
        };
        Ok(keys.into_iter().filter_map(line).collect())
    }

    /// SHA-256 (hexadecimal) over every setting that shapes the run's numbers.
    ///
    /// # Errors
    /// As [`RunConfig::to_toml`].
    pub fn digest(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        for (key, value) in self.fixed()? {
            hasher.update(format!("{key} = {value}\n"));
        }
        Ok(format!("{:x}", hasher.finalize()))
    }
}

fn refuse_unknown(table: &toml::Table, prefix: &str, known: &[&str]) -> Result<()> {
    let Some(stranger) = table.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| stranger == theirs) {
        return Err(Error::config(format!("unknown key {prefix}{stranger}"), format!("Set {ours}.")));
    }
    let part = known.iter().find(|key| key.contains(stranger.as_str()));
    let nearest = part.or_else(|| known.iter().min_by_key(|key| distance(stranger, key))).copied().unwrap_or_default();
    let hint = if part.is_some() || distance(stranger, nearest) <= stranger.len().max(nearest.len()) / 2 {
        format!("Did you mean {prefix}{nearest}?")
    } else {
        format!("Known keys: {}.", known.join(", "))
    };
    Err(Error::config(format!("unknown key {prefix}{stranger}"), hint))
}

/// Edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<LossType>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Many(Vec<String>),
    }
    let names = match Written::deserialize(deserializer)? {
        Written::One(name) => vec![name],
        Written::Many(names) => names,
    };
    let parse = |name: String| {
        LossType::all().find(|loss_type| loss_type.name() == name).ok_or_else(|| {
            let known: Vec<_> = LossType::all().map(LossType::name).collect();
            serde::de::Error::custom(format!("unknown loss_type \"{name}\"; known: {}", known.join(", ")))
        })
    };
    names.into_iter().map(parse).collect()
}

impl Serialize for Resume {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Latest => serializer.serialize_bool(true),
            Self::From(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Resume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "resume_from_checkpoint must be true, false or a checkpoint's folder")]
        enum Written {
            Flag(bool),
            Path(PathBuf),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Flag(false) => Self::No,
            Written::Flag(true) => Self::Latest,
            Written::Path(path) => Self::From(path),
        })
    }
}

#[cfg(test)]
mod tests;
