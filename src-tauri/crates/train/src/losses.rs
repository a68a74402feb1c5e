//! The fifteen loss types of TRL 1.16 as pure functions from four log-probabilities to a loss and its gradient.
//!
//! Write `c = log π(y_w|x) − log π_ref(y_w|x)` and `r = log π(y_l|x) − log π_ref(y_l|x)`, in nats, each summed over the
//! answer's tokens. All that a loss needs of a pair is [`PairRatios`]; its gradient with respect to the policy's two
//! log-probabilities is that with respect to `c` and `r`. Three types see the whole microbatch: `aot` and
//! `aot_unpaired` sort it, `sft` averages over all of its tokens. Losses of the margin `c − r` may be those of another
//! f-divergence than KL ([`divergence`]).

mod coupled;
pub mod divergence;
mod pairwise;

use coupled::{aot, aot_unpaired, sft};
pub use divergence::{Divergence, FDivergenceType};
use pairwise::{
    apo_down, apo_zero, bco_pair, discopop, exo_pair, hinge, ipo, nca_pair, robust, sigmoid_loss, sigmoid_norm,
    sppo_hard,
};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// τ of the `DiscoPOP` loss (arXiv 2406.08414), which TRL calls `discopop_tau`.
pub const DISCOPOP_TAU: f64 = 0.05;

/// A loss type under its TRL name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
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
    /// `c`: policy minus reference log-probability of the chosen answer, nats, or its score under an f-divergence.
    pub chosen: f64,
    /// `r`: the same of the rejected answer.
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
    /// Derivative with respect to the chosen answer's log-probability before `ld_alpha` lessened it.
    pub d_chosen_whole: f64,
}

/// Log-probabilities and token counts of a microbatch, one entry per pair in every slice.
#[derive(Debug, Clone, Copy)]
pub struct Logps<'a> {
    /// Policy log-probability of each chosen answer, summed over its tokens, nats.
    pub chosen_logps: &'a [f64],
    /// Policy log-probability of each rejected answer.
    pub rejected_logps: &'a [f64],
    /// Policy log-probability of each chosen answer with all of its tokens counting in full, which `sft` takes: the same
    /// as `chosen_logps` unless `ld_alpha` lessens those.
    pub chosen_whole_logps: &'a [f64],
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
    /// What each pair's loss is multiplied by, without a gradient of its own; all 1 where absent.
    pub pair_weights: Option<&'a [f64]>,
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
    /// What holds the policy to the reference.
    pub divergence: Divergence,
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
    /// Derivative of `loss` with respect to each chosen log-probability before `ld_alpha` lessened it.
    pub d_chosen_whole_logps: Vec<f64>,
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

    /// Whether another f-divergence than KL has a meaning here, or, as with `sft`, changes nothing. In the others the
    /// partition function, which only the difference of two rewards is free of, would stay behind.
    pub fn takes_divergence(self) -> bool {
        use LossType::{Discopop, ExoPair, Hinge, Ipo, Robust, Sft, Sigmoid, SigmoidNorm};
        matches!(self, Sigmoid | SigmoidNorm | Hinge | Ipo | ExoPair | Robust | Discopop | Sft)
    }

    /// Whether the loss of a pair may be weighted: `aot` and `aot_unpaired` sort, so that a rank's loss is no pair's, and
    /// `sft` is a mean over tokens.
    pub fn takes_weights(self) -> bool {
        !matches!(self, Self::Aot | Self::AotUnpaired | Self::Sft)
    }

    /// Whether `label_smoothing` changes the loss.
    pub fn takes_label_smoothing(self) -> bool {
        matches!(self, Self::ExoPair | Self::Robust | Self::Aot | Self::AotUnpaired)
    }

    /// Loss and gradient of each pair, before its weight and the mean over the microbatch.
    pub fn per_pair(self, logps: &Logps<'_>, shape: &Shape) -> Vec<PairLoss> {
        let divergence = if self.takes_divergence() { shape.divergence } else { Divergence::ReverseKl };
        let of_scores = |loss: fn(&PairRatios, &Shape) -> PairLoss, ratios: PairRatios| {
            let (chosen, chosen_slope) = divergence.score(ratios.chosen);
            let (rejected, rejected_slope) = divergence.score(ratios.rejected);
            let found = loss(&PairRatios { chosen, rejected, ..ratios }, shape);
            let (d_chosen, d_rejected) = (found.d_chosen * chosen_slope, found.d_rejected * rejected_slope);
            PairLoss { d_chosen, d_rejected, ..found }
        };
        match &self.entry().2 {
            Form::Pairwise(loss) => (0..logps.len()).map(|pair| of_scores(*loss, logps.ratios(pair))).collect(),
            Form::Coupled(losses) => losses(logps, shape),
        }
    }
}

impl Objective {
    /// Mean loss of a microbatch and its gradient. An empty microbatch gives zero.
    pub fn evaluate(&self, logps: &Logps<'_>) -> Evaluation {
        let pairs = logps.len();
        let zeros = vec![0.0; pairs];
        let mut sum = Evaluation {
            loss: 0.0,
            d_chosen_logps: zeros.clone(),
            d_rejected_logps: zeros.clone(),
            d_chosen_whole_logps: zeros,
        };
        for &(loss_type, weight) in &self.terms {
            for (pair, term) in loss_type.per_pair(logps, &self.shape).into_iter().enumerate() {
                let share = weight * logps.pair_weights.map_or(1.0, |weights| weights[pair]) / pairs as f64;
                sum.loss += share * term.loss;
                sum.d_chosen_logps[pair] += share * term.d_chosen;
                sum.d_rejected_logps[pair] += share * term.d_rejected;
                sum.d_chosen_whole_logps[pair] += share * term.d_chosen_whole;
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

    /// One pair alone.
    #[must_use]
    pub fn of_pair(&self, pair: usize) -> Self {
        let only = pair..=pair;
        Self {
            chosen_logps: &self.chosen_logps[only.clone()],
            rejected_logps: &self.rejected_logps[only.clone()],
            chosen_whole_logps: &self.chosen_whole_logps[only.clone()],
            reference_chosen_logps: &self.reference_chosen_logps[only.clone()],
            reference_rejected_logps: &self.reference_rejected_logps[only.clone()],
            chosen_tokens: &self.chosen_tokens[only.clone()],
            rejected_tokens: &self.rejected_tokens[only.clone()],
            chosen_predicted_tokens: &self.chosen_predicted_tokens[only.clone()],
            pair_weights: self.pair_weights.map(|weights| &weights[only]),
        }
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

#[cfg(test)]
mod tests;
