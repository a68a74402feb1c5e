//! Pairs as token ids, and microbatches of them.

use crate::cuts::{Cuts, TooLong};
use crate::error::{Error, Result};
use crate::events::Counts;
use crate::memory::Length;
use chat::{Boundary, Limited, Limits, OddPairs, Oddities, PairIds, Tokenizer};
use model::Batch;
use prefs::{Pair, Place};
use std::path::Path;

/// A pair ready for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Place among the run's pairs, from 0.
    pub row: usize,
    /// Token ids, after truncation.
    pub ids: PairIds,
}

/// The pairs of a run, encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Pairs in use, in file order.
    pub examples: Vec<Example>,
    /// Lengths of all pairs before truncation, those left out among them.
    pub lengths: Vec<Length>,
    /// What became of the rows.
    pub counts: Counts,
    /// Which pairs the limits cut or left out.
    pub cuts: Cuts,
    /// The end of a prompt that its template or tokenizer renders differently before an answer, where there is one.
    pub broken_boundary: Option<String>,
    /// Places of the pairs of which this is so, among all pairs, but for those dropped.
    pub broken_boundaries: Vec<usize>,
    /// What of the pairs is read otherwise than it looks, but for those dropped.
    pub odd: OddPairs,
}

/// What becomes of pairs whose two answers are the same tokens, as cutting or the chat template can make them. They teach
/// nothing: their gradient is rounding, which the optimiser turns into whole steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identical {
    /// Counted and left out.
    LeaveOut,
    /// Counted and kept.
    Keep,
}

/// Pairs on their way in.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The file they came from.
    pub path: &'a Path,
    /// The pairs.
    pub pairs: &'a [Pair],
    /// The place of each in the file; where they are not known, pairs are told by their place among them, from 1.
    pub places: Option<&'a [Place]>,
    /// Rows of the file that are no pair.
    pub refused: usize,
}

impl<'a> Input<'a> {
    /// Pairs of a file that holds nothing else, one a line.
    pub fn of(path: &'a Path, pairs: &'a [Pair]) -> Self {
        Self { path, pairs, places: None, refused: 0 }
    }

    /// What [`Input::number`] counts.
    pub fn counted(&self) -> &'static str {
        match self.places {
            Some(places) => places.first().map_or("line", |first| first.counted().0),
            None => "pair",
        }
    }

    /// By which a pair is found in its file.
    fn number(&self, row: usize) -> i64 {
        self.places.map_or(row + 1, |places| places[row].counted().1) as i64
    }
}

/// Encodes pairs. `progress` is told the number done and says whether to go on; stopped, the answer is none.
///
/// # Errors
/// When a pair cannot be rendered or tokenised; the error names its place. When pairs are too long and the limits say
/// that nothing is computed then ([`chat::Truncation::Refuse`]).
pub fn encode(
    input: Input<'_>,
    tokenizer: &Tokenizer,
    limits: &Limits,
    identical: Identical,
    progress: &mut dyn FnMut(usize) -> Result<bool>,
) -> Result<Option<Dataset>> {
    let Input { path, pairs, refused, .. } = input;
    let mut cuts = Cuts::default();
    let mut counts = Counts { rows: pairs.len() + refused, refused, ..Counts::default() };
    let mut examples = Vec::with_capacity(pairs.len());
    let mut lengths = Vec::with_capacity(pairs.len());
    let (mut broken_boundary, mut broken_boundaries) = (None, Vec::new());
    let mut odd = OddPairs::default();
    for (row, pair) in pairs.iter().enumerate() {
        let encoded = chat::encode_pair(tokenizer, pair).map_err(|source| Error::Encode {
            place: format!("{} {} of {}", input.counted(), input.number(row), path.display()),
            source: Box::new(source),
        })?;
        let length = Length::of(&encoded);
        lengths.push(match identical {
            Identical::LeaveOut => length,
            // Where none is left out, none counts as one that is.
            Identical::Keep => Length { common_start: 0, common_end: 0, ..length },
        });
        let broken = match &encoded.boundary {
            Boundary::Clean => None,
            Boundary::Broken { dropped_text } => Some(dropped_text.clone()),
        };
        let (number, over) = (input.number(row), limits.over(length.prompt, length.chosen, length.rejected));
        match chat::limit(&encoded, limits) {
            Limited::Kept(kept) if kept.ids.are_identical() && identical == Identical::LeaveOut => {
                counts.identical += 1;
                // It may be for what the template does not read that they are.
                odd.add(&Oddities::of(tokenizer, pair, &encoded));
            }
            Limited::Kept(kept) => {
                cuts.add_over(number, over);
                cuts.add_kept(number, &kept);
                counts.pairs += 1;
                odd.add(&Oddities::of(tokenizer, pair, &encoded));
                counts.plain_text += usize::from(!pair.is_conversational());
                counts.identical += usize::from(kept.ids.are_identical());
                counts.broken_boundaries += usize::from(broken.is_some());
                broken_boundaries.extend(broken.is_some().then_some(row));
                broken_boundary = broken_boundary.or(broken);
                examples.push(Example { row, ids: kept.ids });
            }
            Limited::TooLong => {
                cuts.add_over(number, over);
                cuts.too_long.push(TooLong::of(number, &length));
            }
        }
        if !progress(row + 1)? {
            return Ok(None);
        }
    }
    cuts.refuse(limits, path, pairs.len(), input.counted())?;
    counts.dropped = cuts.too_long.len();
    (counts.cut_prompts, counts.cut_answers) = (cuts.prompts.len(), cuts.answers.len());
    (counts.chosen_only, counts.rejected_only) = (cuts.chosen_only.len(), cuts.rejected_only.len());
    Ok(Some(Dataset { examples, lengths, counts, cuts, broken_boundary, broken_boundaries, odd }))
}

