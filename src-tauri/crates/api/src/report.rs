//! A page about a run and its evaluation.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::{accuracy_of, write_json};
use eval::accuracy::PreferenceAccuracy;
use eval::answers::Side;
use eval::evaluation::{Contents, Evaluation};
use eval::report::{ReportInput, StepMetrics};
use serde::Serialize;
use std::path::{Path, PathBuf};
use train::base::short;
use train::events::{self, Counts, EvalMetrics, Event};

/// What the page is about; at least one of the two.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// A run's folder.
    pub run: Option<PathBuf>,
    /// An evaluation's folder.
    pub eval: Option<PathBuf>,
    /// Where the page and its figures go.
    pub output_dir: PathBuf,
}

/// Where the page is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportReply {
    /// The page.
    pub html: PathBuf,
    /// Its figures, SVG and PNG of each.
    pub figures: Vec<PathBuf>,
    /// The evaluation for programs: every answer and verdict, of people too, and what they come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<PathBuf>,
}

/// An evaluation as it is exported.
#[derive(Serialize)]
struct ExportedEvaluation<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// Of held-out pairs.
    accuracy: Option<PreferenceAccuracy>,
}

/// Writes the report.
///
/// # Errors
/// When a folder is no run or no finished evaluation, or the report cannot be written.
pub fn report(request: &ReportRequest, context: &mut Context) -> Result<ReportReply> {
    context.check()?;
    write(request, "Tiebreak report", Vec::new())
}

pub(crate) fn write(request: &ReportRequest, title: &str, stage_seconds: Vec<(String, f64)>) -> Result<ReportReply> {
    let mut input = ReportInput { title: title.into(), machine: machine(), stage_seconds, ..ReportInput::default() };
    if request.run.is_none() && request.eval.is_none() {
        return Err(Error::new(
            "nothing_to_report",
            "a report needs something to report on",
            "Give --run DIR, --eval DIR or both.",
        ));
    }
    if let Some(run) = &request.run {
        of_run(run, &mut input)?;
    }
    if let Some(folder) = &request.eval {
        let (evaluation, accuracy) = finished(folder)?;
        if let Some(run) = &request.run {
            check_is_of(&evaluation, folder, run)?;
        }
        (input.evaluation, input.accuracy) = (Some(evaluation), accuracy);
    }
    let written = eval::report::write(&input, &request.output_dir)?;
    let beside = request.output_dir.join("evaluation.json");
    if let Some(evaluation) = &input.evaluation {
        write_json(&beside, &ExportedEvaluation { evaluation, accuracy: input.accuracy })?;
    }
    let evaluation = input.evaluation.is_some().then_some(beside);
    Ok(ReportReply { html: written.html, figures: written.figures, evaluation })
}

/// A finished evaluation with what people have said since, and what held-out pairs say where it was asked.
///
/// # Errors
/// When it is not finished, or cannot be read.
pub(crate) fn finished(folder: &Path) -> Result<(Evaluation, Option<PreferenceAccuracy>)> {
    let evaluation = Evaluation::read(folder)?.ok_or_else(|| {
        let message = format!("{} holds no finished evaluation", folder.display());
        Error::new("no_evaluation", message, "Run `tiebreak eval` with that --output-dir first.")
    })?;
    // People may have judged since it was finished.
    let now = Contents::read(folder)?.map(|contents| contents.so_far(&evaluation.judge)).transpose()?;
    Ok((now.unwrap_or(evaluation), accuracy_of(folder)?))
}

/// Makes sure that an evaluation is of the run's adapter as it is, so that the page does not show one beside another.
///
/// # Errors
/// When it is another's.
pub(crate) fn check_is_of(evaluation: &Evaluation, folder: &Path, run: &Path) -> Result<()> {
    let Some(adapter) = train::folder::adapter_of(run) else { return Ok(()) };
    let own = train::origin::adapter_digests(&adapter)?.remove("adapter_model.safetensors");
    let weights = |side| evaluation.ancestry.side(side).adapter_files.remove("adapter_model.safetensors");
    let judged: Vec<String> = Side::BOTH.into_iter().filter_map(weights).collect();
    match (judged.last(), own) {
        (Some(last), Some(own)) if !judged.contains(&own) => Err(Error::new(
            "other_run",
            format!(
                "the evaluation in {} is not of the adapter that the run in {} has: it judged SHA-256 {}, and the run's has {}",
                folder.display(),
                run.display(),
                short(last),
                short(&own)
            ),
            "Evaluate the run anew, or report on each of the two alone.",
        )),
        _ => Ok(()),
    }
}

