//! Training runs.

use super::FigureView;
use crate::error::Error;
use chat::Truncation;
use model::{BaseDtype, Patterns, Products};
use serde::{Deserialize, Serialize};
use train::config::Checkpointing;
use train::losses::{FDivergenceType, LossType};
use train::schedule::SchedulerType;
use train::selection::HeldOutMetric;
use ts_rs::TS;

/// The settings of a run under TRL's names, as its `config.toml` has them, without paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)]
pub struct RunSettings {
    /// Losses to minimise together.
    #[ts(type = "string[]")]
    pub loss_type: Vec<LossType>,
    /// Weight of each loss; all 1 where absent.
    pub loss_weights: Option<Vec<f64>>,
    /// Strength of the pull towards the reference.
    pub beta: f64,
    /// ε of robust, `exo_pair`, aot and `aot_unpaired`.
    pub label_smoothing: f64,
    /// What holds the policy to the reference.
    #[ts(type = "\"reverse_kl\" | \"forward_kl\" | \"js_divergence\" | \"alpha_divergence\"")]
    pub f_divergence_type: FDivergenceType,
    /// α of `alpha_divergence`.
    pub f_alpha_divergence_coef: f64,
    /// How much tokens beyond the length of a pair's shorter answer count; in full where absent.
    pub ld_alpha: Option<f64>,
    /// Pairs count by how likely the policy itself is to answer so.
    pub use_weighting: bool,
    /// The reference follows the policy.
    pub sync_ref_model: bool,
    /// Share of the policy in the reference after each such step.
    pub ref_model_mixup_alpha: f64,
    /// Steps from one such step to the next.
    pub ref_model_sync_steps: u64,
    /// Folder of an adapter that makes the reference; the model alone where absent.
    pub ref_adapter: Option<String>,
    /// Folder of an adapter to start from; that of the reference, or a new one, where absent.
    pub init_adapter: Option<String>,
    /// Longest prompt and answer together, in tokens; 0 for no limit.
    pub max_length: usize,
    /// Longest prompt.
    pub max_prompt_length: Option<usize>,
    /// Which end of what is too long is kept.
    #[ts(type = "\"keep_start\" | \"keep_end\"")]
    pub truncation: Truncation,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Shape of the learning rate over the run.
    #[ts(type = "\"constant\" | \"linear\" | \"cosine\"")]
    pub lr_scheduler_type: SchedulerType,
    /// Steps over which the learning rate rises.
    pub warmup_steps: u64,
    /// The same as a share of the run.
    pub warmup_ratio: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm; 0 for no limit.
    pub max_grad_norm: f64,
    /// Pairs per microbatch.
    pub per_device_train_batch_size: usize,
    /// Microbatches per optimiser step.
    pub gradient_accumulation_steps: usize,
    /// Optimiser steps; −1 to go by `num_train_epochs`.
    pub max_steps: i64,
    /// Passes over the pairs.
    pub num_train_epochs: f64,
    /// Another order each epoch.
    pub shuffle: bool,
    /// Start of the adapter, order of the pairs, dropout.
    pub seed: u64,
    /// An event every so many steps.
    pub logging_steps: u64,
    /// Held-out pairs every so many steps; 0 for only at the end.
    pub eval_steps: u64,
    /// A checkpoint every so many steps; 0 for only at the end.
    pub save_steps: u64,
    /// Newest checkpoints to keep; 0 for all.
    pub save_total_limit: usize,
    /// The run's adapter is that of its best evaluation.
    pub load_best_model_at_end: bool,
    /// By which number of the held-out pairs it is the best.
    #[ts(type = "string")]
    pub metric_for_best_model: HeldOutMetric,
    /// Whether a larger one is better; by default unless it is the loss.
    pub greater_is_better: Option<bool>,
    /// Stop after so many evaluations without an improvement; never where absent.
    pub early_stopping_patience: Option<u64>,
    /// What must be exceeded to count as one.
    pub early_stopping_threshold: f64,
    /// Compute each layer again in the backward.
    #[ts(type = "boolean | \"auto\"")]
    pub gradient_checkpointing: Checkpointing,
    /// What the base's weights are kept as.
    #[ts(type = "\"auto\" | \"f32\" | \"bf16\" | \"f16\" | \"q8\" | \"q4\"")]
    pub dtype: BaseDtype,
    /// What products with them are computed in.
    #[ts(type = "\"f32\" | \"bf16\" | \"auto\"")]
    pub products: Products,
    /// Rank of the adapter.
    pub lora_r: usize,
    /// The adapter is scaled by `lora_alpha / lora_r`.
    pub lora_alpha: f64,
    /// Probability that an input of the adapter is left out.
    pub lora_dropout: f64,
    /// Names of the layers that are adapted; all linear ones where absent.
    pub target_modules: Option<Vec<String>>,
    /// A regular expression for their whole names instead.
    pub target_pattern: Option<String>,
    /// Another rank for layers whose names match.
    #[ts(type = "Record<string, number>")]
    pub rank_pattern: Patterns<usize>,
    /// Another `lora_alpha` for layers whose names match.
    #[ts(type = "Record<string, number>")]
    pub alpha_pattern: Patterns<f64>,
    /// Scale by the root of the rank.
    pub use_rslora: bool,
    /// Train direction and length of each layer's rows apart.
    pub use_dora: bool,
}

