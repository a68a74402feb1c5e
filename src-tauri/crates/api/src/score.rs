//! Log-probabilities of pairs under policy and reference.

use crate::context::Context;
use crate::error::{DAMAGED, Error, Result};
use crate::hub_paths;
use crate::open::{ModelChoice, Opened, open};
use crate::reading::{pairs_of, tell_plain_text, tell_refused};
use chat::Limits;
use eval::accuracy::{self, Logps};
use prefs::reader::Choices;
use prefs::{Place, words};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::data::{self, Dataset, Example, Identical};

/// Pairs whose log-probabilities are computed at once.
const BATCH: usize = 8;

/// What is to be scored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct ScoreRequest {
    /// The model; without an adapter the policy is the reference.
    pub choice: ModelChoice,
    pub pairs: PathBuf,
    /// What is said about how they are read.
    pub choices: Choices,
    /// Limits on tokens.
    pub limits: Limits,
}

/// A pair of the file with what policy and reference make of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairScore {
    /// Place among the file's pairs, from 0.
    pub index: usize,
    /// Where the pair stands in the file.
    #[serde(flatten)]
    pub place: Place,
    /// What was computed.
    #[serde(flatten)]
    pub logps: PairLogps,
}

/// Log-probabilities of a pair's answers, nats, summed over the tokens of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PairLogps {
    /// Policy, chosen.
    pub chosen_logps: f64,
    /// Policy, rejected.
    pub rejected_logps: f64,
    pub reference_chosen_logps: f64,
    pub reference_rejected_logps: f64,
    /// Tokens of the prompt, after truncation.
    pub prompt_tokens: usize,
    /// Tokens of the chosen answer.
    pub chosen_tokens: usize,
    /// Tokens of the rejected answer.
    pub rejected_tokens: usize,
}

/// All pairs scored, and what became of the other rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreReply {
    /// In file order.
    #[serde(skip)]
    pub scores: Vec<PairScore>,
    /// Pairs scored.
    pub pairs: usize,
    /// Rows that are no pair.
    pub refused: usize,
    /// Pairs left out as too long.
    pub dropped: usize,
}

/// Scores a file of pairs.
///
/// # Errors
/// When the model, the adapter or the pairs cannot be read, or a result is not finite.
pub fn score(request: &ScoreRequest, context: &mut Context) -> Result<ScoreReply> {
    let request = &ScoreRequest { pairs: hub_paths::data(&request.pairs, context)?, ..request.clone() };
    let read = pairs_of(&request.pairs, Some(&request.choices), context)?;
    tell_refused(&request.pairs, &read.refused, context);
    let opened = open(&request.choice, context)?;
    let input = read.input(&request.pairs);
    let set = data::encode(input, &opened.tokenizer, &request.limits, Identical::Keep, &mut |_| Ok(true))?;
    let Some(Dataset { examples, counts, cuts, broken_boundary, odd, .. }) = set else {
        return Err(Error::cancelled());
    };
    tell_plain_text(&request.pairs, counts.plain_text, &odd.rendered, "pairs", &opened.tokenizer, context);
    cuts.sentences(&request.limits, input.counted()).into_iter().for_each(|sentence| context.note(sentence));
    if counts.identical > 0 {
        context.note(format!(
            "of {} both answers are the same tokens once they are rendered and cut",
            words::pairs(counts.identical)
        ));
    }
    odd.sentences(&opened.tokenizer).into_iter().for_each(|sentence| context.note(sentence));
    if let Some(text) = broken_boundary {
        context.note(format!(
            "{} of {}: the prompt is tokenised differently before an answer; its end is left out, as TRL does: {text:?}",
            counts.broken_boundaries,
            words::pairs(counts.pairs)
        ));
    }
    if let Some(note) = data::note_across(&examples, opened.decoder.config().rope.border()) {
        context.note(note);
    }
    let logps = logps(&opened, &examples, &|row| format!("the pair in {}", read.places[row]), context)?;
    let scores: Vec<PairScore> = examples
        .iter()
        .zip(logps)
        .map(|(example, logps)| PairScore { index: example.row, place: read.places[example.row], logps })
        .collect();
    Ok(ScoreReply { pairs: scores.len(), refused: read.refused.len(), dropped: counts.dropped, scores })
}

