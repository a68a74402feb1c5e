//! A run's settings: flat keys under their TRL names, tables `[data]` and `[lora]`.
//!
//! Where a default differs from TRL's, the field says why.

mod keys;
mod validate;

use crate::error::{Error, Result};
use crate::folder::CONFIG;
use crate::losses::{DISCOPOP_TAU, Divergence, FDivergenceType, LossType, Objective, Shape};
use crate::schedule::SchedulerType;
use crate::scores::Counting;
use crate::selection::{HeldOutMetric, Selection};
use chat::{Limits, Truncation};
use keys::{DATA_KEYS, FREE, KEYS, LATER, LORA_KEYS, refuse_unknown};
use model::{BaseDtype, DeviceChoice, LoraConfig, Products};
use prefs::reader::Choices;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// All settings of a run, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
// Switches under the names that users know.
#[allow(clippy::struct_excessive_bools)]
pub struct RunConfig {
    /// Model folder (safetensors) or GGUF file.
    pub model: PathBuf,
    /// The run's folder: events, checkpoints and the adapter go here.
    pub output_dir: PathBuf,
    /// PEFT adapter to start from; where absent, `ref_adapter`, or a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_adapter: Option<PathBuf>,
    /// PEFT adapter that makes the reference, frozen: such as one of supervised fine-tuning, which training goes on from.
    /// Where absent the reference is the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_adapter: Option<PathBuf>,
    /// Where to compute: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`. A run that began with `auto` stays on the device that
    /// it then found.
    pub device: DeviceChoice,
    /// What the frozen weights are kept as: `auto` (as the file has them), `f32`, `bf16`, `f16`, `q8` or `q4`.
    pub dtype: BaseDtype,
    /// What products with the frozen weights are computed in on the CPU: `f32`, `bf16`, or `auto`, which is bf16 where the
    /// processor multiplies in it. A run that began with `auto` stays with what it then was.
    pub products: Products,
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
    /// What holds the policy to the reference: f-DPO, arXiv 2309.16240.
    pub f_divergence_type: FDivergenceType,
    /// α of `alpha_divergence`.
    pub f_alpha_divergence_coef: f64,
    /// LD-DPO, arXiv 2409.06411: tokens beyond the length of a pair's shorter answer count this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ld_alpha: Option<f64>,
    /// WPO, arXiv 2406.11827: pairs count by how likely the policy itself is to answer so.
    pub use_weighting: bool,
    /// TR-DPO, arXiv 2404.09656: the reference follows the policy.
    pub sync_ref_model: bool,
    /// Share of the policy in the reference after each such step: `θ_ref ← (1 − α) θ_ref + α θ`.
    pub ref_model_mixup_alpha: f64,
    /// Steps from one such step to the next.
    pub ref_model_sync_steps: u64,
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
    /// Newest checkpoints to keep, besides the best where that is asked for; 0 for all. TRL keeps all.
    pub save_total_limit: usize,
    /// The run's adapter is that of its best evaluation, not of its last step.
    pub load_best_model_at_end: bool,
    /// By which number of the held-out pairs it is the best. The accuracy, where transformers takes the loss.
    pub metric_for_best_model: HeldOutMetric,
    /// Whether a larger one is better; by default unless it is the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greater_is_better: Option<bool>,
    /// Stop after so many evaluations without an improvement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_patience: Option<u64>,
    /// What must be exceeded to count as one.
    pub early_stopping_threshold: f64,
    /// Compute each layer again in the backward instead of keeping its inner values: less memory, a third more work, the
    /// same numbers.
    pub gradient_checkpointing: Checkpointing,
    /// Go on with the run in `output_dir`: `false`, `true` (its newest whole checkpoint) or a checkpoint's folder.
    pub resume_from_checkpoint: Resume,
    /// Where the pairs are.
    pub data: DataConfig,
    /// The adapter; with `init_adapter` or `ref_adapter` that adapter's own settings count, and none of these.
    pub lora: LoraConfig,
}

/// The table `[data]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Pairs to train on: JSON Lines, a JSON array, CSV or TSV.
    pub train: PathBuf,
    /// Held-out pairs to evaluate on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval: Option<PathBuf>,
    /// How both files are read where they do not say it themselves: which column is what, and choices such as
    /// `plain_text`.
    #[serde(skip_serializing_if = "Choices::is_empty")]
    pub map: Choices,
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

