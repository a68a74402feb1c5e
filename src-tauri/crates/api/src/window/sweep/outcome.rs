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

/// Settings that make a held-out loss another measure.
pub(super) const CHANGE_THE_LOSS: [&str; 4] = ["beta", "loss_type", "loss_weights", "label_smoothing"];

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

/// A run with what came of it.
pub(super) struct Trial<'a> {
    pub(super) name: &'a str,
    pub(super) measured: &'a Measured,
    /// Digests of what it was trained on and what it held out, where they are known.
    pub(super) rows: Option<&'a [String; 2]>,
    pub(super) end: End<'a>,
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// Through all its steps.
    Whole,
    /// A rule has stopped it before, by this name.
    Rule(&'a str),
    /// It trains or waits, or ended otherwise before its last step.
    Short,
}

/// Names that are listed; of more the rest is counted.
const MOST_NAMES: usize = 4;

/// `a, b and c`, or `a, b, c and 5 others`.
fn listed(names: &[&str]) -> String {
    let shown = if names.len() > MOST_NAMES { MOST_NAMES - 1 } else { names.len().saturating_sub(1) };
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [.., last] => {
            let rest = names.len() - shown;
            let last = if rest == 1 { (*last).to_owned() } else { counted(rest, "other", "others") };
            format!("{} and {last}", names[..shown].join(", "))
        }
    }
}

/// Which runs the measure tells apart: of those that have taken all their steps, the ones whose intervals do not overlap. What
/// was measured after fewer steps is another measure: such runs are named apart.
///
/// Nothing is told apart where the measure is not the same one: of other held-out pairs, or a loss of other settings, which `varied`
/// names.
pub(super) fn told(name: OutcomeName, varied: &[&str], trials: &[Trial<'_>]) -> String {
    let changes_the_loss =
        varied.iter().find(|key| CHANGE_THE_LOSS.contains(key)).filter(|_| name == OutcomeName::Loss);
    if let Some(key) = changes_the_loss {
        return format!(
            "Held-out losses of another {key} are other measures, and no runs are told apart by them: compare the accuracy."
        );
    }
    let [trained, held_out] = [0, 1].map(|part| others(trials, part));
    // Win rates are of prompts, the same for all.
    if name != OutcomeName::WinRate && !held_out.is_empty() {
        return format!(
            "The runs do not hold out the same pairs: those of {} are others. The pairs of the project changed while the sweep ran, \
             and no runs are told apart by this.",
            listed(&held_out)
        );
    }
    let mut sentences = vec![compared(name, trials)];
    if !trained.is_empty() {
        sentences.push(format!(
            "{} trained on other pairs than the rest, which changed while the sweep ran: what differs may come of that.",
            listed(&trained)
        ));
    }
    let mut rules: Vec<&str> = Vec::new();
    for trial in trials {
        match trial.end {
            End::Rule(rule) if !rules.contains(&rule) => rules.push(rule),
            _ => {}
        }
    }
    let of = |end: End<'_>| -> Vec<&str> {
        trials.iter().filter(|trial| trial.end == end).map(|trial| trial.name).collect()
    };
    for rule in rules {
        let early = of(End::Rule(rule));
        let (were, its) = if early.len() == 1 { ("was", "its number is") } else { ("were", "their numbers are") };
        sentences.push(format!(
            "{} {were} stopped early by {rule}: {its} of fewer steps, and not compared with those of whole runs.",
            listed(&early)
        ));
    }
    let short = of(End::Short);
    if !short.is_empty() {
        let (have, their) = if short.len() == 1 { ("has", "its") } else { ("have", "their") };
        sentences.push(format!("{} {have} not taken all {their} steps, and {have} no part in this.", listed(&short)));
    }
    sentences.join(" ")
}