fn of_run(run: &Path, input: &mut ReportInput) -> Result<()> {
    input.configuration = configuration(&runs::prepared(run)?)?;
    let mut warnings = Vec::new();
    for line in events::effective(events::read(&run.join(events::FILE))?) {
        match line.event {
            Event::RunStarted(started) => {
                if !started.device.is_empty() && !started.device.starts_with("CPU") {
                    input.machine = format!("{}; trained on {}", machine(), started.device);
                }
                input.data = counts("training", &started.train);
                if let Some(eval) = &started.eval {
                    input.data.extend(counts("held-out", eval));
                }
            }
            Event::Step(step) => input.steps.push(StepMetrics {
                step: step.step,
                loss: Some(step.loss),
                grad_norm: Some(step.grad_norm),
                learning_rate: Some(step.learning_rate),
                rewards_chosen: Some(step.rewards.chosen),
                rewards_rejected: Some(step.rewards.rejected),
                rewards_margins: Some(step.rewards.margins),
                rewards_accuracies: Some(step.rewards.accuracies),
            }),
            Event::Eval(eval) => input.held_out.push(held_out(&eval)),
            Event::Warning { message } if !warnings.contains(&message) => warnings.push(message),
            _ => {}
        }
    }
    input.data.extend(warnings.into_iter().map(|message| ("the run warned".to_owned(), message)));
    Ok(())
}

fn held_out(eval: &EvalMetrics) -> StepMetrics {
    StepMetrics {
        step: eval.step,
        loss: Some(eval.eval_loss),
        rewards_chosen: Some(eval.chosen),
        rewards_rejected: Some(eval.rejected),
        rewards_margins: Some(eval.margins),
        rewards_accuracies: Some(eval.accuracies),
        ..StepMetrics::default()
    }
}

/// The settings of a run by their names, in their order.
///
/// # Errors
/// When they cannot be written as a settings file.
pub(crate) fn configuration(config: &train::RunConfig) -> Result<Vec<(String, String)>> {
    let table: toml::Table = config.to_toml()?.parse().map_err(|error: toml::de::Error| {
        Error::new("config", format!("the run's settings cannot be shown: {error}"), "Report this as a fault.")
    })?;
    let mut rows = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => rows.extend(inner.into_iter().map(|(k, v)| (format!("{key}.{k}"), plain(&v)))),
            value => rows.push((key, plain(&value))),
        }
    }
    Ok(rows)
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What became of the rows of a file, by name.
pub(crate) fn counts(what: &str, counts: &Counts) -> Vec<(String, String)> {
    [
        ("rows read", counts.rows),
        ("rows refused (no pair)", counts.refused),
        ("pairs left out as too long", counts.dropped),
        ("pairs used", counts.pairs),
        ("of them, prompt cut", counts.cut_prompts),
        ("of them, an answer cut", counts.cut_answers),
        ("of them, prompt boundary moved by the template", counts.broken_boundaries),
        ("pairs of which the chosen answer alone is too long", counts.chosen_only),
        ("pairs of which the rejected answer alone is too long", counts.rejected_only),
    ]
    .map(|(name, count)| (format!("{what}: {name}"), count.to_string()))
    .to_vec()
}

/// The machine, in words that name nobody.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut words = format!("{} {}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH);
    for feature in features() {
        words += ", ";
        words += feature;
    }
    words
}

/// What of the processor the matrix products use.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let all = [("AVX2", is_x86_feature_detected!("avx2")), ("AVX-512", is_x86_feature_detected!("avx512f"))];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

/// What of the processor the matrix products use.
#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
