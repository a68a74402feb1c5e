//! A run's folder: who may write to it, and the exact rows the run sees.
//!
//! `config.toml` is written last: a folder that has it holds a run whose rows are complete.

use crate::checkpoint;
use crate::config::{Resume, RunConfig};
use crate::data::{self, Identical, Input};
use crate::error::{Error, Result};
use crate::events::{self, Event, EventWriter};
use crate::files::{create_folder, sha256_of_file, write_whole};
use crate::origin::{self, AdapterOf, Origin, RowsOf};
use crate::settings::Settings;
use chat::{Tokenizer, Truncation};
use prefs::{Pair, Place, Refused, jsonl, reader};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The settings of the run, complete.
pub const CONFIG: &str = "config.toml";
/// The pairs the run trains on.
pub const PAIRS: &str = "pairs.jsonl";
/// The held-out pairs of the run.
pub const EVAL_PAIRS: &str = "eval_pairs.jsonl";
/// The adapter of a run that is finished or was stopped, in PEFT's format.
pub const ADAPTER: &str = "adapter";
/// In [`ADAPTER`]: the adapter of the reference, under the name that TRL gives it, where the reference has one.
pub const REFERENCE: &str = "ref";
/// In [`ADAPTER`]: what it was made from.
pub const ADAPTER_ORIGIN: &str = "origin.json";
/// The run's copies of the adapters that it began with.
pub(crate) const INIT_ADAPTER: &str = "init_adapter";
pub(crate) const REF_ADAPTER: &str = "ref_adapter";
pub(crate) const ADAPTER_FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];
const LOCK: &str = "run.lock";
/// How long a folder in use is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The folder of a run's adapter; nothing while there is none.
pub fn adapter_of(run: &Path) -> Option<PathBuf> {
    let adapter = run.join(ADAPTER);
    adapter.join("adapter_model.safetensors").is_file().then_some(adapter)
}

/// The adapter of the reference that an adapter was trained against; nothing where that was the base model alone.
pub fn reference_of(adapter: &Path) -> Option<PathBuf> {
    let reference = adapter.join(REFERENCE);
    reference.join(ADAPTER_FILES[1]).is_file().then_some(reference)
}

/// Copies an adapter's two files.
///
/// # Errors
/// When one of them cannot be read or the folder not be written.
pub fn copy_adapter(from: &Path, to: &Path) -> Result<()> {
    create_folder(to)?;
    for name in ADAPTER_FILES {
        let path = from.join(name);
        write_whole(&to.join(name), &fs::read(&path).map_err(Error::read(&path))?)?;
    }
    Ok(())
}

/// The adapters that a run begins with, `init_adapter` and `ref_adapter`, as its own copies.
pub fn copies_of_adapters(run: &Path, settings: &Settings) -> (Option<PathBuf>, Option<PathBuf>) {
    let copy = |adapter: &Option<PathBuf>, name| adapter.is_some().then(|| run.join(name));
    (copy(&settings.init_adapter, INIT_ADAPTER), copy(&settings.ref_adapter, REF_ADAPTER))
}

/// Whether a process trains in the run's folder now. The system lets go of a lock however its process ends.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn is_held(run: &Path) -> Result<bool> {
    let path = run.join(LOCK);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(Error::read(&path))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(Error::Read { path, source }),
    }
}

/// A run's folder, held by this process until dropped.
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
    /// When the run began: what a chat template that writes the date is told, so that a run resumed tomorrow sees the
    /// same tokens.
    pub begun: SystemTime,
    /// Whether the run was begun by an earlier process.
    pub resuming: bool,
    /// Whether the run is done.
    pub finished: bool,
    /// The run's events.
    pub events: EventWriter,
    /// The training pairs.
    pub train: Rows,
    /// The held-out pairs.
    pub eval: Option<Rows>,
    /// How the data files were read, and what of them was left out, as sentences.
    pub notices: Vec<String>,
    /// The adapter that training begins with; a new one where there is none.
    pub init_adapter: Option<KeptAdapter>,
    /// The adapter of the reference; the base model where there is none.
    pub ref_adapter: Option<KeptAdapter>,
    /// Released by the system when the process ends, however it ends.
    _lock: File,
}

/// The rows of a data file.
pub struct Rows {
    /// The run's copy of the file.
    pub path: PathBuf,
    /// The pairs.
    pub pairs: Vec<Pair>,
    /// Rows that are no pair.
    pub refused: Vec<Refused>,
    /// What becomes of pairs with two answers of the same tokens: runs of earlier versions go on with them.
    pub identical: Identical,
}

/// The run's copy of an adapter that it began with, so that it does not depend on what becomes of the original.
#[derive(Debug, Clone)]
pub struct KeptAdapter {
    /// The copy's folder.
    pub path: PathBuf,
    /// Where it came from.
    pub from: AdapterOf,
}