/// Log-probabilities of encoded pairs; without an adapter the policy is the reference. `place` names a pair.
///
/// # Errors
/// When the work is stopped, or a result is not finite.
pub(crate) fn logps(
    opened: &Opened,
    examples: &[Example],
    place: &dyn Fn(usize) -> String,
    context: &mut Context,
) -> Result<Vec<PairLogps>> {
    let start = Instant::now();
    let mut scores: Vec<PairLogps> = Vec::with_capacity(examples.len());
    for chunk in examples.chunks(BATCH) {
        context.check()?;
        let batch = data::pack(chunk.iter());
        let reference = opened.decoder.logps(opened.reference.as_ref(), &batch)?;
        let policy = match &opened.lora {
            Some(lora) => opened.decoder.logps(Some(lora), &batch)?,
            None => reference.clone(),
        };
        for ((example, policy), reference) in chunk.iter().zip(policy.chunks_exact(2)).zip(reference.chunks_exact(2)) {
            if ![policy, reference].concat().iter().all(|logps| logps.is_finite()) {
                let message = format!("the log-probability of {} is not a number", place(example.row));
                return Err(Error::new("not_finite", message, DAMAGED));
            }
            scores.push(PairLogps {
                chosen_logps: policy[0],
                rejected_logps: policy[1],
                reference_chosen_logps: reference[0],
                reference_rejected_logps: reference[1],
                prompt_tokens: example.ids.chosen_prompt.len(),
                chosen_tokens: example.ids.chosen.len(),
                rejected_tokens: example.ids.rejected.len(),
            });
        }
        context.progress("score", start, scores.len() as u64, examples.len() as u64);
    }
    Ok(scores)
}

/// Held-out pairs for their preference accuracy, encoded: refused or too long they are before any answer is generated.
///
/// # Errors
/// When the pairs cannot be read or encoded, or are too long where nothing is to be computed then.
pub(crate) fn held_out(
    opened: &Opened,
    pairs: &Path,
    choices: Option<&Choices>,
    limits: &Limits,
    context: &mut Context,
) -> Result<Vec<Example>> {
    let read = pairs_of(pairs, choices, context)?;
    tell_refused(pairs, &read.refused, context);
    let input = read.input(pairs);
    let set = data::encode(input, &opened.tokenizer, limits, Identical::LeaveOut, &mut |_| Ok(true))?;
    let Some(Dataset { examples, counts, cuts, odd, .. }) = set else { return Err(Error::cancelled()) };
    tell_plain_text(pairs, counts.plain_text, &odd.rendered, "pairs", &opened.tokenizer, context);
    odd.sentences(&opened.tokenizer).into_iter().for_each(|sentence| context.note(sentence));
    for sentence in cuts.sentences(limits, input.counted()) {
        context.note(format!("{}: {sentence}", pairs.display()));
    }
    if counts.refused + counts.identical + counts.dropped > 0 {
        let left_out = [
            (counts.refused, words::counted(counts.refused, "row that is no pair", "rows that are no pairs")),
            (counts.identical, format!("{} with two answers of the same tokens", words::pairs(counts.identical))),
            (counts.dropped, format!("{} too long", words::pairs(counts.dropped))),
        ];
        let left_out: Vec<String> =
            left_out.into_iter().filter(|(count, _)| *count > 0).map(|(_, said)| said).collect();
        context.note(format!("{}: left out of the accuracy: {}", pairs.display(), left_out.join(", ")));
    }
    if let Some(note) = data::note_across(&examples, opened.decoder.config().rope.border()) {
        context.note(note);
    }
    Ok(examples)
}

/// Log-probabilities of held-out pairs, base against tuned.
pub(crate) fn held_out_logps(
    opened: &Opened,
    examples: &[Example],
    context: &mut Context,
) -> Result<Vec<accuracy::PairLogps>> {
    let start = Instant::now();
    let mut logps = Vec::with_capacity(examples.len());
    for chunk in examples.chunks(BATCH) {
        context.check()?;
        let batch = data::pack(chunk.iter());
        let of = |values: &[f64]| Logps { chosen: values[0], rejected: values[1] };
        let reference = opened.decoder.logps(opened.reference.as_ref(), &batch)?;
        let after = opened.decoder.logps(opened.lora.as_ref(), &batch)?;
        for ((example, after), reference) in chunk.iter().zip(after.chunks_exact(2)).zip(reference.chunks_exact(2)) {
            logps.push(accuracy::PairLogps {
                reference: of(reference),
                before: of(reference),
                after: of(after),
                chosen_tokens: example.ids.chosen.len(),
                rejected_tokens: example.ids.rejected.len(),
            });
        }
        context.progress("held-out pairs", start, logps.len() as u64, examples.len() as u64);
    }
    Ok(logps)
}
