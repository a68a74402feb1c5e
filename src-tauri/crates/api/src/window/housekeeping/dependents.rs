//! What hangs on an item that is to be deleted, and who is at work with it.

use super::super::exports::Record;
use super::super::overview::EXPORTS;
use super::super::types::{Dependents, ItemKind, ItemOf};
use super::super::{Backend, evaluation, overview, training};
use super::disk::bytes_of;
use super::{Item, name_of};
use crate::error::{Error, Result};

/// What refers to an item, and what becomes of that when it is deleted.
pub(in crate::window) fn dependents(backend: &Backend, request: ItemOf) -> Result<Dependents> {
    let item = Item::of(backend, &request)?;
    refuse_in_use(backend, &item)?;
    let sentences = match item.kind {
        ItemKind::Run => of_run(backend, &item)?,
        ItemKind::Evaluation => of_evaluation(backend, &item)?,
        ItemKind::Export | ItemKind::Scores => Vec::new(),
    };
    Ok(Dependents { name: item.name(backend), sentences, bytes: bytes_of(&item.folder)? })
}

/// # Errors
/// When a process trains it, it waits for its turn, or a job is at work with it.
pub(super) fn refuse_in_use(backend: &Backend, item: &Item) -> Result<()> {
    let name = item.name(backend);
    if item.kind == ItemKind::Run
        && let Some((why, hint)) = training::in_use(backend, &item.project, &item.folder)?
    {
        return Err(Error::new("in_use", format!("the run {name} {why}"), hint));
    }
    if let Some(job) = backend.job_using(&item.folder) {
        return Err(in_use(&name, &job.title));
    }
    Ok(())
}

/// For what a job reads or writes now.
pub(in crate::window) fn in_use(name: &str, job: &str) -> Error {
    let message = format!("{name} is in use by a job: {job}");
    Error::new("in_use", message, "Wait for the job, or stop it, and try again.")
}

fn of_run(backend: &Backend, item: &Item) -> Result<Vec<String>> {
    let mut evaluations = Vec::new();
    for folder in overview::evaluations(&item.project)? {
        if evaluation::run_of(&folder).is_ok_and(|run| run == item.item) {
            evaluations.push(name_of(backend, &item.project, ItemKind::Evaluation, &folder));
        }
    }
    let mut exports = Vec::new();
    for folder in overview::folders(&item.project.folder().join(EXPORTS))? {
        if Record::read(&folder).is_ok_and(|record| record.run() == Some(item.item.as_str())) {
            exports.push(name_of(backend, &item.project, ItemKind::Export, &folder));
        }
    }
    let relatives = training::relatives(backend, &item.project, &item.folder)?;
    let mut sentences = Vec::new();
    let mut say = |names: &[String], one: &str, many: &str, then: &str| {
        if let Some(listed) = listed(names) {
            let many = format!("{} {many}", names.len());
            sentences.push(format!("{} ({listed}). {then}", if names.len() == 1 { one } else { &many }));
        }
    };
    let found = if evaluations.len() == 1 {
        "What it found stays; if it was broken off, it cannot be resumed."
    } else {
        "What they found stays; one that was broken off cannot be resumed."
    };
    say(&evaluations, "One evaluation is of it", "evaluations are of it", found);
    say(
        &relatives.made_from_it,
        "One run was made from its settings",
        "runs were made from its settings",
        if relatives.made_from_it.len() == 1 {
            "It stays as it is, but can no longer be compared with it."
        } else {
            "They stay as they are, but can no longer be compared with it."
        },
    );
    say(
        &relatives.began_from_it,
        "One run began from its adapter",
        "runs began from its adapter",
        if relatives.began_from_it.len() == 1 {
            "It has a copy of its own and can be resumed."
        } else {
            "They have copies of their own and can be resumed."
        },
    );
    let stay = if exports.len() == 1 { "It stays as it is." } else { "They stay as they are." };
    say(&exports, "One export was made from it", "exports were made from it", stay);
    Ok(sentences)
}

fn of_evaluation(backend: &Backend, item: &Item) -> Result<Vec<String>> {
    let mut again = Vec::new();
    for folder in overview::evaluations(&item.project)? {
        if evaluation::answers_of(&folder).is_ok_and(|of| of.as_deref() == Some(item.item.as_str())) {
            again.push(name_of(backend, &item.project, ItemKind::Evaluation, &folder));
        }
    }
    let one = again.len() == 1;
    let what = if one { "One evaluation judges".to_owned() } else { format!("{} evaluations judge", again.len()) };
    Ok(listed(&again)
        .map(|names| format!("{what} the same answers again ({names}). The answers are there, too, and stay."))
        .into_iter()
        .collect())
}

/// The first names of several, and how many there are beside them; nothing of none.
fn listed(names: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    match (names.is_empty(), more) {
        (true, _) => None,
        (_, 0) => Some(first),
        (_, more) => Some(format!("{first} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_stand_for_many() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(listed(&[]), None);
        assert_eq!(listed(&names[..2]).as_deref(), Some("a, b"));
        assert_eq!(listed(&names).as_deref(), Some("a, b, c and 2 more"));
    }
}
