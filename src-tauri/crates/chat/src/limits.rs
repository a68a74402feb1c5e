//! Cutting a pair to a length: as TRL does (`DataCollatorForPreference` and the filter at the end of
//! `DPOTrainer._prepare_dataset` in TRL 1.16; `max_prompt_length` as in TRL before 1.0), or so that no answer is ever cut.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::EncodedPair;

/// What becomes of a pair that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The first `max_length` tokens are kept, so that the end of the answer is lost. A pair whose prompt alone fills
    /// `max_length` is left out. TRL's default.
    #[default]
    KeepStart,
    /// The last `max_length` tokens are kept, so that the beginning of the prompt is lost, and then that of the answer. The
    /// two answers of a pair may then follow different prompts. TRL's other mode.
    KeepEnd,
    /// The prompt loses its beginning until it fits before the longer answer; both answers are whole and follow the same
    /// prompt. A beginning-of-sequence token stays before what is left. A pair whose answers leave no room for any token of
    /// its prompt is left out.
    PromptLeft,
    /// The pair is left out, and nothing is ever cut.
    Drop,
    /// Nothing is computed with any of the pairs.
    Refuse,
}

/// How long a pair may be, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The most tokens of prompt and answer together.
    pub max_length: Option<usize>,
    /// The most tokens of the prompt. A longer one loses its beginning before `max_length` is looked at; where nothing is to be
    /// cut (`drop`, `refuse`), the pair is too long.
    pub max_prompt_length: Option<usize>,
    /// What becomes of what is longer.
    pub truncation: Truncation,
}

/// Which of a pair's two sequences is longer than the limits allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// That with the chosen answer alone.
    Chosen,
    /// That with the rejected answer alone.
    Rejected,
    /// Both.
    Both,
}

impl Limits {
    /// Whether nothing is ever cut.
    fn cuts_nothing(&self) -> bool {
        matches!(self.truncation, Truncation::Drop | Truncation::Refuse)
    }

    /// Which sequences of a pair of so many tokens are too long; none where the pair fits, once its prompt is cut to
    /// `max_prompt_length` where that may be cut.
    pub fn over(&self, prompt: usize, chosen: usize, rejected: usize) -> Option<Over> {
        let allowed = self.max_prompt_length.unwrap_or(usize::MAX);
        if self.cuts_nothing() && prompt > allowed {
            return Some(Over::Both);
        }
        let is_over = |answer: usize| self.max_length.is_some_and(|most| prompt.min(allowed) + answer > most);
        match (is_over(chosen), is_over(rejected)) {
            (false, false) => None,
            (true, false) => Some(Over::Chosen),
            (false, true) => Some(Over::Rejected),
            (true, true) => Some(Over::Both),
        }
    }
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
    /// Nothing: the pair is too long for what [`Truncation`] may cut.
    TooLong,
}

/// Cuts a pair to `limits`.
pub fn limit(pair: &EncodedPair, limits: &Limits) -> Limited {
    let over = limits.over(pair.prompt.len(), pair.chosen.len(), pair.rejected.len());
    match limits.truncation {
        Truncation::KeepStart => keep_start(pair, limits),
        Truncation::KeepEnd => Limited::Kept(keep_end(pair, limits)),
        Truncation::PromptLeft => prompt_left(pair, limits),
        Truncation::Drop | Truncation::Refuse if over.is_some() => Limited::TooLong,
        Truncation::Drop | Truncation::Refuse => {
            let whole = |answer: &[u32]| (pair.prompt.clone(), answer.to_vec());
            Limited::Kept(kept(pair, whole(&pair.chosen), whole(&pair.rejected)))
        }
    }
}

fn keep_start(pair: &EncodedPair, limits: &Limits) -> Limited {
    let prompt = last(&pair.prompt, limits.max_prompt_length);
    let most = limits.max_length.unwrap_or(usize::MAX);
    if prompt.len() >= most {
        return Limited::TooLong;
    }
    let cut = |answer: &[u32]| (prompt.to_vec(), answer[..answer.len().min(most - prompt.len())].to_vec());
    Limited::Kept(kept(pair, cut(&pair.chosen), cut(&pair.rejected)))
}

fn keep_end(pair: &EncodedPair, limits: &Limits) -> Kept {
    let prompt = last(&pair.prompt, limits.max_prompt_length);
    let cut = |answer: &[u32]| {
        let excess = limits.max_length.map_or(0, |most| (prompt.len() + answer.len()).saturating_sub(most));
        let from_prompt = excess.min(prompt.len());
        (prompt[from_prompt..].to_vec(), answer[excess - from_prompt..].to_vec())
    };
    kept(pair, cut(&pair.chosen), cut(&pair.rejected))
}

