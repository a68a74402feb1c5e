//! What a run came to, for its card: its numbers on held-out pairs, and its evaluations.

use crate::context::Context;
use crate::error::Result;
use crate::report::{check_is_of, finished};
use crate::window::{EVALS, finish_where_people_judge, folders};
use eval::accuracy::PreferenceAccuracy;
use eval::evaluation::{Contents, Evaluation};
use eval::judge::Judge;
use eval::statistics::wilson;
use numbers::{counted, figure, share, signed};
use std::path::{Path, PathBuf};
use train::events::{self, EvalMetrics, Event, RunStarted};

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// What it was trained on.
    pub(super) started: Option<RunStarted>,
    /// Steps that were done.
    pub(super) steps: u64,
    /// The held-out pairs under the adapter that the run has.
    pub(super) held_out: Option<EvalMetrics>,
    pub(super) stopped_early: bool,
    /// Whether it was stopped before its end.
    pub(super) unfinished: bool,
    pub(super) evaluations: Vec<(Evaluation, Option<PreferenceAccuracy>)>,
}

/// Reads the record of a run, the evaluations that are named, and those of its project.
///
/// # Errors
/// When one of them cannot be read, or a named one is not of this run.
pub(super) fn of_run(run: &Path, named: &[PathBuf], context: &mut Context) -> Result<Results> {
    let mut results = Results { unfinished: true, ..Results::default() };
    let (mut evals, mut best) = (Vec::new(), None);
    for line in events::effective(events::read(&run.join(events::FILE))?) {
        match line.event {
            Event::RunStarted(started) => results.started = Some(started),
            Event::Step(step) => results.steps = step.step,
            Event::Eval(eval) => evals.push(eval),
            Event::Finished { step, best: chosen, stopped_early, .. } => {
                (results.steps, results.stopped_early, results.unfinished) = (step, stopped_early, false);
                best = chosen;
            }
            _ => {}
        }
    }
    // The adapter is that of the best evaluation where the run says so, and of the last step otherwise.
    let step = best.map_or(results.steps, |best| best.step);
    results.held_out = evals.into_iter().rfind(|eval| eval.step == step);

    for folder in named {
        let (evaluation, accuracy) = finished(folder)?;
        check_is_of(&evaluation, folder, run)?;
        results.evaluations.push((evaluation, accuracy));
    }
    let own = match train::folder::adapter_of(run) {
        Some(adapter) => train::origin::adapter_digests(&adapter)?.remove("adapter_model.safetensors"),
        None => None,
    };
    for folder in of_project(run)? {
        if named.iter().any(|named| same(named, &folder)) {
            continue;
        }
        let of_this = |contents: &Contents| is_of(contents, own.as_ref());
        if Contents::read(&folder)?.is_some_and(|contents| of_this(&contents)) {
            finish_where_people_judge(&folder)?;
            if Evaluation::read(&folder)?.is_some() {
                results.evaluations.push(finished(&folder)?);
            }
        }
    }
    // What nobody has judged says nothing.
    results.evaluations.retain(|(evaluation, _)| evaluation.summary.all.tally.judged() > 0);
    if results.evaluations.is_empty() {
        context.note("the card says that no evaluation was made: none of this adapter was found");
    }
    Ok(results)
}

/// The evaluations of the project that the run belongs to; none where it belongs to none.
fn of_project(run: &Path) -> Result<Vec<PathBuf>> {
    let run = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
    match run.parent().and_then(Path::parent) {
        Some(project) => folders(&project.join(EVALS)),
        None => Ok(Vec::new()),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some() && real(one) == real(other)
}

/// Whether an evaluation is of the adapter that has this digest.
fn is_of(contents: &Contents, own: Option<&String>) -> bool {
    own.is_some() && own == contents.setup().ancestry.adapter_sha256.as_ref()
}

impl Results {
    /// The held-out pairs in sentences.
    pub(super) fn held_out_in_words(&self) -> String {
        let Some(eval) = &self.held_out else {
            return "No held-out pairs were measured with this adapter.".to_owned();
        };
        let pairs = usize::try_from(eval.pairs).unwrap_or(usize::MAX);
        let interval = wilson(eval.accuracies, pairs);
        format!(
            "Held-out accuracy (`eval_rewards/accuracies`): {} of {}. Held-out margin (`eval_rewards/margins`): {}. Held-out \
             loss (`eval_loss`): {}.",
            share(eval.accuracies, interval.into()),
            counted(pairs, "pair", "pairs"),
            signed(eval.margins),
            figure(eval.eval_loss)
        )
    }
}

/// What kind of judge it was, without its address, its program or its key.
pub(super) fn kind_of(evaluation: &Evaluation) -> String {
    match &evaluation.judge {
        Judge::Rule(_) => format!("a rule: {}", evaluation.judge_in_words()),
        Judge::Command(_) => "a program".to_owned(),
        Judge::Endpoint(endpoint) => format!("a model (`{}`)", super::card::plain(&endpoint.model)),
        Judge::People => evaluation.judge_in_words(),
    }
}
