//! The fifteen loss types of TRL 1.16 as pure functions from four log-probabilities to a loss and its gradient.
//!
//! Write `c = log π(y_w|x) − log π_ref(y_w|x)` and `r = log π(y_l|x) − log π_ref(y_l|x)`, in nats, each summed over the
//! answer's tokens. All that a loss needs of a pair is [`PairRatios`]; its gradient with respect to the policy's two
//! log-probabilities is that with respect to `c` and `r`. Three types see the whole microbatch: `aot` and
//! `aot_unpaired` sort it, `sft` averages over all of its tokens.

use serde::{Deserialize, Serialize};

/// τ of the `DiscoPOP` loss (arXiv 2406.08414), which TRL calls `discopop_tau`.
pub const DISCOPOP_TAU: f64 = 0.05;

/// A loss type under its TRL name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossType {
    /// Direct Preference Optimization, arXiv 2305.18290, Eq. 7.
    Sigmoid,
    /// Hinge on the reward margin: SLiC-HF, arXiv 2305.10425, normalised by the reference as in RSO, arXiv 2309.06657.
    Hinge,
    /// Identity Preference Optimization, arXiv 2310.12036, Eq. 17, averaged per token.
    Ipo,
    /// Efficient Exact Optimization for pairs, arXiv 2402.00856, Eq. 16.
    ExoPair,
    /// Noise Contrastive Alignment for pairs, arXiv 2402.05369.
    NcaPair,
    /// Provably robust DPO, arXiv 2403.00409.
    Robust,
    /// Binary Classifier Optimization for pairs, arXiv 2404.04656 (without the moving reward shift).
    BcoPair,
    /// Self-Play Preference Optimization with hard labels, arXiv 2405.00675, Eq. 4.7.
    SppoHard,
    /// Alignment via Optimal Transport, paired, arXiv 2406.05882.
    Aot,
    /// Alignment via Optimal Transport, unpaired, arXiv 2406.05882.
    AotUnpaired,
    /// Anchored Preference Optimization, arXiv 2408.06266, Eq. 7.
    ApoZero,
    /// Anchored Preference Optimization, arXiv 2408.06266, Eq. 8.
    ApoDown,
    /// Discovered Preference Optimization, arXiv 2406.08414, Eq. 5.
    Discopop,
    /// Negative log-likelihood of the chosen answers, the third term of MPO, arXiv 2411.10442.
    Sft,
    /// Length-normalised DPO, arXiv 2411.15124 (Tülu 3).
    SigmoidNorm,
}

/// What a pairwise loss sees of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairRatios {
    /// `c`: policy minus reference log-probability of the chosen answer, nats.
    pub chosen: f64,
    /// `r`: policy minus reference log-probability of the rejected answer, nats.
    pub rejected: f64,
    /// Tokens of the chosen answer, at least 1.
    pub chosen_tokens: f64,
    /// Tokens of the rejected answer, at least 1.
    pub rejected_tokens: f64,
}

/// Loss of one pair and its derivatives with respect to the pair's two policy log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairLoss {
    /// The pair's loss.
    pub loss: f64,
    /// Derivative with respect to the chosen answer's log-probability.
    pub d_chosen: f64,
    /// Derivative with respect to the rejected answer's log-probability.
    pub d_rejected: f64,
}

/// Log-probabilities and token counts of a microbatch, one entry per pair in every slice.
#[derive(Debug, Clone, Copy)]
pub struct Logps<'a> {
    /// Policy log-probability of each chosen answer, summed over its tokens, nats.
    pub chosen_logps: &'a [f64],
    /// Policy log-probability of each rejected answer.
    pub rejected_logps: &'a [f64],
    /// Reference log-probability of each chosen answer.
    pub reference_chosen_logps: &'a [f64],
    /// Reference log-probability of each rejected answer.
    pub reference_rejected_logps: &'a [f64],
    /// Tokens of each chosen answer: TRL's `completion_mask`, which `ipo` and `sigmoid_norm` divide by.
    pub chosen_tokens: &'a [usize],
    /// Tokens of each rejected answer.
    pub rejected_tokens: &'a [usize],
    /// Tokens of each chosen answer that have a log-probability (TRL's shifted mask, for `sft`): one fewer than
    /// `chosen_tokens` where nothing stands before the answer.
    pub chosen_predicted_tokens: &'a [usize],
}

