//! Learning rate over a run, with Hugging Face's definitions.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use ts_rs::TS;

/// `lr_scheduler_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    /// The same rate throughout, without warm-up (`get_constant_schedule`).
    Constant,
    /// Up in a line, then down in a line to 0 (`get_linear_schedule_with_warmup`).
    Linear,
    /// Up in a line, then down along half a cosine to 0 (`get_cosine_schedule_with_warmup`).
    Cosine,
}

/// The learning rate of each step of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The shape.
    pub kind: SchedulerType,
    /// Peak rate.
    pub learning_rate: f64,
    /// Steps of the rise; `constant` has none.
    pub warmup_steps: u64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl Schedule {
    /// Rate of step `step`, counted from 1. The first step of a warm-up has rate 0, as in TRL's log.
    pub fn rate(&self, step: u64) -> f64 {
        self.learning_rate * self.factor(step.saturating_sub(1))
    }

    fn factor(&self, done: u64) -> f64 {
        let (warmup, total) = (self.warmup_steps, self.total_steps);
        if self.kind == SchedulerType::Constant {
            return 1.0;
        }
        if done < warmup {
            return done as f64 / warmup as f64;
        }
        let falling = total.saturating_sub(warmup).max(1) as f64;
        match self.kind {
            SchedulerType::Cosine => 0.5 * (1.0 + (PI * (done - warmup) as f64 / falling).cos()),
            _ => total.saturating_sub(done) as f64 / falling,
        }
    }
}

/// Steps of warm-up: `warmup_steps` where it is set, otherwise that share of the run, rounded up.
pub fn warmup_steps(warmup_steps: u64, warmup_ratio: f64, total_steps: u64) -> u64 {
    if warmup_steps > 0 { warmup_steps } else { (total_steps as f64 * warmup_ratio).ceil() as u64 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        kind: SchedulerType,
        warmup_steps: u64,
        total_steps: u64,
        learning_rates: Vec<f64>,
    }

    /// Numbers by `transformers.get_scheduler`: `tests/golden/make_golden.py`.
    #[test]
    fn rates_are_those_of_transformers() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/golden/schedule.json")).unwrap();
        assert_eq!(cases.len(), 15);
        for Case { kind, warmup_steps, total_steps, learning_rates } in cases {
            let schedule = Schedule { kind, learning_rate: 1e-3, warmup_steps, total_steps };
            assert_eq!(learning_rates.len() as u64, total_steps);
            for (i, expected) in learning_rates.iter().enumerate() {
                let got = schedule.rate(i as u64 + 1);
                assert!((got - expected).abs() < 1e-18, "{kind:?} {warmup_steps}/{total_steps} step {}: {got}", i + 1);
            }
        }
    }

    #[test]
    fn a_ratio_counts_only_where_no_steps_are_given_and_is_rounded_up() {
        assert_eq!(warmup_steps(3, 0.5, 100), 3);
        assert_eq!(warmup_steps(0, 0.1, 11), 2);
        assert_eq!(warmup_steps(0, 0.0, 11), 0);
    }
}