impl KeptAdapter {
    /// Of weights and settings, each in half: enough to tell adapters apart.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn digest(&self) -> Result<String> {
        let settings = origin::settings_digest(&self.path.join(ADAPTER_FILES[0]))?;
        let half = |digest: &str| digest.get(..32).unwrap_or(digest).to_owned();
        Ok(format!("{}-{}", half(&self.from.sha256), half(&settings)))
    }
}

impl RunFolder {
    /// Takes `config.output_dir` for this process: begins a run in it, or opens the one it holds.
    ///
    /// # Errors
    /// When the folder cannot be written, is in use, holds a run that is not to be resumed or was started with
    /// other settings, or when the data cannot be read.
    pub fn claim(config: &RunConfig) -> Result<Self> {
        let path = config.output_dir.clone();
        create_folder(&path)?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(Error::write(&lock_path))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // Whoever only looks whether a run goes on (`is_held`) holds the lock for a moment.
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 10),
                Err(TryLockError::WouldBlock) => return Err(Error::OutputBusy { path }),
                Err(TryLockError::Error(source)) => return Err(Error::Write { path: lock_path, source }),
            }
        }
        let resuming = path.join(CONFIG).exists();
        if resuming {
            if config.resume_from_checkpoint == Resume::No {
                return Err(Error::OutputTaken { path });
            }
            let changes = config.changes_since(&RunConfig::of_run(&path)?)?;
            if !changes.is_empty() {
                return Err(Error::SettingsChanged { path, changes });
            }
            checkpoint::clear_leftovers(&path)?;
        } else {
            begin(config)?;
        }
        let origin = Origin::read(&path)?;
        let kept = |name: &str, from: Option<AdapterOf>| from.map(|from| KeptAdapter { path: path.join(name), from });
        // Without one of its own, training begins with that of the reference.
        let init_adapter = kept(INIT_ADAPTER, origin.init_adapter.clone());
        let ref_adapter = kept(REF_ADAPTER, origin.ref_adapter.clone());
        let init_adapter = init_adapter.or_else(|| ref_adapter.clone());
        let begun = origin.begun();
        let notices = origin.notices.clone();
        let (train, eval) = Rows::of(&path, origin, config.data.eval.is_some())?;
        let events = EventWriter::open(&path.join(events::FILE))?;
        let finished = resuming && path.join(ADAPTER).is_dir() && ends_finished(&path)?;
        Ok(Self {
            path,
            begun,
            resuming,
            finished,
            events,
            train,
            eval,
            notices,
            init_adapter,
            ref_adapter,
            _lock: lock,
        })
    }
}

/// A run as it began, without its folder being taken.
pub struct Begun {
    /// What a chat template that writes the date is told.
    pub at: SystemTime,
    /// The training pairs.
    pub train: Rows,
    /// The held-out pairs.
    pub eval: Option<Rows>,
    /// The adapter of the reference; the base model where there is none.
    pub ref_adapter: Option<KeptAdapter>,
}

impl Begun {
    /// The run in a folder.
    ///
    /// # Errors
    /// When its record or its rows cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let origin = Origin::read(run)?;
        let at = origin.begun();
        let ref_adapter = origin.ref_adapter.clone();
        let ref_adapter = ref_adapter.map(|from| KeptAdapter { path: run.join(REF_ADAPTER), from });
        let (train, eval) = Rows::of(run, origin, run.join(EVAL_PAIRS).is_file())?;
        Ok(Self { at, train, eval, ref_adapter })
    }
}

impl Rows {
    /// Those of the run in `folder`: the ones to train on, and the held-out ones where it has such.
    fn of(folder: &Path, origin: Origin, has_eval: bool) -> Result<(Self, Option<Self>)> {
        let identical = if origin.leaves_out_identical { Identical::LeaveOut } else { Identical::Keep };
        let train = Self::read(folder.join(PAIRS), origin.refused, identical)?;
        let eval = has_eval.then(|| Self::read(folder.join(EVAL_PAIRS), origin.eval_refused, identical)).transpose()?;
        Ok((train, eval))
    }

    fn read(path: PathBuf, refused: Vec<Refused>, identical: Identical) -> Result<Self> {
        let reading = jsonl::read_pairs(&path)?;
        Ok(Self { path, pairs: reading.into_pairs(), refused, identical })
    }
}

