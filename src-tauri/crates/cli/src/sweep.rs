//! Sweeps of a project, in words.

use crate::arguments::{SweepArguments, SweepCommand, SweepStart};
use crate::commands::Print;
use api::window::Headless;
use api::window::types::{Measured, OutcomeName, Search, SweepPlan, SweepRequest, SweepSummary, SweepView};
use api::words::counted;
use api::{Context, DeviceChoice, Result};
use numbers::{figure, percent, size};
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(arguments: SweepArguments, print: &Print<'_>, context: &mut Context<'_>) -> Result<()> {
    let open = |folder: &Path| Headless::open(folder, DeviceChoice::default());
    match arguments.command {
        SweepCommand::Start(arguments) => start(*arguments, print, context)?,
        SweepCommand::List { of } => {
            let sweeps = open(&of.project)?.sweeps()?;
            let words: Vec<String> = sweeps.iter().map(summary).collect();
            let words = if words.is_empty() { "no sweeps".into() } else { words.join("\n") };
            print("sweeps", &serde_json::json!({ "sweeps": sweeps }), words);
        }
        SweepCommand::Show { sweep, of } => {
            let view = open(&of.project)?.sweep_or_newest(sweep.as_deref())?;
            print("sweep", &view, outcomes(&view));
        }
    }
    Ok(())
}

fn start(arguments: SweepStart, print: &Print<'_>, context: &mut Context<'_>) -> Result<()> {
    let SweepStart { of, name, config, model, vary, range, random, seed, stop, held_out, device, dry_run } = arguments;
    let project = Headless::open(&of.project, device)?;
    let mut request = project.default_run()?;
    if let Some(file) = config {
        project.settings_of(&file, &mut request, context)?;
    }
    request.name = name;
    request.model = model.unwrap_or(request.model);
    request.held_out_share = held_out.unwrap_or(request.held_out_share);
    let search = random.map_or(Search::Grid, |trials| Search::Random { trials, seed });
    let vary = vary.into_iter().chain(range).collect();
    let sweep = SweepRequest { request, vary, search, rule: stop };
    let plan = project.plan_sweep(sweep.clone(), context)?;
    print("sweep_plan", &plan, planned(&plan));
    if let Some(problem) = plan.problems.into_iter().next() {
        return Err(problem);
    }
    if !dry_run {
        let started = project.start_sweep(sweep)?;
        print("sweep_started", &started, format!("in the queue: {}", summary(&started)));
    }
    Ok(())
}

fn planned(plan: &SweepPlan) -> String {
    let mut words = format!("{}:", counted(plan.runs.len(), "run", "runs"));
    for run in &plan.runs {
        let _ = write!(words, "\n  {}: {}", run.name, counted(run.steps as usize, "step", "steps"));
        if run.memory_needed > 0 {
            let _ = write!(words, ", {} of memory", size(run.memory_needed));
        }
    }
    if plan.problems.is_empty() {
        let _ = write!(words, "\n{} to train on, {} held out", plan.pairs, plan.held_out);
        let _ = write!(words, "\nabout {} on the disk when all have ended", size(plan.disk_bytes));
    }
    plan.notes.iter().for_each(|note| words.extend(["\n", note]));
    plan.problems.iter().for_each(|problem| words.extend(["\ncannot be started: ", &problem.message]));
    words
}

fn summary(sweep: &SweepSummary) -> String {
    let SweepSummary { sweep: folder, name, keys, runs, ended, .. } = sweep;
    let name = if folder == name { String::new() } else { format!(" ({name})") };
    format!("{folder}{name}: {} by {}, {ended} ended", counted(*runs, "run", "runs"), keys.join(" and "))
}

/// What a sweep came to: a table, and what it tells.
fn outcomes(view: &SweepView) -> String {
    let mut head: Vec<String> = vec!["run".into()];
    head.extend(view.summary.keys.iter().cloned());
    head.extend(["state".into(), "step".into()]);
    head.extend(view.outcomes.iter().map(|outcome| outcome.title.clone()));
    let mut table = vec![head];
    for row in &view.rows {
        let state = serde_json::to_value(row.state).ok();
        let mut cells = vec![row.run.clone()];
        cells.extend(row.varied.iter().cloned());
        cells.push(state.as_ref().and_then(|state| state.as_str()).unwrap_or_default().to_owned());
        cells.push(format!("{}/{}", row.step, row.total_steps));
        let of = |(outcome, measured): (_, &Option<Measured>)| cell(outcome, measured.as_ref());
        let short = if row.is_whole { "" } else { " (fewer steps)" };
        let note = |cell: String| if cell == "-" { cell } else { cell + short };
        cells.extend(view.outcomes.iter().map(|outcome| outcome.name).zip(&row.outcomes).map(of).map(note));
        table.push(cells);
    }
    let mut words = format!("{}\n\n{}", summary(&view.summary), columns(&table));
    for outcome in &view.outcomes {
        let _ = write!(words, "\n{}: {}", outcome.title, outcome.told);
    }
    for row in &view.rows {
        row.stopped.iter().for_each(|stopped| words.extend(["\n", row.run.as_str(), ": ", stopped.as_str()]));
    }
    if !view.gone.is_empty() {
        let _ = write!(words, "\ngone: {}", view.gone.join(", "));
    }
    words
}

/// A value with its 95 % interval, and of how many pairs or prompts.
fn cell(outcome: OutcomeName, measured: Option<&Measured>) -> String {
    let Some(Measured { value, interval, of }) = measured else { return "-".into() };
    let (value, interval) = match outcome {
        OutcomeName::Loss => {
            (figure(*value), interval.map(|(low, high)| format!("{} to {}", figure(low), figure(high))))
        }
        OutcomeName::Accuracy | OutcomeName::WinRate => {
            (percent(*value), interval.map(|(low, high)| numbers::interval(low, high)))
        }
    };
    let interval = interval.map_or(String::new(), |interval| format!(" ({interval})"));
    format!("{value}{interval} of {of}")
}

/// A table whose columns are as wide as their widest cell.
fn columns(table: &[Vec<String>]) -> String {
    let width = |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..table.first().map_or(0, Vec::len)).map(|at| width(at).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_intervals_and_columns_stand_below_each_other() {
        let half = Measured { value: 0.5, interval: Some((0.25, 0.75)), of: 8 };
        assert_eq!(cell(OutcomeName::Accuracy, Some(&half)), "50.0 % (25.0 to 75.0 %) of 8");
        assert_eq!(cell(OutcomeName::Loss, Some(&Measured { interval: None, ..half })), "0.5 of 8");
        assert_eq!(cell(OutcomeName::WinRate, None), "-");
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(columns(&[row(["run", "state"]), row(["longer", "x"])]), "run     state\nlonger  x");
    }
}