/// `gradient_checkpointing`: `true`, `false`, or `auto`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Checkpointing {
    /// Layers are computed again where keeping their inner values would take more than half of the memory that is free.
    #[default]
    Auto,
    /// They are computed again.
    On,
    /// They are kept.
    Off,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            output_dir: PathBuf::new(),
            init_adapter: None,
            ref_adapter: None,
            device: DeviceChoice::Auto,
            dtype: BaseDtype::Auto,
            products: Products::Auto,
            seed: 42,
            loss_type: vec![LossType::Sigmoid],
            loss_weights: None,
            beta: 0.1,
            label_smoothing: 0.0,
            f_divergence_type: FDivergenceType::ReverseKl,
            f_alpha_divergence_coef: 0.5,
            ld_alpha: None,
            use_weighting: false,
            sync_ref_model: false,
            ref_model_mixup_alpha: 0.6,
            ref_model_sync_steps: 512,
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
            load_best_model_at_end: false,
            metric_for_best_model: HeldOutMetric::default(),
            greater_is_better: None,
            early_stopping_patience: None,
            early_stopping_threshold: 0.0,
            gradient_checkpointing: Checkpointing::Auto,
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
        let adapters = [&mut self.init_adapter, &mut self.ref_adapter].into_iter().flatten();
        required.into_iter().chain(&mut self.data.eval).chain(adapters).try_for_each(resolve)?;
        match &mut self.resume_from_checkpoint {
            Resume::From(path) => resolve(path),
            _ => Ok(()),
        }
    }

    /// The losses with their weights.
    pub fn objective(&self) -> Objective {
        let weight = |i: usize| self.loss_weights.as_ref().map_or(1.0, |weights| weights[i]);
        let terms = self.loss_type.iter().enumerate().map(|(i, &loss_type)| (loss_type, weight(i))).collect();
        let shape = Shape {
            beta: self.beta,
            label_smoothing: self.label_smoothing,
            discopop_tau: DISCOPOP_TAU,
            divergence: Divergence::new(self.f_divergence_type, self.f_alpha_divergence_coef),
        };
        Objective { terms, shape }
    }

    /// How the tokens of an answer count.
    pub fn counting(&self) -> Counting {
        Counting { ld_alpha: self.ld_alpha, use_weighting: self.use_weighting }
    }

    /// Which step is the best, and when to stop for it; none where neither is asked for.
    pub fn selection(&self) -> Option<Selection> {
        let asked = self.load_best_model_at_end || self.early_stopping_patience.is_some();
        asked.then(|| Selection {
            metric: self.metric_for_best_model,
            greater_is_better: self.greater_is_better.unwrap_or(self.metric_for_best_model.greater_is_better()),
            keep_best: self.load_best_model_at_end,
            patience: self.early_stopping_patience,
            threshold: self.early_stopping_threshold,
        })
    }

    /// What is to be said of the reference where it is not the one that TRL takes.
    pub fn reference_note(&self) -> Option<String> {
        let begins = self.init_adapter.as_ref().filter(|_| self.ref_adapter.is_none())?;
        Some(format!(
            "training begins with init_adapter, and the reference is the base model without it. TRL takes the adapter itself as \
             the reference: for that, set ref_adapter = \"{}\" too",
            begins.display()
        ))
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
        // Which step is the best depends on which are looked at.
        let selecting = self.selection().is_some();
        let free = |key: &str| FREE.contains(&key) && !(selecting && key == "eval_steps");
        for (key, value) in table.into_iter().filter(|(key, _)| !free(key)) {
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

    /// The settings that a run has written down in its folder. Before there was a choice of products, they were f32.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn of_run(folder: &Path) -> Result<Self> {
        let written = Self::read(&folder.join(CONFIG))?;
        let products = if written.products == Products::Auto { Products::F32 } else { written.products };
        Ok(Self { products, ..written })
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
        let defaults = Self::default().fixed()?;
        let later = |key: &str| LATER.iter().any(|later| key.starts_with(later));
        let as_before = |entry: &(String, String)| match entry.0.as_str() {
            "products" => self.products == Products::F32,
            key => later(key) && defaults.contains(entry),
        };
        let mut hasher = Sha256::new();
        for (key, value) in self.fixed()?.into_iter().filter(|entry| !as_before(entry)) {
            hasher.update(format!("{key} = {value}\n"));
        }
        Ok(format!("{:x}", hasher.finalize()))
    }
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

impl Serialize for Checkpointing {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::On => serializer.serialize_bool(true),
            Self::Off => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Checkpointing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        const EXPECTED: &str = "gradient_checkpointing must be true, false or \"auto\"";
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "gradient_checkpointing must be true, false or \"auto\"")]
        enum Written {
            Flag(bool),
            Name(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Flag(true) => Ok(Self::On),
            Written::Flag(false) => Ok(Self::Off),
            Written::Name(name) if name == "auto" => Ok(Self::Auto),
            Written::Name(_) => Err(serde::de::Error::custom(EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests;
