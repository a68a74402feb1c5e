//! Sweeps as the page shows them.

use super::super::types::{
    EvalSummary, FigureView, InProject, OutcomeName, OutcomeView, RangeScale, SweepFigureOf, SweepOf, SweepOfRun,
    SweepRow, SweepSummary, SweepView, VaryValues,
};
use super::super::{Backend, OpenProject, evaluation, figures, training};
use super::outcome::{End, Trial, WinRates};
use super::trials::text;
use super::{Record, RecordedRun, names, outcome, starting};
use crate::error::{Error, Result};
use plot::{Outcome, Outcomes, Scale};
use runs::{RUNS, State};
use serde_json::Value;

/// Values whose largest is so many times the smallest stand better by their logarithms.
const WIDE: f64 = 20.0;

/// All sweeps of a project, the newest first.
pub(in crate::window) fn sweeps(backend: &Backend, request: InProject) -> Result<Vec<SweepSummary>> {
    let project = backend.project(&request.project)?;
    starting::finish_broken_off(&project)?;
    let mut all: Vec<SweepSummary> = names(&project)
        .iter()
        .map(|name| summary(backend, &project, name).unwrap_or_else(|error| damaged(name, &error)))
        .collect();
    all.sort_by_key(|sweep| std::cmp::Reverse(sweep.created_at));
    Ok(all)
}

pub(super) fn summary(backend: &Backend, project: &OpenProject, sweep: &str) -> Result<SweepSummary> {
    let record = Record::read(project, sweep)?;
    let states = record.runs.iter().map(|run| training::name_and_state(backend, project, &run.run));
    let ended = states.filter(|found| found.as_ref().is_none_or(|(_, state)| has_ended(*state))).count();
    Ok(SweepSummary {
        sweep: sweep.to_owned(),
        keys: record.vary.iter().map(|vary| vary.key.clone()).collect(),
        runs: record.runs.len(),
        name: record.name,
        created_at: record.created_at,
        ended,
        damaged: None,
    })
}

/// A sweep whose record cannot be read, by the name of its file.
fn damaged(sweep: &str, error: &Error) -> SweepSummary {
    SweepSummary {
        sweep: sweep.to_owned(),
        name: sweep.to_owned(),
        created_at: 0,
        keys: Vec::new(),
        runs: 0,
        ended: 0,
        damaged: Some(format!("{}. {}", error.message.trim_end_matches('.'), error.hint)),
    }
}

fn has_ended(state: State) -> bool {
    !matches!(state, State::Running | State::Queued | State::Prepared)
}

/// A sweep, whole.
pub(in crate::window) fn sweep(backend: &Backend, request: SweepOf) -> Result<SweepView> {
    let project = backend.project(&request.project)?;
    let record = Record::read(&project, &request.sweep)?;
    let evaluations = evaluation::evaluations(backend, InProject { project: request.project.clone() })?;
    let win_rates = win_rates(&record, &evaluations);
    let (rows, gone) = rows(backend, &project, &record, &win_rates);
    let varied: Vec<&str> = record.vary.iter().map(|vary| vary.key.as_str()).collect();
    let folder = |row: &SweepRow| project.folder().join(RUNS).join(&row.run);
    let digests: Vec<Option<[String; 2]>> = rows.iter().map(|row| train::origin::rows_of(&folder(row))).collect();
    let outcomes = outcome::ALL.into_iter().enumerate().map(|(at, name)| {
        let told = outcome::told(name, &varied, &trials(&rows, &digests, at));
        let of = if name == OutcomeName::WinRate { win_rates.told() } else { None };
        let told = of.map_or(told.clone(), |of| format!("{told} {of}"));
        OutcomeView { name, title: outcome::title(name).into(), told }
    });
    Ok(SweepView {
        summary: summary(backend, &project, &request.sweep)?,
        outcomes: outcomes.collect(),
        vary: record.vary,
        search: record.search,
        rule: record.rule,
        rows,
        gone,
    })
}

fn win_rates<'a>(record: &Record, evaluations: &'a [EvalSummary]) -> WinRates<'a> {
    let runs: Vec<&str> = record.runs.iter().map(|run| run.run.as_str()).collect();
    WinRates::of(evaluations, &runs)
}

/// Its runs, and the names of those that are gone.
fn rows(
    backend: &Backend,
    project: &OpenProject,
    record: &Record,
    win_rates: &WinRates<'_>,
) -> (Vec<SweepRow>, Vec<String>) {
    let (mut rows, mut gone) = (Vec::with_capacity(record.runs.len()), Vec::new());
    for run in &record.runs {
        match row(backend, project, run, win_rates) {
            Ok(row) => rows.push(row),
            // Archived, moved or removed.
            Err(_) => gone.push(run.name.clone()),
        }
    }
    (rows, gone)
}

