//! What a run is computed on, checked to be what it was: the model, the run's own rows, the adapters that it begins with, and
//! the checkpoint that it resumes from.

use crate::base::{self, Base, Stamps};
use crate::checkpoint;
use crate::config::{Resume, RunConfig};
use crate::digests::Digests;
use crate::error::{Error, Result};
use crate::events::{self, Event};
use crate::folder::{CONFIG, PAIRS};
use crate::origin::{self, AdapterOf, Origin, OtherBase, base_of_adapter, base_of_run, run_of_checkpoint};
use std::path::Path;

/// What a run is computed on.
pub(crate) struct Grounds {
    pub(crate) base: Base,
    stamps: Stamps,
    /// The model that the run was computed on before, where something was.
    before: Option<Base>,
    /// What could not be compared, and what was asked for although it is not as it was.
    notes: Vec<String>,
}

impl Grounds {
    /// Checks what the run in `config.output_dir` is about to be computed on.
    pub(crate) fn of(config: &RunConfig, resuming: bool, digests: &Digests, allowed: bool) -> Result<Self> {
        let (run, model) = (&config.output_dir, &config.model);
        let mut notes = if resuming { origin::check_run(run)? } else { Vec::new() };
        let stamps = Stamps::of(model)?;
        let base = Base::read(model, digests)?;
        let before = base_of_run(run)?;
        if let Some(before) = &before {
            let of = format!("the one that the run in {} was computed on", run.display());
            base::check(&of, before, model, &base, allowed)?;
            if before.is_of_weights_alone() {
                notes.push(
                    "the run is of an earlier version, which noted no digests of tokenizer and chat template; only weights and \
                     configuration of the model were compared"
                        .into(),
                );
            }
        }
        let origin = Origin::read(run)?;
        // The choice is made when the run begins: later it is only told.
        let allowed_adapters = allowed || before.is_some();
        let adapters = [("init_adapter", &origin.init_adapter), ("ref_adapter", &origin.ref_adapter)];
        for (key, adapter) in adapters {
            let Some(AdapterOf { path, base: Some(trained_on), .. }) = adapter else { continue };
            notes.extend(base::check(&trained(key, path), trained_on, model, &base, allowed_adapters)?);
        }
        if let (Resume::From(folder), false) = (&config.resume_from_checkpoint, resuming) {
            notes.extend(check_elsewhere(config, folder, &origin, &base, allowed)?);
        }
        Ok(Self { base, stamps, before, notes })
    }

    /// Makes sure that what was loaded is what was checked.
    pub(crate) fn check_unchanged(&self, config: &RunConfig) -> Result<()> {
        if Stamps::of(&config.model)? == self.stamps {
            return Ok(());
        }
        let what = "its files were changed while it was loaded";
        Err(Error::ChangedFile {
            path: config.model.clone(),
            what: what.into(),
            hint: "Wait until they are written, then try again.".into(),
        })
    }

    /// Keeps in the run's record what it goes on with after `step`. Answers with what is to be told.
    pub(crate) fn note(&self, run: &Path, step: u64) -> Result<Vec<String>> {
        let mut origin = Origin::read(run)?;
        let old = serde_json::to_value(&origin).ok();
        match &self.before {
            Some(before) if !before.differences(&self.base).is_empty() => {
                origin.base.get_or_insert_with(|| before.clone());
                origin.other_bases.push(OtherBase { from_step: step, base: self.base.clone() });
            }
            Some(before) if !before.is_of_weights_alone() => {}
            _ => origin.base = Some(self.base.clone()),
        }
        origin::note_rows(run, &mut origin)?;
        if serde_json::to_value(&origin).ok() != old {
            origin.write(run)?;
        }
        Ok(self.notes.iter().cloned().chain(origin.mixed()).collect())
    }
}

fn trained(key: &str, adapter: &Path) -> String {
    format!("the one that {key} ({}) was trained on", adapter.display())
}

