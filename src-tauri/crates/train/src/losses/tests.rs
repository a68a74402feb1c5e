#![allow(clippy::unwrap_used)]

use super::coupled::smoothed;
use super::*;
use proptest::prelude::*;

const SHAPE: Shape =
    Shape { beta: 0.1, label_smoothing: 0.1, discopop_tau: DISCOPOP_TAU, divergence: Divergence::ReverseKl };

fn pair(chosen: f64, rejected: f64) -> PairRatios {
    PairRatios { chosen, rejected, chosen_tokens: 2.0, rejected_tokens: 4.0 }
}

fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    let scale = expected.abs().max(1.0);
    assert!((got - expected).abs() <= tolerance * scale, "{what}: {got} instead of {expected}");
}

#[test]
fn the_table_is_in_the_order_of_the_enum_and_names_are_serde_names() {
    for (place, loss_type) in LossType::all().enumerate() {
        assert_eq!(loss_type as usize, place);
        assert_eq!(serde_json::to_value(loss_type).unwrap(), loss_type.name());
    }
    assert_eq!(LossType::all().count(), 15);
}

/// c = 3, r = −1, β = 0.1: the margin is 4, the scaled margin 0.4, the per-token margin 1.5 + 0.25 = 1.75.
#[test]
fn hand_worked_values() {
    let p = pair(3.0, -1.0);
    let value = |f: fn(&PairRatios, &Shape) -> PairLoss| f(&p, &SHAPE).loss;
    close(value(sigmoid_loss), 0.513_015_252_4, 1e-9, "sigmoid: log(1 + e^-0.4)");
    close(value(hinge), 0.6, 1e-12, "hinge: 1 - 0.4");
    close(value(ipo), 10.5625, 1e-12, "ipo: (1.75 - 5)^2");
    close(value(sppo_hard), 20.0, 1e-12, "sppo_hard: (3 - 5)^2 + (-1 + 5)^2");
    close(value(bco_pair), 0.554_355_244_5 + 0.644_396_660_1, 1e-9, "bco_pair: log(1 + e^-0.3) + log(1 + e^-0.1)");
    close(value(apo_zero), 0.425_557_483_2 + 0.475_020_812_5, 1e-9, "apo_zero: s(-0.3) + s(-0.1)");
    close(value(apo_down), 0.574_442_516_8 + 0.401_312_339_9, 1e-9, "apo_down: s(0.3) + s(-0.4)");
    // (0.9 · 0.5130152524 − 0.1 · 0.9130152524) / 0.8
    close(value(robust), 0.463_015_252_4, 1e-9, "robust");
    close(value(sigmoid_norm), 0.609_470_430_6, 1e-9, "sigmoid_norm: log(1 + e^-0.175)");
}

#[test]
fn at_the_reference_every_margin_loss_is_what_the_paper_says() {
    let p = pair(0.0, 0.0);
    let shape = Shape { label_smoothing: 0.5, ..SHAPE };
    close(sigmoid_loss(&p, &shape).loss, std::f64::consts::LN_2, 1e-15, "sigmoid");
    close(exo_pair(&p, &shape).loss, 0.0, 1e-15, "exo_pair: KL of (1/2, 1/2) from (1/2, 1/2)");
    close(discopop(&p, &shape).loss, 0.5 * std::f64::consts::LN_2 + 0.5, 1e-15, "discopop");
    close(nca_pair(&p, &shape).loss, 2.0 * std::f64::consts::LN_2, 1e-15, "nca_pair");
}

#[test]
fn log_sigmoid_and_sigmoid_hold_at_both_ends() {
    for x in [-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0] {
        assert!(log_sigmoid(x).is_finite() && log_sigmoid(x) <= 0.0);
        close(log_sigmoid(x), if x < -30.0 { x } else { sigmoid(x).ln() }, 1e-14, "log_sigmoid");
        close(sigmoid(x) + sigmoid(-x), 1.0, 1e-15, "sigmoid");
    }
}

#[test]
fn no_margin_makes_a_loss_or_its_gradient_overflow() {
    for size in [1e3, 1e5] {
        for (c, r) in [(size, -size), (-size, size), (size, size)] {
            let logps = Owned::new(&[c], &[r]);
            for loss_type in LossType::all() {
                let term = loss_type.per_pair(&logps.view(), &SHAPE)[0];
                assert!(
                    term.loss.is_finite() && term.d_chosen.is_finite() && term.d_rejected.is_finite(),
                    "{}: {term:?} at {c}, {r}",
                    loss_type.name()
                );
            }
        }
    }
}

#[test]
fn sorting_losses_keep_equal_values_in_order_and_hand_gradients_to_their_own_pair() {
    let mut logps = Owned::new(&[5.0, 1.0, 5.0], &[0.0, 0.0, 0.0]);
    logps.reference_chosen = vec![1.0, 2.0, 3.0];
    let terms = aot(&logps.view(), &SHAPE);
    // Ranks: pair 1 (1) meets reference 1, pair 0 (5) meets 2, pair 2 (5) meets 3.
    for (pair, delta) in [(1, 0.0), (0, 3.0), (2, 2.0)] {
        close(terms[pair].loss, smoothed(delta, &SHAPE).0, 1e-15, "aot");
    }
}

