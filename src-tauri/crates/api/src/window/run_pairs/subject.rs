//! Whose pairs are looked at: those of a run, or those that a model without a run has scored.

use super::super::model_scores;
use super::super::training::{RunIdentity, run_identity};
use super::super::types::{PairMeasure, PairScorer};
use super::super::{Backend, OpenProject};
use crate::error::Result;
use crate::model_scores::{FILE, ModelScores};
use prefs::Pair;
use std::path::PathBuf;
use train::folder::Begun;

pub(super) enum Subject {
    Run(Box<RunIdentity>),
    /// The folder of scores.
    Scores(PathBuf),
}

impl Subject {
    /// # Errors
    /// When there is no run, or are no scores, of that name.
    pub(super) fn find(backend: &Backend, project: &OpenProject, named: &str, by: PairScorer) -> Result<Self> {
        Ok(match by {
            PairScorer::Model => Self::Scores(model_scores::folder(project, named)?),
            PairScorer::Training | PairScorer::Run | PairScorer::Folds(_) => {
                Self::Run(Box::new(run_identity(backend, project, named)?))
            }
        })
    }

    pub(super) fn folder(&self) -> &PathBuf {
        match self {
            Self::Run(run) => &run.folder,
            Self::Scores(folder) => folder,
        }
    }

    /// The pairs as they were.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn texts(&self) -> Result<Texts> {
        Ok(match self {
            Self::Run(run) => Texts::Run(Box::new(Begun::read(&run.folder)?)),
            Self::Scores(folder) => Texts::Scores(Box::new(ModelScores::read(folder)?)),
        })
    }

    /// What stands in the places of the rewards.
    ///
    /// # Errors
    /// When the scores cannot be read.
    pub(super) fn measure(&self) -> Result<PairMeasure> {
        Ok(match self {
            Self::Scores(folder) if ModelScores::about(folder)?.adapter.is_none() => PairMeasure::LogpsPerToken,
            Self::Run(_) | Self::Scores(_) => PairMeasure::Reward,
        })
    }

    /// The file that scores of a model without a run stand in.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Run(_) => None,
            Self::Scores(folder) => Some(folder.join(FILE)),
        }
    }
}

/// The texts of pairs, by their lines.
pub(super) enum Texts {
    Run(Box<Begun>),
    Scores(Box<ModelScores>),
}

impl Texts {
    pub(super) fn of(&self, held_out: bool, line: usize) -> Option<&Pair> {
        match self {
            Self::Run(begun) => {
                let rows = if held_out { begun.eval.as_ref()? } else { &begun.train };
                rows.pairs.get(line.checked_sub(1)?)
            }
            Self::Scores(_) if held_out => None,
            Self::Scores(scores) => {
                let at = scores.lines.binary_search_by_key(&line, |scored| scored.line).ok()?;
                Some(&scores.lines[at].pair)
            }
        }
    }
}
