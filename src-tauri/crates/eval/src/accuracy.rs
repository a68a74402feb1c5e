//! Held-out preference accuracy: does the model rank pairs it was not trained on as the labels do?
//!
//! Three numbers, each before and after training, because none is honest alone. They have the same names, in this order,
//! wherever they are told: [`PreferenceAccuracy::rows`].
//!
//! - by reward, `rewards/accuracies` (TRL): share of pairs whose implicit reward `β (log π(y|x) − log π_ref(y|x))` is strictly higher
//!   for the chosen answer (Rafailov et al. 2023, arXiv 2305.18290, section 4). It says what training moved. *Before*
//!   training the policy is the reference, both rewards are exactly 0, and the strict comparison makes it 0 by
//!   definition: not a rank worse than chance, but none at all. Chance is 50 %.
//! - by log-probability, `logps_accuracy`: share of pairs whose chosen answer simply is the more likely one. It says what the
//!   model prefers, base and tuned on the same footing, so its rise is a fair before and after. Sums favour short answers.
//! - by log-probability per token, `logps_accuracy_per_token`: the same of means per token.

use numbers::{counted, percent};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Error;
use crate::statistics::{Interval, Z_95, sign_test, wilson};

/// Summed log-probabilities of both answers of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logps {
    /// Of the chosen answer's tokens, in nats.
    pub chosen: f64,
    /// Of the rejected answer's tokens, in nats.
    pub rejected: f64,
}

/// A held-out pair as three models see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLogps {
    /// The reference: the base model, adapter off.
    pub reference: Logps,
    /// The policy before the first step: the reference itself, unless training started from an adapter.
    pub before: Logps,
    /// The trained policy.
    pub after: Logps,
    /// Tokens of the chosen answer.
    pub chosen_tokens: usize,
    /// Tokens of the rejected answer.
    pub rejected_tokens: usize,
}

/// The same measure before and after training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Before the first step.
    pub before: T,
    /// After the last.
    pub after: T,
}

/// A share of pairs with its Wilson 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[ts(rename = "AccuracyShare")]
#[allow(missing_docs)]
pub struct Share {
    /// The share.
    pub value: f64,
    pub interval: Interval,
}

/// A mean with its 95 % interval by the normal approximation (1.96 standard errors).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its interval; no narrower than the value itself for a single pair.
    pub interval: Interval,
}

/// Held-out preference accuracy before and after training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PreferenceAccuracy {
    /// How many pairs.
    pub pairs: usize,
    /// Share of pairs with the higher implicit reward on the chosen answer, as TRL counts it. 0 before training by
    /// definition: an untrained policy has no implicit rewards.
    #[serde(rename = "rewards/accuracies")]
    pub rewards_accuracies: Change<Share>,
    /// Mean difference of the implicit rewards, in nats times beta; 0 before training by definition.
    #[serde(rename = "rewards/margins")]
    pub rewards_margins: Change<Mean>,
    /// Share of pairs whose chosen answer is the more likely one as a whole.
    pub logps_accuracy: Change<Share>,
    /// Share of pairs whose chosen answer is the more likely one per token.
    pub logps_accuracy_per_token: Change<Share>,
    /// Exact sign test of `logps_accuracy`: pairs that became right against pairs that became wrong.
    pub logps_accuracy_p: f64,
}

/// What the held-out accuracy by reward is called on its own, where it is measured as a run goes.
pub const BY_REWARD: &str = "held-out accuracy by reward";

/// One of the three accuracies, as it is told everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct AccuracyRow {
    /// By what pairs are ranked.
    pub name: &'static str,
    /// The number's name in files.
    pub key: &'static str,
    /// What it is a share of.
    pub meaning: &'static str,
    /// Before training; none where it is 0 by definition.
    pub before: Option<Share>,
    /// After training.
    pub after: Share,
}

impl PreferenceAccuracy {
    /// Whether the policy was the reference before training, so that it had no rewards.
    pub fn is_untrained_before(&self) -> bool {
        self.rewards_accuracies.before.value <= 0.0 && self.rewards_margins.before.value == 0.0
    }

    /// The three accuracies under their names, in their order.
    pub fn rows(&self) -> [AccuracyRow; 3] {
        let by_reward = self.rewards_accuracies;
        let row = |name, key, meaning, change: Change<Share>| AccuracyRow {
            name,
            key,
            meaning,
            before: Some(change.before),
            after: change.after,
        };
        [
            AccuracyRow {
                before: (!self.is_untrained_before()).then_some(by_reward.before),
                ..row(
                    "by reward",
                    "rewards/accuracies",
                    "pairs on which training moved the chosen answer up against the rejected one",
                    by_reward,
                )
            },
            row(
                "by log-probability",
                "logps_accuracy",
                "pairs whose chosen answer the model finds more likely as a whole, which favours short answers",
                self.logps_accuracy,
            ),
            row(
                "by log-probability per token",
                "logps_accuracy_per_token",
                "pairs whose chosen answer the model finds more likely per token",
                self.logps_accuracy_per_token,
            ),
        ]
    }

