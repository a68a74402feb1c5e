//! What an adapter has learned from: the pairs of its run, and of the runs that this one began from.

use crate::error::Result;
use prefs::checks::{fingerprint, leaked_prompts};
use prefs::store::Prompts;
use prefs::{Content, Pair, jsonl};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use train::folder::{CONFIG, PAIRS};
use train::{RunConfig, Settings};

/// Runs that began from one another are followed so far back.
const MOST_RUNS: usize = 100;
/// An adapter lies in its run's folder, a checkpoint's two folders further down.
const DEPTH: usize = 4;

/// The runs that trained an adapter, the last one first.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    runs: Vec<PathBuf>,
    /// Whether the first of them began with an adapter whose run is not there.
    is_cut_off: bool,
}

impl Lineage {
    /// Of an adapter.
    ///
    /// # Errors
    /// When the settings of a run cannot be read.
    pub(crate) fn of_adapter(adapter: &Path) -> Result<Self> {
        let mut lineage = Self::default();
        lineage.follow(adapter, None)?;
        Ok(lineage)
    }

    /// Of the adapter that a run began with: of the runs before it.
    ///
    /// # Errors
    /// When the settings of a run cannot be read.
    pub(crate) fn before(run: &Path) -> Result<Self> {
        let mut lineage = Self::default();
        if run.join(CONFIG).is_file()
            && let Some(adapter) = begins_with(&RunConfig::of_run(run)?.settings)
        {
            lineage.follow(&adapter, run.parent())?;
        }
        Ok(lineage)
    }

    fn follow(&mut self, adapter: &Path, beside: Option<&Path>) -> Result<()> {
        let (mut next, mut beside) = (Some(adapter.to_path_buf()), beside.map(Path::to_path_buf));
        while let Some(adapter) = next {
            let found = run_of(&adapter, beside.as_deref()).filter(|run| !self.runs.contains(run));
            let Some(run) = found.filter(|_| self.runs.len() < MOST_RUNS) else {
                self.is_cut_off = true;
                return Ok(());
            };
            next = begins_with(&RunConfig::of_run(&run)?.settings);
            beside = run.parent().map(Path::to_path_buf);
            self.runs.push(run);
        }
        Ok(())
    }

    /// Positions of those `prompts` that one of the runs was trained on.
    ///
    /// # Errors
    /// When the pairs of a run cannot be read.
    pub(crate) fn learned(&self, prompts: &[&Content]) -> Result<HashSet<usize>> {
        let mut learned = HashSet::new();
        for run in &self.runs {
            let trained = jsonl::read_pairs(&run.join(PAIRS))?.into_pairs();
            learned.extend(leaked_prompts(&trained, prompts.iter().copied()));
        }
        Ok(learned)
    }

    /// How many of those `prompts` one of the runs was trained on.
    fn learned_of(&self, prompts: &Prompts) -> Result<usize> {
        let mut learned = Prompts::new();
        for run in self.runs.iter().filter(|_| !prompts.is_empty()) {
            let trained = jsonl::read_pairs(&run.join(PAIRS))?.into_pairs();
            learned.extend(trained.iter().map(|pair| fingerprint(&pair.prompt)).filter(|one| prompts.contains(one)));
        }
        Ok(learned.len())
    }
}

/// The adapter that training begins with.
fn begins_with(settings: &Settings) -> Option<PathBuf> {
    settings.init_adapter.clone().or_else(|| settings.ref_adapter.clone())
}

/// The folder of the run that an adapter lies in; where the project was moved, that of its name `beside` the run that began from
/// it.
fn run_of(adapter: &Path, beside: Option<&Path>) -> Option<PathBuf> {
    let is_run = |folder: &Path| folder.join(CONFIG).is_file() && folder.join(PAIRS).is_file();
    let folders: Vec<&Path> = adapter.ancestors().skip(1).take(DEPTH).collect();
    let there = folders.iter().find(|folder| is_run(folder)).map(|folder| folder.to_path_buf());
    there.or_else(|| {
        let mut named = folders.iter().filter_map(|folder| Some(beside?.join(folder.file_name()?)));
        named.find(|folder| is_run(folder))
    })
}

/// What is to be kept in mind of a run that begins with an adapter and looks at these held-out pairs, with prompts that are held out
/// beside them, as sentences without a full stop.
///
/// # Errors
/// When a run that it began from cannot be read.
pub(crate) fn warns(settings: &Settings, held_out: &[&Pair], asked: &Prompts) -> Result<Vec<String>> {
    let any = !held_out.is_empty() || !asked.is_empty();
    let Some(adapter) = begins_with(settings).filter(|_| any) else { return Ok(Vec::new()) };
    let lineage = Lineage::of_adapter(&adapter)?;
    let prompts: Vec<&Content> = held_out.iter().map(|pair| &pair.prompt).collect();
    let learned = lineage.learned(&prompts)?.len();
    let mut says = Vec::new();
    if learned > 0 {
        says.push(format!(
            "the adapter that it begins with was trained on the prompts of {learned} of the {} held-out pairs: numbers on them say \
             little of prompts that it has not seen",
            held_out.len()
        ));
    }
    let learned = lineage.learned_of(asked)?;
    if learned > 0 {
        says.push(format!(
            "the adapter that it begins with was trained on {learned} of the {} held-out prompts that are of no pair",
            asked.len()
        ));
    }
    if lineage.is_cut_off {
        says.push(
            "the adapter that it begins with, or one before it, lies in no run's folder: whether it was trained on the held-out \
             pairs is not known"
                .to_owned(),
        );
    }
    Ok(says)
}
