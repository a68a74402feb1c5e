//! Figures of the pairs of a run: all of them by their two rewards, and one of them over training.

use super::super::types::{FigureView, PairMeasure, PairPoint, RunPairsFigure, RunPairsFigureOf, Theme};
use super::super::{Backend, figures};
use super::queue::{not_scored, queue};
use super::subject::Subject;
use crate::error::Result;
use plot::{Points, Scatter};
use prefs::words;
use std::collections::BTreeMap;
use train::dynamics::PairLogps;

/// Points that are drawn: more cannot be told apart.
const MOST_POINTS: usize = 3_000;

/// The pairs that are asked for, by the rewards of their answers.
pub(in crate::window) fn run_pairs_figure(backend: &Backend, request: RunPairsFigureOf) -> Result<RunPairsFigure> {
    let RunPairsFigureOf { query, theme, width, height } = request;
    let project = backend.project(&query.project)?;
    let subject = Subject::find(backend, &project, &query.run, query.by)?;
    let queue = queue(backend, &project, &subject, query.by)?.ok_or_else(not_scored)?;
    let places = queue.arranged(&project, &subject, &query)?;
    // One without numbers has no place in the figure.
    let known: Vec<PairPoint> = places
        .iter()
        .filter_map(|&place| {
            let pair = &queue.pairs[place];
            let numbers = pair.numbers?;
            let (x, y) = (numbers.rejected_reward, numbers.chosen_reward);
            Some(PairPoint { held_out: pair.held_out, line: pair.line, x, y })
        })
        .collect();
    let total = known.len();
    let every = total.div_ceil(MOST_POINTS).max(1);
    let points: Vec<PairPoint> = known.into_iter().step_by(every).collect();
    let of = |held_out: bool| {
        let of = points.iter().filter(|point| point.held_out == held_out);
        of.map(|point| (point.x, point.y)).collect::<Vec<_>>()
    };
    let sets = match &subject {
        Subject::Run(_) => vec![("trained on", of(false)), ("held out", of(true))],
        Subject::Scores(_) => vec![("pairs", of(false))],
    };
    let (what, unit, below) = match subject.measure()? {
        PairMeasure::Reward => {
            ("Rewards", "reward of the {} answer (nats × beta)", "below it: prefers the rejected answer")
        }
        PairMeasure::LogpsPerToken => (
            "Log-probabilities per token",
            "log-probability of the {} answer (nats per token)",
            "below it: finds the rejected answer likelier",
        ),
    };
    let scatter = Scatter {
        title: if every == 1 {
            format!("{what} of {}", words::pairs(total))
        } else {
            format!("{what} of {total} pairs, every {every}th drawn")
        },
        x_label: unit.replace("{}", "rejected"),
        y_label: unit.replace("{}", "chosen"),
        sets: sets.into_iter().map(|(name, points)| Points { name: name.to_owned(), points }).collect(),
        diagonal: Some(below.to_owned()),
    };
    Ok(RunPairsFigure { figure: figures::scatter("pairs", scatter, theme, (width, height))?, points, total })
}

/// Rewards of one pair by the steps at which training computed it.
pub(super) fn course(
    computed: &BTreeMap<u64, PairLogps>,
    beta: f64,
    theme: Theme,
    size: (u32, u32),
) -> Result<FigureView> {
    let rewards = |answer: usize| {
        computed.iter().map(|(step, logps)| (*step as f64, logps.rewards(beta)[answer])).collect::<Vec<_>>()
    };
    let title = "Rewards of this pair over training".to_owned();
    figures::lines("pair", plot::Lines { title, ..plot::rewards(rewards(0), rewards(1)) }, theme, size)
}
