//! What a run and its adapter come from, noted as digests beside them, and checked before they are computed on again.
//!
//! What an earlier version did not note cannot be compared; where something else tells of it, that is compared instead.

use crate::base::{Base, short};
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::events::{self, Counts, Event, RunStarted};
use crate::files::{sha256_of_file, write_whole};
use crate::folder::{
    ADAPTER, ADAPTER_FILES, ADAPTER_ORIGIN, CONFIG, EVAL_PAIRS, INIT_ADAPTER, PAIRS, REF_ADAPTER, REFERENCE,
};
use prefs::{Refused, jsonl};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file in a run's folder.
const ORIGIN: &str = "origin.json";

/// Digests of files by their names.
pub type FileDigests = BTreeMap<String, String>;

/// An adapter by its place and its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterOf {
    /// Where it was.
    pub path: PathBuf,
    /// SHA-256 of its weights.
    pub sha256: String,
    /// Digest of its settings, without the name of a base, which any program may set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_sha256: Option<String>,
    /// The model that it was trained on, where the adapter says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// What a run's adapter was made from: a file beside its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AdapterOrigin {
    pub base_model: String,
    /// [`Base::sha256`] of it.
    pub base_model_sha256: String,
    /// [`Base::files`] of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_model_files: BTreeMap<String, Option<String>>,
    /// [`Base::sha256`] of the models that the run was computed on before, where the user went on with another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases_before: Vec<String>,
    /// Of an adapter that was exported: says so where the model that lay where the run's had been was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_base: Option<String>,
    /// The adapter that training began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_adapter: Option<AdapterOf>,
    /// The adapter of the reference, of which a copy is in [`REFERENCE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_adapter: Option<AdapterOf>,
    /// Digest of the settings that shaped the run's numbers.
    pub config_sha256: String,
    /// Optimiser steps that it was trained for.
    pub step: u64,
    /// Of the adapter's own files; see [`adapter_digests`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: FileDigests,
}

impl AdapterOrigin {
    /// Of the adapter in a folder; none where it is not one of a run.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn of(adapter: &Path) -> Result<Option<Self>> {
        let path = adapter.join(ADAPTER_ORIGIN);
        if !path.is_file() {
            return Ok(None);
        }
        let value: serde_json::Value = read_json(&path)?;
        if value.get("base_model_sha256").is_none() {
            return Ok(None);
        }
        serde_json::from_value(value).map(Some).map_err(std::io::Error::from).map_err(Error::read(&path))
    }

    /// The model that it was trained on.
    pub fn base(&self) -> Base {
        Base { sha256: self.base_model_sha256.clone(), files: self.base_model_files.clone() }
    }

    /// Says so where the run was computed on more than one model.
    pub fn mixed(&self) -> Option<String> {
        let first = self.bases_before.first()?;
        let (first, last) = (short(first), short(&self.base_model_sha256));
        Some(format!("its run began on a model of SHA-256 {first} and, as asked, went on with one of SHA-256 {last}"))
    }

    pub(crate) fn write(&self, adapter: &Path) -> Result<()> {
        write_json(&adapter.join(ADAPTER_ORIGIN), self)
    }
}

/// The rows of a run's own file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowsOf {
    pub(crate) rows: usize,
    pub(crate) sha256: String,
}

impl RowsOf {
    pub(crate) fn of(path: &Path) -> Result<Self> {
        Ok(Self { rows: rows(path)?.0, sha256: sha256_of_file(path)? })
    }
}

impl std::fmt::Display for RowsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows and SHA-256 {}", self.rows, short(&self.sha256))
    }
}

/// A model that a run went on with, although it had been computed on another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OtherBase {
    /// Optimiser steps that were done before.
    pub(crate) from_step: u64,
    pub(crate) base: Base,
}

/// When a run began, what it began with, and the rows of its data files that are no pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Seconds since 1970 (UTC).
    pub(crate) begun: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init_adapter: Option<AdapterOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ref_adapter: Option<AdapterOf>,
    /// Whether pairs with two answers of the same tokens are left out: runs of earlier versions go on with them.
    #[serde(default)]
    pub(crate) leaves_out_identical: bool,
    /// How the data files were read, and what of them was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notices: Vec<String>,
    /// By line and reason.
    pub(crate) refused: Vec<Refused>,
    pub(crate) eval_refused: Vec<Refused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs: Option<RowsOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) eval_pairs: Option<RowsOf>,
    /// The model, noted by the first process that computed on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Base>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_bases: Vec<OtherBase>,
    /// Of the files of the run's adapter, while it has one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) adapter: FileDigests,
}

