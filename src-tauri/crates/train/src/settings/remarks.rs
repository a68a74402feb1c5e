//! What is wrong or doubtful about settings: one list, for whoever starts a run and for the page that shows it beside the
//! fields.

use super::Settings;
use super::ranges::RANGES;
use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::losses::{FDivergenceType, LossType};
use crate::schedule::SchedulerType;
use model::config::OUTPUT_HEAD;
use model::{LoraConfig, TargetModules};
use serde::Serialize;
use ts_rs::TS;

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The value has no meaning: no run is started with it.
    Refuse,
    /// The value may be used, but it is seldom what is wanted.
    Warn,
}

/// What is to be said of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Remark {
    /// The setting, as a settings file spells it: `beta`, `lora.r`.
    pub key: String,
    /// Whether it can be used.
    pub level: Level,
    /// What is wrong and what to do, in whole sentences.
    pub sentence: String,
    /// Of a refusal: what is wrong, and what to do.
    #[serde(skip)]
    refusal: Option<(String, String)>,
}

impl Remark {
    /// A refusal: `what` is wrong, without a full stop; `hint` says in whole sentences what to do.
    pub fn refuse(key: &str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let (what, hint) = (what.into(), hint.into());
        let sentence = format!("{what}. {hint}").trim_end().to_owned();
        Self { key: key.into(), level: Level::Refuse, sentence, refusal: Some((what, hint)) }
    }

    /// A warning, in whole sentences.
    pub fn warn(key: &str, sentence: impl Into<String>) -> Self {
        Self { key: key.into(), level: Level::Warn, sentence: sentence.into(), refusal: None }
    }
}

/// The first refusal as an error.
///
/// # Errors
/// [`Error::Config`], naming the key.
pub fn refuse_first(remarks: impl IntoIterator<Item = Remark>) -> Result<()> {
    match remarks.into_iter().find_map(|remark| remark.refusal) {
        Some((what, hint)) => Err(Error::config(what, hint)),
        None => Ok(()),
    }
}

impl RunConfig {
    /// Refuses a run whose settings have no meaning, or that does not say where it reads and writes.
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
        if let (Some(asking), None) = (self.settings.selecting(), &self.data.eval) {
            let what = format!("{asking} needs held-out pairs to tell which step is best");
            return Err(Error::config(what, "Name a file of held-out pairs as data.eval."));
        }
        refuse_first(self.settings.on_values())
    }
}