    /// The three accuracies with their intervals, a line each.
    pub fn lines(&self) -> Vec<String> {
        let share = |Share { value, interval: Interval { low, high } }: Share| {
            format!("{} ({})", percent(value), numbers::interval(low, high))
        };
        let line = |row: AccuracyRow| {
            let before = row.before.map_or_else(|| "0 % by definition".to_owned(), share);
            format!("held-out accuracy {}, {}: {before} before training, {} after", row.name, row.key, share(row.after))
        };
        let lines = self.rows().map(line).into_iter();
        lines
            .chain([format!("(over {}, with 95 % intervals)", counted(self.pairs, "held-out pair", "held-out pairs"))])
            .collect()
    }
}

/// Measures held-out pairs. `None` when there are none.
///
/// # Errors
/// When a log-probability is not finite.
pub fn preference_accuracy(pairs: &[PairLogps], beta: f64) -> Result<Option<PreferenceAccuracy>, Error> {
    for (index, pair) in pairs.iter().enumerate() {
        for (name, value) in [
            ("the reference's chosen log-probability", pair.reference.chosen),
            ("the reference's rejected log-probability", pair.reference.rejected),
            ("the chosen log-probability before training", pair.before.chosen),
            ("the rejected log-probability before training", pair.before.rejected),
            ("the chosen log-probability after training", pair.after.chosen),
            ("the rejected log-probability after training", pair.after.rejected),
        ] {
            if !value.is_finite() {
                return Err(Error::NotFinite { pair: index, name, value });
            }
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let per_token = |logps: Logps, pair: &PairLogps| {
        let mean = |sum: f64, tokens: usize| sum / tokens.max(1) as f64;
        mean(logps.chosen, pair.chosen_tokens) > mean(logps.rejected, pair.rejected_tokens)
    };
    let margins = |policy: fn(&PairLogps) -> Logps| -> Vec<f64> {
        let margin = |pair| {
            let policy = policy(pair);
            beta * ((policy.chosen - pair.reference.chosen) - (policy.rejected - pair.reference.rejected))
        };
        pairs.iter().map(margin).collect()
    };
    let (margins_before, margins_after) = (margins(|pair| pair.before), margins(|pair| pair.after));
    let positive = |margins: &[f64]| share(margins.iter().map(|margin| *margin > 0.0));
    let right_before = |pair: &PairLogps| pair.before.chosen > pair.before.rejected;
    let right_after = |pair: &PairLogps| pair.after.chosen > pair.after.rejected;
    let gained = pairs.iter().filter(|pair| !right_before(pair) && right_after(pair)).count();
    let lost = pairs.iter().filter(|pair| right_before(pair) && !right_after(pair)).count();
    Ok(Some(PreferenceAccuracy {
        pairs: pairs.len(),
        rewards_accuracies: Change { before: positive(&margins_before), after: positive(&margins_after) },
        rewards_margins: Change { before: mean(&margins_before), after: mean(&margins_after) },
        logps_accuracy: Change {
            before: share(pairs.iter().map(right_before)),
            after: share(pairs.iter().map(right_after)),
        },
        logps_accuracy_per_token: Change {
            before: share(pairs.iter().map(|pair| per_token(pair.before, pair))),
            after: share(pairs.iter().map(|pair| per_token(pair.after, pair))),
        },
        logps_accuracy_p: sign_test(gained, lost),
    }))
}

fn share(right: impl ExactSizeIterator<Item = bool>) -> Share {
    let n = right.len();
    let value = right.filter(|right| *right).count() as f64 / n.max(1) as f64;
    Share { value, interval: wilson(value, n) }
}

fn mean(values: &[f64]) -> Mean {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - value).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = Z_95 * (variance / n).sqrt();
    Mean { value, interval: Interval { low: value - half, high: value + half } }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    fn logps(chosen: f64, rejected: f64) -> Logps {
        Logps { chosen, rejected }
    }

    /// A pair whose policy starts as the reference.
    fn pair(base: Logps, after: Logps, chosen_tokens: usize, rejected_tokens: usize) -> PairLogps {
        PairLogps { reference: base, before: base, after, chosen_tokens, rejected_tokens }
    }

    #[test]
    fn numbers_by_hand() {
        let pairs = [
            // Margin 0.5 · (2 − (−4)) = 3; the chosen answer becomes the likelier one as a whole; it always was per token.
            pair(logps(-20.0, -16.0), logps(-18.0, -20.0), 10, 4),
            // Margin 0.5 · (−1 − 1) = −1; the chosen answer is and stays likelier, but not per token.
            pair(logps(-5.0, -9.0), logps(-6.0, -8.0), 2, 9),
        ];
        let accuracy = preference_accuracy(&pairs, 0.5).unwrap().unwrap();
        assert_eq!(accuracy.pairs, 2);
        assert_eq!((accuracy.rewards_accuracies.before.value, accuracy.rewards_accuracies.after.value), (0.0, 0.5));
        assert_eq!(accuracy.rewards_margins.before, Mean { value: 0.0, interval: Interval { low: 0.0, high: 0.0 } });
        assert_eq!(accuracy.rewards_margins.after.value, 1.0);
        // Sample variance of 3 and −1 is 8; standard error is √(8 / 2) = 2.
        assert!((accuracy.rewards_margins.after.interval.high - (1.0 + 2.0 * Z_95)).abs() < 1e-12);
        assert_eq!((accuracy.logps_accuracy.before.value, accuracy.logps_accuracy.after.value), (0.5, 1.0));
        let per_token = accuracy.logps_accuracy_per_token;
        assert_eq!((per_token.before.value, per_token.after.value), (0.5, 0.5));
        assert_eq!(accuracy.logps_accuracy_p, 1.0);
        assert_eq!(accuracy.logps_accuracy.after.interval, wilson(1.0, 2));
    }

    #[test]
    fn training_from_an_adapter_has_rewards_before() {
        let mut from_adapter = pair(logps(-20.0, -16.0), logps(-18.0, -20.0), 10, 4);
        from_adapter.before = logps(-19.0, -16.0);
        let accuracy = preference_accuracy(&[from_adapter], 0.1).unwrap().unwrap();
        assert_eq!(accuracy.rewards_accuracies.before.value, 1.0);
        assert!((accuracy.rewards_margins.before.value - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_three_accuracies_are_told_apart_by_the_same_names_everywhere() {
        // Training moves the chosen answer up in one pair of two; it is likelier as a whole in both, per token in neither.
        let pairs =
            [pair(logps(-20.0, -21.0), logps(-18.0, -20.0), 4, 9), pair(logps(-5.0, -9.0), logps(-6.0, -8.0), 2, 9)];
        let accuracy = preference_accuracy(&pairs, 0.1).unwrap().unwrap();
        let rows = accuracy.rows();
        let told = rows.map(|row| (row.name, row.key, row.before.map(|share| share.value), row.after.value));
        assert_eq!(
            told,
            [
                ("by reward", "rewards/accuracies", None, 0.5),
                ("by log-probability", "logps_accuracy", Some(1.0), 1.0),
                ("by log-probability per token", "logps_accuracy_per_token", Some(0.0), 0.0),
            ]
        );
        assert_eq!(format!("held-out accuracy {}", rows[0].name), BY_REWARD);
        let keys = serde_json::to_value(accuracy).unwrap();
        assert!(rows.iter().all(|row| keys[row.key]["after"]["value"] == row.after.value));
        let lines = accuracy.lines();
        assert_eq!(
            lines[0],
            "held-out accuracy by reward, rewards/accuracies: 0 % by definition before training, 50.0 % (9.5 to 90.5 %) after"
        );
        assert!(
            lines[2].starts_with("held-out accuracy by log-probability per token, logps_accuracy_per_token: 0.0 % (")
        );
    }

    #[test]
    fn names_are_trls() {
        let accuracy = preference_accuracy(&[pair(logps(-2.0, -1.0), logps(-1.0, -2.0), 1, 1)], 0.1).unwrap().unwrap();
        let json = serde_json::to_value(accuracy).unwrap();
        assert_eq!(json["rewards/accuracies"]["after"]["value"], 1.0);
        assert_eq!(serde_json::from_value::<PreferenceAccuracy>(json).unwrap(), accuracy);
    }

    #[test]
    fn no_pairs_and_no_numbers_are_told_apart() {
        assert_eq!(preference_accuracy(&[], 0.1).unwrap(), None);
        let broken = pair(logps(-2.0, -1.0), logps(-1.0, f64::NAN), 1, 1);
        let error = preference_accuracy(&[pair(logps(-2.0, -1.0), logps(-1.0, -2.0), 1, 1), broken], 0.1).unwrap_err();
        assert!(error.to_string().starts_with("pair 1: the rejected log-probability after training is NaN"), "{error}");
    }
}
