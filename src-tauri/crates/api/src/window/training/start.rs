//! Beginning runs, stopping them, resuming them.

use super::super::housekeeping::gone;
use super::super::overview::{RUNS, folders};
use super::super::types::{InProject, ResumeRun, RunRequest, RunView, StartRun, StopRun};
use super::super::{Backend, OpenProject, locked, models, queue, sweep};
use super::check::{on_name, on_share};
use super::composition::{Composed, Record, compose, refuse_nothing};
use super::waited::bring_up_to_date;
use super::{ABOUT, About, new_folder, run_folder, view};
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use crate::{lineage, provenance};
use chat::Truncation;
use model::{DeviceChoice, LoraConfig};
use prefs::store::{Project, Prompts};
use prefs::{Pair, jsonl};
use runs::State;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use train::config::DataConfig;
use train::folder::{EVAL_PAIRS, PAIRS, is_held, is_untouched};
use train::memory::order;
use train::settings::refuse_first;
use train::{RunConfig, Settings};

/// Share of the pairs that a new run holds out.
const HELD_OUT_SHARE: f64 = 0.1;
/// Held-out prompts that a new run answers as it goes.
const SAMPLE_PROMPTS: usize = 3;
/// Looks at the held-out pairs in a new run.
const EVALUATIONS: u64 = 10;

/// A process that was started takes its folder within this.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// A run as it would be without any wish.
pub(in crate::window) fn default_settings(backend: &Backend, request: InProject) -> Result<RunRequest> {
    let project = backend.project(&request.project)?;
    let about = project.about()?;
    let settings = if about.demo {
        RunConfig::parse(crate::demo::RUN.1, Path::new(""))?.settings
    } else {
        let settings = Settings::default();
        let order = order(&settings, project.store().counts()?.pairs);
        let steps = order.total_steps(settings.max_steps, settings.num_train_epochs);
        Settings { eval_steps: usual_eval_steps(steps), ..settings }
    };
    Ok(RunRequest {
        project: project.name_of_folder(),
        name: usual_name(&project.folder().join(RUNS))?,
        // Where none was chosen yet, one that is here: a form does not open with a fault that nobody made.
        model: about.model.or_else(|| models::first_here().ok().flatten()).unwrap_or_default(),
        // Who has marked a file of pairs as held out has held-out pairs.
        held_out_share: if project.store().holds_out_pairs()? { 0.0 } else { HELD_OUT_SHARE },
        from: None,
        data: None,
        settings: Settings { sample_prompts: SAMPLE_PROMPTS, truncation: Truncation::PromptLeft, ..settings },
    })
}

/// A number that no run of the project has or had.
fn usual_name(runs: &Path) -> Result<String> {
    let gone = gone(runs);
    let is_taken = |number: usize| {
        let called = format!("run-{number}");
        gone.contains(&called) || runs.join(called).exists()
    };
    let mut number = folders(runs)?.len() + 1;
    while is_taken(number) {
        number += 1;
    }
    Ok(format!("Run {number}"))
}

/// How often a run of so many steps looks at its held-out pairs, unless the user says otherwise.
pub(crate) fn usual_eval_steps(steps: u64) -> u64 {
    (steps / EVALUATIONS).max(1)
}

/// The pairs of a run: those to train on and those held out.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) train: Vec<Pair>,
    pub(crate) held_out: Vec<Pair>,
    /// Prompts that are held out and of none of these pairs.
    pub(crate) asked: Prompts,
    /// What they are made of.
    pub(crate) record: Record,
}

/// The project's pairs, divided as the request says.
pub(crate) fn parts(project: &OpenProject, request: &RunRequest) -> Result<Parts> {
    let store = project.another_store()?;
    refuse_first(on_share(request.held_out_share, &request.settings, others_hold_out(&store, request)?))?;
    let composed = compose(&store, request.held_out_share, request.settings.seed, request.data.as_ref())?;
    refuse_nothing(&composed)?;
    with_warnings(composed, &request.settings)
}

/// The parts of a run, with what is to be kept in mind of the adapter that it begins with.
///
/// # Errors
/// When a run that the adapter is of cannot be read.
pub(crate) fn with_warnings(composed: Composed, settings: &Settings) -> Result<Parts> {
    let mut parts = composed.parts();
    parts.record.warns = lineage::warns(settings, &parts.held_out.iter().collect::<Vec<_>>(), &parts.asked)?;
    Ok(parts)
}

/// Whether pairs are held out by something else than the share.
///
/// # Errors
/// When the project cannot be read.
pub(crate) fn others_hold_out(store: &Project, request: &RunRequest) -> Result<bool> {
    Ok(request.data.as_ref().is_some_and(|data| data.held_out.is_some()) || store.holds_out_pairs()?)
}

/// A project without pairs.
pub(crate) fn no_pairs() -> Error {
    let hint = "Import pairs on the data screen, or label some.";
    Error::new("no_pairs", "this project has no pairs to train on", hint)
}

/// Where the request's model lies.
pub(crate) fn model_path(backend: &Backend, model: &str) -> Result<PathBuf> {
    backend.model_here(model)?.ok_or_else(|| {
        let message = format!("the model {model} is not on this machine yet");
        Error::new("model_not_here", message, "Fetch it first: the project's screen has a button for it.")
    })
}

/// The request with the adapters that it names under their real paths.
///
/// # Errors
/// When the page may not have them read.
pub(crate) fn with_adapters(backend: &Backend, request: &RunRequest) -> Result<RunRequest> {
    let mut request = request.clone();
    let Settings { ref_adapter, init_adapter, .. } = &mut request.settings;
    for adapter in [ref_adapter, init_adapter].into_iter().flatten() {
        *adapter = backend.allowed_model(adapter)?;
    }
    Ok(request)
}