/// The numbers that shape a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Strength of the pull towards the reference (τ of IPO).
    pub beta: f64,
    /// ε of `robust`, `exo_pair`, `aot` and `aot_unpaired`.
    pub label_smoothing: f64,
    /// τ of `discopop`.
    pub discopop_tau: f64,
}

/// A weighted sum of losses: what a run minimises.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Each loss with its weight.
    pub terms: Vec<(LossType, f64)>,
    /// Shared by all terms.
    pub shape: Shape,
}

/// Mean loss of a microbatch and the gradient of that mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean over the pairs, weighted over the terms.
    pub loss: f64,
    /// Derivative of `loss` with respect to each chosen log-probability.
    pub d_chosen_logps: Vec<f64>,
    /// Derivative of `loss` with respect to each rejected log-probability.
    pub d_rejected_logps: Vec<f64>,
}

enum Form {
    /// Each pair on its own.
    Pairwise(fn(&PairRatios, &Shape) -> PairLoss),
    /// All pairs of the microbatch together.
    Coupled(fn(&Logps<'_>, &Shape) -> Vec<PairLoss>),
}

/// Every loss type with its name and its function.
const TABLE: [(LossType, &str, Form); 15] = [
    (LossType::Sigmoid, "sigmoid", Form::Pairwise(sigmoid_loss)),
    (LossType::Hinge, "hinge", Form::Pairwise(hinge)),
    (LossType::Ipo, "ipo", Form::Pairwise(ipo)),
    (LossType::ExoPair, "exo_pair", Form::Pairwise(exo_pair)),
    (LossType::NcaPair, "nca_pair", Form::Pairwise(nca_pair)),
    (LossType::Robust, "robust", Form::Pairwise(robust)),
    (LossType::BcoPair, "bco_pair", Form::Pairwise(bco_pair)),
    (LossType::SppoHard, "sppo_hard", Form::Pairwise(sppo_hard)),
    (LossType::Aot, "aot", Form::Coupled(aot)),
    (LossType::AotUnpaired, "aot_unpaired", Form::Coupled(aot_unpaired)),
    (LossType::ApoZero, "apo_zero", Form::Pairwise(apo_zero)),
    (LossType::ApoDown, "apo_down", Form::Pairwise(apo_down)),
    (LossType::Discopop, "discopop", Form::Pairwise(discopop)),
    (LossType::Sft, "sft", Form::Coupled(sft)),
    (LossType::SigmoidNorm, "sigmoid_norm", Form::Pairwise(sigmoid_norm)),
];

impl LossType {
    /// Every loss type, in TRL's order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(loss_type, _, _)| *loss_type)
    }

    fn entry(self) -> &'static (LossType, &'static str, Form) {
        &TABLE[self as usize]
    }

    /// The TRL name.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Loss and gradient of each pair, before the mean over the microbatch.
    pub fn per_pair(self, logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
        match &self.entry().2 {
            Form::Pairwise(loss) => (0..logps.len()).map(|pair| loss(&logps.ratios(pair), shape)).collect(),
            Form::Coupled(losses) => losses(logps, shape),
        }
    }
}

impl Objective {
    /// Mean loss of a microbatch and its gradient. An empty microbatch gives zero.
    pub fn evaluate(&self, logps: &Logps<'_>) -> Evaluation {
        let pairs = logps.len();
        let mut sum = Evaluation { loss: 0.0, d_chosen_logps: vec![0.0; pairs], d_rejected_logps: vec![0.0; pairs] };
        for &(loss_type, weight) in &self.terms {
            for (pair, term) in loss_type.per_pair(logps, &self.shape).into_iter().enumerate() {
                let share = weight / pairs as f64;
                sum.loss += share * term.loss;
                sum.d_chosen_logps[pair] += share * term.d_chosen;
                sum.d_rejected_logps[pair] += share * term.d_rejected;
            }
        }
        sum
    }
}

impl Logps<'_> {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.chosen_logps.len()
    }

    /// Whether the microbatch holds no pair.
    pub fn is_empty(&self) -> bool {
        self.chosen_logps.is_empty()
    }

    /// The log-ratios of one pair.
    pub fn ratios(&self, pair: usize) -> PairRatios {
        PairRatios {
            chosen: self.chosen_logps[pair] - self.reference_chosen_logps[pair],
            rejected: self.rejected_logps[pair] - self.reference_rejected_logps[pair],
            chosen_tokens: self.chosen_tokens[pair].max(1) as f64,
            rejected_tokens: self.rejected_tokens[pair].max(1) as f64,
        }
    }
}

