//! Settings without a meaning, and those that do not go together.

use super::RunConfig;
use crate::error::{Error, Result};
use crate::losses::{FDivergenceType, LossType};

impl RunConfig {
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
        let hint = "Set it above 0 and to at most 1000000; 1 to 3 is usual.";
        range(steps > 0 || positive(epochs) && epochs <= 1e6, "num_train_epochs", &epochs, hint)?;
        range(
            self.sample_prompts <= 100,
            "sample_prompts",
            &self.sample_prompts,
            "Set it to at most 100; 3 is usual.",
        )?;
        range(i64::try_from(self.seed).is_ok(), "seed", &self.seed, "Set it to at most 9223372036854775807.")?;
        let alpha = self.f_alpha_divergence_coef;
        range(alpha.is_finite(), "f_alpha_divergence_coef", &alpha, "Set it to a number; 0.5 is usual.")?;
        if let Some(alpha) = self.ld_alpha {
            let hint = "Set it between 0 (tokens beyond the shorter answer do not count) and 1, or leave it out.";
            range((0.0..=1.0).contains(&alpha), "ld_alpha", &alpha, hint)?;
        }
        self.validate_losses()?;
        self.validate_reference()?;
        self.validate_selection()?;
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
        self.refuse_losses(
            self.f_divergence_type != FDivergenceType::ReverseKl,
            LossType::takes_divergence,
            "f_divergence_type is not \"reverse_kl\"",
            "it is not built on the difference of two rewards, so that no other divergence has a meaning there",
            "Set f_divergence_type = \"reverse_kl\", or choose sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust, \
             discopop or sft.",
        )?;
        self.refuse_losses(
            self.use_weighting,
            LossType::takes_weights,
            "use_weighting is true",
            "its loss is not that of one pair, so that there is nothing to weigh",
            "Set use_weighting = false, or choose losses other than aot, aot_unpaired and sft.",
        )?;
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

    /// Refuses losses for which a setting that is on has no meaning.
    fn refuse_losses(&self, on: bool, takes: fn(LossType) -> bool, setting: &str, why: &str, hint: &str) -> Result<()> {
        match self.loss_type.iter().find(|&&loss_type| on && !takes(loss_type)) {
            None => Ok(()),
            Some(loss) => {
                Err(Error::config(format!("{setting}, which the loss {} cannot have: {why}", loss.name()), hint))
            }
        }
    }

    fn validate_reference(&self) -> Result<()> {
        let alpha = self.ref_model_mixup_alpha;
        if !(alpha > 0.0 && alpha <= 1.0) {
            let hint = "Set it above 0 and to at most 1, where the reference becomes the policy; 0.6 is usual.";
            return Err(Error::config(format!("ref_model_mixup_alpha is {alpha}"), hint));
        }
        if self.ref_model_sync_steps == 0 {
            return Err(Error::config("ref_model_sync_steps is 0", "Set it to 1 or more; 512 is usual for long runs."));
        }
        Ok(())
    }

    fn validate_selection(&self) -> Result<()> {
        let threshold = self.early_stopping_threshold;
        if !(threshold.is_finite() && threshold >= 0.0) {
            let what = format!("early_stopping_threshold is {threshold}");
            return Err(Error::config(what, "Set it to 0 or more: what counts as an improvement."));
        }
        if self.early_stopping_patience == Some(0) {
            let hint = "Set it to 1 evaluation or more, or leave it out.";
            return Err(Error::config("early_stopping_patience is 0", hint));
        }
        let asking = match (self.load_best_model_at_end, self.early_stopping_patience) {
            (true, _) => "load_best_model_at_end = true",
            (false, Some(_)) => "early_stopping_patience",
            (false, None) => return Ok(()),
        };
        if self.data.eval.is_none() {
            let what = format!("{asking} needs held-out pairs to tell which step is best");
            return Err(Error::config(what, "Name a file of held-out pairs as data.eval."));
        }
        if self.eval_steps == 0 {
            let what = format!("{asking} needs evaluations on the way, and eval_steps is 0");
            return Err(Error::config(what, "Set eval_steps to 1 or more, such as a tenth of the run."));
        }
        Ok(())
    }
}