/// The settings of the adapter that training starts from, which count instead of those asked for. Its adapters
/// are where [`with_adapters`] found them.
///
/// # Errors
/// When the adapter's settings cannot be read.
pub(crate) fn adapter_settings(settings: &Settings) -> Result<Option<LoraConfig>> {
    let folder = settings.init_adapter.as_ref().or(settings.ref_adapter.as_ref());
    Ok(folder.map(|folder| model::lora::peft::read_config(folder)).transpose()?)
}

/// The run in `folder` with the settings that were asked for, on its own copy of the pairs.
pub(crate) fn config(settings: &Settings, model: &Path, folder: &Path, held_out: bool) -> RunConfig {
    RunConfig {
        model: model.to_path_buf(),
        output_dir: folder.to_path_buf(),
        data: DataConfig {
            train: folder.join(PAIRS),
            eval: held_out.then(|| folder.join(EVAL_PAIRS)),
            ..DataConfig::default()
        },
        settings: settings.clone(),
        ..RunConfig::default()
    }
}

/// Writes a run's folder: its pairs, what the window knows of it, and its settings, last.
pub(crate) fn write_run(
    folder: &Path,
    model: &Path,
    request: &RunRequest,
    parts: &Parts,
    device: DeviceChoice,
) -> Result<()> {
    let config = RunConfig { device, ..config(&request.settings, model, folder, !parts.held_out.is_empty()) };
    config.validate()?;
    jsonl::write_pairs(&folder.join(PAIRS), &parts.train)?;
    if !parts.held_out.is_empty() {
        jsonl::write_pairs(&folder.join(EVAL_PAIRS), &parts.held_out)?;
    }
    let about = About {
        name: request.name.trim().to_owned(),
        held_out_share: request.held_out_share,
        model: request.model.clone(),
        from: request.from.clone(),
        made_of: parts.record.clone(),
    };
    write_json(&folder.join(ABOUT), &about)?;
    Ok(runs::prepare(&config)?)
}

/// Begins a run.
pub(in crate::window) fn start_run(backend: &Backend, request: StartRun) -> Result<RunView> {
    let StartRun { request, allow_changed_base, now } = request;
    let request = with_adapters(backend, &request)?;
    let project = backend.project(&request.project)?;
    refuse_first(on_name(&request.name))?;
    let model = model_path(backend, &request.model)?;
    let config = config(&request.settings, &model, Path::new("run"), false);
    train::check_adapters(&config, &provenance::digests(), allow_changed_base)?;
    let parts = parts(&project, &request)?;
    let folder = new_folder(&project.folder().join(RUNS), &request.name)?;
    if let Err(error) = write_run(&folder, &model, &request, &parts, backend.device()) {
        // The folder was made a moment ago and holds no run; the first error is the one to report.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error);
    }
    if let Err(error) = queue::begin_run(backend, &project, &folder, allow_changed_base, now) {
        // What neither waits nor has begun would be a run that nobody asked for; whoever asks again makes another.
        if is_untouched(&folder) && !is_held(&folder)? && !backend.queues().waits(&folder) {
            let _ = std::fs::remove_dir_all(&folder);
        }
        return Err(error);
    }
    let run = backend.training().known(&project.name_of_folder(), &folder)?;
    locked(&run).begun_here = true;
    backend.changed(&project);
    view::of(backend, &project, &folder)
}

/// Asks a run to stop or pause: it writes a checkpoint and its adapter so far, and ends.
pub(in crate::window) fn stop_run(backend: &Backend, request: StopRun) -> Result<RunView> {
    let project = backend.project(&request.project)?;
    let folder = run_folder(&project, &request.run)?;
    if state(backend, &project, &folder)? != State::Running {
        let message = format!("the run {} is not going on", request.run);
        return Err(Error::new("not_running", message, "There is nothing to stop; resume it to train on."));
    }
    // A process that was only just started would take the request for an old one.
    let began = Instant::now();
    while !train::folder::is_held(&folder)? && began.elapsed() < STARTS_WITHIN {
        std::thread::sleep(Duration::from_millis(50));
    }
    runs::request_stop(&folder, request.pause)?;
    view::of(backend, &project, &folder)
}

/// Goes on with a run from its last checkpoint.
pub(in crate::window) fn resume_run(backend: &Backend, request: ResumeRun) -> Result<RunView> {
    let project = backend.project(&request.project)?;
    let folder = run_folder(&project, &request.run)?;
    let refused = match state(backend, &project, &folder)? {
        State::Running => Some("is going on already"),
        State::Finished => Some("is finished"),
        State::Queued if !request.now => Some("waits in the queue already"),
        State::Queued | State::Prepared | State::Interrupted | State::Paused | State::Stopped | State::Failed => None,
    };
    if let Some(why) = refused {
        let message = format!("the run {} {why}", request.run);
        return Err(Error::new("not_resumable", message, "Duplicate it to train again with other settings."));
    }
    provenance::check_resumable(&folder, request.allow_changed_base)?;
    bring_up_to_date(&folder)?;
    sweep::let_go_on(&folder)?;
    queue::begin_run(backend, &project, &folder, request.allow_changed_base, request.now)?;
    view::of(backend, &project, &folder)
}

fn state(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<State> {
    let run = backend.training().known(&project.name_of_folder(), folder)?;
    let run = locked(&run);
    backend.training().state(&run)
}
