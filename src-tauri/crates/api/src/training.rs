//! Training runs.

use crate::context::{Context, Update};
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::find_model;
use crate::window::RunJudge;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use train::{Outcome, RunConfig, Surroundings};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainReply {
    /// The run's folder.
    pub run: PathBuf,
    /// Its adapter, in PEFT's format.
    pub adapter: PathBuf,
    /// Whether the run had been finished before.
    pub already_finished: bool,
}

/// Trains as a settings file says, in this process; where that is allowed, also on another model than the run, or an adapter
/// that it begins with, was computed on before.
///
/// # Errors
/// When a setting, the model or the data cannot be used, or training fails; checkpoints written before are whole.
pub fn train(config: &Path, allow_changed_base: bool, context: &mut Context) -> Result<TrainReply> {
    let mut config = hub_paths::run(config, RunConfig::read(config)?, context)?;
    config.model = find_model(&config.model, context)?;
    run(&config, allow_changed_base, context, &AtomicBool::new(false))
}

/// Goes on with the run that a folder holds: what the process started for a run does. Besides the context's `stop`, a
/// request left in the folder stops it.
///
/// # Errors
/// As [`train`], and when the folder holds no run.
pub fn work(folder: &Path, allow_changed_base: bool, context: &mut Context) -> Result<TrainReply> {
    let mut config = runs::prepared(folder)?;
    // Of a model that is not there, the run's own events tell.
    if let Ok(model) = find_model(&config.model, context) {
        config.model = model;
    }
    let mut judge = RunJudge::of(folder);
    runs::while_listening(folder, context.stop, |stop, pause| {
        let mut observer = |update: &Update| {
            (context.observer)(update);
            // A rule whose decision cannot be written stops nothing: the run goes on.
            if let (Update::Run(event), Some(judge)) = (update, &mut judge)
                && judge.stops(event).unwrap_or(false)
            {
                stop.store(true, Ordering::SeqCst);
            }
        };
        run(&config, allow_changed_base, &mut Context { observer: &mut observer, stop }, pause)
    })
}

fn run(config: &RunConfig, allow_changed_base: bool, context: &mut Context, pause: &AtomicBool) -> Result<TrainReply> {
    // Others find a run that could not say so by the lock of its folder.
    let _present = crate::next::machine()?.enter(&config.output_dir, runs::memory_of_this_process()).ok();
    let cache = hub::cache_dir()?.join("reference");
    let stop = context.stop;
    let observer = &mut |event: &train::events::Event| context.tell(&Update::Run(Box::new(event.clone())));
    let surroundings = Surroundings { cache_folder: &cache, allow_changed_base, stop, pause, observer };
    reply(config, train::run(config, surroundings)?)
}

pub(crate) fn reply(config: &RunConfig, outcome: Outcome) -> Result<TrainReply> {
    match outcome {
        Outcome::Finished { adapter, already } => {
            Ok(TrainReply { run: config.output_dir.clone(), adapter, already_finished: already })
        }
        Outcome::Cancelled { step } => Err(Error {
            message: format!("stopped after step {step}, as asked; a checkpoint and the adapter so far are written"),
            hint: "Set resume_from_checkpoint = true to resume there.".into(),
            ..Error::cancelled()
        }),
    }
}
