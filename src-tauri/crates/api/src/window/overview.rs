//! What is in a project, and what to do next.

use super::types::{ImportView, NextStep, ProjectCounts, ProjectView, Screen};
use super::words::counted;
use super::{Backend, OpenProject, evaluation, training};
use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of a project's runs.
pub(crate) const RUNS: &str = runs::RUNS;

/// The folder of a project's evaluations.
pub(crate) const EVALS: &str = "evals";

/// The folder of what a project exports.
pub(crate) const EXPORTS: &str = "exports";

/// The folder of pairs that models without a run have scored.
pub(crate) const SCORES: &str = "scores";

/// Pairs from which training is worth a try.
const ENOUGH: usize = 50;

/// The project as its first screen shows it.
pub(super) fn of(backend: &Backend, project: &OpenProject) -> Result<ProjectView> {
    let about = project.about()?;
    let runs = runs(project)?;
    let (counted, imports, beside, annotators) = {
        let store = project.store();
        let imports = store.imports()?;
        let beside = project.beside_imports(&store, imports.len())?;
        (store.counts()?, imports, beside, store.annotators()?)
    };
    let counts = ProjectCounts {
        pairs: counted.pairs,
        items: counted.items,
        items_without_answers: counted.items_without_answers,
        single_labels: counted.single_labels,
        demonstrations: counted.demonstrations,
        labelled: counted.labelled,
        runs: runs.len(),
        runs_with_adapter: runs.iter().filter(|run| training::has_adapter(backend, project, run)).count(),
        evaluations: evaluations(project)?.len(),
    };
    let import = |import: prefs::store::Import| {
        let beside = beside.get(&import.id).copied().unwrap_or_default();
        ImportView {
            to_label: beside.items,
            single_labels: beside.single_labels,
            id: import.id,
            source: import.source,
            imported_at: import.imported_at,
            kind: import.kind,
            added: import.added,
            duplicates: import.duplicates,
            unknown_duplicates: import.duplicates.saturating_sub(beside.repeats),
            refused: import.refused,
            name: import.state.name,
            held_out: import.state.held_out,
            taken_back: import.state.taken_back,
        }
    };
    Ok(ProjectView {
        folder: project.name_of_folder(),
        name: about.name,
        note: about.note,
        is_demo: about.demo,
        next: next(&counts, about.model.is_some()),
        model: about.model,
        counts,
        imports: imports.into_iter().rev().map(import).collect(),
        annotators,
    })
}

/// The folders of a project's runs. One without settings holds no run, or one that is being written.
pub(super) fn runs(project: &OpenProject) -> Result<Vec<PathBuf>> {
    let mut runs = folders(&project.folder().join(RUNS))?;
    runs.retain(|folder| folder.join(train::folder::CONFIG).is_file());
    Ok(runs)
}

/// The folders of a project's evaluations.
pub(super) fn evaluations(project: &OpenProject) -> Result<Vec<PathBuf>> {
    let mut evaluations = folders(&project.folder().join(EVALS))?;
    evaluations.retain(|folder| evaluation::is_evaluation(folder));
    Ok(evaluations)
}

/// The folders in a folder, by name; none where it is not there.
pub(crate) fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(path)(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file(path))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// What to do next, the most useful first.
fn next(counts: &ProjectCounts, has_model: bool) -> Vec<NextStep> {
    let mut steps = Vec::new();
    let mut step = |screen, sentence: String| steps.push(NextStep { screen, sentence });
    if counts.pairs == 0 && counts.items == 0 {
        step(Screen::Data, "Bring in a file: preference pairs to train on, or prompts and answers to label.".into());
    }
    if !has_model {
        step(Screen::Project, "Choose the model to make better.".into());
    }
    if counts.evaluations > 0 {
        step(Screen::Evaluate, "See whether the model got better.".into());
        step(
            Screen::Train,
            "Look at the pairs as the trained model sees them, mend labels that are wrong, and train again.".into(),
        );
        step(Screen::Export, "Export the adapter, the report or the labels.".into());
    } else if counts.runs_with_adapter > 0 {
        step(Screen::Evaluate, "A run has trained an adapter: compare its answers with the base model's.".into());
    } else if counts.runs > 0 {
        step(Screen::Train, "See how the run goes.".into());
    }
    let train = (counts.runs == 0 && counts.pairs > 0)
        .then(|| (Screen::Train, format!("Train on {}.", counted(counts.pairs, "pair", "pairs"))));
    let open = counts.items.saturating_sub(counts.items_without_answers).saturating_sub(counts.labelled);
    let label = (open > 0).then(|| {
        let few = if counts.pairs < ENOUGH { " Some hundred pairs are a good start." } else { "" };
        (Screen::Label, format!("Judge answers: {} for you.{few}", counted(open, "item waits", "items wait")))
    });
    let both = if counts.pairs >= ENOUGH { [train, label] } else { [label, train] };
    for (screen, sentence) in both.into_iter().flatten() {
        step(screen, sentence);
    }
    if counts.items_without_answers > 0 {
        let prompts = counted(counts.items_without_answers, "prompt has", "prompts have");
        step(Screen::Label, format!("{prompts} no answers yet: let the model write two for each, then judge them."));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_on_the_page() {
        let steps = next(&ProjectCounts { pairs: 12_345, ..ProjectCounts::default() }, true);
        assert_eq!(steps[0].sentence, "Train on 12,345 pairs.");
    }

    fn screens(counts: &ProjectCounts, has_model: bool) -> Vec<Screen> {
        next(counts, has_model).into_iter().map(|step| step.screen).collect()
    }

    #[test]
    fn each_state_of_a_project_has_something_to_do_next() {
        let empty = ProjectCounts::default();
        assert_eq!(screens(&empty, false), [Screen::Data, Screen::Project]);
        let few = ProjectCounts { pairs: 3, items: 40, labelled: 3, ..empty };
        assert_eq!(screens(&few, true), [Screen::Label, Screen::Train]);
        let many = ProjectCounts { pairs: 200, items: 200, ..empty };
        assert_eq!(screens(&many, true), [Screen::Train, Screen::Label]);
        let prompts = ProjectCounts { items: 10, items_without_answers: 10, ..empty };
        assert_eq!(screens(&prompts, true), [Screen::Label]);
        let trained = ProjectCounts { pairs: 200, runs: 1, runs_with_adapter: 1, ..empty };
        assert_eq!(screens(&trained, true), [Screen::Evaluate]);
        let judged = ProjectCounts { evaluations: 1, ..trained };
        assert_eq!(screens(&judged, true), [Screen::Evaluate, Screen::Train, Screen::Export]);
    }
}
