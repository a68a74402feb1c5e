//! Evaluations that are of no run: two models, answers from files, the chosen answers of the project's pairs.

use super::super::OpenProject;
use super::super::types::{EvalRequest, PromptSource, SideRequest};
use crate::error::{Error, Result};
use prefs::{Pair, jsonl};
use std::path::{Path, PathBuf};

/// In the evaluation's folder, the pairs whose chosen answers stand on a side.
const PAIRS: &str = "pairs.jsonl";

/// Pairs of a project, and what they are called.
pub(super) struct OfProject {
    pub(super) pairs: Vec<Pair>,
    pub(super) name: &'static str,
}

impl OfProject {
    /// Those that are marked as held out; all where none is.
    ///
    /// # Errors
    /// When the project cannot be read.
    pub(super) fn read(project: &OpenProject) -> Result<Self> {
        let store = project.another_store()?;
        let marked = store.held_out_by_imports()?;
        let (held_out, others): (Vec<_>, Vec<_>) =
            store.training_pairs()?.into_iter().partition(|sourced| marked.contains_key(&sourced.id));
        let (rows, name) = if held_out.is_empty() {
            (others, "pairs of the project")
        } else {
            (held_out, "held-out pairs of the project")
        };
        Ok(Self { pairs: rows.into_iter().map(|sourced| sourced.pair).collect(), name })
    }
}

/// The pairs that an evaluation without a run needs; nothing where it asks about none.
///
/// # Errors
/// When both sides are not said, or the project has no pairs and is to be asked about them.
pub(super) fn needed(project: &OpenProject, request: &EvalRequest) -> Result<Option<OfProject>> {
    let Some(sides) = &request.sides else {
        let message = "without a run it is not known what is compared";
        return Err(Error::new("no_sides", message, "Choose a run, or what stands on both sides."));
    };
    if !sides.contains(&SideRequest::Chosen) && request.prompts != PromptSource::HeldOut {
        return Ok(None);
    }
    let of_project = OfProject::read(project)?;
    if of_project.pairs.is_empty() {
        let hint = "Import or label pairs, or choose a file of prompts and other sides.";
        return Err(Error::new("no_pairs", "this project has no pairs to ask about", hint));
    }
    Ok(Some(of_project))
}

/// Keeps the pairs in the evaluation's folder: the project's may be others when it is resumed.
///
/// # Errors
/// When the disk refuses.
pub(super) fn keep(of_project: Option<&OfProject>, folder: &Path) -> Result<()> {
    if let Some(of_project) = of_project {
        jsonl::write_pairs(&folder.join(PAIRS), &of_project.pairs)?;
    }
    Ok(())
}

/// The pairs that were kept.
pub(super) fn kept(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(PAIRS)).filter(|path| path.is_file())
}
