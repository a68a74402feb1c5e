//! Checkpoints: all that a run needs to be resumed bit for bit.
//!
//! `checkpoints/step-N/` holds the adapter in PEFT's format, `optimizer.safetensors` (the moments), `state.json`, and in
//! `ref/` the adapter of a reference that follows the policy. It is written under a temporary name, synced and renamed, so
//! that a folder called `step-N` is whole; `state.json` holds the digests of the other files and of itself, so that one that
//! was damaged or edited later is noticed.

use crate::base::short;
use crate::error::{Error, Result};
use crate::files::{create_folder, sha256_of_file, sync_folder, sync_parent, write_whole};
use crate::folder::REFERENCE;
use crate::metrics::Window;
use crate::optimizer::AdamW;
use crate::selection::Standing;
use candle_core::Device;
use model::{LinearShape, Lora};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Name of the folder in a run's folder.
pub const FOLDER: &str = "checkpoints";
const STATE: &str = "state.json";
const OPTIMIZER: &str = "optimizer.safetensors";
/// In `state.json`: SHA-256 of all else that stands there.
const SEAL: &str = "sha256";

/// Where a run stands between two optimiser steps, beside its weights and moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimiser steps done. The place in the data follows from it (see [`crate::order`]).
    pub step: u64,
    /// The generator that draws dropout, with its position.
    pub generator: ChaCha8Rng,
    /// Sums since the last `step` event.
    pub window: Window,
    /// An evaluation that is due after this step was not finished.
    pub eval_due: bool,
    /// Digest of the settings that shape the run's numbers.
    pub config_digest: String,
    /// Bytes of `events.jsonl` when this was written.
    pub events_bytes: u64,
    /// Which evaluation is the best so far.
    #[serde(default)]
    pub standing: Standing,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    state: State,
    /// SHA-256 of every other file.
    files: BTreeMap<String, String>,
}

/// A checkpoint read back.
pub struct Checkpoint {
    /// Where the run stands.
    pub state: State,
    /// The adapter.
    pub lora: Lora,
    /// Its moments.
    pub optimizer: AdamW,
    /// The adapter of a reference that follows the policy.
    pub reference: Option<Lora>,
}

/// What is written besides [`State`].
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// The adapter.
    pub lora: &'a Lora,
    /// Its moments.
    pub optimizer: &'a AdamW,
    /// The adapter of a reference that follows the policy.
    pub reference: Option<&'a Lora>,
    /// The model, as the adapter names it.
    pub base_model: &'a str,
}

/// `checkpoints/step-N`.
pub fn folder_of(step: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("step-{step}"))
}

/// Writes `checkpoints/step-N` in `run`, then removes old ones until `keep` are left (0 keeps all), but never this one, nor
/// that of the step `best`.
///
/// # Errors
/// When something cannot be written; earlier checkpoints are untouched then.
pub fn save(run: &Path, state: &State, contents: Contents<'_>, keep: usize, best: Option<u64>) -> Result<PathBuf> {
    let parent = run.join(FOLDER);
    create_folder(&parent)?;
    let folder = run.join(folder_of(state.step));
    let temporary = parent.join(format!(".step-{}.{}.tmp", state.step, std::process::id()));
    remove(&temporary)?;
    create_folder(&temporary)?;
    if let Err(error) = fill(&temporary, state, contents) {
        // The first error is the one to report; what stays is cleared away by the next run.
        let _ = fs::remove_dir_all(&temporary);
        return Err(error);
    }
    // Resuming from an earlier step comes by here again: the same numbers replace themselves.
    retire(&folder)?;
    fs::rename(&temporary, &folder).map_err(Error::write(&folder))?;
    sync_parent(&folder)?;
    if keep > 0 {
        let others: Vec<u64> = steps(run)?.into_iter().filter(|&step| Some(step) != best).collect();
        let keep = if best.is_some() { keep - 1 } else { keep };
        for step in others.iter().rev().skip(keep).filter(|&&step| step != state.step) {
            retire(&run.join(folder_of(*step)))?;
        }
    }
    Ok(folder)
}

fn fill(folder: &Path, state: &State, contents: Contents<'_>) -> Result<()> {
    let Contents { lora, optimizer, reference, base_model } = contents;
    lora.save(folder, base_model).map_err(Error::saving)?;
    let names: Vec<_> = lora.parameters().into_iter().map(|(name, _)| name).collect();
    optimizer.save(&names, &folder.join(OPTIMIZER))?;
    let mut files = BTreeMap::new();
    digest_files(folder, "", &mut files)?;
    if let Some(reference) = reference {
        let inner = folder.join(REFERENCE);
        reference.save(&inner, base_model).map_err(Error::saving)?;
        digest_files(&inner, &format!("{REFERENCE}/"), &mut files)?;
        sync_folder(&inner)?;
    }
    let path = folder.join(STATE);
    let manifest = Manifest { state: state.clone(), files };
    let text = sealed(&manifest).map_err(std::io::Error::from).map_err(Error::write(&path))?;
    write_whole(&path, &text)?;
    sync_folder(folder)
}

fn sealed(manifest: &Manifest) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(manifest)?;
    let seal = seal_of(&value);
    if let Value::Object(fields) = &mut value {
        fields.insert(SEAL.into(), seal.into());
    }
    serde_json::to_vec_pretty(&value)
}

/// The digest of what stands in `state.json`, however it is laid out.
fn seal_of(value: &Value) -> String {
    format!("{:x}", Sha256::digest(value.to_string()))
}

/// Syncs the files of a folder and notes their digests, each name after `prefix`.
fn digest_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let path = entry.map_err(Error::read(folder))?.path();
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::write(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(format!("{prefix}{name}"), sha256_of_file(&path)?);
    }
    Ok(())
}