/// How many pairs have one answer within `border` tokens, its prompt counted, and one beyond it.
fn across(examples: &[Example], border: usize) -> usize {
    let beyond = |prompt: &[u32], answer: &[u32]| prompt.len() + answer.len() > border;
    let across = |Example { ids, .. }: &&Example| {
        beyond(&ids.chosen_prompt, &ids.chosen) != beyond(&ids.rejected_prompt, &ids.rejected)
    };
    examples.iter().filter(across).count()
}

/// What to say of pairs with one answer on each side of the `border` beyond which a model rotates sequences by other
/// frequencies, where there is one and there are such pairs: both are rotated as long ones.
pub fn note_across(examples: &[Example], border: Option<usize>) -> Option<String> {
    let border = border?;
    let count = across(examples, border);
    (count > 0).then(|| {
        format!(
            "{count} of {} pairs have one answer within {border} tokens and one beyond: this model rotates sequences longer \
             than that by other frequencies (LongRoPE), and both answers of a pair are computed as its longer one, as TRL \
             does with the pair as one batch",
            examples.len()
        )
    })
}

/// Packs pairs, chosen before rejected; a prompt that both answers share is computed once.
pub fn pack<'a>(examples: impl Iterator<Item = &'a Example>) -> Batch {
    let mut batch = Batch::new();
    for Example { ids, .. } in examples {
        if ids.chosen_prompt == ids.rejected_prompt {
            batch.push_pair(&ids.chosen_prompt, &ids.chosen, &ids.rejected);
        } else {
            batch.push_pair_apart((&ids.chosen_prompt, &ids.chosen), (&ids.rejected_prompt, &ids.rejected));
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(chosen_prompt: usize, chosen: usize, rejected_prompt: usize, rejected: usize) -> Example {
        let [chosen_prompt, chosen, rejected_prompt, rejected] =
            [chosen_prompt, chosen, rejected_prompt, rejected].map(|length| vec![1; length]);
        Example { row: 0, ids: PairIds { chosen_prompt, chosen, rejected_prompt, rejected } }
    }

    #[test]
    fn pairs_on_both_sides_of_a_border_are_counted_and_rotated_as_their_longer_answer() {
        let examples = [example(4, 4, 4, 5), example(4, 8, 4, 5), example(6, 4, 6, 4), example(7, 4, 2, 4)];
        let said = note_across(&examples, Some(10)).unwrap_or_default();
        assert!(said.starts_with("2 of 4 pairs"), "{said}");
        assert_eq!((note_across(&examples, None), note_across(&examples[..1], Some(10))), (None, None));
        let apart = pack(examples[3..].iter());
        assert_eq!(apart.lengths(), [11; 17]);
        assert_eq!(pack(examples[..1].iter()).lengths(), [9; 13]);
    }
}
