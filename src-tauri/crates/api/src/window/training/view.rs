//! Runs as the page shows them, from their events.

use super::super::types::{InProject, Notes, QueuedRun, RunNow, RunOf, RunSummary, RunView, SampleAnswer, SampleSet};
use super::super::{Backend, OpenProject, doctor, locked, overview, queue, sweep};
use super::relatives::name_of;
use super::{KnownRun, MeasuredRun, run_folder, waited};
use crate::error::{Error, Result};
use numbers::{counted, figure, share};
use runs::State;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use train::events::{EvalMetrics, Event, Line, Progress, Stage, StepMetrics};
use train::folder::{EVAL_PAIRS, PAIRS, adapter_of};
use train::selection::HeldOutMetric;

/// All runs of a project, the newest first.
pub(in crate::window) fn runs(backend: &Backend, request: InProject) -> Result<Vec<RunSummary>> {
    let project = backend.project(&request.project)?;
    let mut all = Vec::new();
    let mut places = queue::places(backend, &project);
    for folder in overview::runs(&project)? {
        let listed = listed(backend, &project, &folder, &mut places);
        all.push(listed.unwrap_or_else(|error| damaged(&folder, &error)));
    }
    all.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| b.run.cmp(&a.run)));
    Ok(all)
}

fn listed(
    backend: &Backend,
    project: &OpenProject,
    folder: &Path,
    places: &mut HashMap<String, QueuedRun>,
) -> Result<RunSummary> {
    let run = backend.training().known(&project.name_of_folder(), folder)?;
    let run = locked(&run);
    Ok(summary(&run, backend.training().state(&run)?, places.remove(&run.name())))
}

/// A run that cannot be read, by the name of its folder.
fn damaged(folder: &Path, error: &Error) -> RunSummary {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let written = folder.metadata().and_then(|about| about.modified()).ok();
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    RunSummary {
        run: name.clone(),
        name,
        state: State::Failed,
        queued: None,
        has_adapter: false,
        step: 0,
        total_steps: 0,
        started_at: written.map_or(0, |since| since.as_millis() as u64),
        seconds_left: None,
        loss: None,
        accuracy: None,
        accuracy_interval: None,
        held_out_accuracy: None,
        held_out_accuracy_interval: None,
        model: String::new(),
        notes: Notes::of_damaged(error),
    }
}

/// A run, whole.
pub(in crate::window) fn run(backend: &Backend, request: RunOf) -> Result<RunView> {
    let project = backend.project(&request.project)?;
    let folder = run_folder(&project, &request.run)?;
    of(backend, &project, &folder)
}

