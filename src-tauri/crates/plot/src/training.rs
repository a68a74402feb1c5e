//! The figures of a training run, under TRL's metric names.
//!
//! Each takes points of `(step, value)`: one per logged optimiser step, and where there is one, those of the held-out
//! pairs. Values that are not finite numbers leave a gap.

use crate::lines::{Lines, ReferenceLine, Series};

/// Points of `(step, value)`.
type Points = Vec<(f64, f64)>;

/// About forty windows fit the figure, so that the trend shows through the noise of single batches.
fn window(points: &Points) -> Option<usize> {
    (points.len() >= 40).then(|| (points.len() / 40).max(5))
}

/// A curve of one metric, with its trend where there are enough points.
pub fn curve(name: &str, points: Points) -> Series {
    Series { name: name.to_owned(), mean_over: window(&points), points }
}

/// Training curve, and the held-out one where there are values.
fn with_held_out(training: Points, held_out: Points) -> Vec<Series> {
    let mut series = vec![curve("training", training)];
    if !held_out.is_empty() {
        series.push(Series::new("held-out", held_out));
    }
    series
}

fn by_step(title: &str, y_label: &str, series: Vec<Series>) -> Lines {
    Lines {
        title: title.to_owned(),
        x_label: "optimiser step".to_owned(),
        y_label: y_label.to_owned(),
        series,
        references: Vec::new(),
        y_range: None,
        from_zero: false,
    }
}

fn zero_line(name: &str) -> Vec<ReferenceLine> {
    vec![ReferenceLine { y: 0.0, name: name.to_owned() }]
}

/// `loss` of training and held-out pairs.
pub fn loss(training: Points, held_out: Points) -> Lines {
    by_step("Loss", "loss per pair", with_held_out(training, held_out))
}

/// `rewards/chosen` and `rewards/rejected`: beta times how much more likely the policy finds each answer than the
/// reference does.
pub fn rewards(chosen: Points, rejected: Points) -> Lines {
    let series = vec![curve("chosen", chosen), curve("rejected", rejected)];
    Lines { references: zero_line("reference model"), ..by_step("Rewards", "implicit reward (nats × beta)", series) }
}

/// `rewards/margins`: chosen minus rejected reward.
pub fn margins(training: Points, held_out: Points) -> Lines {
    let series = with_held_out(training, held_out);
    Lines { references: zero_line(""), ..by_step("Reward margins", "chosen − rejected (nats × beta)", series) }
}

/// `rewards/accuracies`: share of pairs whose chosen reward is above the rejected one.
pub fn accuracy(training: Points, held_out: Points) -> Lines {
    Lines {
        references: vec![ReferenceLine { y: 0.5, name: "chance".to_owned() }],
        y_range: Some((0.0, 1.0)),
        ..by_step("Reward accuracies", "rewards/accuracies (share of pairs)", with_held_out(training, held_out))
    }
}

/// `eval_loss` of several runs, on the pairs that they held out: a curve each.
pub fn held_out_loss(runs: Vec<Series>) -> Lines {
    by_step("Held-out loss", "eval_loss per pair", runs)
}

/// `eval_rewards/accuracies` of several runs, on the pairs that they held out: a curve each.
pub fn held_out_accuracy(runs: Vec<Series>) -> Lines {
    Lines {
        references: vec![ReferenceLine { y: 0.5, name: "chance".to_owned() }],
        y_range: Some((0.0, 1.0)),
        ..by_step("Held-out accuracy", "eval_rewards/accuracies (share of pairs)", runs)
    }
}

/// `eval_rewards/margins` of several runs, on the pairs that they held out: a curve each.
pub fn held_out_margins(runs: Vec<Series>) -> Lines {
    let lines = by_step("Held-out margins", "eval_rewards/margins (nats × beta)", runs);
    Lines { references: zero_line(""), ..lines }
}

/// `grad_norm`, before clipping.
pub fn grad_norm(norms: Points) -> Lines {
    let series = vec![curve("grad_norm", norms)];
    Lines { from_zero: true, ..by_step("Gradient norm", "L2 norm before clipping", series) }
}

/// `learning_rate`.
pub fn learning_rate(rates: Points) -> Lines {
    let series = vec![Series::new("learning_rate", rates)];
    Lines { from_zero: true, ..by_step("Learning rate", "learning rate", series) }
}

/// Mean words of the sample answers.
pub fn sample_lengths(lengths: Points) -> Lines {
    let series = vec![Series::new("sample answers", lengths)];
    Lines { from_zero: true, ..by_step("Length of the sample answers", "words per answer", series) }
}