/// Refuses what a new run would be refused for, before its folder is taken, so that it can be begun there when that is mended.
pub(crate) fn check_beginning(config: &RunConfig, digests: &Digests, allowed: bool) -> Result<()> {
    if config.output_dir.join(CONFIG).exists() {
        return Ok(());
    }
    if let Resume::From(folder) = &config.resume_from_checkpoint
        && checkpoint::state(folder)?.config_digest != config.digest()?
    {
        return Err(other_settings(config, folder));
    }
    check_adapters(config, digests, allowed)
}

/// Makes sure that the adapters that a new run is to begin with are what they were, and of its model.
///
/// # Errors
/// [`Error::ChangedBase`] unless that is `allowed`, [`Error::ChangedFile`], or when something cannot be read.
pub fn check_adapters(config: &RunConfig, digests: &Digests, allowed: bool) -> Result<()> {
    let mut read = None;
    for (key, adapter) in
        [("init_adapter", &config.settings.init_adapter), ("ref_adapter", &config.settings.ref_adapter)]
    {
        let Some(adapter) = adapter else { continue };
        origin::check_adapter(adapter)?;
        if let Some(trained_on) = base_of_adapter(adapter)? {
            let base = match &mut read {
                Some(base) => base,
                none => none.insert(Base::read(&config.model, digests)?),
            };
            base::check(&trained(key, adapter), &trained_on, &config.model, base, allowed)?;
        }
    }
    Ok(())
}

/// Makes sure that a new run resumes another run's checkpoint with the same model and pairs. Answers with what could not
/// be compared.
fn check_elsewhere(
    config: &RunConfig,
    folder: &Path,
    own: &Origin,
    base: &Base,
    allowed: bool,
) -> Result<Option<String>> {
    let Some(other) = run_of_checkpoint(folder) else {
        return Ok(Some(format!(
            "the checkpoint {} lies outside its run: whether model and pairs are those that it was computed on cannot be told",
            folder.display()
        )));
    };
    let of = format!("the one that the run in {} was computed on", other.display());
    let note = match base_of_run(&other)? {
        Some(expected) => base::check(&of, &expected, &config.model, base, allowed)?,
        None => None,
    };
    let origin = Origin::read(&other)?;
    if let (Some(noted), Some(own)) = (&origin.pairs, &own.pairs)
        && noted != own
    {
        return Err(Error::ChangedFile {
            path: config.output_dir.join(PAIRS),
            what: format!(
                "it has {own}, where the run in {}, whose checkpoint is to be resumed, has {noted}",
                other.display()
            ),
            hint: format!(
                "Name that run's own pairs as data.train, or train on from its adapter with init_adapter = \"{}\" instead of \
                 resume_from_checkpoint; choose another output_dir.",
                folder.display()
            ),
        });
    }
    Ok(note)
}

/// The refusal of a checkpoint that was written under other settings, by their names where they are known.
pub(crate) fn other_settings(config: &RunConfig, checkpoint: &Path) -> Error {
    let earlier = run_of_checkpoint(checkpoint).and_then(|run| RunConfig::of_run(&run).ok());
    let changes = earlier.and_then(|earlier| config.changes_since(&earlier).ok());
    Error::OtherSettings { path: checkpoint.to_path_buf(), changes: changes.unwrap_or_default() }
}

/// What is to be said where the newest checkpoint that a run tells of is not there; `found` is the step of the one that is.
pub(crate) fn lost_checkpoint(run: &Path, found: Option<u64>) -> Result<Option<String>> {
    let lines = events::effective(events::read(&run.join(events::FILE))?);
    let newest = lines.iter().rev().find_map(|line| match line.event {
        Event::Checkpoint { step, .. } => Some(step),
        _ => None,
    });
    let Some(newest) = newest.filter(|&newest| found.is_none_or(|found| found < newest)) else { return Ok(None) };
    let from = found.map_or("from the beginning".to_owned(), |step| format!("after step {step}"));
    Ok(Some(format!("{} is not here any more: the run goes on {from}", checkpoint::folder_of(newest).display())))
}
