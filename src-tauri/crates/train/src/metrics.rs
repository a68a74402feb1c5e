//! Means over optimiser steps, as TRL takes them: of microbatch means.

use crate::events::RewardMetrics;
use crate::losses::Logps;
use serde::{Deserialize, Serialize};

/// TRL's metrics of one microbatch: means over its pairs.
pub fn rewards(logps: &Logps<'_>, beta: f64) -> RewardMetrics {
    let mean = |of: &dyn Fn(usize) -> f64| (0..logps.len()).map(of).sum::<f64>() / logps.len().max(1) as f64;
    RewardMetrics {
        chosen: mean(&|i| beta * logps.ratios(i).chosen),
        rejected: mean(&|i| beta * logps.ratios(i).rejected),
        margins: mean(&|i| beta * (logps.ratios(i).chosen - logps.ratios(i).rejected)),
        accuracies: mean(&|i| f64::from(u8::from(is_correct(logps, i)))),
        chosen_logps: mean(&|i| logps.chosen_logps[i]),
        rejected_logps: mean(&|i| logps.rejected_logps[i]),
    }
}

/// Whether the chosen answer has the higher reward; equal is not higher.
pub fn is_correct(logps: &Logps<'_>, pair: usize) -> bool {
    let ratios = logps.ratios(pair);
    ratios.chosen > ratios.rejected
}

/// Sums since the last `step` event. Part of a checkpoint, so that a resumed run reports the same means.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Window {
    steps: u64,
    microbatches: u64,
    loss: f64,
    rewards: RewardMetrics,
    /// Pairs seen.
    pub pairs: u64,
    /// Tokens computed.
    pub tokens: u64,
    /// Seconds spent.
    pub seconds: f64,
}

impl Window {
    /// Adds a microbatch.
    pub fn add_microbatch(&mut self, rewards: &RewardMetrics, pairs: usize, tokens: usize) {
        self.microbatches += 1;
        self.pairs += pairs as u64;
        self.tokens += tokens as u64;
        accumulate(&mut self.rewards, rewards, 1.0);
    }

    /// Closes an optimiser step with its loss, the mean over its microbatches.
    pub fn close_step(&mut self, loss: f64, seconds: f64) {
        self.steps += 1;
        self.loss += loss;
        self.seconds += seconds;
    }

    /// Mean loss over the steps.
    pub fn loss(&self) -> f64 {
        self.loss / self.steps.max(1) as f64
    }

    /// Mean rewards and log-probabilities over the microbatches.
    pub fn rewards(&self) -> RewardMetrics {
        let mut mean = RewardMetrics::default();
        accumulate(&mut mean, &self.rewards, 1.0 / self.microbatches.max(1) as f64);
        mean
    }
}

/// `sum += weight · part`, field by field.
pub fn accumulate(sum: &mut RewardMetrics, part: &RewardMetrics, weight: f64) {
    sum.chosen += weight * part.chosen;
    sum.rejected += weight * part.rejected;
    sum.margins += weight * part.margins;
    sum.accuracies += weight * part.accuracies;
    sum.chosen_logps += weight * part.chosen_logps;
    sum.rejected_logps += weight * part.rejected_logps;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    /// Numbers by TRL's own `_compute_loss`: `tests/golden/make_golden.py`.
    #[test]
    fn metrics_of_a_microbatch_are_those_of_trl() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../tests/golden/losses.json")).unwrap();
        for case in cases {
            let numbers = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let counts = |key: &str| -> Vec<usize> { serde_json::from_value(case[key].clone()).unwrap() };
            let got = rewards(
                &Logps {
                    chosen_logps: &numbers("chosen_logps"),
                    rejected_logps: &numbers("rejected_logps"),
                    chosen_whole_logps: &numbers("chosen_logps"),
                    reference_chosen_logps: &numbers("reference_chosen_logps"),
                    reference_rejected_logps: &numbers("reference_rejected_logps"),
                    chosen_tokens: &counts("chosen_tokens"),
                    rejected_tokens: &counts("rejected_tokens"),
                    chosen_predicted_tokens: &counts("chosen_predicted_tokens"),
                    pair_weights: None,
                },
                case["beta"].as_f64().unwrap(),
            );
            let got = serde_json::to_value(got).unwrap();
            let expected = case["metrics"].as_object().unwrap();
            assert_eq!(expected.len(), 6);
            for (key, value) in expected {
                // TRL counts accuracies in f32.
                assert!((got[key].as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-7, "{key}");
            }
        }
    }

    #[test]
    fn a_window_means_microbatches_and_steps() {
        let mut window = Window::default();
        for (chosen, loss) in [(1.0, 0.5), (3.0, 0.7)] {
            window.add_microbatch(&RewardMetrics { chosen, ..RewardMetrics::default() }, 2, 10);
            window.close_step(loss, 1.5);
        }
        close(window.loss(), 0.6);
        close(window.rewards().chosen, 2.0);
        close(window.seconds, 3.0);
        assert_eq!((window.pairs, window.tokens), (4, 20));
    }
}
