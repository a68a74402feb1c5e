//! Holding pairs out for evaluation, by prompt: what is asked in training is never asked in evaluation.

use std::borrow::Borrow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::Pair;
use crate::checks::{fingerprint, prompt_key};
use crate::store::Prompts;

/// Splits pairs into those to train on and those held out, each in their old order. All pairs of a prompt stay together
/// (prompts are compared as in [`crate::checks::leaked_prompts`]).
///
/// Held out is `held_out_share` of the pairs as nearly as whole prompts allow, never more than that rounded, except that
/// at least one prompt is held out where the share is above 0, and at least one pair left where it is below 1. A share
/// outside 0 to 1 counts as the nearer of the two, a share that is no number as 0.
///
/// Which prompts are held out depends on `seed` and the prompts alone, not on their order: the prompts are ranked by a
/// hash, so that a set that grows keeps most of what it held out.
pub fn split(pairs: &[Pair], held_out_share: f64, seed: u64) -> (Vec<Pair>, Vec<Pair>) {
    let held_out = held_out(pairs, held_out_share, seed);
    let part = |which: bool| {
        pairs.iter().zip(&held_out).filter(|(_, out)| **out == which).map(|(pair, _)| pair.clone()).collect()
    };
    (part(false), part(true))
}

/// What a run does with a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is trained on.
    Train,
    /// It is held out.
    HeldOut,
    /// Neither: its prompt is one that is held out, and it is none of the pairs that were marked.
    LeftOut,
}

/// Divides pairs of which some are `marked` to be held out. Of the others, those with a prompt that a marked one has, or that is
/// one of `asked`, are left out, and the rest is divided as by [`split`].
pub fn divide<P: Borrow<Pair>>(
    pairs: &[P],
    marked: &[bool],
    asked: &Prompts,
    held_out_share: f64,
    seed: u64,
) -> Vec<Part> {
    let marked_rows = pairs.iter().zip(marked).filter(|(_, marked)| **marked);
    let prompts: Prompts = marked_rows.map(|(pair, _)| fingerprint(&pair.borrow().prompt)).collect();
    let is_asked = |pair: &Pair| {
        // Without any no prompt need be looked at.
        let any = !prompts.is_empty() || !asked.is_empty();
        any && {
            let prompt = fingerprint(&pair.prompt);
            prompts.contains(&prompt) || asked.contains(&prompt)
        }
    };
    let mut parts: Vec<Part> = pairs
        .iter()
        .zip(marked)
        .map(|(pair, marked)| match () {
            () if *marked => Part::HeldOut,
            () if is_asked(pair.borrow()) => Part::LeftOut,
            () => Part::Train,
        })
        .collect();
    let rest: Vec<usize> = (0..pairs.len()).filter(|&row| parts[row] == Part::Train).collect();
    let others: Vec<&Pair> = rest.iter().map(|&row| pairs[row].borrow()).collect();
    for (row, is_out) in rest.into_iter().zip(held_out(&others, held_out_share, seed)) {
        if is_out {
            parts[row] = Part::HeldOut;
        }
    }
    parts
}

/// Which of the pairs [`split`] holds out.
pub fn held_out<P: Borrow<Pair>>(pairs: &[P], held_out_share: f64, seed: u64) -> Vec<bool> {
    let ranked = ranked_prompts(pairs, seed);
    let target = target(pairs.len(), ranked.len(), held_out_share);
    let mut held_out = vec![false; pairs.len()];
    let hold_out = |rows: &[usize], held_out: &mut [bool]| {
        for &row in rows {
            held_out[row] = true;
        }
    };
    let mut count = 0;
    for (_, rows) in &ranked {
        if count + rows.len() <= target {
            count += rows.len();
            hold_out(rows, &mut held_out);
        }
    }
    if count == 0 && target > 0 {
        // Every prompt alone is more than the share: the one with the fewest pairs comes nearest.
        if let Some((_, rows)) = ranked.iter().min_by_key(|(_, rows)| rows.len()) {
            hold_out(rows, &mut held_out);
        }
    }
    held_out
}

