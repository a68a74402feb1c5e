//! The queue of a project, in words.

use crate::arguments::{QueueArguments, QueueCommand};
use crate::commands::Print;
use api::window::types::QueueView;
use api::window::{Headless, Queued};
use api::words::counted;
use api::{Context, DeviceChoice, Result};
use numbers::size;
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(arguments: QueueArguments, print: &Print<'_>, context: &mut Context<'_>) -> Result<()> {
    let open = |folder: &Path| Headless::open(folder, DeviceChoice::default());
    match arguments.command {
        QueueCommand::List { of } => shown(&open(&of.project)?.queue()?, print),
        QueueCommand::Add { run, of, allow } => {
            let project = open(&of.project)?;
            let file = Path::new(&run);
            let queued = if file.is_file() {
                project.add_run(file, allow.allow_changed_base, context)?
            } else {
                project.add_again(&run, allow.allow_changed_base)?
            };
            print("queued", &queued, added(&queued));
        }
        QueueCommand::Move { run, place, of } => {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            shown(&open(&of.project)?.move_in_queue(&run, place)?, print);
        }
        QueueCommand::Remove { run, of } => shown(&open(&of.project)?.leave_queue(&run)?, print),
        QueueCommand::AtMost { runs, of } => {
            let project = open(&of.project)?;
            project.set_at_most(runs)?;
            project.begin_waiting()?;
            shown(&project.queue()?, print);
        }
        QueueCommand::Run { of } => {
            let project = open(&of.project)?;
            let failed = project.run_queue(context);
            shown(&project.queue()?, print);
            failed?;
        }
    }
    Ok(())
}

fn shown(view: &QueueView, print: &Print<'_>) {
    print("queue", view, words(view));
}

fn added(queued: &Queued) -> String {
    match (queued.place, &queued.why) {
        (Some(place), Some(why)) => format!("{} waits in place {place}: {why}", queued.run),
        _ => format!("{} trains", queued.run),
    }
}

fn words(view: &QueueView) -> String {
    let memory = |needed: Option<u64>| needed.map_or(String::new(), |needed| format!(" ({})", size(needed)));
    let free = view.memory_free.map_or(String::new(), |free| format!("; {} of memory are free", size(free)));
    let mut words = format!(
        "at most {} at once, each with {} of {}{free}",
        counted(view.at_most, "run", "runs"),
        counted(view.threads, "thread", "threads"),
        counted(view.cores, "core", "cores"),
    );
    for training in &view.training {
        let _ = write!(words, "\n  trains: {}{}", training.name, memory(training.memory_needed));
    }
    for (place, waiting) in view.waiting.iter().enumerate() {
        let run = named(&waiting.run, &waiting.name);
        let _ = write!(words, "\n  {}. {run}{}: {}", place + 1, memory(waiting.memory_needed), waiting.why);
    }
    if view.waiting.is_empty() {
        words += "\nnothing waits";
    }
    for failed in &view.failed {
        let _ = write!(words, "\n  did not end well: {} {}", named(&failed.run, &failed.name), failed.what);
    }
    if view.elsewhere > 0 {
        let runs = counted(view.elsewhere, "run", "runs");
        let _ = write!(
            words,
            "\n{runs} waited in the project that this is a copy of; here they do not begin by themselves"
        );
    }
    words
}

/// A run by its folder, and by its name where that is another.
fn named(run: &str, name: &str) -> String {
    if run == name { run.to_owned() } else { format!("{run} ({name})") }
}
