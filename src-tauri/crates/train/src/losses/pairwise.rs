//! Losses of one pair.
//!
//! In the equations `c` and `r` are the log-ratios of the chosen and the rejected answer, or what an f-divergence makes of
//! them (see [`super::divergence`]).

use super::{PairLoss, PairRatios, Shape, log_sigmoid, sigmoid, sigmoid_slope};

/// A loss of the scaled margin `β (c − r)` alone, from its value and its slope there.
fn of_margin(loss: f64, slope: f64, beta: f64) -> PairLoss {
    PairLoss { loss, d_chosen: beta * slope, d_rejected: -beta * slope, ..PairLoss::default() }
}

/// A loss of the margin of per-token averages `c/|y_w| − r/|y_l|`, from its value and its slope there.
fn of_average_margin(loss: f64, slope: f64, pair: &PairRatios) -> PairLoss {
    let (d_chosen, d_rejected) = (slope / pair.chosen_tokens, -slope / pair.rejected_tokens);
    PairLoss { loss, d_chosen, d_rejected, ..PairLoss::default() }
}

fn margin(pair: &PairRatios) -> f64 {
    pair.chosen - pair.rejected
}

fn average_margin(pair: &PairRatios) -> f64 {
    pair.chosen / pair.chosen_tokens - pair.rejected / pair.rejected_tokens
}

/// DPO, arXiv 2305.18290, Eq. 7: `−log σ(β (c − r))`.
pub(super) fn sigmoid_loss(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    of_margin(-log_sigmoid(x), -sigmoid(-x), shape.beta)
}

/// SLiC-HF, arXiv 2305.10425, on RSO's normalised likelihoods, arXiv 2309.06657: `max(0, 1 − β (c − r))`.
pub(super) fn hinge(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    of_margin((1.0 - x).max(0.0), if x < 1.0 { -1.0 } else { 0.0 }, shape.beta)
}

/// IPO, arXiv 2310.12036, Eq. 17, on per-token averages: `(c/|y_w| − r/|y_l| − 1/(2β))²`.
pub(super) fn ipo(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let error = average_margin(pair) - 1.0 / (2.0 * shape.beta);
    of_average_margin(error * error, 2.0 * error, pair)
}

/// EXO, arXiv 2402.00856, Eq. 16 for two answers: `KL(σ(±β (c − r)) ‖ (1 − ε, ε))`.
///
/// As `log σ(x) − log σ(−x) = x`, its slope is `σ'(x) (x − log((1 − ε)/ε))`.
pub(super) fn exo_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * margin(pair);
    let (log_p_chosen, log_p_rejected) = ((-shape.label_smoothing).ln_1p(), shape.label_smoothing.ln());
    let loss = sigmoid(x) * (log_sigmoid(x) - log_p_chosen) + sigmoid(-x) * (log_sigmoid(-x) - log_p_rejected);
    of_margin(loss, sigmoid_slope(x) * (x - log_p_chosen + log_p_rejected), shape.beta)
}

/// NCA, arXiv 2402.05369, for a pair: `−log σ(βc) − ½ log σ(−βc) − ½ log σ(−βr)`.
pub(super) fn nca_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: -log_sigmoid(c) - 0.5 * log_sigmoid(-c) - 0.5 * log_sigmoid(-r),
        d_chosen: shape.beta * (0.5 * sigmoid(c) - sigmoid(-c)),
        d_rejected: shape.beta * 0.5 * sigmoid(r),
        ..PairLoss::default()
    }
}

/// Robust DPO, arXiv 2403.00409: `(−(1 − ε) log σ(x) + ε log σ(−x)) / (1 − 2ε)` with `x = β (c − r)`.
pub(super) fn robust(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (x, epsilon) = (shape.beta * margin(pair), shape.label_smoothing);
    let scale = 1.0 / (1.0 - 2.0 * epsilon);
    let loss = scale * (epsilon * log_sigmoid(-x) - (1.0 - epsilon) * log_sigmoid(x));
    of_margin(loss, -scale * ((1.0 - epsilon) * sigmoid(-x) + epsilon * sigmoid(x)), shape.beta)
}

/// BCO, arXiv 2404.04656, for a pair: `−log σ(βc) − log σ(−βr)`.
pub(super) fn bco_pair(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: -log_sigmoid(c) - log_sigmoid(-r),
        d_chosen: -shape.beta * sigmoid(-c),
        d_rejected: shape.beta * sigmoid(r),
        ..PairLoss::default()
    }
}

/// SPPO, arXiv 2405.00675, Eq. 4.7 with P = 1 and 0: `(c − 1/(2β))² + (r + 1/(2β))²`.
pub(super) fn sppo_hard(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let half = 0.5 / shape.beta;
    let (winner, loser) = (pair.chosen - half, pair.rejected + half);
    let loss = winner * winner + loser * loser;
    PairLoss { loss, d_chosen: 2.0 * winner, d_rejected: 2.0 * loser, ..PairLoss::default() }
}

/// APO-zero, arXiv 2408.06266, Eq. 7: `1 − σ(βc) + σ(βr)`.
pub(super) fn apo_zero(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, r) = (shape.beta * pair.chosen, shape.beta * pair.rejected);
    PairLoss {
        loss: sigmoid(-c) + sigmoid(r),
        d_chosen: -shape.beta * sigmoid_slope(c),
        d_rejected: shape.beta * sigmoid_slope(r),
        ..PairLoss::default()
    }
}

/// APO-down, arXiv 2408.06266, Eq. 8: `σ(βc) + 1 − σ(β (c − r))`.
pub(super) fn apo_down(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (c, x) = (shape.beta * pair.chosen, shape.beta * margin(pair));
    PairLoss {
        loss: sigmoid(c) + sigmoid(-x),
        d_chosen: shape.beta * (sigmoid_slope(c) - sigmoid_slope(x)),
        d_rejected: shape.beta * sigmoid_slope(x),
        ..PairLoss::default()
    }
}

/// `DiscoPOP`, arXiv 2406.08414, Eq. 5: `−(1 − m) log σ(x) + m e^(−x)` with `x = β (c − r)`, `m = σ(x/τ)`.
pub(super) fn discopop(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let (x, tau) = (shape.beta * margin(pair), shape.discopop_tau);
    let (m, m_slope) = (sigmoid(x / tau), sigmoid_slope(x / tau) / tau);
    // e^(−x) alone overflows for a very negative margin, where m vanishes faster.
    let exponential = (log_sigmoid(x / tau) - x).exp();
    let loss = exponential - (1.0 - m) * log_sigmoid(x);
    let slope = exponential * (sigmoid(-x / tau) / tau - 1.0) - (1.0 - m) * sigmoid(-x) + m_slope * log_sigmoid(x);
    of_margin(loss, slope, shape.beta)
}

/// Length-normalised DPO, arXiv 2411.15124: `−log σ(β (c/|y_w| − r/|y_l|))`.
pub(super) fn sigmoid_norm(pair: &PairRatios, shape: &Shape) -> PairLoss {
    let x = shape.beta * average_margin(pair);
    of_average_margin(-log_sigmoid(x), -shape.beta * sigmoid(-x), pair)
}
