//! How long a run takes, from two real optimiser steps of it.

use super::super::lengths::Lengths;
use super::super::types::{Job, JobKind, MeasureRun, RunPlan, RunRequest};
use super::super::{Backend, Working, locked};
use super::start::{Parts, adapter_settings, model_path, parts, with_adapters, write_run};
use crate::error::{Error, Result};
use model::LoraConfig;
use prefs::Pair;
use prefs::store::{PairSource, SourcedPair};
use runs::{RunEvents, Start, State};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use train::events::{Event, Progress};
use train::memory::Length;
use train::{RunConfig, Settings};

/// Steps that are taken.
const STEPS: usize = 2;
/// How often the steps are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The folder of the data folder in which they are taken.
const FOLDER: &str = "measure";

/// Seconds for a token of training, by model and settings.
pub(super) type Measured = HashMap<(PathBuf, String), f64>;

/// Takes two steps of a run in a process of their own; the plan then has an estimate.
pub(in crate::window) fn measure_run(backend: &Backend, request: MeasureRun) -> Result<Job> {
    let MeasureRun { request } = request;
    let request = with_adapters(backend, &request)?;
    let project = backend.project(&request.project)?;
    if let Some(job) = backend.running_job(JobKind::Measure, &project.name_of_folder()) {
        return Ok(job);
    }
    let model = model_path(backend, &request.model)?;
    let parts = parts(&project, &request)?;
    // As it is planned: by the settings of the adapter that the run begins from, where it does.
    let mut settings = request.settings.clone();
    if let Some(lora) = adapter_settings(&request.settings)? {
        settings.lora = lora;
    }
    let key = key(&model, &settings)?;
    backend.start_job(JobKind::Measure, &project.name_of_folder(), "Time two steps", move |working| {
        let chosen = typical(working.backend(), &model, &request, parts.train)?;
        let pace = take_steps(working, &model, &request, chosen)?;
        locked(&working.backend().training().measured).insert(key, pace);
        Ok(())
    })
}

/// As many pairs as two steps of one microbatch take, their lengths spread as those of all pairs are.
fn typical(backend: &Backend, model: &Path, request: &RunRequest, pairs: Vec<Pair>) -> Result<Vec<Pair>> {
    let tokenizer = backend.tokenizer(&request.model)?;
    let Some(tokenizer) = tokenizer else { return Err(Error::new("no_model", "the model is gone", "Fetch it again.")) };
    let sourced: Vec<SourcedPair> = pairs
        .into_iter()
        .enumerate()
        .map(|(place, pair)| SourcedPair { id: place as i64 + 1, source: PairSource::Imported, pair })
        .collect();
    let known: &Lengths = &backend.0.lengths;
    let lengths: Vec<Length> = known.of(model, &tokenizer, &sourced)?.iter().map(|read| read.length).collect();
    let wanted = STEPS * request.settings.per_device_train_batch_size;
    Ok(spread(&lengths, wanted).into_iter().map(|place| sourced[place].pair.clone()).collect())
}

/// Places of `wanted` pairs (or of all) at even distances by length, dealt out so that each step gets long and short.
fn spread(lengths: &[Length], wanted: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..lengths.len()).collect();
    places.sort_by_key(|&place| lengths[place].whole());
    let wanted = wanted.clamp(1, places.len().max(1)).min(places.len());
    let chosen: Vec<usize> = (0..wanted).map(|at| places[(2 * at + 1) * places.len() / (2 * wanted)]).collect();
    (0..STEPS).flat_map(|step| chosen.iter().skip(step).step_by(STEPS).copied().collect::<Vec<_>>()).collect()
}

/// Trains for two steps and answers seconds for a token.
fn take_steps(working: &Working, model: &Path, request: &RunRequest, train: Vec<Pair>) -> Result<f64> {
    let backend = working.backend();
    let all = backend.options().data_folder.join(FOLDER);
    std::fs::create_dir_all(&all).map_err(Error::file(&all))?;
    let place = tempfile::tempdir_in(&all).map_err(Error::file(&all))?;
    let mut request = request.clone();
    request.settings.sample_prompts = 0;
    let settings = &mut request.settings;
    // One microbatch is as good as many, and a run that is thrown away needs neither checkpoints nor means.
    (settings.max_steps, settings.gradient_accumulation_steps) = (STEPS as i64, 1);
    (settings.save_steps, settings.eval_steps, settings.logging_steps, settings.shuffle) = (0, 0, 1, false);
    (settings.load_best_model_at_end, settings.early_stopping_patience) = (false, None);
    write_run(place.path(), model, &request, &Parts { train, ..Parts::default() }, backend.device())?;
    backend.release_model();
    // What is measured is time alone: on which model an adapter was trained is asked where the run is started.
    let allow_changed_base = request.settings.init_adapter.is_some() || request.settings.ref_adapter.is_some();
    let how = Start { allow_changed_base, ..Start::default() };
    backend.training().workers.start(&backend.program(), place.path(), how)?;
    let watched = watch(working, place.path());
    if watched.is_err() {
        // A process must not outlive its folder. One that was only just started takes a request for an old one, so it is
        // asked again; the first error is the one to report.
        while backend.training().workers.is_alive(place.path()) {
            let _ = runs::request_stop(place.path(), false);
            std::thread::sleep(LOOK);
        }
    }
    watched
}

