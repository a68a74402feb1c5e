//! f-DPO (arXiv 2309.16240): the reward of an answer is `β f'(t)` with `t = π / π_ref`, where `f` is the divergence
//! that holds the policy to the reference. For KL, `f'(t) = log t` plus a constant, which is DPO.
//!
//! A *score* is `f'(t)` as a function of the log-ratio `u = log t`, up to the constant that the margin loses.

use super::{log_sigmoid, sigmoid};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// TRL falls back to KL when α is this close to 1, its limit.
const ALPHA_IS_ONE: f64 = 1e-6;
/// TRL lets the exponent of an f32 score grow no further.
const LARGEST_EXPONENT: f64 = 80.0;

/// A divergence under its TRL name, `f_divergence_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FDivergenceType {
    /// `KL(π ‖ π_ref)`: DPO.
    #[default]
    ReverseKl,
    /// `KL(π_ref ‖ π)`.
    ForwardKl,
    /// Jensen and Shannon's.
    JsDivergence,
    /// The α-divergence.
    AlphaDivergence,
}

/// A divergence with its coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Divergence {
    /// `f'(t) = log t`.
    #[default]
    ReverseKl,
    /// `f'(t) = 1 − 1/t`.
    ForwardKl,
    /// `f'(t) = log(2t / (1 + t))`.
    JsDivergence,
    /// `f'(t) = (t^(α−1) − 1) / (α − 1)`.
    AlphaDivergence {
        /// α, `f_alpha_divergence_coef`.
        coef: f64,
    },
}

impl Divergence {
    /// The divergence of this name; only the α-divergence has a coefficient.
    pub fn new(kind: FDivergenceType, alpha: f64) -> Self {
        match kind {
            FDivergenceType::ReverseKl => Self::ReverseKl,
            FDivergenceType::ForwardKl => Self::ForwardKl,
            FDivergenceType::JsDivergence => Self::JsDivergence,
            FDivergenceType::AlphaDivergence => Self::AlphaDivergence { coef: alpha },
        }
    }

    /// The score of a log-ratio `u`, and its slope there.
    pub fn score(self, u: f64) -> (f64, f64) {
        match self {
            Self::ReverseKl => (u, 1.0),
            Self::ForwardKl => (1.0 - (-u).exp(), (-u).exp()),
            Self::JsDivergence => (std::f64::consts::LN_2 + log_sigmoid(u), sigmoid(-u)),
            Self::AlphaDivergence { coef } if (coef - 1.0).abs() < ALPHA_IS_ONE => (u, 1.0),
            Self::AlphaDivergence { coef } => {
                let exponent = (coef - 1.0) * u;
                let power = exponent.min(LARGEST_EXPONENT).exp();
                ((power - 1.0) / (coef - 1.0), if exponent <= LARGEST_EXPONENT { power } else { 0.0 })
            }
        }
    }
}