/// How many pairs are to be held out.
fn target(pairs: usize, prompts: usize, share: f64) -> usize {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let wanted = (pairs as f64 * share).round() as usize;
    if share <= 0.0 {
        0
    } else if share >= 1.0 {
        pairs
    } else if prompts < 2 {
        // One prompt cannot be on both sides, and training needs it.
        0
    } else {
        wanted.clamp(1, pairs - 1)
    }
}

/// Divides pairs into `folds` parts of about the same size, for cross-validation: the part of each pair, from 0. All pairs of
/// a prompt are in one part. Which depends on `seed` and the prompts alone, not on their order, as in [`split`].
///
/// # Errors
/// How many different prompts there are, where those are fewer than `folds`.
pub fn folds<P: Borrow<Pair>>(pairs: &[P], folds: usize, seed: u64) -> Result<Vec<usize>, usize> {
    let prompts = ranked_prompts(pairs, seed);
    if prompts.len() < folds {
        return Err(prompts.len());
    }
    let mut sizes = vec![0; folds.max(1)];
    let mut fold_of = vec![0; pairs.len()];
    for (_, rows) in prompts {
        // The smallest part, of several the first.
        let fold = (0..sizes.len()).min_by_key(|&fold| sizes[fold]).unwrap_or_default();
        sizes[fold] += rows.len();
        for row in rows {
            fold_of[row] = fold;
        }
    }
    Ok(fold_of)
}

/// The rows of each prompt, in the order of the prompts' hashes.
fn ranked_prompts<P: Borrow<Pair>>(pairs: &[P], seed: u64) -> Vec<([u8; 32], Vec<usize>)> {
    let mut prompts: HashMap<String, Vec<usize>> = HashMap::new();
    for (row, pair) in pairs.iter().enumerate() {
        prompts.entry(prompt_key(&pair.borrow().prompt)).or_default().push(row);
    }
    let mut ranked: Vec<_> = prompts.into_iter().map(|(prompt, rows)| (rank(&prompt, seed), rows)).collect();
    ranked.sort_unstable();
    ranked
}

