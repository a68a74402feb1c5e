//! What a sweep would do, and starting it: all its runs are written, and wait in the queue.

use super::super::training::start::{Parts, config, model_path, parts, with_adapters, write_run};
use super::super::training::{check, new_folder, plain_name};
use super::super::types::{
    PlanRun, PlannedTrial, RunPlan, RunRequest, Search, SweepPlan, SweepRequest, SweepSummary, Theme,
};
use super::super::{Backend, OpenProject, now, plan, queue};
use super::outcome::CHANGE_THE_LOSS;
use super::starting::Starting;
use super::trials::{Trial, refused, trials, words};
use super::{Record, RecordedRun, SWEEPS, rule, view};
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use crate::provenance;
use model::memory::AdapterSize;
use prefs::Pair;
use runs::{RUNS, Waiting};
use std::path::{Path, PathBuf};
use train::settings::refuse_first;

/// Numbers of four bytes that a checkpoint has for each of the adapter's: itself and the optimiser's two moments.
const CHECKPOINT: u64 = 3;

/// Every run of a sweep as it would be planned by itself.
struct Planned {
    trials: Vec<(Trial, Result<RunPlan>)>,
}

/// What a sweep would do and take.
pub(in crate::window) fn plan_sweep(backend: &Backend, sweep: SweepRequest) -> Result<SweepPlan> {
    let planned = match planned(backend, &sweep) {
        Ok(planned) => planned,
        Err(problem) => return Ok(SweepPlan { problems: vec![problem], ..nothing() }),
    };
    let mut reply = nothing();
    reply.problems = planned.problems(&sweep);
    for (trial, plan) in &planned.trials {
        let Ok(plan) = plan else { continue };
        (reply.pairs, reply.held_out) = (plan.pairs, plan.held_out);
        reply.seconds += plan.seconds_estimate.unwrap_or(0.0);
        reply.unmeasured += usize::from(plan.seconds_estimate.is_none());
        reply.runs.push(PlannedTrial {
            name: trial.name.clone(),
            steps: plan.steps,
            seconds: plan.seconds_estimate,
            memory_needed: plan.memory_needed,
        });
    }
    if reply.problems.is_empty() {
        reply.disk_bytes = disk_bytes(backend, &sweep, &planned)?;
    }
    reply.notes = notes(&sweep, &planned);
    Ok(reply)
}

fn nothing() -> SweepPlan {
    SweepPlan {
        runs: Vec::new(),
        pairs: 0,
        held_out: 0,
        seconds: 0.0,
        unmeasured: 0,
        disk_bytes: 0,
        notes: Vec::new(),
        problems: Vec::new(),
    }
}

fn planned(backend: &Backend, sweep: &SweepRequest) -> Result<Planned> {
    refuse_first(check::on_name(&sweep.request.name))?;
    let plan_of = |trial: Trial| {
        let request = request_of(&sweep.request, &trial);
        let plan = plan::plan_run(backend, PlanRun { request, theme: Theme::Light });
        (trial, plan)
    };
    let planned = Planned { trials: trials(sweep)?.into_iter().map(plan_of).collect() };
    if let Some(rule) = &sweep.rule {
        let keys: Vec<&str> = sweep.vary.iter().map(|vary| vary.key.as_str()).collect();
        for (trial, plan) in &planned.trials {
            let held_out = plan.as_ref().map_or(1, |plan| plan.held_out);
            rule::check(rule, trial.settings.eval_steps, held_out, &keys)?;
        }
    }
    Ok(planned)
}

fn request_of(base: &RunRequest, trial: &Trial) -> RunRequest {
    RunRequest { name: trial.name.clone(), settings: trial.settings.clone(), ..base.clone() }
}

impl Planned {
    /// What no run may have, named by the first combination that it is about; what all have alike is said once.
    fn problems(&self, sweep: &SweepRequest) -> Vec<Error> {
        let mut problems: Vec<Error> = Vec::new();
        for (trial, plan) in &self.trials {
            let found = match plan {
                Ok(plan) => plan.problems.clone(),
                Err(error) => vec![error.clone()],
            };
            for problem in found {
                if problems.iter().any(|known| known.code == problem.code && known.hint == problem.hint) {
                    continue;
                }
                let named = refused(&words(&sweep.vary, &trial.values), &problem.message);
                problems.push(Error { message: named.message, ..problem });
            }
        }
        problems
    }
}

