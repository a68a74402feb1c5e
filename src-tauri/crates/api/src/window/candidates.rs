//! Two answers of the project's model for each prompt that has none, to be judged.

use super::models::{LoadOptions, seconds_left};
use super::types::{Generate, Job, JobKind};
use super::{Backend, OpenProject, Working};
use crate::answers::BATCH;
use crate::error::{Error, Result};
use crate::open::Opened;
use generate::{Event, Flow, Request, Sampling};
use model::{BaseDtype, Products};
use prefs::store::OpenItem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a growing answer is told.
const PACE: Duration = Duration::from_millis(150);

/// How often the project is said to have changed while answers come in.
const REFRESH: Duration = Duration::from_secs(2);

/// The two answers of an item, as the page names them.
const SIDES: [&str; 2] = ["first", "second"];

/// Starts the job; the one that is at work already, where there is one.
pub(super) fn generate_candidates(backend: &Backend, request: Generate) -> Result<Job> {
    let project = backend.project(&request.project)?;
    let folder = project.name_of_folder();
    if let Some(job) = backend.running_job(JobKind::Candidates, &folder) {
        return Ok(job);
    }
    if request.temperature <= 0.0 {
        return Err(Error::new(
            "temperature",
            "at temperature 0 both answers to a prompt would be the same",
            "Take one above 0; 0.8 to 1 is usual.",
        ));
    }
    let model = project.model()?;
    let items = project.store().items_without_answers(request.limit)?;
    let Some(first) = items.first() else {
        return Err(Error::new("no_prompts", "every prompt has its answers", "Bring in prompts first."));
    };
    let sampling = Sampling {
        temperature: request.temperature,
        max_new_tokens: request.max_new_tokens,
        // Other prompts, other dice; the same prompts again, the same.
        seed: first.item.unsigned_abs(),
        ..Sampling::default()
    };
    sampling.validate().map_err(|what| Error::new("sampling", what, "Change it and try again."))?;
    let title = match items.len() {
        1 => "Two answers to one prompt".to_owned(),
        many => format!("Two answers to each of {many} prompts"),
    };
    backend.start_job(JobKind::Candidates, &folder, &title, move |working| {
        let backend = working.backend();
        let how = LoadOptions { dtype: BaseDtype::Auto, products: Products::Auto, allow_changed_base: false };
        let answered = backend.with_model(&model, how, None, working, |opened| {
            answer(&project, opened, &items, &sampling, &model, working)
        });
        backend.changed(&project);
        answered
    })
}

/// An item that is being answered.
struct Pending<'a> {
    item: &'a OpenItem,
    /// Its place in the job's list.
    index: usize,
    ids: [Vec<u32>; 2],
    texts: [Option<String>; 2],
    told: Instant,
}

fn answer(
    project: &Arc<OpenProject>,
    opened: &Opened,
    items: &[OpenItem],
    sampling: &Sampling,
    model: &str,
    working: &Working,
) -> Result<()> {
    let (mut prompts, mut pending, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match chat::encode_prompt(&opened.tokenizer, &item.prompt) {
            Ok(ids) if !ids.is_empty() => {
                // Each place in the list has dice of its own, so the same prompt twice gives two answers.
                prompts.extend([ids.clone(), ids]);
                let (ids, texts) = ([Vec::new(), Vec::new()], [None, None]);
                pending.push(Pending { item, index, ids, texts, told: Instant::now() });
            }
            Ok(_) => refused.push("it has no text".to_owned()),
            Err(error) => refused.push(error.to_string()),
        }
    }
    let request = Request { prompts: &prompts, sampling, stop: opened.tokenizer.stop_ids(), batch: BATCH };
    let (start, total) = (Instant::now(), pending.len() as u64);
    let (mut ended, mut done, mut refreshed) = (0, 0, Instant::now());
    let mut failed = None;
    working.progress("answer prompts", 0, total, None);
    generate::generate_each(&opened.decoder, None, request, |event| {
        let step = match event {
            Event::Token { prompt, token } => pending[prompt / 2].grow(prompt % 2, token, opened, working),
            Event::Completion { prompt, .. } => {
                ended += 1;
                pending[prompt / 2].end(prompt % 2, project, opened, model, working).map(|stored| {
                    done += u64::from(stored);
                    working.progress("answer prompts", done, total, seconds_left(start, ended, 2 * total));
                    if stored && refreshed.elapsed() >= REFRESH {
                        refreshed = Instant::now();
                        working.backend().changed(project);
                    }
                })
            }
        };
        failed = step.err();
        if failed.is_some() || working.stop().load(Ordering::Relaxed) { Flow::Break } else { Flow::Continue }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    working.check()?;
    match refused.as_slice() {
        [] => Ok(()),
        [why, ..] => Err(Error::new(
            "prompts_refused",
            format!("{} of {} prompts cannot be read by this model: {why}", refused.len(), items.len()),
            "The others are answered; change these prompts, or choose another model.",
        )),
    }
}

impl Pending<'_> {
    /// Takes a token of one of the two answers, and tells how far that is, not too often.
    fn grow(&mut self, side: usize, token: u32, opened: &Opened, working: &Working) -> Result<()> {
        self.ids[side].push(token);
        if self.told.elapsed() >= PACE {
            self.told = Instant::now();
            working.answer(self.index, SIDES[side], text(opened, &self.ids[side])?);
        }
        Ok(())
    }

    /// Ends one of the two answers; with the second to end, both are stored. Says whether they were.
    fn end(
        &mut self,
        side: usize,
        project: &OpenProject,
        opened: &Opened,
        model: &str,
        working: &Working,
    ) -> Result<bool> {
        let ended = text(opened, &self.ids[side])?;
        working.answer(self.index, SIDES[side], ended.clone());
        self.texts[side] = Some(ended);
        let [Some(first), Some(second)] = &self.texts else { return Ok(false) };
        match project.store().set_answers(self.item.item, model, first, second) {
            // Another window was faster: its answers stay.
            Ok(()) | Err(prefs::Error::AlreadyAnswered { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

fn text(opened: &Opened, ids: &[u32]) -> Result<String> {
    Ok(opened.tokenizer.decode(ids, true)?.trim().to_owned())
}