/// The runs whose rows are others than those that most runs have; of as many, than those of the first.
fn others<'a>(trials: &[Trial<'a>], part: usize) -> Vec<&'a str> {
    let known: Vec<(&str, &str)> =
        trials.iter().filter_map(|trial| Some((trial.name, trial.rows?[part].as_str()))).collect();
    let count = |rows: &str| known.iter().filter(|(_, other)| *other == rows).count();
    let most = known.iter().rev().max_by_key(|(_, rows)| count(rows)).map(|(_, rows)| *rows);
    known.iter().filter(|(_, rows)| Some(*rows) != most).map(|(name, _)| *name).collect()
}

fn compared(name: OutcomeName, trials: &[Trial<'_>]) -> String {
    let title = title(name);
    let whole = trials.iter().filter(|trial| trial.end == End::Whole);
    let known: Vec<(&str, f64, (f64, f64))> =
        whole.filter_map(|trial| Some((trial.name, trial.measured.value, trial.measured.interval?))).collect();
    let sign = if larger_is_better(name) { 1.0 } else { -1.0 };
    let first = known.iter().max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    let (Some((first, _, ends)), true) = (first, known.len() > 1) else {
        return format!(
            "Fewer than two runs that have taken all their steps have a {title} with an interval: nothing is told apart yet."
        );
    };
    let overlaps = |other: &(f64, f64)| other.0 <= ends.1 && ends.0 <= other.1;
    let alike: Vec<&str> = known.iter().filter(|(.., interval)| overlaps(interval)).map(|(name, ..)| *name).collect();
    let number = if larger_is_better(name) { "highest" } else { "lowest" };
    let tied = format!(
        "{} are not told apart: their 95 % intervals overlap that of the {number} {title}, so which of them does best is not known.",
        listed(&alike)
    );
    match (alike.len(), known.len() - alike.len()) {
        (1, others) => {
            let (all, theirs) = match others {
                1 => ("the other".to_owned(), "the other's"),
                _ => (format!("all {others} others"), "theirs"),
            };
            format!("{first} does better than {all}: its 95 % interval does not overlap {theirs}.")
        }
        (_, 0) => format!("{tied} More held-out pairs or prompts make intervals narrower."),
        (_, others) => {
            let worse = if others == 1 { "1 run does".to_owned() } else { format!("{others} runs do") };
            format!(
                "{tied} {worse} worse than {first}: {} not overlap.",
                if others == 1 { "the two intervals do" } else { "their intervals and its own do" }
            )
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn measured(value: f64, half: f64) -> Measured {
        Measured { value, interval: Some((value - half, value + half)), of: 10 }
    }

    fn whole<'a>(name: &'a str, measured: &'a Measured) -> Trial<'a> {
        Trial { name, measured, rows: None, end: End::Whole }
    }

    #[test]
    fn runs_are_told_apart_only_where_intervals_do_not_overlap() {
        let (low, middle, high) = (measured(0.5, 0.1), measured(0.65, 0.1), measured(0.9, 0.1));
        let upper = measured(0.72, 0.1);
        let said = |all: &[Trial<'_>]| told(OutcomeName::Accuracy, &[], all);
        assert!(said(&[whole("a", &low)]).starts_with("Fewer than two runs"));
        let tied = said(&[whole("a", &low), whole("b", &middle)]);
        assert!(
            tied.starts_with("a and b are not told apart: their 95 % intervals overlap that of the highest"),
            "{tied}"
        );
        assert!(tied.ends_with("More held-out pairs or prompts make intervals narrower."), "{tied}");
        assert!(said(&[whole("a", &low), whole("b", &high)]).starts_with("b does better than the other: "));
        let some = said(&[whole("a", &low), whole("b", &middle), whole("c", &upper)]);
        assert!(
            some.starts_with("b and c are not told apart") && some.ends_with("the two intervals do not overlap."),
            "{some}"
        );
        assert!(some.contains("1 run does worse than c"), "{some}");
        // A smaller loss is better.
        let losses = [whole("a", &low), whole("b", &high)];
        assert!(told(OutcomeName::Loss, &["learning_rate"], &losses).starts_with("a does better than the other"));
        let bare = Measured { interval: None, ..low.clone() };
        assert!(said(&[whole("a", &bare), whole("b", &high)]).starts_with("Fewer than two runs"));
        for said in [tied, some] {
            assert!(!said.contains("the best"), "{said}");
        }
    }

    #[test]
    fn runs_of_fewer_steps_are_named_apart_and_not_compared() {
        let (low, high) = (measured(0.5, 0.1), measured(0.9, 0.1));
        let by_rule = |name| Trial { name, measured: &low, rows: None, end: End::Rule("the median rule") };
        let all = [
            whole("a", &high),
            whole("b", &high),
            by_rule("c"),
            by_rule("d"),
            Trial { name: "e", measured: &low, rows: None, end: End::Short },
        ];
        let said = told(OutcomeName::Accuracy, &[], &all);
        assert!(said.starts_with("a and b are not told apart"), "{said}");
        assert!(
            said.contains("c and d were stopped early by the median rule: their numbers are of fewer steps"),
            "{said}"
        );
        assert!(said.ends_with("e has not taken all its steps, and has no part in this."), "{said}");
        assert!(!said.contains("worse"), "{said}");
    }

    /// Pairs were held out, or added, while the sweep ran: the later runs are measured by other pairs, or learnt from others.
    #[test]
    fn runs_of_other_pairs_are_not_told_apart() {
        let (low, high) = (measured(0.5, 0.1), measured(0.9, 0.1));
        let rows = |trained: &str, held_out: &str| [trained.to_owned(), held_out.to_owned()];
        let (first, other, more) = (rows("t", "h"), rows("t", "other"), rows("more", "h"));
        let of = |name, rows| Trial {
            name,
            measured: if name == "a" { &low } else { &high },
            rows: Some(rows),
            end: End::Whole,
        };
        let said = |name, all: &[Trial<'_>]| told(name, &["learning_rate"], all);
        let all = [of("a", &first), of("b", &other), of("c", &other)];
        let said_of_others = said(OutcomeName::Accuracy, &all);
        assert!(
            said_of_others.starts_with("The runs do not hold out the same pairs: those of a are others."),
            "{said_of_others}"
        );
        assert!(!said_of_others.contains("better"), "{said_of_others}");
        // The prompts of a win rate are the same.
        assert!(said(OutcomeName::WinRate, &all).contains("worse than"), "{}", said(OutcomeName::WinRate, &all));
        let all = [of("a", &first), of("b", &first), of("c", &more)];
        assert!(said(OutcomeName::Accuracy, &all).ends_with(
            "c trained on other pairs than the rest, which changed while the sweep ran: what differs may come of that."
        ));
    }

    /// A loss of another beta is another measure, however far apart the numbers are.
    #[test]
    fn losses_of_other_settings_are_not_told_apart() {
        let (low, high) = (measured(0.001, 0.0001), measured(0.9, 0.1));
        let all = [whole("a", &low), whole("b", &high)];
        for key in CHANGE_THE_LOSS {
            let said = told(OutcomeName::Loss, &["learning_rate", key], &all);
            assert!(
                said.contains(&format!("losses of another {key} are other measures")) && !said.contains("better"),
                "{said}"
            );
            assert!(told(OutcomeName::Accuracy, &[key], &all).contains("does better"));
        }
    }

    #[test]
    fn many_names_are_counted() {
        let names = ["a", "b", "c", "d", "e", "f"];
        assert_eq!(
            [0, 1, 2, 4, 6].map(|n| listed(&names[..n])),
            ["", "a", "a and b", "a, b, c and d", "a, b, c and 3 others"]
        );
    }

    #[test]
    fn the_standard_error_is_that_of_a_mean() {
        assert_eq!(standard_error(&[]), None);
        assert_eq!(standard_error(&[1.0]), None);
        assert!((standard_error(&[1.0, 2.0, 3.0, 4.0]).unwrap() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }
}
