//! Settings that are one number: which values have a meaning, and between which a run is on the safe side.

use super::Settings;
use super::remarks::Remark;

/// What holds of one number, whatever the other settings are.
pub(super) struct Range {
    /// As a settings file spells it.
    pub(super) key: &'static str,
    /// The number; nothing where it is not set or does not count.
    of: fn(&Settings) -> Option<f64>,
    /// Whether it has a meaning.
    accepts: fn(f64) -> bool,
    /// Which values have one.
    pub(super) hint: &'static str,
    /// Below this number a run may be used, and this is said of it.
    low: (f64, &'static str),
    /// The same above this number.
    high: (f64, &'static str),
}

/// In the order in which they are refused.
pub(super) const RANGES: &[Range] = &[
    range("beta", |s| Some(s.beta), above_0, "Set it above 0; 0.1 is usual.")
        .doubtful_below(0.05, "Below 0.05 the model may drift far from the reference and start to repeat itself.")
        .doubtful_above(0.5, "Above 0.5 the model hardly moves away from the reference."),
    range("label_smoothing", |s| Some(s.label_smoothing), |x| (0.0..=0.5).contains(&x), "Set it between 0 and 0.5."),
    range("learning_rate", |s| Some(s.learning_rate), above_0, "Set it above 0; 5e-5 is usual for a LoRA.")
        .doubtful_below(5e-6, "Below 5e-6 an adapter learns very little. (1e-6 is for training all weights.)")
        .doubtful_above(3e-4, "Above 3e-4 training may become unstable: watch grad_norm and the sample answers."),
    range("warmup_ratio", |s| Some(s.warmup_ratio), |x| (0.0..=1.0).contains(&x), "Set it between 0 and 1.")
        .doubtful_above(0.3, "The learning rate is still rising for much of the run."),
    range("warmup_steps", |s| Some(s.warmup_steps as f64), any_whole, "Set it to a whole number of 0 or more."),
    range("weight_decay", |s| Some(s.weight_decay), from_0, "Set it to 0 or more.")
        .doubtful_above(0.1, "Above 0.1 the adapter is pulled back strongly."),
    range("max_grad_norm", |s| Some(s.max_grad_norm), from_0, "Set it to 0 (no limit) or more; 1 is usual.")
        .doubtful_above(10.0, "So high a limit hardly ever holds anything back."),
    range(
        "per_device_train_batch_size",
        |s| Some(s.per_device_train_batch_size as f64),
        from_1,
        "Set it to 1 or more.",
    )
    .doubtful_above(64.0, "So many pairs at once need much memory."),
    range(
        "gradient_accumulation_steps",
        |s| Some(s.gradient_accumulation_steps as f64),
        from_1,
        "Set it to 1 or more.",
    ),
    range("logging_steps", |s| Some(s.logging_steps as f64), from_1, "Set it to 1 or more.")
        .doubtful_above(50.0, "With so few points the doctor sees trouble late."),
    range("eval_steps", |s| Some(s.eval_steps as f64), any_whole, "Set it to a whole number of 0 or more."),
    range("save_steps", |s| Some(s.save_steps as f64), any_whole, "Set it to a whole number of 0 or more.")
        .doubtful_below(1.0, "Without checkpoints a run that is cut off starts again from the beginning."),
    range("save_total_limit", |s| Some(s.save_total_limit as f64), any_whole, "Set it to a whole number of 0 or more."),
    range(
        "max_length",
        |s| Some(s.max_length as f64),
        |x| x <= 0.0 || x >= 2.0,
        "Set it to 2 tokens or more, or 0 for no limit.",
    )
    .doubtful_above(8192.0, "Sequences this long need much memory."),
    range(
        "max_prompt_length",
        |s| s.max_prompt_length.map(|length| length as f64),
        from_1,
        "Set it to 1 token or more, or leave it out.",
    ),
    range(
        "max_steps",
        |s| Some(s.max_steps as f64),
        |x| (-1.0..0.0).contains(&x) || x >= 1.0,
        "Set it to 1 or more, or -1 to go by num_train_epochs.",
    ),
    range(
        "num_train_epochs",
        |s| (s.max_steps <= 0).then_some(s.num_train_epochs),
        |x| above_0(x) && x <= 1e6,
        "Set it above 0 and to at most 1000000; 1 to 3 is usual.",
    )
    .doubtful_above(3.0, "Above 3 epochs DPO usually memorises the pairs: watch the held-out accuracy."),
    range("sample_prompts", |s| Some(s.sample_prompts as f64), |x| x <= 100.0, "Set it to at most 100; 3 is usual.")
        .doubtful_above(16.0, "So many sample answers take time from training."),
    range(
        "seed",
        |s| Some(s.seed as f64),
        any_whole,
        "Set it to a whole number from 0 to at most 9223372036854775807.",
    ),
    range(
        "f_alpha_divergence_coef",
        |s| Some(s.f_alpha_divergence_coef),
        f64::is_finite,
        "Set it to a number; 0.5 is usual.",
    ),
    range(
        "ld_alpha",
        |s| s.ld_alpha,
        |x| (0.0..=1.0).contains(&x),
        "Set it between 0 (tokens beyond the shorter answer do not count) and 1, or leave it out.",
    )
    .doubtful_below(0.1, "The ends of longer answers hardly count."),
    range(
        "ref_model_mixup_alpha",
        |s| Some(s.ref_model_mixup_alpha),
        |x| x > 0.0 && x <= 1.0,
        "Set it above 0 and to at most 1, where the reference becomes the policy; 0.6 is usual.",
    ),
    range(
        "ref_model_sync_steps",
        |s| Some(s.ref_model_sync_steps as f64),
        from_1,
        "Set it to 1 or more; 512 is usual for long runs.",
    ),
    range(
        "early_stopping_threshold",
        |s| Some(s.early_stopping_threshold),
        from_0,
        "Set it to 0 or more: what counts as an improvement.",
    ),
    range(
        "early_stopping_patience",
        |s| s.early_stopping_patience.map(|evaluations| evaluations as f64),
        from_1,
        "Set it to 1 evaluation or more, or leave it out.",
    ),
    range("lora.r", |s| Some(s.lora.r as f64), refused_by_model, "Set the rank to 1 or more; 8 to 64 is usual.")
        .doubtful_below(4.0, "So small a rank can learn little.")
        .doubtful_above(128.0, "So large a rank needs memory and memorises more easily."),
    range(
        "lora.lora_alpha",
        |s| Some(s.lora.lora_alpha),
        refused_by_model,
        "Set it above 0; once or twice r is usual.",
    ),
    range(
        "lora.lora_dropout",
        |s| Some(s.lora.lora_dropout),
        refused_by_model,
        "Set it to 0 or more and below 1; 0 to 0.1 is usual.",
    )
    .doubtful_above(0.3, "Above 0.3 little of the adapter is left at each step."),
];

fn above_0(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

fn from_0(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}

fn from_1(x: f64) -> bool {
    x >= 1.0
}

/// What has no meaning for an adapter, `model` says: [`model::LoraConfig::faults`].
fn refused_by_model(_: f64) -> bool {
    true
}

/// For whole numbers of a type that has only those with a meaning.
fn any_whole(_: f64) -> bool {
    true
}

const fn range(
    key: &'static str,
    of: fn(&Settings) -> Option<f64>,
    accepts: fn(f64) -> bool,
    hint: &'static str,
) -> Range {
    Range { key, of, accepts, hint, low: (f64::NEG_INFINITY, ""), high: (f64::INFINITY, "") }
}

impl Range {
    const fn doubtful_below(self, least: f64, why: &'static str) -> Self {
        Self { low: (least, why), ..self }
    }

    const fn doubtful_above(self, most: f64, why: &'static str) -> Self {
        Self { high: (most, why), ..self }
    }

    /// What is to be said of the number, if anything.
    pub(super) fn remark(&self, settings: &Settings) -> Option<Remark> {
        let value = (self.of)(settings)?;
        if !(self.accepts)(value) {
            return Some(Remark::refuse(self.key, format!("{} is {value}", self.key), self.hint));
        }
        let (low, high) = (self.low, self.high);
        let doubt = if value < low.0 { low.1 } else { high.1 };
        (value < low.0 || value > high.0).then(|| Remark::warn(self.key, doubt))
    }
}