/// `σ(x) = 1 / (1 + e^(−x))` without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// `log σ(x)`, exact to rounding at both ends.
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// `σ'(x) = σ(x) σ(−x)`.
fn sigmoid_slope(x: f64) -> f64 {
    sigmoid(x) * sigmoid(-x)
}

/// A loss of the scaled margin `β (c − r)` alone, from its value and its slope there.
fn of_margin(loss: f64, slope: f64, beta: f64) -> PairLoss {
    PairLoss { loss, d_chosen: beta * slope, d_rejected: -beta * slope }
}

/// A loss of the margin of per-token averages `c/|y_w| − r/|y_l|`, from its value and its slope there.
fn of_average_margin(loss: f64, slope: f64, pair: &PairRatios) -> PairLoss {
    PairLoss { loss, d_chosen: slope / pair.chosen_tokens, d_rejected: -slope / pair.rejected_tokens }
}

fn margin(pair: &PairRatios) -> f64 {
    pair.chosen - pair.rejected
}

fn average_margin(pair: &PairRatios) -> f64 {
    pair.chosen / pair.chosen_tokens - pair.rejected / pair.rejected_tokens
}

/// DPO, arXiv 2305.18290, Eq. 7: `−log σ(β (c − r))`.
fn sigmoid_loss(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    of_margin(-log_sigmoid(x), -sigmoid(-x), shape.beta)
}

/// SLiC-HF, arXiv 2305.10425, on RSO's normalised likelihoods, arXiv 2309.06657: `max(0, 1 − β (c − r))`.
fn hinge(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    of_margin((1.0 - x).max(0.0), if x < 1.0 { -1.0 } else { 0.0 }, shape.beta)
}

/// IPO, arXiv 2310.12036, Eq. 17, on per-token averages: `(c/|y_w| − r/|y_l| − 1/(2β))²`.
fn ipo(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let error = average_margin(pair) - 1.0 / (2.0 * shape.beta);
    of_average_margin(error * error, 2.0 * error, pair)
}

/// EXO, arXiv 2402.00856, Eq. 16 for two answers: `KL(σ(±β (c − r)) ‖ (1 − ε, ε))`.
///
/// As `log σ(x) − log σ(−x) = x`, its slope is `σ'(x) (x − log((1 − ε)/ε))`.
fn exo_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    let (log_p_chosen, log_p_rejected) = ((-shape.label_smoothing).ln_1p(), shape.label_smoothing.ln());
    let loss = sigmoid(x) * (log_sigmoid(x) - log_p_chosen) + sigmoid(-x) * (log_sigmoid(-x) - log_p_rejected);
    of_margin(loss, sigmoid_slope(x) * (x - log_p_chosen + log_p_rejected), shape.beta)
}

/// NCA, arXiv 2402.05369, for a pair: `−log σ(βc) − ½ log σ(−βc) − ½ log σ(−βr)`.
fn nca_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: -log_sigmoid(c) - 0.5 * log_sigmoid(-c) - 0.5 * log_sigmoid(-r),
        d_chosen: shape.beta * (0.5 * sigmoid(c) - sigmoid(-c)),
        d_rejected: shape.beta * 0.5 * sigmoid(r),
    }
}

/// Robust DPO, arXiv 2403.00409: `(−(1 − ε) log σ(x) + ε log σ(−x)) / (1 − 2ε)` with `x = β (c − r)`.
fn robust(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (x, epsilon) = (shape.beta * margin(pair), shape.label_smoothing);
    let scale = 1.0 / (1.0 - 2.0 * epsilon);
    let loss = scale * (epsilon * log_sigmoid(-x) - (1.0 - epsilon) * log_sigmoid(x));
    of_margin(loss, -scale * ((1.0 - epsilon) * sigmoid(-x) + epsilon * sigmoid(x)), shape.beta)
}

/// BCO, arXiv 2404.04656, for a pair: `−log σ(βc) − log σ(−βr)`.
fn bco_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: -log_sigmoid(c) - log_sigmoid(-r),
        d_chosen: -shape.beta * sigmoid(-c),
        d_rejected: shape.beta * sigmoid(r),
    }
}