fn watch(working: &Working, folder: &Path) -> Result<f64> {
    let training = working.backend().training();
    let mut events = RunEvents::of(folder);
    working.progress("load the model", 0, 0, None);
    loop {
        working.check()?;
        let alive = training.workers.is_alive(folder);
        if events.update()? {
            tell(working, &events);
        }
        match events.state()? {
            State::Finished => return pace(&events),
            State::Failed if !alive => {
                let failed = events.lines().iter().rev().find_map(|line| match &line.event {
                    Event::Failed { code, message, hint } => Some(Error::new(code, message.clone(), hint.clone())),
                    _ => None,
                });
                return Err(failed.unwrap_or_else(|| broken(training.workers.ended(folder), folder)));
            }
            _ if !alive => return Err(broken(training.workers.ended(folder), folder)),
            _ => std::thread::sleep(LOOK),
        }
    }
}

fn tell(working: &Working, events: &RunEvents) {
    match events.lines().last().map(|line| &line.event) {
        Some(Event::Step(step)) => working.progress("train", step.step, step.total_steps, Some(step.seconds_left)),
        Some(Event::Progress(Progress { done, total, .. })) => {
            working.progress("score the pairs with the reference model", *done, *total, None);
        }
        _ => {}
    }
}

fn broken(status: Option<std::process::ExitStatus>, folder: &Path) -> Error {
    let words = runs::last_words(folder);
    let cause = if words.is_empty() { format!("the process {}", runs::cause(status)) } else { words };
    let hint = "If memory ran out, choose a smaller per_device_train_batch_size or max_length.";
    Error::new("measure", format!("the two steps were not finished: {cause}"), hint)
}

fn pace(events: &RunEvents) -> Result<f64> {
    let (mut seconds, mut tokens) = (0.0, 0);
    for line in events.lines() {
        if let Event::Step(step) = &line.event {
            seconds += step.seconds;
            tokens += step.tokens;
        }
    }
    if tokens == 0 {
        return Err(Error::new("measure", "the two steps left no times", "Try again, and report this as a fault."));
    }
    Ok(seconds / tokens as f64)
}

/// By which a measurement is found again: the settings that time depends on.
fn key(model: &Path, settings: &Settings) -> Result<(PathBuf, String)> {
    let shape = Settings {
        max_length: settings.max_length,
        max_prompt_length: settings.max_prompt_length,
        truncation: settings.truncation,
        per_device_train_batch_size: settings.per_device_train_batch_size,
        gradient_checkpointing: settings.gradient_checkpointing,
        dtype: settings.dtype,
        products: settings.products,
        sync_ref_model: settings.sync_ref_model,
        lora: LoraConfig { lora_alpha: 1.0, lora_dropout: 0.0, ..settings.lora.clone() },
        ..Settings::default()
    };
    let shape = RunConfig { model: model.to_path_buf(), settings: shape, ..RunConfig::default() };
    Ok((model.to_path_buf(), shape.digest()?))
}

/// Seconds that a planned run takes, where steps like its own were measured. `tokens` are those of all its pairs.
pub(crate) fn estimate(
    backend: &Backend,
    model: &Path,
    settings: &Settings,
    plan: &RunPlan,
    tokens: u64,
    recompute: bool,
) -> Option<f64> {
    let pace = *locked(&backend.training().measured).get(&key(model, settings).ok()?)?;
    Some(seconds(pace, settings, plan, tokens, recompute))
}

fn seconds(pace: f64, settings: &Settings, plan: &RunPlan, tokens: u64, recompute: bool) -> f64 {
    // A backward costs two forwards, and with recomputation a third.
    let forward = pace / if recompute { 4.0 } else { 3.0 };
    let held_out = plan.held_out as f64 * tokens as f64 / plan.pairs.max(1) as f64;
    let evaluations = match settings.eval_steps {
        0 => 1,
        every => plan.steps.div_ceil(every),
    };
    let met = tokens as f64 * plan.met as f64 / plan.pairs.max(1) as f64;
    pace * plan.tokens_per_step * plan.steps as f64 + forward * (met + held_out * (1 + evaluations) as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn measured_pairs_are_spread_over_the_lengths_and_each_step_gets_some_of_all() {
        let lengths: Vec<Length> =
            (0..100).map(|n| Length { prompt: 10, chosen: n, rejected: 1, ..Length::default() }).collect();
        let chosen = spread(&lengths, 8);
        assert_eq!(chosen, [6, 31, 56, 81, 18, 43, 68, 93]);
        assert_eq!(spread(&lengths[..3], 8).len(), 3);
        assert!(spread(&[], 8).is_empty());
    }

    #[test]
    fn an_estimate_counts_steps_references_and_evaluations() {
        let plan = RunPlan {
            pairs: 100,
            met: 50,
            held_out: 10,
            steps: 50,
            tokens_per_step: 1000.0,
            ..super::super::super::plan::tests_plan()
        };
        let settings = Settings { eval_steps: 20, ..Settings::default() };
        // 50 steps of 1000 tokens; forwards of the 10,000 tokens that are met, and of 2,000 held-out ones once and three times
        // more.
        let expected = 0.001 * 50_000.0 + 0.001 / 3.0 * (10_000.0 + 4.0 * 2_000.0);
        assert!((seconds(0.001, &settings, &plan, 20_000, false) - expected).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_change_the_time_does_not_change_the_key() {
        let settings = Settings::default();
        let model = Path::new("/m");
        let same = Settings { beta: 0.5, learning_rate: 1e-3, num_train_epochs: 9.0, seed: 7, ..settings.clone() };
        assert_eq!(key(model, &settings).unwrap(), key(model, &same).unwrap());
        for other in [
            Settings { per_device_train_batch_size: 2, ..settings.clone() },
            Settings { dtype: model::BaseDtype::Q4, ..settings.clone() },
            Settings { products: model::Products::Bf16, ..settings.clone() },
            Settings { sync_ref_model: true, ..settings.clone() },
        ] {
            assert_ne!(key(model, &settings).unwrap(), key(model, &other).unwrap());
        }
    }
}
