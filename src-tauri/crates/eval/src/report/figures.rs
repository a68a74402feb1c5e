//! The figures of a report, from its numbers.

use plot::{Figure, WinRate, WinRateRow};

use super::{ReportInput, StepMetrics};
use crate::evaluation::{Evaluation, GroupSummary};
use crate::judge::Judge;

/// File name and figure, in the order of the page. Those without any values are left out.
pub(super) fn of(input: &ReportInput) -> Vec<(&'static str, Figure)> {
    let mut figures = Vec::new();
    if let Some(evaluation) = &input.evaluation {
        figures.push(("win_rate", win_rate(evaluation).into()));
    }
    if input.steps.is_empty() && input.held_out.is_empty() {
        return figures;
    }
    let curve = |steps: &[StepMetrics], metric: fn(&StepMetrics) -> Option<f64>| -> Vec<(f64, f64)> {
        // A step without the metric is no point at all; a metric that is not a number is a gap.
        steps.iter().filter_map(|step| Some((step.step as f64, metric(step)?))).collect()
    };
    let training = |metric| curve(&input.steps, metric);
    let held_out = |metric| curve(&input.held_out, metric);
    figures.push(("loss", plot::loss(training(|step| step.loss), held_out(|step| step.loss)).into()));
    let rewards = plot::rewards(training(|step| step.rewards_chosen), training(|step| step.rewards_rejected));
    figures.push(("rewards", rewards.into()));
    let margins = plot::margins(training(|step| step.rewards_margins), held_out(|step| step.rewards_margins));
    figures.push(("margins", margins.into()));
    let accuracy = plot::accuracy(training(|step| step.rewards_accuracies), held_out(|step| step.rewards_accuracies));
    figures.push(("accuracy", accuracy.into()));
    figures.push(("grad_norm", plot::grad_norm(training(|step| step.grad_norm)).into()));
    figures.push(("learning_rate", plot::learning_rate(training(|step| step.learning_rate)).into()));
    figures
}

fn win_rate(evaluation: &Evaluation) -> WinRate {
    let row = |name: &str, group: &GroupSummary| WinRateRow {
        name: name.to_owned(),
        rate: group.win_rate.unwrap_or(0.5),
        low: group.win_rate_interval.map_or(0.0, |interval| interval.low),
        high: group.win_rate_interval.map_or(1.0, |interval| interval.high),
        wins: group.tally.wins,
        ties: group.tally.ties,
        losses: group.tally.losses,
        no_verdict: group.tally.no_verdict,
    };
    let summary = &evaluation.summary;
    let mut rows = vec![row("All prompts", &summary.all)];
    let beside = evaluation.people.as_ref().filter(|_| evaluation.judge != Judge::People);
    rows.extend(beside.map(|people| row("People", &people.all)));
    rows.extend(summary.categories.iter().map(|(name, group)| row(name, group)));
    WinRate { title: evaluation.ancestry.names().figure_title(), rows }
}
