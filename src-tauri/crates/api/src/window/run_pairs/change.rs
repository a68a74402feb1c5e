//! What has changed from the pairs of a run to others.

use super::super::training::composition::compose;
use super::super::training::{made_again, run_folder, sets_changed};
use super::super::types::{ComparePairs, PairsChange, PairsCompared};
use super::super::{Backend, OpenProject};
use crate::error::Result;
use chat::Limits;
use prefs::{Difference, Pair, words};
use std::collections::BTreeMap;
use std::fmt::Write;
use train::folder::Begun;

/// From the pairs of a run to the project's as they are now, and to those of other runs.
pub(in crate::window) fn compare_pairs(backend: &Backend, request: ComparePairs) -> Result<PairsCompared> {
    let ComparePairs { project, run, runs, request } = request;
    let project = backend.project(&project)?;
    let store = project.another_store()?;
    let (trained, held_out) = of_run(&project, &run)?;
    let before = [trained, held_out.clone()].concat();
    let made = match request {
        Some(request) => Some(compose(&store, request.held_out_share, request.settings.seed, request.data.as_ref())?),
        // Where it cannot be made once more, `sets` says why.
        None => made_again(backend, &project, &store, &run).unwrap_or_default(),
    };
    let now: Vec<Pair> = match made {
        Some(made) => {
            let made = made.parts();
            [made.train, made.held_out].concat()
        }
        None => store.training_pairs()?.into_iter().map(|sourced| sourced.pair).collect(),
    };
    let sets = sets_changed(backend, &project, &store, &run)?;
    let (mut all, mut of_held_out) = (Vec::new(), Vec::new());
    let mut measured_on = vec![measured_on(&project, &run, &held_out)?];
    for run in &runs {
        let (other_trained, other_held_out) = of_run(&project, run)?;
        of_held_out.push(change(&held_out, &other_held_out));
        measured_on.push(self::measured_on(&project, run, &other_held_out)?);
        all.push(change(&before, &[other_trained, other_held_out].concat()));
    }
    let held_out_sets = numbered(&measured_on);
    Ok(PairsCompared { project: change(&before, &now), sets, runs: all, held_out: of_held_out, held_out_sets })
}

/// What the held-out numbers of a run are measured on: its pairs in any order, and how they are cut. None without pairs.
fn measured_on(project: &OpenProject, run: &str, held_out: &[Pair]) -> Result<Option<(Vec<String>, Limits)>> {
    let mut hashes: Vec<String> = held_out.iter().map(Pair::content_hash).collect();
    hashes.sort_unstable();
    let limits = runs::prepared(&run_folder(project, run)?)?.settings.limits();
    Ok((!hashes.is_empty()).then_some((hashes, limits)))
}

/// The same number for the same, from 0 in order of appearance.
fn numbered<T: PartialEq>(all: &[Option<T>]) -> Vec<Option<usize>> {
    let mut different: Vec<&T> = Vec::new();
    let mut number = |one| {
        different.iter().position(|known| *known == one).unwrap_or_else(|| {
            different.push(one);
            different.len() - 1
        })
    };
    all.iter().map(|one| one.as_ref().map(&mut number)).collect()
}

/// Those trained on, and those held out.
fn of_run(project: &OpenProject, run: &str) -> Result<(Vec<Pair>, Vec<Pair>)> {
    let begun = Begun::read(&run_folder(project, run)?)?;
    Ok((begun.train.pairs, begun.eval.map(|rows| rows.pairs).unwrap_or_default()))
}

/// Each pair counts once, however often an epoch meets it.
fn change(before: &[Pair], after: &[Pair]) -> PairsChange {
    let (before, after) = (times(before), times(after));
    let difference = Difference::between(before.values().map(|(pair, _)| *pair), after.values().map(|(pair, _)| *pair));
    let is_other =
        |(hash, (_, times)): &(&String, &(&Pair, usize))| after.get(*hash).is_some_and(|(_, after)| after != times);
    let otherwise = before.iter().filter(is_other).count();
    let mut said = in_words(&difference);
    if otherwise > 0 {
        let is = if otherwise == 1 { "is" } else { "are" };
        let _ = write!(said, "; {} {is} met more or less often", words::pairs(otherwise));
    }
    PairsChange { difference, words: said }
}

/// The pairs by their content, each with how often it is there.
fn times(pairs: &[Pair]) -> BTreeMap<String, (&Pair, usize)> {
    let mut times = BTreeMap::new();
    for pair in pairs {
        times.entry(pair.content_hash()).or_insert((pair, 0)).1 += 1;
    }
    times
}

fn in_words(difference: &Difference) -> String {
    let Difference { same, swapped, other_answers, removed, added } = *difference;
    if difference.is_none() {
        return format!("the same {}", words::pairs(same));
    }
    let said = [
        (swapped, "with the answers the other way round"),
        (other_answers, "with another answer to the same prompt"),
        (removed, "not there any more"),
        (added, "new"),
        (same, "the same"),
    ];
    let said: Vec<String> =
        said.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_is_said() {
        let none = Difference { same: 9, ..Difference::default() };
        assert_eq!(in_words(&none), "the same 9 pairs");
        let some = Difference { swapped: 2, added: 1, ..none };
        assert_eq!(in_words(&some), "2 with the answers the other way round, 1 new, 9 the same");
    }

    #[test]
    fn the_same_pairs_have_the_same_number() {
        assert_eq!(numbered(&[Some('b'), None, Some('a'), Some('b')]), [Some(0), None, Some(1), Some(0)]);
    }
}
