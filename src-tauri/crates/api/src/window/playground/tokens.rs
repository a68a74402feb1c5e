//! How likely each token of an answer was, and what might have stood in its place.

use super::super::types::{Alternative, ChatTokens, Job, JobKind, TokenProbability};
use super::super::{Backend, locked};
use super::{Speaker, gone};
use crate::error::{DAMAGED, Error, Result};
use chat::Tokenizer;
use model::{Batch, LikelyToken};
use train::origin::adapter_digests;

/// Tokens that are shown for each place.
const ALTERNATIVES: usize = 8;

/// Tokens before a place by which its text is told: one alone may lose the space before it.
const CONTEXT: usize = 8;

/// Starts the job that finds how likely each token of an answer was: a pass over prompt and answer by the model that gave it.
pub(in crate::window) fn chat_tokens(backend: &Backend, request: ChatTokens) -> Result<Job> {
    let ChatTokens { job, chat } = request;
    let (speaker, prompt_ids, ids) = {
        let all = locked(&backend.0.chats.0);
        let asked = all.iter().find(|(number, _)| *number == job).and_then(|(_, asked)| asked.get(chat));
        let asked = asked.filter(|asked| !asked.ids.is_empty()).ok_or_else(gone)?;
        (asked.speaker.clone(), asked.prompt_ids.clone(), asked.ids.clone())
    };
    backend.start_job(JobKind::Chat, "", "How likely each token was", move |working| {
        let Speaker { run, model, adapter, files, how } = &speaker;
        if let Some(run) = run {
            working.uses(run);
        }
        if let Some(adapter) = adapter
            && adapter_digests(adapter).ok().as_ref() != Some(files)
        {
            let message =
                "the adapter was trained further, changed or is gone: it is not the one that gave this answer";
            return Err(Error::new("changed_adapter", message, "Ask again, and then for the probabilities."));
        }
        working.backend().with_model(model, *how, adapter.as_deref(), working, |opened| {
            let mut batch = Batch::new();
            batch.push_sequence(&prompt_ids, &ids);
            let logps = opened.decoder.token_logps(opened.lora.as_ref(), &batch)?;
            let likely = opened.decoder.most_likely(opened.lora.as_ref(), &batch, ALTERNATIVES)?;
            let others = || likely.iter().flatten().map(|token| token.logp);
            if logps.iter().copied().chain(others()).any(f64::is_nan) {
                let message = "the log-probability of a token of the answer is not a number";
                return Err(Error::new("not_finite", message, DAMAGED));
            }
            let texts = texts_of(&opened.tokenizer, &ids)?;
            let mut probabilities = Vec::with_capacity(ids.len());
            for (place, ((text, logp), likely)) in texts.into_iter().zip(logps).zip(likely).enumerate() {
                let likely = alternatives(&opened.tokenizer, &ids, place, &likely)?;
                probabilities.push(TokenProbability { text, probability: probability(logp), likely });
            }
            working.backend().0.chats.change(job, chat, |asked| {
                if let Some(answer) = &mut asked.answer {
                    answer.probabilities = Some(probabilities);
                }
            });
            Ok(())
        })
    })
}

fn probability(logp: f64) -> f64 {
    logp.exp().clamp(0.0, 1.0)
}

/// What might stand at a place of an answer, as texts.
fn alternatives(tokenizer: &Tokenizer, ids: &[u32], place: usize, likely: &[LikelyToken]) -> Result<Vec<Alternative>> {
    let context = &ids[place.saturating_sub(CONTEXT)..place];
    let before = tokenizer.decode(context, true)?;
    let mut all = Vec::with_capacity(likely.len());
    for &LikelyToken { id, logp } in likely {
        let is_end = tokenizer.stop_ids().contains(&id);
        let whole = tokenizer.decode(&[context, &[id]].concat(), true)?;
        let added =
            whole.strip_prefix(before.as_str()).filter(|added| !added.is_empty() && !added.ends_with('\u{fffd}'));
        let text = match added {
            Some(added) if !is_end => added.to_owned(),
            _ => tokenizer.decode(&[id], false)?,
        };
        all.push(Alternative { id, text, probability: probability(logp), is_chosen: ids[place] == id, is_end });
    }
    Ok(all)
}

/// The text that each token adds to those before it. Of a character that several tokens make, the last has it.
fn texts_of(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Vec<String>> {
    let mut texts = Vec::with_capacity(ids.len());
    // A token is decoded behind those of the text before it, without which a space at its beginning may be lost.
    let (mut context, mut told) = (0, 0);
    for end in 1..=ids.len() {
        let before = tokenizer.decode(&ids[context..told], true)?;
        let text = tokenizer.decode(&ids[context..end], true)?;
        let is_whole = !text.ends_with('\u{fffd}') || end == ids.len();
        match text.strip_prefix(before.as_str()) {
            Some(added) if is_whole => {
                texts.push(added.to_owned());
                (context, told) = (told, end);
            }
            _ => texts.push(String::new()),
        }
    }
    Ok(texts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_tokens_together_are_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        let long = "One after the other, 猫 too. ".repeat(200);
        for text in ["Said plainly.", "grün — 猫 \u{1f980}!", "", "\u{fffd} stays", &long] {
            let ids = tokenizer.encode(text).unwrap();
            let texts = texts_of(&tokenizer, &ids).unwrap();
            assert_eq!((texts.len(), texts.concat()), (ids.len(), tokenizer.decode(&ids, true).unwrap()));
        }
    }

    #[test]
    fn an_alternative_is_told_as_text_or_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        let ids = tokenizer.encode("ab cd").unwrap();
        let end = tokenizer.stop_ids()[0];
        let likely = [ids[3], ids[1], end].map(|id| LikelyToken { id, logp: -1.0 });
        let found = alternatives(&tokenizer, &ids, 3, &likely).unwrap();
        let told: Vec<_> = found.iter().map(|of| (of.text.as_str(), of.is_chosen, of.is_end)).collect();
        assert_eq!(told[..2], [("c", true, false), ("b", false, false)]);
        assert!(told[2].2 && !told[2].0.is_empty(), "{told:?}");
        assert!((found[0].probability - (-1f64).exp()).abs() < 1e-12);
    }
}
