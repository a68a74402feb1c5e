//! The playground: models answer side by side, and what one sees becomes a labelled pair or a prompt.

mod tokens;

pub(super) use tokens::chat_tokens;

use super::model_scores::{LocalModelOf, local_side};
use super::models::LoadOptions;
use super::training::{check_grounds, run_identity};
use super::types::{
    Chat, ChatAnswer, ChatAnswers, ChatOf, GoOn, Job, JobKind, KeepPair, KeepPrompt, Kept, StartChat, TakeBack,
};
use super::{Backend, OpenProject, Working, locked};
use crate::error::{Error, Result};
use crate::open::Opened;
use generate::{Event, Finish, Flow, Request, Sampling};
use model::{BaseDtype, Products};
use prefs::store::{Compared, KeptPair};
use prefs::{Content, Message};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use train::folder::ADAPTER;
use train::origin::{FileDigests, adapter_digests};

/// Models side by side: beyond that, answers cannot be read.
const MOST_MODELS: usize = 4;

/// Jobs whose answers are kept.
const REMEMBERED: usize = 30;

/// How often a growing answer is told.
const PACE: Duration = Duration::from_millis(80);

/// Under which an answer is told as it grows.
const SIDE: &str = "chat";

/// The answers of the last jobs, the oldest first.
#[derive(Default)]
pub(super) struct Chats(Mutex<VecDeque<(u64, Vec<Asked>)>>);

/// A model that was asked.
struct Asked {
    speaker: Speaker,
    /// What the tokens of the answer are given by; empty until it is there.
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    /// The places of tokens that somebody chose.
    steered: Vec<usize>,
    answer: Option<ChatAnswer>,
}

/// The beginning of an answer that is gone on from, one token of it chosen by somebody.
struct Begun {
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    steered: Vec<usize>,
}

/// A model by the run that it is of, or the project's own.
#[derive(Clone)]
struct Speaker {
    /// The run's folder.
    run: Option<PathBuf>,
    model: String,
    adapter: Option<PathBuf>,
    /// Digests of the adapter's files as it answered.
    files: FileDigests,
    how: LoadOptions,
}

/// Starts the job in which each model answers, one after the other.
pub(super) fn start_chat(backend: &Backend, request: StartChat) -> Result<Job> {
    let StartChat { project, chats, temperature, top_p, max_new_tokens, seed, allow_changed_base } = request;
    let project = backend.project(&project)?;
    let folder = project.name_of_folder();
    if let Some(job) = backend.running_job(JobKind::Chat, &folder) {
        let message = format!("the models are still answering (job {})", job.job);
        return Err(Error::new("busy", message, "Wait for their answers, or stop them."));
    }
    if chats.is_empty() || chats.len() > MOST_MODELS {
        let message = format!("{} models cannot answer side by side", chats.len());
        return Err(Error::new("models", message, format!("Choose one to {MOST_MODELS}.")));
    }
    let sampling = Sampling { temperature, top_p, max_new_tokens, seed, ..Sampling::default() };
    sampling.validate().map_err(|what| Error::new("sampling", what, "Change it and try again."))?;
    let speakers =
        chats.iter().map(|chat| speaker(backend, &project, chat, allow_changed_base)).collect::<Result<Vec<_>>>()?;
    let begun = chats.iter().zip(&speakers).map(|(chat, speaker)| begun(backend, chat, speaker));
    let begun = begun.collect::<Result<Vec<_>>>()?;
    let title = match chats.len() {
        1 => "Answer in the playground".to_owned(),
        many => format!("Answers of {many} models in the playground"),
    };
    backend.start_job(JobKind::Chat, &folder, &title, move |working| {
        let asked = |speaker: &Speaker| Asked {
            speaker: speaker.clone(),
            prompt_ids: Vec::new(),
            ids: Vec::new(),
            steered: Vec::new(),
            answer: None,
        };
        speakers.iter().filter_map(|speaker| speaker.run.as_deref()).for_each(|run| working.uses(run));
        working.backend().0.chats.begin(working.number(), speakers.iter().map(asked).collect());
        for (place, ((chat, speaker), begun)) in chats.iter().zip(&speakers).zip(begun).enumerate() {
            let Speaker { model, adapter, how, .. } = speaker;
            working.backend().with_model(model, *how, adapter.as_deref(), working, |opened| {
                answer(opened, (chat, begun), place, &sampling, working)
            })?;
        }
        working.check()
    })
}

