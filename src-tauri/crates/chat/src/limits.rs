//! Cutting a pair to a length, as TRL does (`DataCollatorForPreference` and the filter at the end of
//! `DPOTrainer._prepare_dataset` in TRL 1.16; `max_prompt_length` as in TRL before 1.0).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::EncodedPair;

/// Which end of a sequence that is too long is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The first `max_length` tokens: the end of the answer is lost.
    #[default]
    KeepStart,
    /// The last `max_length` tokens: the beginning of the prompt is lost.
    KeepEnd,
}

/// How long a pair may be, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The most tokens of prompt and answer together.
    pub max_length: Option<usize>,
    /// The most tokens of the prompt; its end is kept. This applies before `max_length`.
    pub max_prompt_length: Option<usize>,
    /// What `max_length` keeps.
    pub truncation: Truncation,
}

/// A pair that was cut. Where the end is kept, the two prompts may have lost different amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairIds {
    /// What is left of the prompt before the chosen answer.
    pub chosen_prompt: Vec<u32>,
    /// What is left of the chosen answer.
    pub chosen: Vec<u32>,
    /// What is left of the prompt before the rejected answer.
    pub rejected_prompt: Vec<u32>,
    /// What is left of the rejected answer.
    pub rejected: Vec<u32>,
}

impl PairIds {
    /// Whether both sequences are the same tokens, so that there is nothing to prefer.
    pub fn are_identical(&self) -> bool {
        self.chosen == self.rejected && self.chosen_prompt == self.rejected_prompt
    }
}

/// A pair that can be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The tokens that are left.
    pub ids: PairIds,
    /// Tokens cut from the prompt: the larger number, where the two sequences lost different amounts.
    pub cut_prompt: usize,
    /// Tokens cut from the chosen answer.
    pub cut_chosen: usize,
    /// Tokens cut from the rejected answer.
    pub cut_rejected: usize,
}

/// What the limits leave of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limited {
    /// The pair, perhaps shorter.
    Kept(Kept),
    /// Nothing to train on: the start is kept and the prompt alone fills `max_length`. TRL drops such a pair.
    Dropped {
        /// Tokens of the prompt.
        prompt_length: usize,
        /// The limit.
        max_length: usize,
    },
}

/// Cuts a pair to `limits`.
pub fn limit(pair: &EncodedPair, limits: &Limits) -> Limited {
    let prompt = last(&pair.prompt, limits.max_prompt_length);
    if let (Truncation::KeepStart, Some(max_length)) = (limits.truncation, limits.max_length)
        && prompt.len() >= max_length
    {
        return Limited::Dropped { prompt_length: prompt.len(), max_length };
    }
    let cut = |answer: &[u32]| {
        let excess = limits.max_length.map_or(0, |most| (prompt.len() + answer.len()).saturating_sub(most));
        match limits.truncation {
            // The prompt is shorter than the limit, so that only the answer can be cut.
            Truncation::KeepStart => (prompt.to_vec(), answer[..answer.len() - excess].to_vec()),
            Truncation::KeepEnd => {
                let from_prompt = excess.min(prompt.len());
                (prompt[from_prompt..].to_vec(), answer[excess - from_prompt..].to_vec())
            }
        }
    };
    let (chosen_prompt, chosen) = cut(&pair.chosen);
    let (rejected_prompt, rejected) = cut(&pair.rejected);
    Limited::Kept(Kept {
        cut_prompt: pair.prompt.len() - chosen_prompt.len().min(rejected_prompt.len()),
        cut_chosen: pair.chosen.len() - chosen.len(),
        cut_rejected: pair.rejected.len() - rejected.len(),
        ids: PairIds { chosen_prompt, chosen, rejected_prompt, rejected },
    })
}