#[test]
fn an_empty_microbatch_and_one_without_predicted_tokens_give_zero() {
    let objective = Objective { terms: vec![(LossType::Sft, 1.0)], shape: SHAPE };
    let mut logps = Owned::new(&[], &[]);
    assert_eq!(objective.evaluate(&logps.view()).loss.to_bits(), 0.0f64.to_bits());
    logps = Owned::new(&[0.0], &[-1.0]);
    logps.chosen_predicted_tokens = vec![0];
    assert_eq!(objective.evaluate(&logps.view()).d_chosen_whole_logps, [0.0]);
}

struct Owned {
    chosen: Vec<f64>,
    rejected: Vec<f64>,
    chosen_whole: Vec<f64>,
    pair_weights: Option<Vec<f64>>,
    reference_chosen: Vec<f64>,
    reference_rejected: Vec<f64>,
    chosen_tokens: Vec<usize>,
    rejected_tokens: Vec<usize>,
    chosen_predicted_tokens: Vec<usize>,
}

impl Owned {
    fn new(chosen: &[f64], rejected: &[f64]) -> Self {
        let n = chosen.len();
        Self {
            chosen: chosen.to_vec(),
            rejected: rejected.to_vec(),
            chosen_whole: chosen.to_vec(),
            pair_weights: None,
            reference_chosen: vec![0.0; n],
            reference_rejected: vec![0.0; n],
            chosen_tokens: (2..n + 2).collect(),
            rejected_tokens: (1..=n).collect(),
            chosen_predicted_tokens: (2..n + 2).collect(),
        }
    }

