//! A run among the others of its project: what was made from it, and what of its folder others may need.

use super::super::{Backend, OpenProject, locked, overview};
use super::{About, run_identity};
use crate::error::Result;
use runs::State;
use std::path::Path;
use train::events::Event;

/// The runs that refer to one, by their names.
pub(in crate::window) struct Relatives {
    /// Made from its settings, with changes.
    pub(in crate::window) made_from_it: Vec<String>,
    /// Begun from its adapter, or held to it as the reference.
    pub(in crate::window) began_from_it: Vec<String>,
}

/// The runs that refer to the run in a folder.
pub(in crate::window) fn relatives(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<Relatives> {
    let own = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Relatives { made_from_it: Vec::new(), began_from_it: Vec::new() };
    for other in overview::runs(project)? {
        if other == folder {
            continue;
        }
        // What cannot be read is told of in the list.
        let Ok(run) = backend.training().known(&project.name_of_folder(), &other) else { continue };
        let run = locked(&run);
        let settings = &run.config.settings;
        if [&settings.init_adapter, &settings.ref_adapter].into_iter().flatten().any(|path| path.starts_with(folder)) {
            found.began_from_it.push(run.title().to_owned());
        } else if run.about.from.as_deref() == Some(&own) {
            found.made_from_it.push(run.title().to_owned());
        }
    }
    Ok(found)
}

/// What the run in a folder was called when it was made, wherever the folder lies.
pub(in crate::window) fn first_name(folder: &Path) -> Result<String> {
    let own = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(About::read(folder)?.map_or_else(own, |about| about.name))
}

/// What a run is called; by its folder's name where it is not there any more.
pub(super) fn name_of(backend: &Backend, project: &OpenProject, run: &str) -> String {
    run_identity(backend, project, run).map_or_else(|_| run.to_owned(), |run| run.name)
}

/// Why a run must stay where it is, with what to do: a process trains in its folder, or is about to, or it waits for its turn.
pub(in crate::window) fn in_use(
    backend: &Backend,
    project: &OpenProject,
    folder: &Path,
) -> Result<Option<(&'static str, &'static str)>> {
    let known = backend.training().known(&project.name_of_folder(), folder);
    // One that cannot be read may be deleted, unless a process holds it.
    let state = known.and_then(|run| backend.training().state(&locked(&run))).ok();
    Ok(match state {
        Some(State::Queued) => Some(("waits in the queue", "Take it out of the queue first.")),
        _ if state == Some(State::Running) || train::folder::is_held(folder)? => {
            Some(("is training", "Stop it first: it then keeps its adapter as of its last step."))
        }
        _ => None,
    })
}

/// The step whose adapter is the best so far, of a run that keeps that one.
pub(in crate::window) fn best_step(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<Option<u64>> {
    let run = backend.training().known(&project.name_of_folder(), folder)?;
    let run = locked(&run);
    if !run.config.settings.load_best_model_at_end {
        return Ok(None);
    }
    Ok(run.events.lines().iter().rev().find_map(|line| match &line.event {
        Event::Eval(eval) if eval.best => Some(eval.step),
        _ => None,
    }))
}