/// SPPO, arXiv 2405.00675, Eq. 4.7 with P = 1 and 0: `(c − 1/(2β))² + (r + 1/(2β))²`.
fn sppo_hard(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let half = 0.5 / shape.beta;
    let (winner, loser) = (pair.chosen - half, pair.rejected + half);
    PairLoss { loss: winner * winner + loser * loser, d_chosen: 2.0 * winner, d_rejected: 2.0 * loser }
}

/// APO-zero, arXiv 2408.06266, Eq. 7: `1 − σ(βc) + σ(βr)`.
fn apo_zero(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: sigmoid(-c) + sigmoid(r),
        d_chosen: -shape.beta * sigmoid_slope(c),
        d_rejected: shape.beta * sigmoid_slope(r),
    }
}

/// APO-down, arXiv 2408.06266, Eq. 8: `σ(βc) + 1 − σ(β (c − r))`.
fn apo_down(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, x) = (shape.beta * pair.chosen, shape.beta * margin(pair));
    PairLoss {
        loss: sigmoid(c) + sigmoid(-x),
        d_chosen: shape.beta * (sigmoid_slope(c) - sigmoid_slope(x)),
        d_rejected: shape.beta * sigmoid_slope(x),
    }
}

/// `DiscoPOP`, arXiv 2406.08414, Eq. 5: `−(1 − m) log σ(x) + m e^(−x)` with `x = β (c − r)`, `m = σ(x/τ)`.
fn discopop(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (x, tau) = (shape.beta * margin(pair), shape.discopop_tau);
    let (m, m_slope) = (sigmoid(x / tau), sigmoid_slope(x / tau) / tau);
    // e^(−x) alone overflows for a very negative margin, where m vanishes faster.
    let exponential = (log_sigmoid(x / tau) - x).exp();
    let loss = exponential - (1.0 - m) * log_sigmoid(x);
    let slope = exponential * (sigmoid(-x / tau) / tau - 1.0) - (1.0 - m) * sigmoid(-x) + m_slope * log_sigmoid(x);
    of_margin(loss, slope, shape.beta)
}

/// Length-normalised DPO, arXiv 2411.15124: `−log σ(β (c/|y_w| − r/|y_l|))`.
fn sigmoid_norm(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * average_margin(pair);
    of_average_margin(-log_sigmoid(x), -shape.beta * sigmoid(-x), pair)
}

/// Negative log-likelihood per token over all chosen answers of the microbatch (MPO, arXiv 2411.10442).
///
/// Every pair carries the same loss, so that the mean over pairs is the mean over tokens, as in TRL.
fn sft(logps: &Logps<'_>, _: &Shape) -> Vec<PairLoss> {
    let tokens = logps.chosen_predicted_tokens.iter().sum::<usize>();
    if tokens == 0 {
        return vec![PairLoss::default(); logps.len()];
    }
    let per_token = 1.0 / tokens as f64;
    let loss = -logps.chosen_logps.iter().sum::<f64>() * per_token;
    // The mean over pairs will divide this by their number; each log-probability stands once in the sum.
    vec![PairLoss { loss, d_chosen: -per_token * logps.len() as f64, d_rejected: 0.0 }; logps.len()]
}

/// AOT paired, arXiv 2406.05882: policy and reference margins are sorted apart, then compared rank by rank.
fn aot(logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
    let differences = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let policy = differences(logps.chosen_logps, logps.rejected_logps);
    let reference = differences(logps.reference_chosen_logps, logps.reference_rejected_logps);
    let mut pairs = vec![PairLoss::default(); logps.len()];
    for (p, r) in ascending(&policy).into_iter().zip(ascending(&reference)) {
        let (loss, slope) = smoothed(policy[p] - reference[r], shape);
        pairs[p] = PairLoss { loss, d_chosen: slope, d_rejected: -slope };
    }
    pairs
}

/// AOT unpaired, arXiv 2406.05882: chosen and rejected log-ratios are sorted apart, then compared rank by rank.
///
/// A rank's loss is booked to the pair of its chosen answer.
fn aot_unpaired(logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
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
fn smoothed(delta: f64, shape: &Shape) -> (f64, f64) {
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

#[cfg(test)]
mod tests;
