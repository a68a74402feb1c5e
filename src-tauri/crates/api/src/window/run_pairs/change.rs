//! What has changed from the pairs of a run to others.

use super::super::training::run_folder;
use super::super::types::{ComparePairs, PairsChange, PairsCompared};
use super::super::{Backend, OpenProject};
use crate::error::Result;
use prefs::{Difference, Pair};
use train::folder::Begun;

/// From the pairs of a run to the project's as they are now, and to those of other runs.
pub(in crate::window) fn compare_pairs(backend: &Backend, request: ComparePairs) -> Result<PairsCompared> {
    let ComparePairs { project, run, runs } = request;
    let project = backend.project(&project)?;
    let (trained, held_out) = of_run(&project, &run)?;
    let before = [trained, held_out.clone()].concat();
    let now = project.another_store()?.training_pairs()?;
    let now: Vec<Pair> = now.into_iter().map(|sourced| sourced.pair).collect();
    let (mut all, mut of_held_out) = (Vec::new(), Vec::new());
    for run in &runs {
        let (other_trained, other_held_out) = of_run(&project, run)?;
        of_held_out.push(change(&held_out, &other_held_out));
        all.push(change(&before, &[other_trained, other_held_out].concat()));
    }
    Ok(PairsCompared { project: change(&before, &now), runs: all, held_out: of_held_out })
}

/// Those trained on, and those held out.
fn of_run(project: &OpenProject, run: &str) -> Result<(Vec<Pair>, Vec<Pair>)> {
    let begun = Begun::read(&run_folder(project, run)?)?;
    Ok((begun.train.pairs, begun.eval.map(|rows| rows.pairs).unwrap_or_default()))
}

fn change(before: &[Pair], after: &[Pair]) -> PairsChange {
    let difference = Difference::between(before.iter(), after.iter());
    PairsChange { difference, words: in_words(&difference) }
}

fn in_words(difference: &Difference) -> String {
    let Difference { same, swapped, other_answers, removed, added } = *difference;
    if difference.is_none() {
        return format!("the same {same} pairs");
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
}