/// A run to be planned or started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The project's folder.
    pub project: String,
    /// The run's name.
    pub name: String,
    /// A name of the catalogue or a path.
    pub model: String,
    /// Share of the pairs that is kept for evaluation, 0 to 1.
    pub held_out_share: f64,
    /// Held-out prompts that are answered as training goes.
    pub sample_prompts: usize,
    /// All else.
    pub settings: RunSettings,
}

/// What a run would do and take.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPlan {
    /// Pairs to train on.
    pub pairs: usize,
    /// Pairs held out.
    pub held_out: usize,
    /// Pairs left out because the prompt alone fills `max_length`.
    pub dropped: usize,
    /// Pairs left out because their answers are the same tokens once they are rendered and cut.
    pub identical: usize,
    /// Of pairs that are plain text, where the model has a chat template that they do not pass through: a sentence without a
    /// full stop.
    pub plain_text_note: Option<String>,
    /// Pairs that pass through the model's chat template.
    pub conversations: usize,
    /// Pairs whose prompt is cut.
    pub cut_prompts: usize,
    /// Pairs of which an answer is cut.
    pub cut_answers: usize,
    /// The numbers of the pairs that are cut or dropped; the first of them.
    pub cut_pairs: Vec<i64>,
    /// Optimiser steps.
    pub steps: u64,
    /// Optimiser steps of a pass over the pairs.
    pub steps_per_epoch: u64,
    /// Tokens of a step, about.
    pub tokens_per_step: f64,
    /// Lengths of the pairs against the limits.
    pub histogram: FigureView,
    /// Bytes that training takes at its peak.
    pub memory_needed: u64,
    /// Bytes that are free.
    pub memory_free: Option<u64>,
    /// Whether it fits.
    pub fits: bool,
    /// What to change where it does not, or where there is something better.
    pub advice: Option<String>,
    /// What there is to know of the model's files.
    pub notes: Vec<String>,
    /// What is to be said of the reference where it is not the one that TRL takes.
    pub reference_note: Option<String>,
    /// Why it cannot be started.
    pub problems: Vec<Error>,
    /// How long it takes, from measured steps.
    pub seconds_estimate: Option<f64>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Written, not begun.
    Prepared,
    /// Its process is at work.
    Running,
    /// Its process is gone, and did not say why.
    Interrupted,
    /// Its adapter is written.
    Finished,
    /// Stopped by the user, who means to resume it.
    Paused,
    /// Stopped by the user.
    Stopped,
    /// Ended by an error.
    Failed,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunSummary {
    /// By which it is named: its folder's name.
    pub run: String,
    /// The name it was given.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// Whether it has an adapter that can be evaluated and exported; while it is running, it has none to rely on.
    pub has_adapter: bool,
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub total_steps: u64,
    /// When it began.
    pub started_at: u64,
    /// Time left at this pace.
    pub seconds_left: Option<f64>,
    /// Loss of the last steps.
    pub loss: Option<f64>,
    /// `rewards/accuracies`: share of the last steps' pairs on which training moved the chosen answer up.
    pub accuracy: Option<f64>,
    /// The same on held-out pairs: held-out accuracy by reward.
    pub held_out_accuracy: Option<f64>,
    /// Its 95 % interval.
    pub held_out_accuracy_interval: Option<(f64, f64)>,
    /// Its model.
    pub model: String,
}