/// Copies the rows and the adapters into the folder and, last, the settings. Where pairs that are too long are to be refused,
/// they are now, before there is a run.
fn begin(config: &RunConfig) -> Result<()> {
    let folder = &config.output_dir;
    let mut notices = Vec::new();
    let mut copy = |from: &Path, to: &str| -> Result<(Vec<Refused>, RowsOf)> {
        let own = folder.join(to);
        let (places, pairs, refused): (Vec<Place>, _, _) = if *from == own {
            // What this program wrote is read as it stands: nothing in it is to be guessed.
            let mut reading = jsonl::read_pairs(from)?;
            let refused = std::mem::take(&mut reading.refused);
            (reading.pairs.iter().map(|pair| pair.place).collect(), reading.into_pairs(), refused)
        } else {
            let mut read = reader::read_pairs(from, &config.data.map)?;
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            if !read.is_by_name() {
                notices.push(format!("{name} was read as {}", read.how));
            }
            notices.extend(read.notices.iter().map(|notice| format!("{name}: {notice}")));
            let refused = std::mem::take(&mut read.mapped.refused);
            (read.pairs().map(|(place, _)| place).collect(), read.into_pairs(), refused)
        };
        if config.settings.truncation == Truncation::Refuse {
            let input = Input { path: from, pairs: &pairs, places: Some(&places), refused: refused.len() };
            let tokenizer = Tokenizer::open(&config.model)?;
            data::encode(input, &tokenizer, &config.settings.limits(), Identical::Keep, &mut |_| Ok(true))?;
        }
        jsonl::write_pairs(&own, &pairs)?;
        Ok((refused, RowsOf { rows: pairs.len(), sha256: sha256_of_file(&own)? }))
    };
    let (refused, pairs) = copy(&config.data.train, PAIRS)?;
    let eval = config.data.eval.as_ref().map(|eval| copy(eval, EVAL_PAIRS)).transpose()?;
    let (eval_refused, eval_pairs) = eval.unzip();
    let keep = |from: &Option<PathBuf>, to: &str| -> Result<Option<AdapterOf>> {
        let Some(from) = from else { return Ok(None) };
        origin::check_adapter(from)?;
        let to = folder.join(to);
        copy_adapter(from, &to)?;
        Ok(Some(AdapterOf {
            path: from.clone(),
            sha256: sha256_of_file(&to.join(ADAPTER_FILES[1]))?,
            settings_sha256: Some(origin::settings_digest(&to.join(ADAPTER_FILES[0]))?),
            base: origin::base_of_adapter(from)?,
        }))
    };
    let init_adapter = keep(&config.settings.init_adapter, INIT_ADAPTER)?;
    let ref_adapter = keep(&config.settings.ref_adapter, REF_ADAPTER)?;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let origin = Origin {
        begun,
        init_adapter,
        ref_adapter,
        leaves_out_identical: true,
        notices,
        refused,
        eval_refused: eval_refused.unwrap_or_default(),
        pairs: Some(pairs),
        eval_pairs,
        base: None,
        other_bases: Vec::new(),
        adapter: origin::FileDigests::new(),
    };
    origin.write(folder)?;
    // Events of a run that never got as far as its settings are not this run's.
    let events = folder.join(events::FILE);
    if events.exists() {
        fs::remove_file(&events).map_err(Error::write(&events))?;
    }
    write_whole(&folder.join(CONFIG), config.to_toml()?.as_bytes())
}

/// Whether no process has ever trained the run in a folder: it was written, and that is all.
pub fn is_untouched(run: &Path) -> bool {
    // A run that was written has an empty file.
    let told = fs::metadata(run.join(events::FILE)).map_or(0, |file| file.len());
    told == 0 && !run.join(checkpoint::FOLDER).exists()
}

/// Puts other rows in the place of those of a run that [is untouched](is_untouched): those to train on, and those held out.
/// Broken off in between, it must be done again: the record and the rows are then not of one another.
///
/// # Errors
/// When a file cannot be read or written.
pub fn replace_rows(run: &Path, train: &[Pair], held_out: &[Pair]) -> Result<()> {
    let mut config = RunConfig::of_run(run)?;
    let mut origin = Origin::read(run)?;
    let eval = run.join(EVAL_PAIRS);
    if held_out.is_empty() {
        if eval.exists() {
            fs::remove_file(&eval).map_err(Error::write(&eval))?;
        }
    } else {
        jsonl::write_pairs(&eval, held_out)?;
    }
    jsonl::write_pairs(&run.join(PAIRS), train)?;
    config.data.eval = (!held_out.is_empty()).then_some(eval.clone());
    write_whole(&run.join(CONFIG), config.to_toml()?.as_bytes())?;
    origin.pairs = Some(RowsOf::of(&run.join(PAIRS))?);
    origin.eval_pairs = (!held_out.is_empty()).then(|| RowsOf::of(&eval)).transpose()?;
    origin.write(run)
}

fn ends_finished(folder: &Path) -> Result<bool> {
    let lines = events::effective(events::read(&folder.join(events::FILE))?);
    Ok(lines.iter().any(|line| matches!(line.event, Event::Finished { .. })))
}