/// Takes a folder out of sight in one move before deleting it, so that half a checkpoint is never seen.
fn retire(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let hidden = folder.with_file_name(format!(".{name}.old.tmp"));
    remove(&hidden)?;
    fs::rename(folder, &hidden).map_err(Error::write(folder))?;
    remove(&hidden)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(folder)(error)),
        _ => Ok(()),
    }
}

/// Removes what a crash left half written.
///
/// # Errors
/// When it cannot be removed.
pub fn clear_leftovers(run: &Path) -> Result<()> {
    let parent = run.join(FOLDER);
    let Ok(entries) = fs::read_dir(&parent) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(Error::read(&parent))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Steps of the checkpoints of a run, ascending.
///
/// # Errors
/// When the folder cannot be read.
pub fn steps(run: &Path) -> Result<Vec<u64>> {
    let parent = run.join(FOLDER);
    let entries = match fs::read_dir(&parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::read(&parent))?,
    };
    let mut steps = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::read(&parent))?.file_name();
        steps.extend(name.to_string_lossy().strip_prefix("step-").and_then(|step| step.parse::<u64>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Reads the checkpoint in `folder`, after checking every file against its digest.
///
/// # Errors
/// [`Error::DamagedCheckpoint`] when it is not whole or not for these linears.
pub fn load(folder: &Path, linears: &[LinearShape], device: &Device, weight_decay: f64) -> Result<Checkpoint> {
    let damaged = |what: String| Error::DamagedCheckpoint { path: folder.to_path_buf(), what };
    let Manifest { state, files } = checked(folder)?;
    let lora = Lora::load(folder, linears, device).map_err(|error| damaged(error.to_string()))?;
    let (names, parameters): (Vec<_>, Vec<_>) = lora.parameters().into_iter().unzip();
    let optimizer = AdamW::load(&folder.join(OPTIMIZER), &names, &parameters, weight_decay)?;
    let moving = files.keys().any(|name| name.starts_with(REFERENCE));
    let reference = moving.then(|| Lora::load(&folder.join(REFERENCE), linears, device)).transpose();
    let reference = reference.map_err(|error| damaged(error.to_string()))?;
    Ok(Checkpoint { state, lora, optimizer, reference })
}

/// What `state.json` says, after checking it and every other file against its digest.
fn checked(folder: &Path) -> Result<Manifest> {
    let damaged = |what: String| Error::DamagedCheckpoint { path: folder.to_path_buf(), what };
    let manifest = manifest(folder)?;
    // A copy may have another name; one that a run gave says the step.
    let named = folder.file_name().and_then(|name| name.to_str()?.strip_prefix("step-")?.parse::<u64>().ok());
    if let Some(named) = named.filter(|&named| named != manifest.state.step) {
        return Err(damaged(format!("{STATE} is of step {}, and the folder of step {named}", manifest.state.step)));
    }
    for (name, digest) in &manifest.files {
        let found = sha256_of_file(&folder.join(name)).map_err(|error| damaged(error.to_string()))?;
        if found != *digest {
            return Err(damaged(format!(
                "{name} has changed since it was written: it has SHA-256 {}, and had {}",
                short(&found),
                short(digest)
            )));
        }
    }
    Ok(manifest)
}

fn manifest(folder: &Path) -> Result<Manifest> {
    let damaged = |what: String| Error::DamagedCheckpoint { path: folder.to_path_buf(), what };
    let text = fs::read(folder.join(STATE)).map_err(|error| damaged(format!("{STATE}: {error}")))?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|error| damaged(format!("{STATE}: {error}")))?;
    // Earlier versions wrote none.
    if let Some(seal) = value.as_object_mut().and_then(|fields| fields.shift_remove(SEAL)) {
        let found = seal_of(&value);
        if seal != found.as_str() {
            let noted = seal.as_str().unwrap_or_default();
            return Err(damaged(format!(
                "{STATE} has changed since it was written: what stands there has SHA-256 {}, and had {}",
                short(&found),
                short(noted)
            )));
        }
    }
    serde_json::from_value(value).map_err(|error| damaged(format!("{STATE}: {error}")))
}

/// Where the checkpoint in `folder` stands, after checking it.
///
/// # Errors
/// [`Error::DamagedCheckpoint`].
pub(crate) fn state(folder: &Path) -> Result<State> {
    checked(folder).map(|manifest| manifest.state)
}

/// Whether a folder is a checkpoint's.
pub(crate) fn is_one(folder: &Path) -> bool {
    folder.join(STATE).is_file() && folder.join(OPTIMIZER).is_file()
}

/// Makes sure that the checkpoint in `folder` is what was written.
///
/// # Errors
/// [`Error::DamagedCheckpoint`].
pub(crate) fn verify(folder: &Path) -> Result<()> {
    checked(folder).map(|_| ())
}

/// The digest that a checkpoint notes of one of its files; none where there is no such checkpoint.
pub(crate) fn digest_of(folder: &Path, name: &str) -> Option<String> {
    manifest(folder).ok()?.files.remove(name)
}

/// The newest whole checkpoint of a run, and a sentence for each newer one that had to be passed over.
///
/// # Errors
/// When the folder cannot be read.
pub fn latest(
    run: &Path,
    linears: &[LinearShape],
    device: &Device,
    weight_decay: f64,
) -> Result<(Option<Checkpoint>, Vec<String>)> {
    let mut passed_over = Vec::new();
    for step in steps(run)?.into_iter().rev() {
        match load(&run.join(folder_of(step)), linears, device, weight_decay) {
            Ok(checkpoint) => return Ok((Some(checkpoint), passed_over)),
            Err(error @ Error::DamagedCheckpoint { .. }) => passed_over.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok((None, passed_over))
}