fn speaker(backend: &Backend, project: &OpenProject, chat: &Chat, allow_changed_base: bool) -> Result<Speaker> {
    let Some(last) = chat.messages.last() else {
        return Err(Error::new("no_prompt", "there is nothing to answer", "Write a message."));
    };
    if last.role == "assistant" {
        let message = "the conversation ends with an answer";
        return Err(Error::new("no_prompt", message, "Write what the model is to answer."));
    }
    if let Some(side) = &chat.side {
        let LocalModelOf { model, adapter, .. } = local_side(backend, side)?;
        let files = adapter.as_deref().map(adapter_digests).transpose()?.unwrap_or_default();
        let how = LoadOptions { dtype: BaseDtype::Auto, products: Products::Auto, allow_changed_base };
        return Ok(Speaker { run: None, model, adapter, files, how });
    }
    let Some(run) = &chat.run else {
        let how = LoadOptions { dtype: BaseDtype::Auto, products: Products::Auto, allow_changed_base };
        return Ok(Speaker { run: None, model: project.model()?, adapter: None, files: FileDigests::new(), how });
    };
    let run = run_identity(backend, project, run)?;
    crate::suspects::refuse_unready(&run.folder)?;
    check_grounds(backend, &run, allow_changed_base)?;
    let how = run.how(allow_changed_base);
    let adapter = run.folder.join(ADAPTER);
    let files = adapter_digests(&adapter)?;
    Ok(Speaker { run: Some(run.folder), model: run.model, adapter: Some(adapter), files, how })
}

/// What an answer begins with that is gone on from, where it is the same model's.
fn begun(backend: &Backend, chat: &Chat, speaker: &Speaker) -> Result<Option<Begun>> {
    let Some(GoOn { job, chat: place, token, instead }) = chat.from else { return Ok(None) };
    let all = locked(&backend.0.chats.0);
    let asked = all.iter().find(|(number, _)| *number == job).and_then(|(_, asked)| asked.get(place));
    let asked = asked.filter(|asked| token < asked.ids.len()).ok_or_else(gone)?;
    let before = &asked.speaker;
    if (&before.model, &before.adapter, &before.files) != (&speaker.model, &speaker.adapter, &speaker.files) {
        let message = "this model is not the one that gave the answer: it was trained further, or another was chosen";
        return Err(Error::new("changed_adapter", message, "Ask again, and go on from the new answer."));
    }
    let mut ids = asked.ids[..token].to_vec();
    ids.push(instead);
    let steered = asked.steered.iter().copied().filter(|place| *place < token).chain([token]).collect();
    Ok(Some(Begun { prompt_ids: asked.prompt_ids.clone(), ids, steered }))
}

fn answer(
    opened: &Opened,
    (chat, begun): (&Chat, Option<Begun>),
    place: usize,
    sampling: &Sampling,
    working: &Working,
) -> Result<()> {
    let prompt = prompt_of(&chat.messages, opened.tokenizer.has_template())?;
    let is_plain_text = matches!(prompt, Content::Text(_));
    let Begun { prompt_ids, ids, steered } = match begun {
        Some(begun) => begun,
        None => {
            Begun { prompt_ids: chat::encode_prompt(&opened.tokenizer, &prompt)?, ids: Vec::new(), steered: Vec::new() }
        }
    };
    if prompt_ids.is_empty() {
        return Err(Error::new("no_prompt", "the message has no tokens", "Write something."));
    }
    if ids.last().is_some_and(|id| *id as usize >= opened.tokenizer.vocab_size()) {
        let message = format!("the model has no token {}", ids[ids.len() - 1]);
        return Err(Error::new("no_token", message, "Choose one of those that are shown."));
    }
    // Whoever chose the token that ends an answer has ended it.
    let stop = opened.tokenizer.stop_ids();
    let is_ended = ids.last().is_some_and(|id| stop.contains(id));
    let prompts = [[&prompt_ids[..], &ids[..]].concat()];
    let request = Request { prompts: &prompts, sampling, stop, batch: 1 };
    let (began, mut told) = (Instant::now(), Instant::now());
    let (mut ids, mut finish) = (ids, None);
    let before = ids.len();
    let (budget, start) = (sampling.max_new_tokens as u64, Instant::now());
    working.progress("answer", 0, budget, None);
    let mut hear = |event: Event<'_>| {
        match event {
            Event::Token { token, .. } => {
                ids.push(token);
                if told.elapsed() >= PACE {
                    told = Instant::now();
                    let done = (ids.len() - before) as u64;
                    let left = super::models::seconds_left(start, done, budget);
                    working.progress("answer", done, budget, left);
                    // A text that cannot be read yet may end within a character.
                    if let Ok(text) = opened.tokenizer.decode(&ids, true) {
                        working.answer(place, SIDE, as_answer(text, is_plain_text));
                    }
                }
            }
            Event::Completion { completion, .. } => finish = Some(completion.finish),
        }
        if working.stop().load(Ordering::Relaxed) { Flow::Break } else { Flow::Continue }
    };
    if is_ended {
        finish = Some(Finish::Stop);
    } else {
        generate::generate_each(&opened.decoder, opened.lora.as_ref(), request, &mut hear)?;
    }
    if is_ended {
        ids.pop();
    }
    let text = as_answer(opened.tokenizer.decode(&ids, true)?, is_plain_text);
    working.answer(place, SIDE, text.clone());
    let answer = ChatAnswer {
        text,
        tokens: ids.len(),
        seconds: began.elapsed().as_secs_f64(),
        is_cut: finish == Some(Finish::Length),
        is_stopped: finish.is_none(),
        is_plain_text,
        steered: steered.len(),
        probabilities: None,
    };
    working.backend().0.chats.change(working.number(), place, |asked| {
        (asked.prompt_ids, asked.ids, asked.steered) = (prompt_ids, ids, steered);
        asked.answer = Some(answer);
    });
    Ok(())
}