impl Origin {
    pub(crate) fn read(run: &Path) -> Result<Self> {
        read_json(&run.join(ORIGIN))
    }

    /// When the run began.
    pub(crate) fn begun(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.begun)
    }

    /// None where there is none.
    fn of(run: &Path) -> Result<Option<Self>> {
        run.join(ORIGIN).is_file().then(|| Self::read(run)).transpose()
    }

    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        write_json(&run.join(ORIGIN), self)
    }

    /// The model that the run's last steps were computed on.
    fn base(&self) -> Option<&Base> {
        self.other_bases.last().map(|other| &other.base).or(self.base.as_ref())
    }

    /// [`Base::sha256`] of the models before the last.
    pub(crate) fn bases_before(&self) -> Vec<String> {
        let all = self.base.iter().chain(self.other_bases.iter().map(|other| &other.base));
        let mut digests: Vec<String> = all.map(|base| base.sha256.clone()).collect();
        digests.pop();
        digests
    }

    /// A sentence for each time that the run went on with another model.
    pub(crate) fn mixed(&self) -> Vec<String> {
        let mut before = self.base.as_ref();
        let mut sentences = Vec::new();
        for OtherBase { from_step, base } in &self.other_bases {
            let what = before.map(|before| before.differences(base).join("; ")).unwrap_or_default();
            sentences.push(format!("computed on another base from step {} on, as asked: {what}", from_step + 1));
            before = Some(base);
        }
        sentences
    }
}

/// What a run trains on and what it holds out, as SHA-256 of the files: as noted when it began. An empty text where nothing is held
/// out; none where that was not noted, as by an earlier version.
pub fn rows_of(run: &Path) -> Option<[String; 2]> {
    let origin = Origin::of(run).ok()??;
    let held_out = origin.eval_pairs.map(|rows| rows.sha256).unwrap_or_default();
    (!held_out.is_empty() || !run.join(EVAL_PAIRS).is_file()).then_some([origin.pairs?.sha256, held_out])
}

/// Makes sure that a run's own rows and the adapters that it began with are what they were when it began. Answers with what
/// could not be compared whole.
///
/// # Errors
/// [`Error::ChangedFile`], or when something cannot be read.
pub fn check_run(run: &Path) -> Result<Vec<String>> {
    let Some(origin) = Origin::of(run)? else { return Ok(Vec::new()) };
    // What an earlier version did not note is in the events.
    let is_noted = origin.pairs.is_some() && (origin.eval_pairs.is_some() || !run.join(EVAL_PAIRS).is_file());
    let started = if is_noted { None } else { started(run)? };
    let mut notes = Vec::new();
    let eval = started.as_ref().and_then(|started| started.eval);
    let train = started.map(|started| started.train);
    for (name, noted, counts) in [(PAIRS, &origin.pairs, train), (EVAL_PAIRS, &origin.eval_pairs, eval)] {
        notes.extend(check_rows(&run.join(name), noted.as_ref(), counts)?);
    }
    for (name, noted) in [(INIT_ADAPTER, &origin.init_adapter), (REF_ADAPTER, &origin.ref_adapter)] {
        let Some(noted) = noted else { continue };
        let [settings, weights] = ADAPTER_FILES.map(|file| run.join(name).join(file));
        let when = "when the run began with it";
        compare(&weights, &sha256(&weights)?, &noted.sha256, when, BEGIN_ANEW)?;
        if let Some(noted) = &noted.settings_sha256 {
            compare(&settings, &settings_digest(&settings)?, noted, when, BEGIN_ANEW)?;
        }
    }
    Ok(notes)
}

/// Notes of a run of an earlier version what was found to be right, so that it can be compared whole the next time.
pub(crate) fn note_rows(run: &Path, origin: &mut Origin) -> Result<()> {
    for (name, noted) in [(PAIRS, &mut origin.pairs), (EVAL_PAIRS, &mut origin.eval_pairs)] {
        let path = run.join(name);
        if noted.is_none() && path.is_file() {
            *noted = Some(RowsOf::of(&path)?);
        }
    }
    Ok(())
}

const BEGIN_ANEW: &str =
    "Put the file back as it was, or begin a new run in another output_dir that names what is wanted now.";