/// A run, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunView {
    /// As in the list.
    pub summary: RunSummary,
    /// Its folder.
    pub folder: String,
    /// Its settings.
    pub settings: RunSettings,
    /// What it is computed on: names, and digests of what they name.
    pub computed_on: Vec<(String, String)>,
    /// Which step its adapter is of, and why it ended early, where that is not simply the last one.
    pub selection: Option<String>,
    /// Share of the pairs that was held out.
    pub held_out_share: f64,
    /// Held-out prompts that are answered as training goes.
    pub sample_prompts: usize,
    /// The last step's numbers.
    pub now: RunNow,
    /// Why it failed.
    pub error: Option<Error>,
    /// What it warned of.
    pub warnings: Vec<String>,
    /// What the doctor sees.
    pub findings: Vec<Finding>,
    /// Answers as training goes.
    pub samples: Vec<SampleSet>,
    /// What is being done now, in words.
    pub stage: String,
    /// Units of the stage that are done.
    pub stage_done: u64,
    /// Units of the stage in all.
    pub stage_total: u64,
}

/// The numbers of the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, TS)]
pub struct RunNow {
    /// Loss.
    pub loss: Option<f64>,
    /// rewards/margins.
    pub margin: Option<f64>,
    /// rewards/accuracies.
    pub accuracy: Option<f64>,
    /// rewards/chosen.
    pub chosen: Option<f64>,
    /// rewards/rejected.
    pub rejected: Option<f64>,
    /// Norm of the gradient before it was scaled down.
    pub grad_norm: Option<f64>,
    /// Learning rate.
    pub learning_rate: Option<f64>,
    /// Tokens trained on in a second.
    pub tokens_per_second: Option<f64>,
    /// The most memory that the process has had.
    pub peak_memory_bytes: Option<u64>,
}

/// Answers to the fixed prompts at one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SampleSet {
    /// After this step.
    pub step: u64,
    /// One for each prompt.
    #[ts(inline)]
    pub answers: Vec<SampleAnswer>,
}

/// An answer to a fixed prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SampleAnswer {
    /// What was asked.
    pub prompt: String,
    /// The answer.
    pub text: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Likely to spoil the run.
    Warning,
    /// The run is of no use.
    Stop,
}

/// Something the doctor sees in a run.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Finding {
    /// A stable short name.
    pub code: String,
    /// How much it matters.
    #[ts(inline)]
    pub severity: Severity,
    /// In a few words.
    pub title: String,
    /// What is seen and what it means.
    pub sentence: String,
    /// The figure that shows it.
    pub figure: Option<String>,
    /// What to do about it.
    pub remedy: Option<Remedy>,
}

/// Changes of settings that would help: a duplicate of the run is opened with them.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Remedy {
    /// In a few words.
    pub label: String,
    /// The settings to change.
    #[ts(type = "Partial<RunSettings>")]
    pub settings: serde_json::Map<String, serde_json::Value>,
}
