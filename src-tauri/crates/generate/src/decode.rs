//! Batched decoding: prompts of any lengths side by side, each finished answer making room for the next prompt.

use crate::sampling::{Sampler, Sampling};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use model::{Decoder, KvCache, Lora};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Why no answers came.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of range, or a prompt cannot be answered.
    #[error("{0}")]
    Request(String),
    /// The model gives no numbers to choose a token by.
    #[error("the log-probability of a token of an answer is not a number")]
    NotFinite,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] model::Error),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// It was cut at `max_new_tokens`.
    Length,
    /// The caller broke off.
    Cancelled,
}

/// The answer to one prompt, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Generated tokens, the one that ended the answer left out.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
}

/// Whether to go on after a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Give back what is there.
    Break,
}

/// What happens while answers are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event<'a> {
    /// An answer has grown.
    Token {
        /// Place of its prompt.
        prompt: usize,
        /// The new token.
        token: u32,
    },
    /// An answer has ended.
    Completion {
        /// Place of its prompt.
        prompt: usize,
        completion: &'a Completion,
    },
}

/// What is to be answered, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Token ids of each prompt, at least one each.
    pub prompts: &'a [Vec<u32>],
    /// How each token is chosen.
    pub sampling: &'a Sampling,
    /// Tokens that end an answer.
    pub stop: &'a [u32],
    /// Sequences that are decoded at once.
    pub batch: usize,
}

/// A sequence that is being decoded.
struct Active<'a> {
    prompt: usize,
    slot: usize,
    sampler: Sampler<'a>,
    /// Tokens that the model has not seen yet.
    next: Vec<u32>,
    ids: Vec<u32>,
}

/// Answers all prompts, in their order. `on_token` hears of each token with its prompt's place and may break off.
///
/// # Errors
/// When a setting is out of range, a prompt is empty, or the model fails.
pub fn generate(
    decoder: &Decoder,
    lora: Option<&Lora>,
    request: Request,
    mut on_token: impl FnMut(usize, u32) -> Flow,
) -> Result<Vec<Completion>, Error> {
    generate_each(decoder, lora, request, |event| match event {
        Event::Token { prompt, token } => on_token(prompt, token),
        Event::Completion { .. } => Flow::Continue,
    })
}

/// As [`generate`], for a caller that does something with each answer as soon as it has ended. Answers that were broken
/// off are only returned.
///
/// # Errors
/// As [`generate`].
pub fn generate_each(
    decoder: &Decoder,
    lora: Option<&Lora>,
    request: Request,
    mut on_event: impl FnMut(Event) -> Flow,
) -> Result<Vec<Completion>, Error> {
    let Request { prompts, sampling, stop, batch } = request;
    sampling.validate().map_err(Error::Request)?;
    if let Some(empty) = prompts.iter().position(Vec::is_empty) {
        return Err(Error::Request(format!("prompt {} is empty: there is nothing to answer", empty + 1)));
    }
    let slots = batch.clamp(1, prompts.len().max(1));
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let mut cache = KvCache::new(decoder.config(), slots, longest + sampling.max_new_tokens.min(256));
    let mut completions: Vec<Option<Completion>> = vec![None; prompts.len()];
    let mut waiting = prompts.iter().enumerate();
    let mut active: Vec<Active> = Vec::with_capacity(slots);
    let mut free: Vec<usize> = (0..slots).rev().collect();
    let mut flow = Flow::Continue;
    loop {
        while let Some(slot) = free.pop() {
            let Some((prompt, ids)) = waiting.next() else { break };
            cache.clear(slot);
            let sampler = Sampler::new(sampling, prompt as u64, ids);
            active.push(Active { prompt, slot, sampler, next: ids.clone(), ids: Vec::new() });
        }
        if active.is_empty() || flow == Flow::Break {
            break;
        }
        active.sort_unstable_by_key(|a| a.slot);
        let new: Vec<(usize, &[u32])> = active.iter().map(|a| (a.slot, a.next.as_slice())).collect();
        let logits = decoder.extend(lora, &mut cache, &new)?;
        let tokens = next_tokens(&mut active, &logits)?;
        let mut going = Vec::with_capacity(slots);
        for (mut sequence, token) in active.into_iter().zip(tokens) {
            let mut finish = None;
            if stop.contains(&token) {
                finish = Some(Finish::Stop);
            } else {
                sequence.ids.push(token);
                sequence.next = vec![token];
                if on_event(Event::Token { prompt: sequence.prompt, token }) == Flow::Break {
                    flow = Flow::Break;
                }
                if sequence.ids.len() == sampling.max_new_tokens {
                    finish = Some(Finish::Length);
                }
            }
            match finish {
                Some(finish) => {
                    free.push(sequence.slot);
                    let (prompt, completion) = (sequence.prompt, Completion { ids: sequence.ids, finish });
                    if on_event(Event::Completion { prompt, completion: &completion }) == Flow::Break {
                        flow = Flow::Break;
                    }
                    completions[prompt] = Some(completion);
                }
                None => going.push(sequence),
            }
        }
        active = going;
    }
    for sequence in active {
        completions[sequence.prompt] = Some(Completion { ids: sequence.ids, finish: Finish::Cancelled });
    }
    let unanswered = || Completion { ids: Vec::new(), finish: Finish::Cancelled };
    Ok(completions.into_iter().map(|it| it.unwrap_or_else(unanswered)).collect())
}

/// The next token of each sequence, from logits `[sequences, vocabulary]`.
fn next_tokens(active: &mut [Active], logits: &Tensor) -> Result<Vec<u32>, Error> {
    let logits = logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?;
    let width = logits.dim(1)?;
    // As they lie: of a large vocabulary a copy takes longer than the choice.
    let (storage, layout) = logits.storage_and_layout();
    let all = match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) => &all[start..end],
        _ => return Err(candle_core::Error::msg("logits are no f32 numbers in main memory").into()),
    };
    let next = |(a, z): (&mut Active, &[f32])| a.sampler.next(z).ok_or(Error::NotFinite);
    active.par_iter_mut().zip(all.par_chunks_exact(width)).map(next).collect()
}
