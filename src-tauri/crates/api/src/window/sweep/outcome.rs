//! What a run of a sweep is measured by, and which settings that tells apart.

use super::super::types::{EvalSummary, Measured, OutcomeName};
use crate::window::words::counted;
use eval::statistics::{Z_95, wilson};
use std::path::Path;
use train::Settings;
use train::dynamics;
use train::events::EvalMetrics;
use train::losses::{FDivergenceType, LossType};

pub(super) const ALL: [OutcomeName; 3] = [OutcomeName::Accuracy, OutcomeName::Loss, OutcomeName::WinRate];

/// What the measure is called on an axis and in a table.
pub(super) fn title(name: OutcomeName) -> &'static str {
    match name {
        OutcomeName::Accuracy => "held-out accuracy by reward",
        OutcomeName::Loss => "held-out loss",
        OutcomeName::WinRate => "win rate",
    }
}

/// Whether a larger one is better.
fn larger_is_better(name: OutcomeName) -> bool {
    name != OutcomeName::Loss
}

/// The share of held-out pairs that are ranked right, with Wilson's interval.
pub(super) fn accuracy(eval: &EvalMetrics) -> Measured {
    let interval = wilson(eval.accuracies, eval.pairs as usize);
    Measured { value: eval.accuracies, interval: Some((interval.low, interval.high)), of: eval.pairs as usize }
}

/// The mean loss of the held-out pairs. Its interval follows from the loss of each, where that is DPO's own: of a loss that
/// couples pairs or weighs them, none is given.
pub(super) fn loss(run: &Path, settings: &Settings, eval: &EvalMetrics) -> Option<Measured> {
    if !eval.eval_loss.is_finite() {
        return None;
    }
    let plain = settings.loss_type == [LossType::Sigmoid]
        && settings.loss_weights.as_ref().is_none_or(|weights| weights == &[1.0])
        && settings.f_divergence_type == FDivergenceType::ReverseKl
        && !settings.use_weighting;
    // A run of before this was kept has none.
    let losses = if plain { losses(run, settings.beta, eval.step).unwrap_or_default() } else { Vec::new() };
    let interval = standard_error(&losses)
        .filter(|_| losses.len() == eval.pairs as usize)
        .map(|error| (eval.eval_loss - Z_95 * error, eval.eval_loss + Z_95 * error));
    Some(Measured { value: eval.eval_loss, interval, of: eval.pairs as usize })
}

/// DPO's loss of each held-out pair at a step.
fn losses(run: &Path, beta: f64, step: u64) -> Option<Vec<f64>> {
    let all = dynamics::read(run).ok()?;
    let held_out = all.iter().filter(|((held_out, _), _)| *held_out);
    let loss = |pair: &dynamics::PairLogps| {
        let [chosen, rejected] = pair.rewards(beta);
        (rejected - chosen).exp().ln_1p()
    };
    Some(held_out.filter_map(|(_, steps)| steps.get(&step).map(loss)).collect())
}

fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (values.len() > 1 && variance.is_finite()).then(|| (variance / n).sqrt())
}

/// Evaluations of a sweep's runs that can stand beside each other.
#[derive(Default)]
pub(super) struct WinRates<'a> {
    /// The newest of each run.
    of: Vec<&'a EvalSummary>,
    /// Runs that were evaluated, but not so.
    otherwise: usize,
}

impl<'a> WinRates<'a> {
    /// Of those that compare a run with the model that it began from: the ones by one judge on the same prompts that most of
    /// the runs have, of as many the newest. The evaluations come from the newest to the oldest.
    pub(super) fn of(evaluations: &'a [EvalSummary], runs: &[&str]) -> Self {
        let is_of_training = |it: &&EvalSummary| {
            it.names.of_training && it.win_rate.is_some() && it.asked.is_some() && runs.contains(&it.run.as_str())
        };
        let (mut groups, mut evaluated) = (Vec::<Vec<&EvalSummary>>::new(), Vec::<&str>::new());
        for evaluation in evaluations.iter().filter(is_of_training) {
            let is_alike =
                |of: &&mut Vec<&EvalSummary>| of[0].judge == evaluation.judge && of[0].asked == evaluation.asked;
            match groups.iter_mut().find(is_alike) {
                Some(group) if group.iter().any(|newer| newer.run == evaluation.run) => {}
                Some(group) => group.push(evaluation),
                None => groups.push(vec![evaluation]),
            }
            if !evaluated.contains(&evaluation.run.as_str()) {
                evaluated.push(&evaluation.run);
            }
        }
        // The first of the largest: `max_by_key` would take the last.
        let of = groups.into_iter().rev().max_by_key(Vec::len).unwrap_or_default();
        let otherwise = evaluated.len() - of.len();
        Self { of, otherwise }
    }

