//! Log-probabilities of pairs under policy and reference.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::{ModelChoice, Opened, open};
use chat::Limits;
use eval::accuracy::{Logps, PairLogps};
use prefs::jsonl;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use train::data::{self, Dataset};

/// Pairs whose log-probabilities are computed at once.
const BATCH: usize = 8;

/// What is to be scored.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    /// The model; without an adapter the policy is the reference.
    pub choice: ModelChoice,
    /// Pairs, JSONL.
    pub pairs: PathBuf,
    /// Limits on tokens.
    pub limits: Limits,
}

/// One pair's log-probabilities, nats, summed over each answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairScore {
    /// Place among the file's pairs, from 0.
    pub index: usize,
    /// Line of the file.
    pub line: usize,
    /// Policy, chosen.
    pub chosen_logps: f64,
    /// Policy, rejected.
    pub rejected_logps: f64,
    /// Reference, chosen.
    pub reference_chosen_logps: f64,
    /// Reference, rejected.
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
    /// Pairs left out because the prompt alone fills `max_length`.
    pub dropped: usize,
}

/// Scores a file of pairs.
///
/// # Errors
/// When the model, the adapter or the pairs cannot be read, or a result is not finite.
pub fn score(request: &ScoreRequest, context: &mut Context) -> Result<ScoreReply> {
    let reading = jsonl::read_pairs(&request.pairs)?;
    for refused in &reading.refused {
        context.note(format!("{}, line {}: {}", request.pairs.display(), refused.line, refused.reason));
    }
    let lines: Vec<usize> = reading.pairs.iter().map(|p| p.line).collect();
    let refused = reading.refused.len();
    let pairs = reading.into_pairs();
    let opened = open(&request.choice, context)?;
    let set = data::encode(&request.pairs, &pairs, refused, &opened.tokenizer, &request.limits, &mut |_| Ok(true))?;
    let Some(Dataset { examples, counts, broken_boundary, .. }) = set else { return Err(Error::cancelled()) };
    if let Some(text) = broken_boundary {
        context.note(format!(
            "{} of {} pairs: the prompt is tokenised differently before an answer; its end is left out, as TRL does: {text:?}",
            counts.broken_boundaries, counts.pairs
        ));
    }
    if let Some(note) = data::note_across(&examples, opened.decoder.config().rope.border()) {
        context.note(note);
    }
    let start = Instant::now();
    let mut scores = Vec::with_capacity(examples.len());
    for chunk in examples.chunks(BATCH) {
        context.check()?;
        let batch = data::pack(chunk.iter());
        let reference = opened.decoder.logps(opened.reference.as_ref(), &batch)?;
        let policy = match &opened.lora {
            Some(lora) => opened.decoder.logps(Some(lora), &batch)?,
            None => reference.clone(),
        };
        for ((example, policy), reference) in chunk.iter().zip(policy.chunks_exact(2)).zip(reference.chunks_exact(2)) {
            scores.push(PairScore {
                index: example.row,
                line: lines[example.row],
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
    if let Some(bad) = scores.iter().find(|s| !(s.chosen_logps + s.rejected_logps).is_finite()) {
        return Err(Error::new(
            "not_finite",
            format!("the log-probability of the pair in line {} is not a number", bad.line),
            "the model or the adapter is damaged: check it with another prompt",
        ));
    }
    Ok(ScoreReply { pairs: scores.len(), refused, dropped: counts.dropped, scores })
}

/// Log-probabilities of held-out pairs for their preference accuracy, base against tuned.
pub(crate) fn held_out(
    opened: &Opened,
    pairs: &std::path::Path,
    limits: &Limits,
    context: &mut Context,
) -> Result<Vec<PairLogps>> {
    let pairs_read = jsonl::read_pairs(pairs)?;
    let refused = pairs_read.refused.len();
    let rows = pairs_read.into_pairs();
    let set = data::encode(pairs, &rows, refused, &opened.tokenizer, limits, &mut |_| Ok(true))?;
    let Some(Dataset { examples, .. }) = set else { return Err(Error::cancelled()) };
    if let Some(note) = data::note_across(&examples, opened.decoder.config().rope.border()) {
        context.note(note);
    }
    let start = Instant::now();
    let mut logps = Vec::with_capacity(examples.len());
    for chunk in examples.chunks(BATCH) {
        context.check()?;
        let batch = data::pack(chunk.iter());
        let of = |values: &[f64]| Logps { chosen: values[0], rejected: values[1] };
        let reference = opened.decoder.logps(opened.reference.as_ref(), &batch)?;
        let after = opened.decoder.logps(opened.lora.as_ref(), &batch)?;
        for ((example, after), reference) in chunk.iter().zip(after.chunks_exact(2)).zip(reference.chunks_exact(2)) {
            logps.push(PairLogps {
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
