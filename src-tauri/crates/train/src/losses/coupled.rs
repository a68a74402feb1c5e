//! Losses that see all pairs of the microbatch together.

use super::{Logps, PairLoss, Shape, log_sigmoid, sigmoid};

/// Negative log-likelihood per token over all chosen answers of the microbatch (MPO, arXiv 2411.10442).
///
/// Every pair carries the same loss, so that the mean over pairs is the mean over tokens, as in TRL.
pub(super) fn sft(logps: &Logps<'_>, _: &Shape) -> Vec<PairLoss> {
    let tokens = logps.chosen_predicted_tokens.iter().sum::<usize>();
    if tokens == 0 {
        return vec![PairLoss::default(); logps.len()];
    }
    let per_token = 1.0 / tokens as f64;
    let loss = -logps.chosen_whole_logps.iter().sum::<f64>() * per_token;
    // The mean over pairs will divide this by their number; each log-probability stands once in the sum.
    let d_chosen_whole = -per_token * logps.len() as f64;
    vec![PairLoss { loss, d_chosen_whole, ..PairLoss::default() }; logps.len()]
}

/// AOT paired, arXiv 2406.05882: policy and reference margins are sorted apart, then compared rank by rank.
pub(super) fn aot(logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
    let differences = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let policy = differences(logps.chosen_logps, logps.rejected_logps);
    let reference = differences(logps.reference_chosen_logps, logps.reference_rejected_logps);
    let mut pairs = vec![PairLoss::default(); logps.len()];
    for (p, r) in ascending(&policy).into_iter().zip(ascending(&reference)) {
        let (loss, slope) = smoothed(policy[p] - reference[r], shape);
        pairs[p] = PairLoss { loss, d_chosen: slope, d_rejected: -slope, ..PairLoss::default() };
    }
    pairs
}

/// AOT unpaired, arXiv 2406.05882: chosen and rejected log-ratios are sorted apart, then compared rank by rank.
///
/// A rank's loss is booked to the pair of its chosen answer.
pub(super) fn aot_unpaired(logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
    let ratios: Vec<_> = (0..logps.len()).map(|pair| logps.ratios(pair)).collect();
    let chosen: Vec<_> = ratios.iter().map(|pair| pair.chosen).collect();
    let rejected: Vec<_> = ratios.iter().map(|pair| pair.rejected).collect();
    let mut pairs = vec![PairLoss::default(); logps.len()];
    for (c, r) in ascending(&chosen).into_iter().zip(ascending(&rejected)) {
        let (loss, slope) = smoothed(chosen[c] - rejected[r], shape);
        pairs[c].loss = loss;
        pairs[c].d_chosen = slope;
        pairs[r].d_rejected = -slope;
    }
    pairs
}

/// `−(1 − ε) log σ(βδ) − ε log σ(−βδ)` and its slope in δ.
pub(super) fn smoothed(delta: f64, shape: &Shape) -> (f64, f64) {
    let (x, epsilon) = (shape.beta * delta, shape.label_smoothing);
    let loss = -(1.0 - epsilon) * log_sigmoid(x) - epsilon * log_sigmoid(-x);
    (loss, shape.beta * (epsilon * sigmoid(x) - (1.0 - epsilon) * sigmoid(-x)))
}

/// Indices that sort `values`; equal values keep their order.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<_> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order
}
