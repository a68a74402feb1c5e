//! From what a user names to what can be computed with: models, adapters, devices.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::provenance;
use chat::Tokenizer;
use model::{BaseDtype, ComputeDevice, Decoder, DeviceChoice, Lora, Products};
use prefs::table::files_of;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::base::{Base, Stamps};

/// A model, an adapter for it, and where to compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// A folder with safetensors, a GGUF file, or a name of the catalogue or the Hugging Face hub.
    pub model: PathBuf,
    /// A PEFT adapter's folder.
    pub adapter: Option<PathBuf>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// What the weights are kept as.
    pub dtype: BaseDtype,
    /// What products with them are computed in.
    #[serde(default)]
    pub products: Products,
    /// Go on although the model is not the one that the adapter was trained on; the record keeps it.
    #[serde(default)]
    pub allow_changed_base: bool,
}

/// A model in memory.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) decoder: Decoder,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) lora: Option<Lora>,
    /// The adapter of the reference that `lora` was trained against; none where that is the model alone.
    pub(crate) reference: Option<Lora>,
    /// What the record has to keep of a base that is another than the adapter was trained on.
    pub(crate) other_base: Option<String>,
    /// What the system said of the model's files when they were read.
    stamps: Stamps,
}

impl Opened {
    /// What the user should know of the model: of its tokenizer's files, and of what is computed of its weights and how
    /// they are kept. Sentences without a full stop.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.tokenizer.notes().iter().chain(self.decoder.notes()).map(String::as_str)
    }

    /// Puts the adapter in the folder on the model, with that of its reference; with none, takes both away. A model that is
    /// not the one that the adapter was trained on is refused unless that is `allowed`.
    ///
    /// # Errors
    /// When an adapter cannot be read or is for another model.
    pub(crate) fn put_on(&mut self, adapter: Option<&Path>, allowed: bool, context: &mut Context) -> Result<()> {
        self.other_base = match adapter {
            Some(adapter) => {
                provenance::check(adapter, &self.path, &provenance::digests(), allowed, context)?.sentence()
            }
            None => None,
        };
        if let Some(other) = &self.other_base {
            context.note(other);
        }
        self.check_unchanged()?;
        let load = |folder: &Path| self.decoder.load_lora(folder);
        let reference = adapter.and_then(train::folder::reference_of);
        (self.lora, self.reference) = (adapter.map(load).transpose()?, reference.as_deref().map(load).transpose()?);
        Ok(())
    }

    /// The model by the contents of its files.
    pub(crate) fn base(&self, context: &mut Context) -> Result<Base> {
        let base = provenance::base(&self.path, &provenance::digests(), context)?;
        self.check_unchanged()?;
        Ok(base)
    }

    /// Whether the model's files are still those that were read.
    pub(crate) fn is_as_read(&self) -> bool {
        Stamps::of(&self.path).is_ok_and(|now| now == self.stamps)
    }

    fn check_unchanged(&self) -> Result<()> {
        if self.is_as_read() {
            return Ok(());
        }
        let message = format!("the files of the model in {} were changed while it was in memory", self.path.display());
        Err(Error::new("changed_file", message, "Wait until they are written, then try again."))
    }
}

/// Opens a model and tells what the user should know of it.
pub(crate) fn open(choice: &ModelChoice, context: &mut Context) -> Result<Opened> {
    let path = find_model(&choice.model, context)?;
    let found = choice.device.open()?;
    if choice.device == DeviceChoice::Auto {
        context.note(format!("computes on {found}"));
    }
    let opened = load(choice, path, &found, context)?;
    for note in opened.notes() {
        context.note(note);
    }
    Ok(opened)
}

/// As [`open`], for a model that the same operation has told of before.
pub(crate) fn open_quietly(choice: &ModelChoice, context: &mut Context) -> Result<Opened> {
    let path = find_model(&choice.model, context)?;
    load(choice, path, &choice.device.open()?, context)
}

fn load(choice: &ModelChoice, path: PathBuf, found: &ComputeDevice, context: &mut Context) -> Result<Opened> {
    let stamps = Stamps::of(&path)?;
    let tokenizer = Tokenizer::open(&path)?;
    let mut decoder = Decoder::load(&path, &found.device, choice.dtype)?;
    decoder.set_products(choice.products)?;
    let mut opened = Opened { path, decoder, tokenizer, lora: None, reference: None, other_base: None, stamps };
    opened.put_on(choice.adapter.as_deref(), choice.allow_changed_base, context)?;
    context.check()?;
    Ok(opened)
}

/// What [`Opened::notes`] would tell of the model at `path`, without its weights being read.
///
/// # Errors
/// When its files cannot be used.
pub(crate) fn notes_of(path: &Path, tokenizer: &Tokenizer, dtype: BaseDtype) -> Result<Vec<String>> {
    let source = model::weights::open(path, dtype, &candle_core::Device::Cpu)?;
    Ok(tokenizer.notes().iter().cloned().chain(source.notes()).collect())
}

/// The path itself where there is something, else the catalogue's model of that name, or the hub's, fetched where it is not
/// here yet.
pub(crate) fn find_model(named: &Path, context: &mut Context) -> Result<PathBuf> {
    if named.exists() {
        return Ok(named.to_path_buf());
    }
    let Ok(entry) = hub::find(&named.to_string_lossy()) else {
        if let Some(path) = hub_paths::model(named, context)? {
            return Ok(path);
        }
        let known: Vec<_> = hub::catalogue()?.into_iter().map(|e| e.id).collect();
        return Err(Error::new(
            "no_model",
            format!("there is no model at {}", named.display()),
            format!(
                "Give a folder with safetensors, a .gguf file, a name of the Hugging Face hub (owner/name), or one from the \
                 catalogue: {}.",
                known.join(", ")
            ),
        ));
    };
    // Each stage is timed from its own beginning, or its time left would count the stages before it.
    let mut stage_began = (hub::Stage::Checking, Instant::now());
    let mut told = None;
    let path = hub::fetch(&entry, &hub::cache_dir()?, &mut |progress| {
        if stage_began.0 != progress.stage {
            stage_began = (progress.stage, Instant::now());
        }
        if told != Some((progress.stage, progress.done)) {
            told = Some((progress.stage, progress.done));
            let stage = match progress.stage {
                hub::Stage::Checking => "check model file",
                hub::Stage::Downloading => "download model",
                hub::Stage::Installing => "install model",
            };
            context.progress(stage, stage_began.1, progress.done, progress.total);
        }
    })?;
    Ok(path)
}

/// SHA-256 of a data set, in hexadecimal: of its file, or of a list with the digest and the name of each of its files.
pub(crate) fn sha256_of_data(path: &Path) -> Result<String> {
    let files = files_of(path)?;
    if let [file] = files.as_slice() {
        return sha256(file);
    }
    let mut hasher = Sha256::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{}  {name}\n", sha256(file)?));
    }
    Ok(format!("{:x}", hasher.finalize()))
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(Error::file(path))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(Error::file(path))?;
    Ok(format!("{:x}", hasher.finalize()))
}
