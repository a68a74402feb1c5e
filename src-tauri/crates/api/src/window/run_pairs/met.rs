//! Which of the pairs to train on training has met. Steps that end within the first epoch do not come to all of them, and what is
//! too long is left out: of such a pair the model has learnt nothing.

use super::copies::Copies;
use crate::window::words::counted;
use numbers::count;
use std::collections::BTreeSet;
use train::dynamics::Dynamics;
use train::events::{Counts, Event, Line};
use train::folder::Begun;

/// The pairs to train on that training has not met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NeverMet {
    /// Their lines.
    pub(super) lines: BTreeSet<usize>,
    /// The sentence after another, without its full stop; empty where there was no training.
    pub(super) words: String,
}

impl NeverMet {
    /// Of a run, by what its training computed, at the first line of each pair. Of a run that did not keep that from its first step
    /// on, nothing is known.
    pub(super) fn of(begun: &Begun, copies: &Copies, dynamics: &Dynamics, events: &[Line]) -> Self {
        let trained = dynamics.iter().filter(|((held_out, _), _)| !held_out);
        if !trained.clone().any(|(_, steps)| steps.contains_key(&0)) {
            let words = ". Which pairs training has met was not kept".to_owned();
            return Self { words, ..Self::default() };
        }
        let met: BTreeSet<usize> = trained.map(|((_, line), _)| *line).collect();
        let all = (1..=begun.train.pairs.len()).filter(|&line| !copies.is_copy(false, line));
        let (met, lines): (BTreeSet<usize>, BTreeSet<usize>) = all.partition(|line| met.contains(line));
        let counts = events.iter().rev().find_map(|line| match &line.event {
            Event::RunStarted(started) => Some(&started.train),
            _ => None,
        });
        // What is left out is counted by lines, of which several may be one pair.
        let counts = counts.filter(|_| met.len() + lines.len() == begun.train.pairs.len());
        let words = words(met.len(), lines.len(), counts);
        Self { lines, words }
    }
}

fn words(met: usize, never: usize, counts: Option<&Counts>) -> String {
    let all = counted(met + never, "pair", "pairs");
    if never == 0 {
        return format!(". Training has met all {all} to train on");
    }
    let why = counts.map_or(String::new(), |counts| {
        let read = counts.rows - counts.refused;
        let identical = read.saturating_sub(counts.pairs + counts.dropped);
        let later = never.saturating_sub(identical + counts.dropped);
        let parts = [
            (counts.dropped, "left out as too long"),
            (identical, "left out with two answers of the same tokens"),
            (later, "not reached by its steps"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, why)| format!("{} {why}", numbers::count(count))).collect();
        format!(": {}", parts.join(", "))
    });
    let met = count(met);
    format!(". Training has met {met} of the {all} to train on, and {} never{why}", count(never))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_pairs_were_never_met_adds_up() {
        let counts = |rows, pairs, dropped| Counts { rows, pairs, dropped, ..Counts::default() };
        assert_eq!(words(40, 0, None), ". Training has met all 40 pairs to train on");
        assert_eq!(words(1, 1, None), ". Training has met 1 of the 2 pairs to train on, and 1 never");
        assert_eq!(
            words(32, 1208, Some(&counts(1240, 1236, 3))),
            ". Training has met 32 of the 1,240 pairs to train on, and 1,208 never: 3 left out as too long, 1 left out with two \
             answers of the same tokens, 1,204 not reached by its steps"
        );
    }
}
