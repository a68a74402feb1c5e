//! Which evaluation of a run is the best, and when there were enough without a better one: transformers'
//! `load_best_model_at_end` and `EarlyStoppingCallback`.

use crate::events::EvalMetrics;
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

/// A number of the held-out pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
pub enum HeldOutMetric {
    /// Share of pairs ranked as labelled.
    #[default]
    #[serde(rename = "eval_rewards/accuracies")]
    Accuracies,
    /// Mean difference of the rewards.
    #[serde(rename = "eval_rewards/margins")]
    Margins,
    /// Mean reward of the chosen answers.
    #[serde(rename = "eval_rewards/chosen")]
    Chosen,
    /// Mean reward of the rejected answers.
    #[serde(rename = "eval_rewards/rejected")]
    Rejected,
    /// Mean log-probability of the chosen answers.
    #[serde(rename = "eval_logps/chosen")]
    ChosenLogps,
    /// Mean log-probability of the rejected answers.
    #[serde(rename = "eval_logps/rejected")]
    RejectedLogps,
    /// Mean loss.
    #[serde(rename = "eval_loss")]
    Loss,
}

impl HeldOutMetric {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Accuracies,
        Self::Margins,
        Self::Chosen,
        Self::Rejected,
        Self::ChosenLogps,
        Self::RejectedLogps,
        Self::Loss,
    ];

    /// Its name in events and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracies => "eval_rewards/accuracies",
            Self::Margins => "eval_rewards/margins",
            Self::Chosen => "eval_rewards/chosen",
            Self::Rejected => "eval_rewards/rejected",
            Self::ChosenLogps => "eval_logps/chosen",
            Self::RejectedLogps => "eval_logps/rejected",
            Self::Loss => "eval_loss",
        }
    }

    /// Whether a larger one is better unless the settings say otherwise: all but the loss, as transformers has it.
    pub fn greater_is_better(self) -> bool {
        self != Self::Loss
    }

    /// Its value in an evaluation.
    pub fn of(self, metrics: &EvalMetrics) -> f64 {
        match self {
            Self::Accuracies => metrics.accuracies,
            Self::Margins => metrics.margins,
            Self::Chosen => metrics.chosen,
            Self::Rejected => metrics.rejected,
            Self::ChosenLogps => metrics.chosen_logps,
            Self::RejectedLogps => metrics.rejected_logps,
            Self::Loss => metrics.eval_loss,
        }
    }
}

impl<'de> Deserialize<'de> for HeldOutMetric {
    /// With `eval_` before it or without, as transformers takes it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        let named = |metric: &Self| metric.name() == written || metric.name().strip_prefix("eval_") == Some(&written);
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            serde::de::Error::custom(format!("unknown metric_for_best_model \"{written}\"; known: {known}"))
        })
    }
}

/// What is asked of the evaluations of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selection {
    /// By which they are compared.
    pub metric: HeldOutMetric,
    /// Whether a larger one is better.
    pub greater_is_better: bool,
    /// Whether the run's adapter is the best one.
    pub keep_best: bool,
    /// Evaluations without an improvement after which the run ends.
    pub patience: Option<u64>,
    /// What an improvement must exceed.
    pub threshold: f64,
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// After this optimiser step.
    pub step: u64,
    /// By this number.
    pub metric: HeldOutMetric,
    /// Which was this.
    pub value: f64,
}

/// Where a run stands in this; part of its checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// Evaluations since the last improvement.
    pub waited: u64,
    /// Whether that is enough.
    pub enough: bool,
}

impl Selection {
    /// Takes an evaluation into account, and answers whether it is the best so far.
    ///
    /// The best is what is better by however little; patience counts against it only what is better by more than the
    /// threshold.
    pub fn consider(&self, metrics: &EvalMetrics, standing: &mut Standing) -> bool {
        let value = self.metric.of(metrics);
        let better = |best: f64| if self.greater_is_better { value > best } else { value < best };
        let best = standing.best.map(|best| best.value);
        if best.is_none_or(|best| better(best) && (value - best).abs() > self.threshold) {
            standing.waited = 0;
        } else {
            standing.waited += 1;
        }
        standing.enough = self.patience.is_some_and(|patience| standing.waited >= patience);
        let is_best = best.is_none_or(better);
        if is_best {
            standing.best = Some(Best { step: metrics.step, metric: self.metric, value });
        }
        is_best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: u64, accuracies: f64, eval_loss: f64) -> EvalMetrics {
        EvalMetrics { step, eval_loss, accuracies, ..EvalMetrics::default() }
    }

    /// What transformers' `EarlyStoppingCallback` and `Trainer._determine_best_metric` answer to the same numbers.
    #[test]
    fn a_small_gain_is_the_best_and_yet_not_enough_for_patience() {
        let selection = Selection {
            metric: HeldOutMetric::Accuracies,
            greater_is_better: true,
            keep_best: true,
            patience: Some(2),
            threshold: 0.05,
        };
        let mut standing = Standing::default();
        let mut told = Vec::new();
        for (step, value) in [(1, 0.5), (2, 0.6), (3, 0.62), (4, 0.64)] {
            let best = selection.consider(&evaluation(step, value, 0.0), &mut standing);
            told.push((best, standing.waited, standing.enough));
        }
        assert_eq!(told, [(true, 0, false), (true, 0, false), (true, 1, false), (true, 2, true)]);
        assert_eq!(standing.best.map(|best| best.step), Some(4));
    }

    #[test]
    fn of_equal_evaluations_the_first_is_the_best_and_a_loss_is_better_when_smaller() {
        let metric = HeldOutMetric::Loss;
        let selection = Selection {
            metric,
            greater_is_better: metric.greater_is_better(),
            keep_best: true,
            patience: None,
            threshold: 0.0,
        };
        let mut standing = Standing::default();
        for (step, loss) in [(1, 0.7), (2, 0.6), (3, 0.6), (4, 0.65)] {
            selection.consider(&evaluation(step, 0.0, loss), &mut standing);
        }
        assert_eq!(standing, Standing { best: Some(Best { step: 2, metric, value: 0.6 }), waited: 2, enough: false });
    }

    #[test]
    fn names_are_read_with_and_without_eval() {
        for metric in HeldOutMetric::ALL {
            let written = serde_json::to_value(metric).ok();
            assert_eq!(written, Some(serde_json::Value::from(metric.name())));
            for name in [metric.name(), &metric.name()["eval_".len()..]] {
                assert_eq!(serde_json::from_value::<HeldOutMetric>(name.into()).ok(), Some(metric));
            }
        }
        assert!(serde_json::from_value::<HeldOutMetric>("accuracy".into()).is_err());
    }
}