fn check_rows(path: &Path, noted: Option<&RowsOf>, counts: Option<Counts>) -> Result<Option<String>> {
    let changed = |what: String| Error::ChangedFile { path: path.to_path_buf(), what, hint: BEGIN_ANEW.to_owned() };
    if let Some(RowsOf { rows: expected, sha256: noted }) = noted {
        if !path.is_file() {
            return Err(changed(format!("it is gone; {expected} rows of SHA-256 {} were expected", short(noted))));
        }
        let found = sha256(path)?;
        if found != *noted {
            let there = rows(path)?.0;
            return Err(changed(format!(
                "it has {there} rows and SHA-256 {}, where {expected} rows and {} were written when the run began",
                short(&found),
                short(noted)
            )));
        }
        return Ok(None);
    }
    // An earlier version noted no digest; its events tell how many rows there were.
    let Some(counts) = counts else { return Ok(None) };
    let expected = counts.rows.saturating_sub(counts.refused);
    let (there, broken) = rows(path)?;
    if there != expected || broken > 0 {
        return Err(changed(format!(
            "it has {there} rows that can be read and {broken} that cannot, where {expected} were counted when the run began"
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(format!(
        "{name}: the run is of an earlier version, which noted no digest; only its number of rows was compared"
    )))
}

/// Rows that are pairs, and others.
fn rows(path: &Path) -> Result<(usize, usize)> {
    let reading = jsonl::read_pairs(path)?;
    Ok((reading.pairs.len(), reading.refused.len()))
}

fn started(run: &Path) -> Result<Option<RunStarted>> {
    let path = run.join(events::FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let last = events::read(&path)?.into_iter().rev().find_map(|line| match line.event {
        Event::RunStarted(started) => Some(started),
        _ => None,
    });
    Ok(last)
}

/// What a run is computed on, by name, digests shortened: to be shown beside that of others. Empty where the run is of an
/// earlier version, or its record cannot be read.
pub fn shown(run: &Path) -> Vec<(String, String)> {
    let Ok(origin) = Origin::read(run) else { return Vec::new() };
    let sha256 = |digest: &String| format!("SHA-256 {}", short(digest));
    let base = origin.base().map(|base| sha256(&base.sha256));
    let rows = |rows: &Option<RowsOf>| rows.as_ref().map(RowsOf::to_string);
    let adapter = |adapter: &Option<AdapterOf>| adapter.as_ref().map(|adapter| sha256(&adapter.sha256));
    let all = [
        ("model", base),
        ("training pairs", rows(&origin.pairs)),
        ("held-out pairs", rows(&origin.eval_pairs)),
        ("adapter begun with", adapter(&origin.init_adapter)),
        ("reference's adapter", adapter(&origin.ref_adapter)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The model that a run was computed on last; none where nothing was computed yet.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn base_of_run(run: &Path) -> Result<Option<Base>> {
    if let Some(base) = Origin::of(run)?.as_ref().and_then(Origin::base) {
        return Ok(Some(base.clone()));
    }
    Ok(started(run)?.map(|started| Base { sha256: started.model_digest, files: BTreeMap::new() }))
}

/// Of the pairs that a run was trained on, how many are plain text, and how many there are; none where that is not known. An
/// earlier version did not count them, and left none out that is in its file.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn plain_text_of_run(run: &Path) -> Result<Option<(usize, usize)>> {
    if Origin::of(run)?.is_some_and(|origin| origin.pairs.is_some())
        && let Some(started) = started(run)?
    {
        return Ok(Some((started.train.plain_text, started.train.pairs)));
    }
    let path = run.join(PAIRS);
    if !path.is_file() {
        return Ok(None);
    }
    let pairs = jsonl::read_pairs(&path)?.into_pairs();
    Ok(Some((pairs.iter().filter(|pair| !pair.is_conversational()).count(), pairs.len())))
}

/// The model that an adapter was trained on: that of its own `origin.json`, or where it is a checkpoint's or a reference's,
/// of the run that it belongs to. None for an adapter that says nothing of it, such as one of another program.
///
/// # Errors
/// When what should tell cannot be read.
pub fn base_of_adapter(adapter: &Path) -> Result<Option<Base>> {
    if let Some(origin) = AdapterOrigin::of(adapter)? {
        return Ok(Some(origin.base()));
    }
    let Some(parent) = adapter.parent() else { return Ok(None) };
    if adapter.ends_with(REFERENCE)
        && let Some(origin) = AdapterOrigin::of(parent)?
    {
        return Ok(Some(origin.base()));
    }
    match run_of_checkpoint(adapter) {
        Some(run) => base_of_run(&run),
        None => Ok(None),
    }
}

fn is_run(folder: &Path) -> bool {
    [CONFIG, ORIGIN].iter().all(|name| folder.join(name).is_file())
}

/// The run that a checkpoint's folder lies in.
pub fn run_of_checkpoint(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let all = folder.parent()?;
    let run = all.parent()?;
    (all.ends_with(checkpoint::FOLDER) && is_run(run)).then(|| run.to_path_buf())
}

/// Makes sure that an adapter is what it was when it was written, as far as it says what that was: a run's own, a copy that
/// was exported, or a checkpoint's.
///
/// # Errors
/// [`Error::ChangedFile`] or [`Error::DamagedCheckpoint`], or when something cannot be read.
pub fn check_adapter(adapter: &Path) -> Result<()> {
    if checkpoint::is_one(adapter) {
        return checkpoint::verify(adapter);
    }
    let Some(origin) = AdapterOrigin::of(adapter)? else { return Ok(()) };
    let when = format!("when its run wrote it after step {}", origin.step);
    compare_files(adapter, &origin.files, &when)?;
    let Some(run) = adapter.parent().filter(|run| adapter.ends_with(ADAPTER) && is_run(run)) else {
        return Ok(());
    };
    let by_run = Origin::read(run)?.adapter;
    if by_run != origin.files {
        compare_files(adapter, &by_run, &when)?;
    }
    if origin.files.is_empty() {
        // An earlier version noted nothing of the adapter itself, but the checkpoint of that step is the same adapter.
        let weights = ADAPTER_FILES[1];
        if let Some(noted) = checkpoint::digest_of(&run.join(checkpoint::folder_of(origin.step)), weights) {
            let path = adapter.join(weights);
            compare(&path, &sha256(&path)?, &noted, &when, USE_ANYWAY)?;
        }
    }
    Ok(())
}

const USE_ANYWAY: &str = "Put the file back as it was. To use the adapter as it is now, copy its adapter_config.json and \
                          adapter_model.safetensors into another folder, without origin.json.";

fn compare_files(folder: &Path, noted: &FileDigests, when: &str) -> Result<()> {
    if noted.is_empty() {
        return Ok(());
    }
    let found = adapter_digests(folder)?;
    for (name, noted) in noted {
        compare(&folder.join(name), found.get(name).map_or("", String::as_str), noted, when, USE_ANYWAY)?;
    }
    Ok(())
}

fn compare(path: &Path, found: &str, noted: &str, when: &str, hint: &str) -> Result<()> {
    if found == noted {
        return Ok(());
    }
    let what = match found {
        "" => format!("it is gone; it had SHA-256 {} {when}", short(noted)),
        found => format!("it has SHA-256 {}, and had {} {when}", short(found), short(noted)),
    };
    Err(Error::ChangedFile { path: path.to_path_buf(), what, hint: hint.to_owned() })
}

/// Digests of an adapter's files, and of those of its reference's adapter where there is one: SHA-256 of weights, and of
/// settings without the name of the base, which users set to what other programs find it by.
///
/// # Errors
/// When a file cannot be read.
pub fn adapter_digests(adapter: &Path) -> Result<FileDigests> {
    let [settings, weights] = ADAPTER_FILES;
    let mut digests = FileDigests::new();
    for (folder, prefix) in [(adapter.to_path_buf(), String::new()), (adapter.join(REFERENCE), format!("{REFERENCE}/"))]
    {
        if folder.join(weights).is_file() {
            digests.insert(format!("{prefix}{weights}"), sha256(&folder.join(weights))?);
        }
        if folder.join(settings).is_file() {
            digests.insert(format!("{prefix}{settings}"), settings_digest(&folder.join(settings))?);
        }
    }
    Ok(digests)
}

pub(crate) fn settings_digest(path: &Path) -> Result<String> {
    let mut settings: serde_json::Map<String, serde_json::Value> = read_json(path)?;
    settings.shift_remove("base_model_name_or_path");
    let text = serde_json::to_vec(&settings).map_err(std::io::Error::from).map_err(Error::read(path))?;
    Ok(format!("{:x}", Sha256::digest(text)))
}

/// SHA-256 of a file; empty where there is none.
fn sha256(path: &Path) -> Result<String> {
    if path.exists() { sha256_of_file(path) } else { Ok(String::new()) }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    serde_json::from_slice(&bytes).map_err(std::io::Error::from).map_err(Error::read(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from).map_err(Error::write(path))?;
    write_whole(path, &text)
}