fn rank(prompt: &str, seed: u64) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update(prompt).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn pairs(prompts: &[usize]) -> Vec<Pair> {
        let pair = |(row, prompt): (usize, &usize)| Pair {
            prompt: format!("prompt {prompt}").as_str().into(),
            chosen: format!("answer {row}").as_str().into(),
            rejected: "no".into(),
            category: None,
        };
        prompts.iter().enumerate().map(pair).collect()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_prompt_is_on_both_sides(
            prompts in prop::collection::vec(0_usize..12, 0..40), share in -0.2_f64..1.2, seed: u64,
        ) {
            let all = pairs(&prompts);
            let (train, eval) = split(&all, share, seed);
            prop_assert_eq!(train.len() + eval.len(), all.len());
            let both: HashSet<&Pair> = train.iter().chain(&eval).collect();
            prop_assert_eq!(both.len(), all.len());
            let trained: HashSet<String> = train.iter().map(|pair| prompt_key(&pair.prompt)).collect();
            prop_assert!(eval.iter().all(|pair| !trained.contains(&prompt_key(&pair.prompt))));
            let different = prompts.iter().collect::<HashSet<_>>().len();
            if different > 1 && share > 0.0 && share < 1.0 {
                prop_assert!(!train.is_empty() && !eval.is_empty());
            }
        }
    }

    proptest! {
        #[test]
        fn folds_keep_prompts_together_and_are_about_equal(
            prompts in prop::collection::vec(0_usize..40, 1..120), folds in 1_usize..7, seed: u64,
        ) {
            let all = pairs(&prompts);
            let different = prompts.iter().collect::<HashSet<_>>().len();
            let fold_of = match super::folds(&all, folds, seed) {
                Ok(fold_of) => fold_of,
                Err(found) => {
                    prop_assert!(found == different && different < folds);
                    return Ok(());
                }
            };
            prop_assert_eq!(fold_of.len(), all.len());
            let mut of_prompt = std::collections::HashMap::new();
            let mut sizes = vec![0_usize; folds];
            for (&prompt, &fold) in prompts.iter().zip(&fold_of) {
                prop_assert_eq!(*of_prompt.entry(prompt).or_insert(fold), fold);
                sizes[fold] += 1;
            }
            let largest = (0..40).map(|prompt| prompts.iter().filter(|&&p| p == prompt).count()).max().unwrap_or(0);
            // A part is only added to while it is the smallest.
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= largest);
            // The order of the pairs does not matter.
            let mut turned = all.clone();
            turned.reverse();
            let mut again = super::folds(&turned, folds, seed).unwrap();
            again.reverse();
            prop_assert_eq!(again, fold_of);
        }
    }

    proptest! {
        #[test]
        fn marked_pairs_are_held_out_and_their_prompts_never_trained_on(
            prompts in prop::collection::vec((0_usize..12, any::<bool>()), 0..40),
            asked in prop::collection::hash_set(0_usize..12, 0..3), share in 0.0_f64..1.0, seed: u64,
        ) {
            let all = pairs(&prompts.iter().map(|(prompt, _)| *prompt).collect::<Vec<_>>());
            let marked: Vec<bool> = prompts.iter().map(|(_, marked)| *marked).collect();
            let held_out_prompts = pairs(&asked.iter().copied().collect::<Vec<_>>()).iter().map(|pair| fingerprint(&pair.prompt)).collect();
            let parts = divide(&all, &marked, &held_out_prompts, share, seed);
            let of_marked: HashSet<usize> = prompts.iter().filter(|(_, marked)| *marked).map(|(prompt, _)| *prompt).collect();
            let mut sides = [HashSet::new(), HashSet::new()];
            for ((prompt, marked), part) in prompts.iter().zip(&parts) {
                prop_assert!(!*marked || *part == Part::HeldOut);
                prop_assert_eq!(*part == Part::LeftOut, !*marked && (of_marked.contains(prompt) || asked.contains(prompt)));
                match part {
                    Part::Train => drop(sides[0].insert(*prompt)),
                    Part::HeldOut => drop(sides[1].insert(*prompt)),
                    Part::LeftOut => {}
                }
            }
            prop_assert!(sides[0].is_disjoint(&sides[1]));
            // Without marks it is the split of before.
            let none = divide(&all, &vec![false; all.len()], &Prompts::new(), share, seed);
            let before: Vec<Part> =
                held_out(&all, share, seed).into_iter().map(|out| if out { Part::HeldOut } else { Part::Train }).collect();
            prop_assert_eq!(none, before);
        }
    }

    #[test]
    fn the_share_is_met_and_the_seed_decides() {
        let all = pairs(&(0..200).collect::<Vec<_>>());
        let (train, eval) = split(&all, 0.1, 1);
        assert_eq!((train.len(), eval.len()), (180, 20));
        assert_eq!(split(&all, 0.1, 1).1, eval);
        assert_ne!(split(&all, 0.1, 2).1, eval);
        let mut turned = all.clone();
        turned.reverse();
        let same: HashSet<Pair> = split(&turned, 0.1, 1).1.into_iter().collect();
        assert_eq!(same, eval.into_iter().collect::<HashSet<_>>());
    }

    #[test]
    fn the_ends_of_the_range() {
        let all = pairs(&[0, 1, 2, 3]);
        assert_eq!(split(&all, 0.0, 7).1.len(), 0);
        assert_eq!(split(&all, f64::NAN, 7).1.len(), 0);
        assert_eq!(split(&all, 1.0, 7).0.len(), 0);
        assert_eq!(split(&pairs(&[5, 5, 5]), 0.5, 7).1.len(), 0, "a single prompt is trained on");
        assert_eq!(split(&pairs(&[5, 5, 5, 6, 6]), 0.01, 7).1.len(), 2, "the smaller prompt is held out");
    }
}
