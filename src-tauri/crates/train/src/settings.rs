//! The settings of training, under their TRL names: how a run learns, apart from where it reads and writes.
//!
//! They are declared here and nowhere else: `config.toml` and the window have them as they stand here, and [`Settings::remarks`] says
//! what is wrong or doubtful about their values. Where a default differs from TRL's, the field says why.

mod ranges;
mod remarks;
#[cfg(test)]
mod tests;
mod typed;

pub use remarks::{Level, Remark, refuse_first};
pub use typed::remarks_on_typed;

use crate::losses::{DISCOPOP_TAU, Divergence, FDivergenceType, LossType, Objective, Shape};
use crate::schedule::SchedulerType;
use crate::scores::Counting;
use crate::selection::{HeldOutMetric, Selection};
use chat::{Limits, Truncation};
use model::{BaseDtype, LoraConfig, Products};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;
use ts_rs::TS;

/// How a run learns: all its settings but its paths and its device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(default)]
// Switches under the names that users know.
#[allow(clippy::struct_excessive_bools)]
pub struct Settings {
    /// PEFT adapter to start from; where absent, `ref_adapter`, or a new one.
    pub init_adapter: Option<PathBuf>,
    /// PEFT adapter that makes the reference, frozen: such as one of supervised fine-tuning, which training goes on from.
    /// Where absent the reference is the base model.
    pub ref_adapter: Option<PathBuf>,
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
    /// Longest prompt in tokens; longer ones lose their beginning, or are too long where nothing is to be cut. No limit where
    /// absent.
    pub max_prompt_length: Option<usize>,
    /// What becomes of a pair longer than `max_length`.
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
    pub greater_is_better: Option<bool>,
    /// Stop after so many evaluations without an improvement.
    pub early_stopping_patience: Option<u64>,
    /// What must be exceeded to count as one.
    pub early_stopping_threshold: f64,
    /// Compute each layer again in the backward instead of keeping its inner values: less memory, a third more work, the
    /// same numbers.
    pub gradient_checkpointing: Checkpointing,
    /// The adapter; with `init_adapter` or `ref_adapter` that adapter's own settings count, and none of these.
    pub lora: LoraConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            init_adapter: None,
            ref_adapter: None,
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
            lora: LoraConfig::default(),
        }
    }
}

impl Settings {
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
        self.selecting().map(|_| Selection {
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
}

/// `gradient_checkpointing`: `true`, `false`, or `auto`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, TS)]
#[ts(type = "boolean | \"auto\"")]
pub enum Checkpointing {
    /// Layers are computed again where keeping their inner values would take more than half of the memory that is free.
    #[default]
    Auto,
    /// They are computed again.
    On,
    /// They are kept.
    Off,
}

/// Reads settings, for a struct that holds them, and refuses a key that is none of them. (In a settings file others stand
/// beside them; there [`crate::RunConfig::parse`] refuses.)
///
/// # Errors
/// Those of the reader, and for an unknown key.
pub fn known_alone<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Settings, D::Error> {
    use serde::de::Error;
    let value = serde_json::Value::deserialize(deserializer)?;
    let known = serde_json::to_value(Settings::default()).map_err(Error::custom)?;
    match value.as_object().and_then(|fields| fields.keys().find(|key| known.get(key.as_str()).is_none())) {
        Some(stranger) => Err(Error::custom(format!("unknown setting {stranger}"))),
        None => serde_json::from_value(value).map_err(Error::custom),
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
