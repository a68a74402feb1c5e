//! The keys of a settings file, and what is said of one that is none.

use crate::error::{Error, Result};

pub(super) const KEYS: [&str; 47] = [
    "model",
    "output_dir",
    "init_adapter",
    "ref_adapter",
    "device",
    "dtype",
    "products",
    "seed",
    "loss_type",
    "loss_weights",
    "beta",
    "label_smoothing",
    "f_divergence_type",
    "f_alpha_divergence_coef",
    "ld_alpha",
    "use_weighting",
    "sync_ref_model",
    "ref_model_mixup_alpha",
    "ref_model_sync_steps",
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
    "load_best_model_at_end",
    "metric_for_best_model",
    "greater_is_better",
    "early_stopping_patience",
    "early_stopping_threshold",
    "gradient_checkpointing",
    "resume_from_checkpoint",
    // Tables.
    "data",
    "lora",
];
/// What others call something that has another name here.
const ELSEWHERE: [(&str, &str); 3] =
    [("load_in_4bit", "dtype = \"q4\""), ("load_in_8bit", "dtype = \"q8\""), ("torch_dtype", "dtype")];
pub(super) const DATA_KEYS: [&str; 3] = ["train", "eval", "map"];
pub(super) const LORA_KEYS: [&str; 8] =
    ["r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"];

/// Keys that may change between a run and its resumption, because they change no number of it.
pub(super) const FREE: [&str; 7] = [
    "resume_from_checkpoint",
    "logging_steps",
    "eval_steps",
    "sample_prompts",
    "save_steps",
    "save_total_limit",
    "output_dir",
];

/// Keys that came later. Where one has its default it is left out of the digest, so that a run begun before can be
/// resumed; so is `products` where it is what it always was before there was a choice, f32.
pub(super) const LATER: [&str; 10] = [
    "f_divergence_type",
    "f_alpha_divergence_coef",
    "use_weighting",
    "sync_ref_model",
    "ref_model_mixup_alpha",
    "ref_model_sync_steps",
    "load_best_model_at_end",
    "metric_for_best_model",
    "early_stopping_threshold",
    "lora.use_",
];

pub(super) fn refuse_unknown(table: &toml::Table, prefix: &str, known: &[&str]) -> Result<()> {
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