impl Settings {
    /// All there is to say of these settings, refusals first: of their values, and of what a model would refuse once it is
    /// loaded.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = self.on_values();
        self.on_layers(&mut remarks);
        remarks.sort_by_key(|remark| remark.level);
        remarks
    }

    /// What is to be said of the values.
    fn on_values(&self) -> Vec<Remark> {
        let mut remarks: Vec<Remark> = RANGES.iter().filter_map(|range| range.remark(self)).collect();
        if i64::try_from(self.seed).is_err() {
            let what = format!("seed is {}", self.seed);
            remarks.push(Remark::refuse("seed", what, "Set it to at most 9223372036854775807."));
        }
        self.on_lengths(&mut remarks);
        self.on_losses(&mut remarks);
        self.on_reference(&mut remarks);
        self.on_schedule(&mut remarks);
        self.on_selection(&mut remarks);
        on_lora(&self.lora, &mut remarks);
        // An adapter that is given brings its own settings: these need no care, and only what has no meaning is refused.
        let given = self.begins_from_adapter();
        remarks.retain(|remark| !(given && remark.level == Level::Warn && remark.key.starts_with("lora.")));
        remarks
    }

    fn begins_from_adapter(&self) -> bool {
        self.init_adapter.is_some() || self.ref_adapter.is_some()
    }

    /// What a new adapter cannot be, whatever the model.
    fn on_layers(&self, remarks: &mut Vec<Remark>) {
        if self.begins_from_adapter() {
            return;
        }
        let names = match &self.lora.target_modules {
            TargetModules::Names(names) => Some(names),
            TargetModules::AllLinear | TargetModules::Pattern(_) => None,
        };
        if names.is_some_and(Vec::is_empty) {
            let hint = "Name at least one layer, or write \"all-linear\".";
            remarks.push(Remark::refuse("lora.target_modules", "lora.target_modules is empty", hint));
        }
        if self.lora.use_dora && names.is_some_and(|names| names.iter().any(|name| name == OUTPUT_HEAD)) {
            let what = format!("lora.use_dora is not supported on {OUTPUT_HEAD}");
            let hint = format!("Leave {OUTPUT_HEAD} out of target_modules, or set use_dora = false.");
            remarks.push(Remark::refuse("lora.use_dora", what, hint));
        }
        let patterns = [
            ("lora.rank_pattern", self.lora.rank_pattern.keys().any(str::is_empty)),
            ("lora.alpha_pattern", self.lora.alpha_pattern.keys().any(str::is_empty)),
        ];
        for (key, _) in patterns.into_iter().filter(|(_, nameless)| *nameless) {
            remarks.push(Remark::refuse(
                key,
                format!("{key} has a number without a name"),
                "Write a name before each number.",
            ));
        }
    }

    fn on_lengths(&self, remarks: &mut Vec<Remark>) {
        if self.max_length > 0 && self.max_prompt_length.is_some_and(|prompt| prompt >= self.max_length) {
            let why = "max_prompt_length is not below max_length: the longest prompts leave no room for an answer.";
            remarks.push(Remark::warn("max_length", why));
        } else if (2..64).contains(&self.max_length) {
            remarks.push(Remark::warn("max_length", "So few tokens cut most pairs."));
        }
    }

    fn on_losses(&self, remarks: &mut Vec<Remark>) {
        if self.loss_type.is_empty() {
            let hint = "Name at least one loss, such as \"sigmoid\".";
            remarks.push(Remark::refuse("loss_type", "loss_type is empty", hint));
        }
        if let Some(weights) = &self.loss_weights {
            if weights.len() != self.loss_type.len() {
                let what = format!("loss_weights has {} numbers for {} losses", weights.len(), self.loss_type.len());
                remarks.push(Remark::refuse("loss_weights", what, "Give one weight for each entry of loss_type."));
            }
            if let Some(bad) = weights.iter().find(|weight| !weight.is_finite()) {
                remarks.push(Remark::refuse(
                    "loss_weights",
                    format!("loss_weights holds {bad}"),
                    "Give finite numbers.",
                ));
            }
            if weights.iter().any(|&weight| weight < 0.0) {
                remarks.push(Remark::warn("loss_weights", "A weight below 0 maximises that loss."));
            }
        }
        remarks.extend(self.refused_loss(
            "f_divergence_type",
            self.f_divergence_type != FDivergenceType::ReverseKl,
            LossType::takes_divergence,
            "f_divergence_type is not \"reverse_kl\"",
            "it is not built on the difference of two rewards, so that no other divergence has a meaning there",
            "Set f_divergence_type = \"reverse_kl\", or choose sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust, \
             discopop or sft.",
        ));
        remarks.extend(self.refused_loss(
            "use_weighting",
            self.use_weighting,
            LossType::takes_weights,
            "use_weighting is true",
            "its loss is not that of one pair, so that there is nothing to weigh",
            "Set use_weighting = false, or choose losses other than aot, aot_unpaired and sft.",
        ));
        if self.loss_type.contains(&LossType::ExoPair) && self.label_smoothing == 0.0 {
            let what = "the loss exo_pair is infinite with label_smoothing 0";
            let hint = "Set label_smoothing above 0; the paper recommends 1e-3.";
            remarks.push(Remark::refuse("loss_type", what, hint));
        }
        if self.loss_type.contains(&LossType::Robust) && self.label_smoothing >= 0.5 {
            let what = "the loss robust needs label_smoothing below 0.5";
            remarks.push(Remark::refuse("loss_type", what, "Set label_smoothing below 0.5; 0.1 is usual."));
        }
        if self.loss_type == [LossType::Sft] {
            let why = "sft alone looks at the chosen answers only: the rejected ones teach nothing.";
            remarks.push(Remark::warn("loss_type", why));
        }
        if self.label_smoothing > 0.0 && !self.loss_type.iter().any(|loss| loss.takes_label_smoothing()) {
            remarks.push(Remark::warn("label_smoothing", "None of the chosen losses uses label_smoothing."));
        }
        if self.f_divergence_type == FDivergenceType::ForwardKl {
            let why = "forward_kl grows exponentially where the policy gives an answer up: watch grad_norm.";
            remarks.push(Remark::warn("f_divergence_type", why));
        }
        let default = Self::default().f_alpha_divergence_coef;
        let changed = (self.f_alpha_divergence_coef - default).abs() > 0.0;
        if changed && self.f_divergence_type != FDivergenceType::AlphaDivergence {
            remarks.push(Remark::warn("f_alpha_divergence_coef", "Only alpha_divergence uses it."));
        }
    }

    /// Refuses losses for which a setting that is on has no meaning.
    fn refused_loss(
        &self,
        key: &str,
        on: bool,
        takes: fn(LossType) -> bool,
        setting: &str,
        why: &str,
        hint: &str,
    ) -> Option<Remark> {
        let loss = self.loss_type.iter().find(|&&loss_type| on && !takes(loss_type))?;
        Some(Remark::refuse(key, format!("{setting}, which the loss {} cannot have: {why}", loss.name()), hint))
    }

    /// Whether the run has a number of steps, and no more than these.
    fn ends_within(&self, steps: u64) -> bool {
        u64::try_from(self.max_steps).is_ok_and(|all| all > 0 && steps >= all)
    }

    fn on_reference(&self, remarks: &mut Vec<Remark>) {
        if self.sync_ref_model && self.ends_within(self.ref_model_sync_steps) {
            remarks.push(Remark::warn("ref_model_sync_steps", "The run ends before the reference moves."));
        }
    }

    fn on_schedule(&self, remarks: &mut Vec<Remark>) {
        if self.ends_within(self.warmup_steps) {
            remarks.push(Remark::warn("warmup_steps", "The run ends before the warm-up does."));
        }
        let warms_up = self.warmup_ratio > 0.0 || self.warmup_steps > 0;
        if self.lr_scheduler_type == SchedulerType::Constant && warms_up {
            let why = "The schedule constant has no warm-up: choose linear or cosine.";
            remarks.push(Remark::warn("warmup_ratio", why));
        }
        if self.max_grad_norm == 0.0 {
            remarks.push(Remark::warn("max_grad_norm", "Without a limit, one odd pair can throw the adapter off."));
        }
    }

    /// What asks for the best evaluation to be looked for.
    pub fn selecting(&self) -> Option<&'static str> {
        match (self.load_best_model_at_end, self.early_stopping_patience) {
            (true, _) => Some("load_best_model_at_end = true"),
            (false, Some(_)) => Some("early_stopping_patience"),
            (false, None) => None,
        }
    }

    fn on_selection(&self, remarks: &mut Vec<Remark>) {
        if let Some(asking) = self.selecting().filter(|_| self.eval_steps == 0) {
            let what = format!("{asking} needs evaluations on the way, and eval_steps is 0");
            let hint = "Set eval_steps to 1 or more, such as a tenth of the run.";
            let keys = [
                ("load_best_model_at_end", self.load_best_model_at_end),
                ("early_stopping_patience", self.early_stopping_patience.is_some()),
            ];
            for (key, _) in keys.into_iter().filter(|(_, asks)| *asks) {
                remarks.push(Remark::refuse(key, what.clone(), hint));
            }
        }
        if self.greater_is_better.is_some_and(|greater| greater != self.metric_for_best_model.greater_is_better()) {
            remarks.push(Remark::warn("greater_is_better", "This looks for the worst step."));
        }
    }
}

fn on_lora(lora: &LoraConfig, remarks: &mut Vec<Remark>) {
    remarks.extend(
        lora.faults()
            .into_iter()
            .map(|fault| Remark::refuse(&format!("lora.{}", fault.key), format!("lora.{}", fault.what), fault.hint)),
    );
    let rank = lora.r as f64;
    if rank > 0.0 && lora.lora_alpha > 4.0 * rank {
        let why = "Above four times r it acts like a much higher learning rate.";
        remarks.push(Remark::warn("lora.lora_alpha", why));
    }
    if rank > 0.0 && lora.use_rslora && lora.lora_alpha / rank.sqrt() > 8.0 {
        remarks.push(Remark::warn("lora.use_rslora", "The adapter is scaled by more than 8: lower lora_alpha."));
    }
}