/// The last `most` ids.
fn last(ids: &[u32], most: Option<usize>) -> &[u32] {
    &ids[ids.len().saturating_sub(most.unwrap_or(usize::MAX))..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Boundary;

    fn pair(prompt: &[u32], chosen: &[u32], rejected: &[u32]) -> EncodedPair {
        let [prompt, chosen, rejected] = [prompt, chosen, rejected].map(<[u32]>::to_vec);
        EncodedPair { prompt, chosen, rejected, boundary: Boundary::Clean }
    }

    fn kept(pair: &EncodedPair, limits: &Limits) -> Kept {
        match limit(pair, limits) {
            Limited::Kept(kept) => kept,
            Limited::Dropped { .. } => panic!("the pair was dropped"),
        }
    }

    const KEEP_START: Truncation = Truncation::KeepStart;
    const KEEP_END: Truncation = Truncation::KeepEnd;

    #[test]
    fn keeping_the_start_cuts_answers_only() {
        let pair = pair(&[1, 2, 3], &[4, 5], &[6, 7, 8]);
        let limits = Limits { max_length: Some(4), max_prompt_length: None, truncation: KEEP_START };
        let cut = kept(&pair, &limits);
        assert_eq!((cut.ids.chosen_prompt, cut.ids.chosen), (vec![1, 2, 3], vec![4]));
        assert_eq!((cut.ids.rejected_prompt, cut.ids.rejected), (vec![1, 2, 3], vec![6]));
        assert_eq!((cut.cut_prompt, cut.cut_chosen, cut.cut_rejected), (0, 1, 2));
    }

    #[test]
    fn a_prompt_that_fills_the_limit_drops_the_pair_only_where_the_start_is_kept() {
        let pair = pair(&[1, 2, 3], &[4, 5], &[6]);
        let limits = Limits { max_length: Some(3), max_prompt_length: None, truncation: KEEP_START };
        assert_eq!(limit(&pair, &limits), Limited::Dropped { prompt_length: 3, max_length: 3 });
        let shorter = Limits { max_prompt_length: Some(2), ..limits };
        assert_eq!(kept(&pair, &shorter).ids.chosen_prompt, [2, 3]);
        let end = Limits { truncation: KEEP_END, ..limits };
        let cut = kept(&pair, &end);
        assert_eq!((cut.ids.chosen_prompt, cut.ids.chosen), (vec![3], vec![4, 5]));
        assert_eq!((cut.ids.rejected_prompt, cut.ids.rejected), (vec![2, 3], vec![6]));
        assert_eq!(cut.cut_prompt, 2);
    }

    #[test]
    fn keeping_the_end_may_cut_into_the_answer() {
        let pair = pair(&[1], &[2, 3, 4], &[5]);
        let limits = Limits { max_length: Some(2), max_prompt_length: None, truncation: KEEP_END };
        let cut = kept(&pair, &limits);
        assert_eq!((cut.ids.chosen_prompt, cut.ids.chosen), (vec![], vec![3, 4]));
        assert_eq!((cut.cut_prompt, cut.cut_chosen, cut.cut_rejected), (1, 1, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The collator's own words: join, slice ids and mask alike, split by the mask.
        #[test]
        fn it_is_the_collators_slice(
            lengths in (0usize..9, 0usize..9, 0usize..9),
            max_length in prop::option::of(1usize..20),
            max_prompt_length in prop::option::of(0usize..12),
            keep_end in any::<bool>(),
        ) {
            let ids = |from: usize, length: usize| (from..from + length).map(|id| id as u32).collect::<Vec<_>>();
            let whole = pair(&ids(0, lengths.0), &ids(100, lengths.1), &ids(200, lengths.2));
            let truncation = if keep_end { KEEP_END } else { KEEP_START };
            let limits = Limits { max_length, max_prompt_length, truncation };
            let prompt = last(&whole.prompt, max_prompt_length);
            match limit(&whole, &limits) {
                Limited::Dropped { .. } => {
                    prop_assert!(!keep_end && prompt.len() >= max_length.unwrap());
                }
                Limited::Kept(kept) => {
                    for (cut_prompt, cut_answer, answer) in [
                        (&kept.ids.chosen_prompt, &kept.ids.chosen, &whole.chosen),
                        (&kept.ids.rejected_prompt, &kept.ids.rejected, &whole.rejected),
                    ] {
                        let joined = [prompt, answer].concat();
                        let most = max_length.unwrap_or(usize::MAX).min(joined.len());
                        let slice = if keep_end { &joined[joined.len() - most..] } else { &joined[..most] };
                        prop_assert_eq!([cut_prompt.as_slice(), cut_answer].concat(), slice);
                        prop_assert!(cut_prompt.iter().all(|&id| id < 100));
                        prop_assert!(cut_answer.iter().all(|&id| id >= 100));
                    }
                }
            }
        }
    }
}
