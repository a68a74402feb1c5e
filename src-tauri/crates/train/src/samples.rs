//! Sample answers as training goes: a few held-out prompts, answered greedily and briefly, so that a person sees what
//! the numbers mean. Nothing of the run depends on them: no generator is drawn from, and no weight is touched.

use crate::error::Result;
use crate::events::{Event, Progress, Samples, Stage, TextSample};
use crate::report::Report;
use chat::Tokenizer;
use generate::{Flow, Request, Sampling};
use model::{Decoder, Lora};
use prefs::{Content, Pair};

/// Tokens after which a sample is cut: enough to see tone and repetition, short enough not to hold up the run.
pub const MAX_NEW_TOKENS: usize = 128;

/// The prompts that are answered again and again.
pub(crate) struct SamplePrompts<'a> {
    tokenizer: &'a Tokenizer,
    /// The last message of each, as a person would recognise it.
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
}

impl<'a> SamplePrompts<'a> {
    /// The first `count` different prompts of `pairs`.
    ///
    /// # Errors
    /// When the tokenizer or the template refuses a prompt.
    pub(crate) fn new(tokenizer: &'a Tokenizer, pairs: &[Pair], count: usize) -> Result<Self> {
        let mut prompts: Vec<&Content> = Vec::new();
        for pair in pairs {
            if prompts.len() == count {
                break;
            }
            if !prompts.contains(&&pair.prompt) {
                prompts.push(&pair.prompt);
            }
        }
        let ids = prompts.iter().map(|prompt| chat::encode_prompt(tokenizer, prompt));
        let ids = ids.collect::<std::result::Result<_, _>>()?;
        Ok(Self { tokenizer, texts: prompts.iter().map(|prompt| prompt.last_text()).collect(), ids })
    }

    /// Answers every prompt with the adapter as it is after `step`. Answers whether to go on: stopped half-way, no event
    /// is written. A failure here is told as a warning, for a run is worth more than its samples.
    pub(crate) fn tell(&self, decoder: &Decoder, lora: &Lora, step: u64, report: &mut Report<'_>) -> Result<bool> {
        if self.ids.is_empty() {
            return Ok(!report.should_stop());
        }
        let (stage, total) = (Stage::Samples, self.ids.len() as u64);
        report.tell(&Event::Progress(Progress { stage, done: 0, total, seconds: 0.0, seconds_left: None }))?;
        let sampling = Sampling { max_new_tokens: MAX_NEW_TOKENS, ..Sampling::default() };
        let request =
            Request { prompts: &self.ids, sampling: &sampling, stop: self.tokenizer.stop_ids(), batch: self.ids.len() };
        let flow = |_: usize, _: u32| if report.should_stop() { Flow::Break } else { Flow::Continue };
        let answered = generate::generate(decoder, Some(lora), request, flow);
        if report.should_stop() {
            return Ok(false);
        }
        let texts = answered.map_err(|error| error.to_string()).and_then(|answers| {
            let decode = |ids: &[u32]| self.tokenizer.decode(ids, true).map_err(|error| error.to_string());
            answers
                .iter()
                .map(|answer| Ok(decode(&answer.ids)?.trim().to_owned()))
                .collect::<std::result::Result<_, _>>()
        });
        match texts {
            Err(why) => report.warn(format!("there are no sample answers after step {step}: {why}"))?,
            Ok(texts) => {
                let texts: Vec<String> = texts;
                let answers = self.texts.iter().cloned().zip(texts);
                let answers = answers.map(|(prompt, text)| TextSample { prompt, text }).collect();
                report.tell(&Event::Samples(Samples { step, answers }))?;
            }
        }
        Ok(true)
    }
}