    fn view(&self) -> Logps<'_> {
        Logps {
            chosen_logps: &self.chosen,
            rejected_logps: &self.rejected,
            chosen_whole_logps: &self.chosen_whole,
            reference_chosen_logps: &self.reference_chosen,
            reference_rejected_logps: &self.reference_rejected,
            chosen_tokens: &self.chosen_tokens,
            rejected_tokens: &self.rejected_tokens,
            chosen_predicted_tokens: &self.chosen_predicted_tokens,
            pair_weights: self.pair_weights.as_deref(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Central differences, step 1e-5: the error of a smooth loss is about 1e-10.
    #[test]
    fn every_gradient_is_the_finite_difference_of_the_loss(
        rows in prop::collection::vec((-30.0..0.0f64, -30.0..0.0f64, -30.0..0.0f64, -30.0..0.0f64), 1..6),
        beta in 0.05..0.6f64,
        label_smoothing in 0.01..0.4f64,
    ) {
        let shape = Shape { beta, label_smoothing, discopop_tau: DISCOPOP_TAU, divergence: Divergence::ReverseKl };
        let mut logps = Owned::new(&vec![0.0; rows.len()], &vec![0.0; rows.len()]);
        for (i, row) in rows.iter().enumerate() {
            (logps.chosen[i], logps.rejected[i]) = (row.0, row.1);
            (logps.reference_chosen[i], logps.reference_rejected[i]) = (row.2, row.3);
        }
        let every = LossType::all().map(|loss_type| vec![(loss_type, 1.0)]);
        let sum = vec![(LossType::Sigmoid, 0.8), (LossType::AotUnpaired, 0.3), (LossType::Sft, 1.5)];
        for terms in every.chain([sum]) {
            let objective = Objective { terms, shape };
            objective.check_gradient(&mut logps);
        }
    }

    /// Smaller ratios, because a divergence raises them to the exponent.
    #[test]
    fn and_so_it_is_with_every_divergence_and_with_weights(
        rows in prop::collection::vec((-4.0..0.0f64, -4.0..0.0f64, -4.0..0.0f64, -4.0..0.0f64, 0.2..2.0f64), 1..6),
        beta in 0.05..0.6f64,
        coef in -1.0..3.0f64,
    ) {
        let mut logps = Owned::new(&vec![0.0; rows.len()], &vec![0.0; rows.len()]);
        for (i, row) in rows.iter().enumerate() {
            (logps.chosen[i], logps.rejected[i]) = (row.0, row.1);
            (logps.reference_chosen[i], logps.reference_rejected[i]) = (row.2, row.3);
        }
        for kind in [
            FDivergenceType::ReverseKl,
            FDivergenceType::ForwardKl,
            FDivergenceType::JsDivergence,
            FDivergenceType::AlphaDivergence,
        ] {
            let divergence = Divergence::new(kind, coef);
            let shape = Shape { beta, label_smoothing: 0.1, discopop_tau: DISCOPOP_TAU, divergence };
            for loss_type in LossType::all().filter(|loss_type| loss_type.takes_divergence()) {
                let objective = Objective { terms: vec![(loss_type, 1.5)], shape };
                logps.pair_weights = loss_type.takes_weights().then(|| rows.iter().map(|row| row.4).collect());
                objective.check_gradient(&mut logps);
            }
        }
    }
}

impl Objective {
    fn check_gradient(&self, logps: &mut Owned) {
        let got = self.evaluate(&logps.view());
        let step = 1e-5;
        for i in 0..logps.chosen.len() {
            for (side, gradient) in
                [&got.d_chosen_logps, &got.d_rejected_logps, &got.d_chosen_whole_logps].iter().enumerate()
            {
                let mut at = |offset: f64| {
                    logps.side(side)[i] += offset;
                    let loss = self.evaluate(&logps.view()).loss;
                    logps.side(side)[i] -= offset;
                    loss
                };
                let (down, here, up) = (at(-step), at(0.0), at(step));
                let (left, right) = ((here - down) / step, (up - here) / step);
                // At a kink (hinge at 1, a tie of the sort) the two sides differ and no derivative exists.
                if (left - right).abs() > 1e-2 * left.abs().max(1.0) {
                    continue;
                }
                close(gradient[i], (up - down) / (2.0 * step), 2e-5, self.terms[0].0.name());
            }
        }
    }
}

impl Owned {
    fn side(&mut self, side: usize) -> &mut Vec<f64> {
        [&mut self.chosen, &mut self.rejected, &mut self.chosen_whole].into_iter().nth(side).unwrap()
    }
}

#[test]
fn divergences_are_the_papers_derivatives() {
    let u = 0.7f64;
    let t = u.exp();
    for (kind, coef, expected) in [
        (FDivergenceType::ReverseKl, 0.5, t.ln()),
        (FDivergenceType::ForwardKl, 0.5, 1.0 - 1.0 / t),
        (FDivergenceType::JsDivergence, 0.5, (2.0 * t / (1.0 + t)).ln()),
        (FDivergenceType::AlphaDivergence, 0.5, (t.powf(-0.5) - 1.0) / -0.5),
        (FDivergenceType::AlphaDivergence, 2.0, t - 1.0),
        (FDivergenceType::AlphaDivergence, 1.0, u),
    ] {
        let divergence = Divergence::new(kind, coef);
        close(divergence.score(u).0, expected, 1e-14, "score");
        close(divergence.score(0.0).0, 0.0, 1e-15, "score at the reference");
        let slope = if kind == FDivergenceType::JsDivergence { 0.5 } else { 1.0 };
        close(divergence.score(0.0).1, slope, 1e-15, "slope at the reference");
    }
    // TRL's clamp: beyond it the score no longer grows.
    let (score, slope) = Divergence::AlphaDivergence { coef: 3.0 }.score(50.0);
    close(score, 80f64.exp() / 2.0, 1e-12, "clamped");
    assert_eq!(slope.to_bits(), 0f64.to_bits());
}

#[derive(Deserialize)]
struct GoldenCase {
    beta: f64,
    chosen_logps: Vec<f64>,
    rejected_logps: Vec<f64>,
    reference_chosen_logps: Vec<f64>,
    reference_rejected_logps: Vec<f64>,
    chosen_tokens: Vec<usize>,
    rejected_tokens: Vec<usize>,
    chosen_predicted_tokens: Vec<usize>,
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    loss_type: Vec<LossType>,
    loss_weights: Vec<f64>,
    label_smoothing: f64,
    loss: f64,
    d_chosen: Vec<f64>,
    d_rejected: Vec<f64>,
}

/// Numbers by TRL's own `_compute_loss` in f64: `tests/golden/make_golden.py`. They agree to 1e-6 where TRL itself
/// rounds through f32 (its ε is an f32 tensor), otherwise to 1e-12.
#[test]
fn values_and_gradients_are_those_of_trl() {
    let cases: Vec<GoldenCase> = serde_json::from_str(include_str!("../../tests/golden/losses.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in &cases {
        for expected in &case.expected {
            let terms = expected.loss_type.iter().copied().zip(expected.loss_weights.iter().copied()).collect();
            let shape = Shape {
                beta: case.beta,
                label_smoothing: expected.label_smoothing,
                discopop_tau: DISCOPOP_TAU,
                divergence: Divergence::ReverseKl,
            };
            let got = Objective { terms, shape }.evaluate(&Logps {
                chosen_logps: &case.chosen_logps,
                chosen_whole_logps: &case.chosen_logps,
                rejected_logps: &case.rejected_logps,
                reference_chosen_logps: &case.reference_chosen_logps,
                reference_rejected_logps: &case.reference_rejected_logps,
                chosen_tokens: &case.chosen_tokens,
                rejected_tokens: &case.rejected_tokens,
                chosen_predicted_tokens: &case.chosen_predicted_tokens,
                pair_weights: None,
            });
            let name = expected.loss_type[0].name();
            let tolerance = if name == "exo_pair" { 1e-6 } else { 1e-12 };
            close(got.loss, expected.loss, tolerance, name);
            // TRL's is that of each token, which counts for both.
            let d_chosen = got.d_chosen_logps.iter().zip(&got.d_chosen_whole_logps).map(|(part, whole)| part + whole);
            let gradients: Vec<f64> = d_chosen.chain(got.d_rejected_logps).collect();
            for (got, expected) in gradients.iter().zip(expected.d_chosen.iter().chain(&expected.d_rejected)) {
                close(*got, *expected, tolerance, name);
            }
        }
    }
}