/// What a model wrote, as an answer. What continues a text begins with the space that belongs there.
fn as_answer(text: String, is_plain_text: bool) -> String {
    if is_plain_text { text } else { text.trim().to_owned() }
}

/// What a model is given: messages where it has a chat template, else the only message as text to be continued.
fn prompt_of(messages: &[Message], has_template: bool) -> Result<Content> {
    if has_template {
        return Ok(messages.to_vec().into());
    }
    match messages {
        [only] => Ok(Content::Text(only.text().into_owned())),
        _ => Err(Error::new(
            "no_template",
            "this model has no chat template, so it knows no turns and no system prompt: it continues one text",
            "Take the system prompt out, and begin anew for each text.",
        )),
    }
}

/// The answers of a job.
pub(super) fn chat_answers(backend: &Backend, request: ChatOf) -> Result<ChatAnswers> {
    let all = locked(&backend.0.chats.0);
    let asked = all.iter().find(|(job, _)| *job == request.job).map(|(_, asked)| asked).ok_or_else(gone)?;
    Ok(ChatAnswers { answers: asked.iter().map(|asked| asked.answer.clone()).collect() })
}

fn gone() -> Error {
    Error::new("no_answers", "these answers are not kept any more", "Ask again.")
}

/// Keeps two answers as an item that the annotator has judged.
pub(super) fn keep_pair(backend: &Backend, request: KeepPair) -> Result<Kept> {
    let KeepPair { project, annotator, messages, chosen, rejected, is_plain_text, chosen_left, milliseconds, note } =
        request;
    let project = backend.project(&project)?;
    let prompt = prompt_of(&messages, !is_plain_text)?;
    let answer = |text: String| match &prompt {
        Content::Text(_) => Content::Text(text),
        Content::Messages(_) => vec![Message::new("assistant", text)].into(),
    };
    let (chosen, rejected) = (answer(chosen), answer(rejected));
    let (left, right) = if chosen_left { (chosen, rejected) } else { (rejected, chosen) };
    let compared = Compared { prompt, left, right, left_is_better: chosen_left, annotator, milliseconds, note };
    let KeptPair { pair, was_there, judgement } = project.store().add_compared(&compared)?;
    backend.changed(&project);
    Ok(Kept { pair, judgement: Some(judgement), was_there })
}

/// Takes back what was kept, whatever was judged since.
pub(super) fn take_back(backend: &Backend, request: TakeBack) -> Result<Kept> {
    let project = backend.project(&request.project)?;
    let was_there = project.store().take_back(request.judgement)?;
    backend.changed(&project);
    Ok(Kept { pair: None, judgement: None, was_there })
}

/// Keeps what was asked as a prompt whose answers are still to be generated.
pub(super) fn keep_prompt(backend: &Backend, request: KeepPrompt) -> Result<Kept> {
    let KeepPrompt { project, messages } = request;
    let project = backend.project(&project)?;
    let was_there = !project.store().add_prompt(&messages.into())?;
    backend.changed(&project);
    Ok(Kept { pair: None, judgement: None, was_there })
}

impl Chats {
    fn begin(&self, job: u64, asked: Vec<Asked>) {
        let mut all = locked(&self.0);
        all.push_back((job, asked));
        while all.len() > REMEMBERED {
            all.pop_front();
        }
    }

    fn change(&self, job: u64, place: usize, change: impl FnOnce(&mut Asked)) {
        let mut all = locked(&self.0);
        let asked = all.iter_mut().find(|(number, _)| *number == job).and_then(|(_, asked)| asked.get_mut(place));
        if let Some(asked) = asked {
            change(asked);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_a_template_continues_one_text() {
        let one = [Message::new("user", "Once upon")];
        assert_eq!(prompt_of(&one, false).unwrap(), Content::from("Once upon"));
        let two = [Message::new("system", "Be brief."), Message::new("user", "Once upon")];
        assert_eq!(prompt_of(&two, false).unwrap_err().code, "no_template");
        assert_eq!(prompt_of(&two, true).unwrap().as_messages().unwrap().len(), 2);
    }
}