/// Adapters, checkpoints that are kept, and the copies of the pairs.
fn disk_bytes(backend: &Backend, sweep: &SweepRequest, planned: &Planned) -> Result<u64> {
    let project = backend.project(&sweep.request.project)?;
    let Parts { train, held_out, .. } = parts(&project, &sweep.request)?;
    let text = |pair: &Pair| serde_json::to_vec(pair).map_or(0, |text| text.len() as u64 + 1);
    let rows: u64 = train.iter().chain(&held_out).map(text).sum();
    let model = model_path(backend, &sweep.request.model)?;
    let size = model::weights::open(&model, sweep.request.settings.dtype, &candle_core::Device::Cpu)?.size();
    let mut bytes = 0;
    for (trial, plan) in &planned.trials {
        let settings = &trial.settings;
        let steps = plan.as_ref().map_or(0, |plan| plan.steps);
        let written = if settings.save_steps == 0 { 1 } else { steps.div_ceil(settings.save_steps) };
        let kept = if settings.save_total_limit == 0 { written } else { written.min(settings.save_total_limit as u64) };
        let parameters = AdapterSize::of(&settings.lora, &size.config)?.parameters;
        bytes += rows + 4 * parameters * (1 + CHECKPOINT * kept);
    }
    Ok(bytes)
}

fn notes(sweep: &SweepRequest, planned: &Planned) -> Vec<String> {
    let varies = |key: &str| sweep.vary.iter().any(|vary| vary.key == key);
    let mut notes = Vec::new();
    if let Search::Random { trials, .. } = sweep.search
        && planned.trials.len() < trials
    {
        let found = planned.trials.len();
        notes.push(format!("only {found} different combinations were found for {trials} runs"));
    }
    let alike = if varies("seed") { "whatever their seed" } else { "and the same seed" };
    notes.push(format!("all runs have the same held-out pairs, {alike}"));
    if CHANGE_THE_LOSS.into_iter().any(varies) {
        notes.push("held-out losses of another beta or loss are other measures: compare the accuracy".into());
    }
    let mut unfit = planned.trials.iter().filter(|(_, plan)| plan.as_ref().is_ok_and(|plan| !plan.fits)).peekable();
    if let Some((trial, _)) = unfit.peek() {
        let first = trial.name.clone();
        notes.push(format!("{} of the runs may not fit in memory, such as {first}", unfit.count()));
    }
    notes
}

/// Writes all runs of a sweep, and puts them into the queue.
pub(in crate::window) fn start_sweep(backend: &Backend, sweep: SweepRequest) -> Result<SweepSummary> {
    let sweep = SweepRequest { request: with_adapters(backend, &sweep.request)?, ..sweep };
    let project = backend.project(&sweep.request.project)?;
    let planned = planned(backend, &sweep)?;
    if let Some(problem) = planned.problems(&sweep).into_iter().next() {
        return Err(problem);
    }
    let model = model_path(backend, &sweep.request.model)?;
    let run = config(&sweep.request.settings, &model, Path::new("run"), false);
    train::check_adapters(&run, &provenance::digests(), false)?;
    // The same pairs for all, also where the seed varies, by which they are divided.
    let parts = parts(&project, &sweep.request)?;
    let mut written: Vec<PathBuf> = Vec::new();
    let started = write(backend, &project, (&sweep, &planned), &model, &parts, &mut written);
    if started.is_err() {
        // They were made a moment ago and wait for nothing; the first error is the one to report.
        for folder in &written {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
    let name = started?;
    backend.watch_runs(&project);
    queue::tell(backend, &project);
    view::summary(backend, &project, &name)
}

fn write(
    backend: &Backend,
    project: &OpenProject,
    (sweep, planned): (&SweepRequest, &Planned),
    model: &Path,
    parts: &Parts,
    written: &mut Vec<PathBuf>,
) -> Result<String> {
    let (mut runs, mut waiting) = (Vec::new(), Vec::new());
    let mut starting = Starting::begin(project)?;
    for (trial, plan) in &planned.trials {
        let folder = new_folder(&project.folder().join(RUNS), &trial.name)?;
        written.push(folder.clone());
        starting.note(&folder)?;
        write_run(&folder, model, &request_of(&sweep.request, trial), parts, backend.device())?;
        let run = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let needed = plan.as_ref().ok().map(|plan| plan.memory_needed).filter(|needed| *needed > 0);
        waiting.push(Waiting::now(&run, needed, false));
        runs.push(RecordedRun { run, name: trial.name.clone(), values: trial.values.clone() });
    }
    let record = Record {
        name: sweep.request.name.trim().to_owned(),
        created_at: now(),
        vary: sweep.vary.clone(),
        search: sweep.search.clone(),
        rule: sweep.rule,
        runs,
    };
    let name = write_record(project, &record)?;
    queue::add(project, waiting)?;
    starting.ended()?;
    Ok(name)
}

/// Writes the record under a name that no other has.
fn write_record(project: &OpenProject, record: &Record) -> Result<String> {
    let folder = project.folder().join(SWEEPS);
    let plain = plain_name(&record.name, "sweep");
    let mut number = 1_u32;
    loop {
        let name = if number == 1 { plain.clone() } else { format!("{plain}-{number}") };
        let file = folder.join(format!("{name}.json"));
        if !file.exists() {
            write_json(&file, record)?;
            return Ok(name);
        }
        number += 1;
    }
}