fn prompt_left(pair: &EncodedPair, limits: &Limits) -> Limited {
    let longer = pair.chosen.len().max(pair.rejected.len());
    let beside = limits.max_length.map_or(Some(usize::MAX), |most| most.checked_sub(longer));
    let Some(room) = beside.map(|room| room.min(limits.max_prompt_length.unwrap_or(usize::MAX))) else {
        return Limited::TooLong;
    };
    // Without any token of its own prompt, it would be another pair.
    let first = usize::from(pair.begins_with_bos);
    let prompt = if pair.prompt.len() <= room {
        pair.prompt.clone()
    } else if room > first {
        [&pair.prompt[..first], last(&pair.prompt, Some(room - first))].concat()
    } else {
        return Limited::TooLong;
    };
    let whole = |answer: &[u32]| (prompt.clone(), answer.to_vec());
    Limited::Kept(kept(pair, whole(&pair.chosen), whole(&pair.rejected)))
}

/// Counts what was cut of `pair`: each side's prompt and answer are what is left.
fn kept(
    pair: &EncodedPair,
    (chosen_prompt, chosen): (Vec<u32>, Vec<u32>),
    (rejected_prompt, rejected): (Vec<u32>, Vec<u32>),
) -> Kept {
    Kept {
        cut_prompt: pair.prompt.len() - chosen_prompt.len().min(rejected_prompt.len()),
        cut_chosen: pair.chosen.len() - chosen.len(),
        cut_rejected: pair.rejected.len() - rejected.len(),
        ids: PairIds { chosen_prompt, chosen, rejected_prompt, rejected },
    }
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
        EncodedPair { prompt, chosen, rejected, begins_with_bos: false, boundary: Boundary::Clean }
    }

    fn kept(pair: &EncodedPair, limits: &Limits) -> Kept {
        match limit(pair, limits) {
            Limited::Kept(kept) => kept,
            Limited::TooLong => panic!("the pair is too long"),
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
        assert_eq!(limit(&pair, &limits), Limited::TooLong);
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

    /// A pair of 5 + 2 and 5 + 3 tokens, of which the first is the beginning-of-sequence token where asked for.
    fn five(begins_with_bos: bool) -> EncodedPair {
        EncodedPair { begins_with_bos, ..pair(&[1, 2, 3, 4, 5], &[6, 7], &[8, 9, 10]) }
    }

    fn within(max_length: usize, truncation: Truncation) -> Limits {
        Limits { max_length: Some(max_length), max_prompt_length: None, truncation }
    }

    #[test]
    fn the_prompt_loses_its_beginning_before_the_longer_answer_and_both_answers_stay_whole() {
        for (max_length, bos, left) in [
            (8, false, Some(vec![1, 2, 3, 4, 5])),
            (7, false, Some(vec![2, 3, 4, 5])),
            (4, false, Some(vec![5])),
            (3, false, None),
            (2, false, None),
            // The first token stays, and takes the place of one of the others.
            (8, true, Some(vec![1, 2, 3, 4, 5])),
            (7, true, Some(vec![1, 3, 4, 5])),
            (5, true, Some(vec![1, 5])),
            (4, true, None),
        ] {
            let limited = limit(&five(bos), &within(max_length, Truncation::PromptLeft));
            let Some(left) = left else {
                assert_eq!(limited, Limited::TooLong, "max_length {max_length}, bos {bos}");
                continue;
            };
            let Limited::Kept(kept) = limited else { panic!("max_length {max_length}, bos {bos}: too long") };
            assert_eq!((&kept.ids.chosen_prompt, &kept.ids.rejected_prompt), (&left, &left));
            assert_eq!((kept.ids.chosen, kept.ids.rejected), (vec![6, 7], vec![8, 9, 10]));
            assert_eq!((kept.cut_prompt, kept.cut_chosen, kept.cut_rejected), (5 - left.len(), 0, 0));
        }
    }

    #[test]
    fn a_prompt_limit_cuts_where_prompts_are_cut_and_else_makes_the_pair_too_long() {
        let limits = |truncation| Limits { max_length: Some(8), max_prompt_length: Some(3), truncation };
        assert_eq!(kept(&five(false), &limits(Truncation::PromptLeft)).ids.chosen_prompt, [3, 4, 5]);
        assert_eq!(kept(&five(true), &limits(Truncation::PromptLeft)).ids.chosen_prompt, [1, 4, 5]);
        assert_eq!(kept(&five(true), &limits(KEEP_START)).ids.chosen_prompt, [3, 4, 5], "as TRL does");
        for nothing_is_cut in [Truncation::Drop, Truncation::Refuse] {
            assert_eq!(limit(&five(false), &limits(nothing_is_cut)), Limited::TooLong);
        }
    }

    #[test]
    fn where_nothing_is_cut_a_pair_stays_as_it_is_or_is_too_long() {
        for truncation in [Truncation::Drop, Truncation::Refuse] {
            let whole = kept(&five(true), &within(8, truncation));
            assert_eq!((whole.cut_prompt, whole.cut_chosen, whole.cut_rejected), (0, 0, 0));
            assert_eq!((whole.ids.chosen_prompt, whole.ids.rejected), (vec![1, 2, 3, 4, 5], vec![8, 9, 10]));
            assert_eq!(limit(&five(true), &within(7, truncation)), Limited::TooLong);
        }
    }

    #[test]
    fn it_is_known_which_side_is_too_long() {
        let over = |max_length| within(max_length, KEEP_START).over(5, 2, 3);
        assert_eq!([over(8), over(7), over(6)], [None, Some(Over::Rejected), Some(Over::Both)]);
        assert_eq!(within(7, KEEP_START).over(5, 3, 2), Some(Over::Chosen));
        let prompt = |truncation| Limits { max_length: None, max_prompt_length: Some(4), truncation }.over(5, 2, 3);
        assert_eq!([prompt(Truncation::PromptLeft), prompt(Truncation::Drop)], [None, Some(Over::Both)]);
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
                Limited::TooLong => {
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

        /// Whatever is kept where no answer may be cut: whole answers after one prompt, which is the end of the whole one.
        #[test]
        fn answers_stay_whole_after_one_prompt(
            lengths in (0usize..9, 0usize..9, 0usize..9),
            max_length in prop::option::of(1usize..20),
            max_prompt_length in prop::option::of(0usize..12),
            bos in any::<bool>(),
            truncation in prop::sample::select(vec![Truncation::PromptLeft, Truncation::Drop, Truncation::Refuse]),
        ) {
            let ids = |from: usize, length: usize| (from..from + length).map(|id| id as u32).collect::<Vec<_>>();
            let begins_with_bos = bos && lengths.0 > 0;
            let whole = pair(&ids(0, lengths.0), &ids(100, lengths.1), &ids(200, lengths.2));
            let whole = EncodedPair { begins_with_bos, ..whole };
            let limits = Limits { max_length, max_prompt_length, truncation };
            let longer = lengths.1.max(lengths.2);
            let fits = max_length.is_none_or(|most| lengths.0 + longer <= most)
                && max_prompt_length.is_none_or(|most| lengths.0 <= most);
            match limit(&whole, &limits) {
                Limited::TooLong => {
                    prop_assert!(!fits);
                    // Not even one token of the prompt beside what stays before it.
                    let least = longer + 1 + usize::from(begins_with_bos);
                    let no_room = max_length.is_some_and(|most| most < least)
                        || max_prompt_length.is_some_and(|most| most < 1 + usize::from(begins_with_bos));
                    prop_assert!(truncation != Truncation::PromptLeft || no_room);
                }
                Limited::Kept(Kept { ids, cut_prompt, cut_chosen, cut_rejected }) => {
                    prop_assert_eq!((&ids.chosen, &ids.rejected), (&whole.chosen, &whole.rejected));
                    prop_assert_eq!(&ids.chosen_prompt, &ids.rejected_prompt);
                    prop_assert_eq!((cut_prompt, cut_chosen + cut_rejected), (lengths.0 - ids.chosen_prompt.len(), 0));
                    prop_assert!(max_length.is_none_or(|most| ids.chosen_prompt.len() + longer <= most));
                    prop_assert!(max_prompt_length.is_none_or(|most| ids.chosen_prompt.len() <= most));
                    prop_assert_eq!(fits, cut_prompt == 0);
                    let left = ids.chosen_prompt.strip_prefix(if begins_with_bos { &[0][..] } else { &[] });
                    prop_assert!(left.is_some_and(|left| whole.prompt.ends_with(left)));
                }
            }
        }
    }
}