    pub(super) fn of_run(&self, run: &str) -> Option<Measured> {
        let found = self.of.iter().find(|evaluation| evaluation.run == run)?;
        Some(Measured { value: found.win_rate?, interval: found.win_rate_interval, of: found.judged })
    }

    /// What they are win rates of, and what is left out, as sentences; nothing where there are none.
    pub(super) fn told(&self) -> Option<String> {
        let first = self.of.first()?;
        let prompts = counted(first.prompts, "prompt", "prompts");
        let alike = format!("Each is against the run's own base, by {} on the same {prompts}.", first.judge);
        Some(match self.otherwise {
            0 => alike,
            runs => format!(
                "{alike} {} by another judge or on other prompts, and no win rate of theirs stands here.",
                counted(runs, "run was evaluated", "runs were evaluated")
            ),
        })
    }
}

/// A run's name with its outcome.
type Named<'a> = (&'a str, &'a Measured);

/// Which runs the measure tells apart: those whose intervals do not overlap.
pub(super) fn told(name: OutcomeName, outcomes: &[Named<'_>]) -> String {
    let title = title(name);
    let known: Vec<(&str, f64, (f64, f64))> =
        outcomes.iter().filter_map(|(name, measured)| Some((*name, measured.value, measured.interval?))).collect();
    let sign = if larger_is_better(name) { 1.0 } else { -1.0 };
    let best = known.iter().max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    let (Some((best, _, ends)), true) = (best, known.len() > 1) else {
        return format!("Fewer than two runs have a {title} with an interval: nothing is told apart yet.");
    };
    let overlaps = |other: &(f64, f64)| other.0 <= ends.1 && ends.0 <= other.1;
    let alike: Vec<&str> = known
        .iter()
        .filter(|(other, _, interval)| other != best && overlaps(interval))
        .map(|(name, ..)| *name)
        .collect();
    let apart = known.len() - 1 - alike.len();
    let which = match alike.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} and {other}"),
        many => format!("{} others", many.len()),
    };
    match (alike.len(), apart) {
        (_, 0) => format!(
            "No setting is told apart yet: the interval of the best, {best}, overlaps those of all others. More held-out pairs \
             or prompts make intervals narrower."
        ),
        (0, _) => format!("{best} is told apart from all others: its interval overlaps none."),
        (_, apart) => format!(
            "{best} is the best so far and is not told apart from {which}; {apart} {} told apart from it, as worse.",
            if apart == 1 { "run is" } else { "runs are" }
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn measured(value: f64, half: f64) -> Measured {
        Measured { value, interval: Some((value - half, value + half)), of: 10 }
    }

    #[test]
    fn runs_are_told_apart_only_where_intervals_do_not_overlap() {
        let (low, middle, high) = (measured(0.5, 0.1), measured(0.65, 0.1), measured(0.9, 0.1));
        let said = |all: &[Named<'_>]| told(OutcomeName::Accuracy, all);
        assert!(said(&[("a", &low)]).starts_with("Fewer than two runs"));
        assert!(said(&[("a", &low), ("b", &middle)]).starts_with("No setting is told apart yet"));
        assert!(said(&[("a", &low), ("b", &high)]).starts_with("b is told apart from all others"));
        let some = said(&[("a", &low), ("b", &middle), ("c", &measured(0.72, 0.1))]);
        assert!(some.starts_with("c is the best so far and is not told apart from b; 1 run is"), "{some}");
        // A smaller loss is better.
        assert!(told(OutcomeName::Loss, &[("a", &low), ("b", &high)]).starts_with("a is told apart"));
        let bare = Measured { interval: None, ..low.clone() };
        assert!(said(&[("a", &bare), ("b", &high)]).starts_with("Fewer than two runs"));
    }

    #[test]
    fn the_standard_error_is_that_of_a_mean() {
        assert_eq!(standard_error(&[]), None);
        assert_eq!(standard_error(&[1.0]), None);
        assert!((standard_error(&[1.0, 2.0, 3.0, 4.0]).unwrap() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }
}