fn row(backend: &Backend, project: &OpenProject, run: &RecordedRun, win_rates: &WinRates<'_>) -> Result<SweepRow> {
    let measured = training::measured(backend, project, &run.run)?;
    let eval = measured.eval.as_ref();
    let of = |name| match name {
        OutcomeName::Accuracy => eval.map(outcome::accuracy),
        OutcomeName::Loss => eval.and_then(|eval| outcome::loss(&measured.folder, &measured.settings, eval)),
        OutcomeName::WinRate => win_rates.of_run(&run.run),
    };
    Ok(SweepRow {
        run: run.run.clone(),
        name: measured.name,
        state: measured.state,
        step: measured.step,
        total_steps: measured.total_steps,
        varied: run.values.iter().map(text).collect(),
        outcomes: outcome::ALL.into_iter().map(of).collect(),
        stopped: super::rule::told(&measured.folder),
        rule: super::rule::stopped_by(&measured.folder).map(str::to_owned),
        is_whole: measured.state == State::Finished,
    })
}

/// The runs that have the measure at a place.
fn trials<'a>(rows: &'a [SweepRow], digests: &'a [Option<[String; 2]>], at: usize) -> Vec<Trial<'a>> {
    let mut trials = Vec::new();
    for (row, digests) in rows.iter().zip(digests) {
        let Some(measured) = &row.outcomes[at] else { continue };
        let end = match &row.rule {
            _ if row.is_whole => End::Whole,
            Some(rule) => End::Rule(rule),
            None => End::Short,
        };
        trials.push(Trial { name: &row.name, measured, rows: digests.as_ref(), end });
    }
    trials
}

/// An outcome by a setting.
pub(in crate::window) fn sweep_figure(backend: &Backend, request: SweepFigureOf) -> Result<FigureView> {
    let SweepFigureOf { project, sweep, key, outcome: wanted, theme, width, height } = request;
    let evaluations = evaluation::evaluations(backend, InProject { project: project.clone() })?;
    let project = backend.project(&project)?;
    let record = Record::read(&project, &sweep)?;
    let Some(at) = record.vary.iter().position(|vary| vary.key == key) else {
        let message = format!("{key} does not vary in this sweep");
        return Err(Error::new("sweep", message, "Choose one of the settings that do."));
    };
    let scale = scale(&record, at);
    let place = outcome::ALL.into_iter().position(|name| name == wanted).unwrap_or(0);
    // A share stands in per cent, as in the table.
    let (factor, unit) = if wanted == OutcomeName::Loss { (1.0, "") } else { (100.0, " in %") };
    let win_rates = win_rates(&record, &evaluations);
    let mut outcomes = Vec::new();
    for run in &record.runs {
        let Ok(row) = row(backend, &project, run, &win_rates) else { continue };
        let (Some(measured), Some(x)) = (row.outcomes[place].as_ref(), x_of(&scale, &run.values[at])) else { continue };
        let interval = measured.interval.map(|(low, high)| (factor * low, factor * high));
        outcomes.push(Outcome { name: row.name, x, y: factor * measured.value, interval, is_whole: row.is_whole });
    }
    let title = outcome::title(wanted);
    let outcomes = Outcomes {
        title: format!("{}{} by {key}", title[..1].to_uppercase(), &title[1..]),
        x_label: key.clone(),
        y_label: format!("{title}{unit}, with 95 % interval"),
        scale,
        outcomes,
    };
    figures::outcomes(&format!("{sweep}-{key}"), outcomes, theme, (width, height))
}

/// How the values of the setting that varies at a place lie.
fn scale(record: &Record, at: usize) -> Scale {
    match &record.vary[at].values {
        VaryValues::Range { scale: RangeScale::Log, .. } => Scale::Log,
        VaryValues::Range { scale: RangeScale::Linear, .. } => Scale::Linear,
        VaryValues::List { values } => {
            let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
            if numbers.len() < values.len() {
                return Scale::Names(values.iter().map(text).collect());
            }
            let (low, high) =
                numbers.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &x| (low.min(x), high.max(x)));
            if low > 0.0 && high / low >= WIDE { Scale::Log } else { Scale::Linear }
        }
    }
}

fn x_of(scale: &Scale, value: &Value) -> Option<f64> {
    match scale {
        Scale::Names(names) => names.iter().position(|name| *name == text(value)).map(|place| place as f64),
        Scale::Linear | Scale::Log => value.as_f64(),
    }
}

/// The sweep that a run belongs to.
pub(in crate::window) fn sweep_of_run(project: &OpenProject, run: &str) -> Option<SweepOfRun> {
    names(project).into_iter().find_map(|sweep| {
        // One that cannot be read is told of where sweeps are listed.
        let record = Record::read(project, &sweep).ok()?;
        let has = record.runs.iter().any(|recorded| recorded.run == run);
        has.then_some(SweepOfRun { sweep, name: record.name })
    })
}
