//! Answers to prompts.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::{ModelChoice, Opened, open};
use crate::reading::prompts_of;
use generate::{Completion, Finish, Flow, Request, Sampling};
use prefs::prompts::Prompt;
use prefs::reader::Choices;
use prefs::{Content, Message};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Sequences decoded at once.
pub(crate) const BATCH: usize = 40;

/// What is to be answered.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Who answers.
    pub choice: ModelChoice,
    /// A file of prompts.
    pub prompts: Option<PathBuf>,
    /// What is said about how it is read.
    pub choices: Choices,
    /// Prompts given as text, each a user's message where the model has a chat template.
    pub texts: Vec<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Answered {
    /// Place of the prompt, from 0.
    pub index: usize,
    pub prompt: Content,
    /// The answer.
    pub text: String,
    /// Tokens of the answer.
    pub tokens: usize,
    /// Why it ended.
    pub finish: Finish,
}

/// Answers all prompts.
///
/// # Errors
/// When the model or the prompts cannot be read.
pub fn generate(request: &GenerateRequest, context: &mut Context) -> Result<Vec<Answered>> {
    let opened = open(&request.choice, context)?;
    let mut all = Vec::new();
    if let Some(path) = &request.prompts {
        let path = hub_paths::data(path, context)?;
        all.extend(prompts_of(&path, Some(&request.choices), Some(&opened.tokenizer), context)?);
    }
    for text in &request.texts {
        let prompt = if opened.tokenizer.has_template() {
            Content::from(vec![Message::new("user", text.as_str())])
        } else {
            Content::Text(text.clone())
        };
        all.push(Prompt { prompt, category: None });
    }
    if all.is_empty() {
        return Err(Error::new("no_prompts", "there is nothing to answer", "Give --prompt TEXT or --prompts FILE."));
    }
    let all: Vec<Content> = all.into_iter().map(|p| p.prompt).collect();
    let answers = answer(&opened, true, &all, &request.sampling, "generate", &mut |_, _| {}, context)?;
    context.check()?;
    let texts = answers.iter().map(|a| text(&opened, a)).collect::<Result<Vec<_>>>()?;
    Ok(all
        .into_iter()
        .zip(answers)
        .zip(texts)
        .enumerate()
        .map(|(index, ((prompt, answer), text))| Answered {
            index,
            prompt,
            text,
            tokens: answer.ids.len(),
            finish: answer.finish,
        })
        .collect())
}

/// How often answers are told as they grow.
const PACE: Duration = Duration::from_millis(250);

/// Answers with the adapter on (where there is one), or else as its reference. The share done is counted in tokens, an answer that has
/// ended as all its tokens. `grown` hears of answers as they grow, with the place of their prompt.
pub(crate) fn answer(
    opened: &Opened,
    tuned: bool,
    prompts: &[Content],
    sampling: &Sampling,
    stage: &str,
    grown: &mut dyn FnMut(usize, &str),
    context: &mut Context,
) -> Result<Vec<Completion>> {
    let ids = encoded(opened, prompts)?;
    let lora = if tuned { opened.lora.as_ref() } else { opened.reference.as_ref() };
    let stop = opened.tokenizer.stop_ids();
    let request = Request { prompts: &ids, sampling, stop, batch: BATCH };
    // The pace is that of tokens: reading the prompts, before the first, is no part of it.
    let mut start = Instant::now();
    let mut tokens = 0u64;
    let budget = (prompts.len() * sampling.max_new_tokens) as u64;
    let mut last = Instant::now();
    let mut so_far: Vec<(Vec<u32>, bool)> = vec![(Vec::new(), false); prompts.len()];
    let answers = generate::generate(&opened.decoder, lora, request, |prompt, token| {
        if tokens == 0 {
            start = Instant::now();
            last = start;
        }
        tokens += 1;
        so_far[prompt].0.push(token);
        so_far[prompt].1 = true;
        if last.elapsed() >= PACE {
            last = Instant::now();
            // Most answers end before the limit, so the time left is at most this.
            context.progress(stage, start, tokens, budget);
            for (prompt, (ids, changed)) in so_far.iter_mut().enumerate().filter(|(_, (_, changed))| *changed) {
                *changed = false;
                // A text that cannot be read yet may end within a character.
                if let Ok(text) = opened.tokenizer.decode(ids, true) {
                    grown(prompt, text.trim());
                }
            }
        }
        if context.stopped() { Flow::Break } else { Flow::Continue }
    })?;
    context.progress(stage, start, budget, budget);
    if let Some(border) = opened.decoder.config().rope.border() {
        let crossed = |(ids, completion): &(&Vec<u32>, &Completion)| {
            ids.len() <= border && ids.len() + completion.ids.len() > border
        };
        let count = ids.iter().zip(&answers).filter(crossed).count();
        if count > 0 {
            context.note(format!(
                "{stage}: {count} of {} answers grew past {border} tokens, their prompt counted, where this model rotates \
                 sequences by other frequencies (LongRoPE): what there was of each was then read again by these, as \
                 transformers does",
                answers.len()
            ));
        }
    }
    Ok(answers)
}

/// The tokens of each prompt.
pub(crate) fn encoded(opened: &Opened, prompts: &[Content]) -> Result<Vec<Vec<u32>>> {
    let encode = |(place, prompt): (usize, &Content)| {
        chat::encode_prompt(&opened.tokenizer, prompt).map_err(|error| {
            let error = Error::from(error);
            Error { message: format!("prompt {}: {}", place + 1, error.message), ..error }
        })
    };
    prompts.iter().enumerate().map(encode).collect()
}

pub(crate) fn text(opened: &Opened, completion: &Completion) -> Result<String> {
    Ok(opened.tokenizer.decode(&completion.ids, true)?.trim().to_owned())
}