/// The run in a folder, whole.
pub(super) fn of(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<RunView> {
    let mut places = queue::places(backend, project);
    let run = backend.training().known(&project.name_of_folder(), folder)?;
    // Looked at before this one is held: two that are held at once could wait for each other.
    let from = locked(&run).about.from.clone();
    let from_name = from.as_ref().map(|from| name_of(backend, project, from));
    let state = backend.training().state(&locked(&run))?;
    // A run that trains is looked at with every step.
    let is_looked_at = !matches!(state, State::Running | State::Finished);
    let since = if is_looked_at { waited::says(backend, project, folder)? } else { Vec::new() };
    let run = locked(&run);
    let lines = run.events.lines();
    let step = last_step(lines);
    let (stage, stage_done, stage_total) = stage(lines, state);
    let warnings = lines.iter().filter_map(|line| match &line.event {
        Event::Warning { message } => Some(message.clone()),
        _ => None,
    });
    // Each process that takes up the run tells what it sees.
    let mut told = HashSet::new();
    let warnings = run.about.made_of.warns.iter().cloned().chain(since).chain(warnings);
    let warnings: Vec<String> = warnings.filter(|message| told.insert(message.clone())).collect();
    Ok(RunView {
        summary: summary(&run, state, places.remove(&run.name())),
        folder: run.folder.display().to_string(),
        settings: run.config.settings.clone(),
        sweep: sweep::sweep_of_run(project, &run.name()),
        stopped_by_rule: sweep::stopped_by_rule(&run.folder),
        from_name,
        from: from.filter(|from| run_folder(project, from).is_ok()),
        computed_on: train::origin::shown(&run.folder),
        held_out_share: run.about.held_out_share,
        data_says: run.about.made_of.says.clone(),
        data: run.about.made_of.data.clone(),
        now: step.map(now).unwrap_or_default(),
        error: why_ended(backend, &run, state),
        warnings,
        selection: selection(lines),
        findings: doctor::findings(&run.config, lines, model::memory::available_bytes(), state == State::Running),
        samples: samples(lines),
        stage,
        stage_done,
        stage_total,
    })
}

/// Whether a run has an adapter to evaluate and export. One that cannot be read has none: the list of runs says why.
pub(in crate::window) fn has_adapter(backend: &Backend, project: &OpenProject, folder: &Path) -> bool {
    let Ok(run) = backend.training().known(&project.name_of_folder(), folder) else { return false };
    let run = locked(&run);
    backend.training().state(&run).is_ok_and(|state| is_to_be_relied_on(&run, state))
}

fn is_to_be_relied_on(run: &KnownRun, state: State) -> bool {
    state != State::Running && adapter_of(&run.folder).is_some()
}

/// What is measured of a run so far.
pub(super) fn measured(run: &KnownRun, folder: PathBuf, state: State) -> MeasuredRun {
    let summary = summary(run, state, None);
    MeasuredRun {
        folder,
        name: summary.name,
        state,
        settings: run.config.settings.clone(),
        step: summary.step,
        total_steps: summary.total_steps,
        eval: last_eval(run.events.lines()).cloned(),
    }
}

fn summary(run: &KnownRun, state: State, queued: Option<QueuedRun>) -> RunSummary {
    let lines = run.events.lines();
    let step = last_step(lines);
    let planned = lines.iter().rev().find_map(|line| match &line.event {
        Event::RunStarted(started) => Some(started.total_steps),
        _ => None,
    });
    RunSummary {
        run: run.name(),
        name: run.title().to_owned(),
        notes: run.notes.clone(),
        state,
        queued: queued.filter(|_| state == State::Queued),
        has_adapter: is_to_be_relied_on(run, state),
        step: step.map_or(0, |step| step.step),
        total_steps: planned.unwrap_or(0),
        started_at: started_at(run),
        seconds_left: step.filter(|_| state == State::Running).map(|step| step.seconds_left),
        loss: step.map(|step| step.loss).filter(|loss| loss.is_finite()),
        accuracy: step.map(|step| step.rewards.accuracies),
        accuracy_interval: step.map(accuracy_interval),
        held_out_accuracy: last_eval(lines).map(|eval| eval.accuracies),
        held_out_accuracy_interval: last_eval(lines).map(held_out_interval),
        model: run.about.model.clone(),
    }
}

/// Which step a run's adapter is of where that is not simply the last one's, and why it ended early. A share of the held-out
/// pairs stands with its interval.
fn selection(lines: &[Line]) -> Option<String> {
    let finished = lines.iter().rev().find_map(|line| match &line.event {
        Event::Finished { step, best, stopped_early, .. } => Some((*step, *best, *stopped_early)),
        _ => None,
    });
    let (step, best, stopped_early) = finished?;
    let early = format!("Stopped early after step {step}: evaluations no longer improved.");
    let of = best.map(|best| {
        let is_best = |eval: &&EvalMetrics| eval.step == best.step && best.metric == HeldOutMetric::Accuracies;
        let value = match evals(lines).rfind(is_best) {
            Some(eval) => {
                let pairs = counted(eval.pairs as usize, "held-out pair", "held-out pairs");
                format!("{} of {pairs}", share(best.value, held_out_interval(eval)))
            }
            None => figure(best.value),
        };
        format!("Its adapter is that of step {}, the best by {}: {value}.", best.step, best.metric.name())
    });
    let sentences: Vec<String> = stopped_early.then_some(early).into_iter().chain(of).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn started_at(run: &KnownRun) -> u64 {
    if let Some(first) = run.events.lines().first() {
        return (first.time * 1000.0) as u64;
    }
    run.written.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn last_step(lines: &[Line]) -> Option<&StepMetrics> {
    lines.iter().rev().find_map(|line| match &line.event {
        Event::Step(step) => Some(step),
        _ => None,
    })
}

fn evals(lines: &[Line]) -> impl DoubleEndedIterator<Item = &EvalMetrics> {
    lines.iter().filter_map(|line| match &line.event {
        Event::Eval(eval) => Some(eval),
        _ => None,
    })
}

fn last_eval(lines: &[Line]) -> Option<&EvalMetrics> {
    evals(lines).next_back()
}

fn held_out_interval(eval: &EvalMetrics) -> (f64, f64) {
    wilson_ends(eval.accuracies, eval.pairs)
}

fn accuracy_interval(step: &StepMetrics) -> (f64, f64) {
    wilson_ends(step.rewards.accuracies, step.pairs)
}

fn wilson_ends(share: f64, pairs: u64) -> (f64, f64) {
    let interval = eval::statistics::wilson(share, pairs as usize);
    (interval.low, interval.high)
}

fn now(step: &StepMetrics) -> RunNow {
    let finite = |value: f64| value.is_finite().then_some(value);
    RunNow {
        loss: finite(step.loss),
        margin: finite(step.rewards.margins),
        accuracy: finite(step.rewards.accuracies),
        accuracy_interval: Some(accuracy_interval(step)),
        pairs: step.pairs,
        chosen: finite(step.rewards.chosen),
        rejected: finite(step.rewards.rejected),
        grad_norm: finite(step.grad_norm),
        learning_rate: finite(step.learning_rate),
        tokens_per_second: finite(step.tokens_per_second),
        peak_memory_bytes: step.peak_memory_bytes,
    }
}

/// The samples of each step; where a step has several, the last.
fn samples(lines: &[Line]) -> Vec<SampleSet> {
    let mut sets: Vec<SampleSet> = Vec::new();
    for line in lines {
        let Event::Samples(samples) = &line.event else { continue };
        let answer = |sample: &train::events::TextSample| SampleAnswer {
            prompt: sample.prompt.clone(),
            text: sample.text.clone(),
        };
        sets.retain(|set| set.step != samples.step);
        sets.push(SampleSet { step: samples.step, answers: samples.answers.iter().map(answer).collect() });
    }
    sets
}

/// What a run that goes on does now, in words, and how far it is with it.
fn stage(lines: &[Line], state: State) -> (String, u64, u64) {
    if state != State::Running {
        return (String::new(), 0, 0);
    }
    match lines.last().map(|line| &line.event) {
        None | Some(Event::Failed { .. } | Event::Cancelled { .. }) => ("loading the model".into(), 0, 0),
        Some(Event::Progress(Progress { stage, done, total, .. })) => {
            let words = match stage {
                Stage::Encode => "reading the pairs",
                Stage::Reference => "scoring the pairs with the reference model",
                Stage::Train => "training",
                Stage::Eval => "scoring the held-out pairs",
                Stage::Samples => "answering the sample prompts",
            };
            (words.into(), *done, *total)
        }
        Some(_) => {
            let step = last_step(lines);
            ("training".into(), step.map_or(0, |step| step.step), step.map_or(0, |step| step.total_steps))
        }
    }
}

/// A message in which the run's own copies of its pairs are called what they are, and not where they lie.
fn by_what_they_hold(folder: &Path, message: &str) -> String {
    let named =
        |message: String, file: &str, what: &str| message.replace(&folder.join(file).display().to_string(), what);
    named(named(message.to_owned(), EVAL_PAIRS, "the held-out pairs"), PAIRS, "the training pairs")
}

/// Why a run does not go on, where that was not wanted.
fn why_ended(backend: &Backend, run: &KnownRun, state: State) -> Option<Error> {
    match state {
        State::Failed => run.events.lines().iter().rev().find_map(|line| match &line.event {
            Event::Failed { code, message, hint } => {
                Some(Error::new(code, by_what_they_hold(&run.folder, message), hint.clone()))
            }
            _ => None,
        }),
        State::Interrupted => {
            let cause = runs::cause(backend.training().workers.ended(&run.folder));
            let checkpoint = run.events.lines().iter().rev().find_map(|line| match &line.event {
                Event::Checkpoint { step, .. } => Some(*step),
                _ => None,
            });
            let from = checkpoint.map_or("from the start".to_owned(), |step| format!("after step {step}"));
            let hint = format!(
                "Resume it: it goes on {from} and loses nothing before that. If memory ran out, duplicate it with a \
                 smaller per_device_train_batch_size or max_length, or with gradient_checkpointing."
            );
            Some(Error::new("interrupted", format!("the training process {cause}"), hint))
        }
        // Its process ended before it could write an event.
        State::Prepared => {
            let ended = backend.training().workers.ended(&run.folder).filter(|status| !status.success())?;
            let words = runs::last_words(&run.folder);
            let message = if words.is_empty() { format!("the training process ended ({ended})") } else { words };
            Some(Error::new("worker", message, "Correct what it says and resume the run."))
        }
        State::Queued | State::Running | State::Finished | State::Paused | State::Stopped => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::doctor::log::RunLog;
    use train::events::{Samples, TextSample};
    use train::selection::Best;

    #[test]
    fn a_step_of_two_pairs_says_how_little_it_knows() {
        let step = StepMetrics { pairs: 2, ..last_step(&RunLog::known_by_heart().lines()).unwrap().clone() };
        let told = now(&step);
        let (low, high) = told.accuracy_interval.unwrap();
        assert_eq!((told.accuracy, told.pairs, high), (Some(1.0), 2, 1.0));
        assert!((0.34..0.35).contains(&low), "{low}");
    }

    #[test]
    fn a_failure_names_no_file_of_the_runs_own() {
        let folder = Path::new("/projects/p/runs/first");
        let said = |message: &str| by_what_they_hold(folder, message);
        assert_eq!(said("pair 3 of /projects/p/runs/first/pairs.jsonl: no"), "pair 3 of the training pairs: no");
        assert_eq!(said("/projects/p/runs/first/eval_pairs.jsonl: 2 of 9"), "the held-out pairs: 2 of 9");
        assert_eq!(said("/mine/pairs.jsonl: no"), "/mine/pairs.jsonl: no");
    }

    #[test]
    fn which_step_the_adapter_is_of_is_said() {
        let finished = |best, stopped_early| {
            let event = Event::Finished { step: 40, adapter: "adapter".into(), seconds: 1.0, best, stopped_early };
            let mut lines = RunLog::healthy(100).lines();
            lines.push(Line { event, time: 0.0 });
            selection(&lines)
        };
        let best = Best { step: 25, metric: HeldOutMetric::default(), value: 0.6525 };
        assert_eq!(finished(None, false), None);
        let both = finished(Some(best), true).unwrap();
        assert!(both.contains("after step 40"), "{both}");
        assert!(both.contains("step 25, the best by eval_rewards/accuracies: 65.3"), "{both}");
        assert!(both.ends_with(" % (95 % interval 43.5 to 82.1 %) of 20 held-out pairs."), "{both}");
        let margin = Best { metric: HeldOutMetric::Margins, value: 0.5, ..best };
        assert!(finished(Some(margin), false).unwrap().ends_with("eval_rewards/margins: 0.5."));
        assert!(finished(Some(best), false).unwrap().starts_with("Its adapter"));
    }

    #[test]
    fn of_samples_told_twice_the_last_count_and_progress_is_said_in_words() {
        let sample = |step, text: &str| Line {
            event: Event::Samples(Samples {
                step,
                answers: vec![TextSample { prompt: "p".into(), text: text.into() }],
            }),
            time: 0.0,
        };
        let sets = samples(&[sample(0, "old"), sample(3, "a"), sample(0, "new")]);
        let told: Vec<_> = sets.iter().map(|set| (set.step, set.answers[0].text.as_str())).collect();
        assert_eq!(told, [(3, "a"), (0, "new")]);
        let progress = Progress { stage: Stage::Reference, done: 3, total: 9, seconds: 1.0, seconds_left: None };
        let lines = [Line { event: Event::Progress(progress), time: 0.0 }];
        assert_eq!(stage(&lines, State::Running).1, 3);
        assert!(stage(&lines, State::Running).0.contains("reference"));
        assert_eq!(stage(&lines, State::Stopped), (String::new(), 0, 0));
        assert!(stage(&[], State::Running).0.contains("loading"));
    }
}
