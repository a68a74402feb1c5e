//! A run as its settings file says it: flat keys under their TRL names, tables `[data]` and `[lora]`.

mod keys;

use crate::error::{Error, Result};
use crate::folder::CONFIG;
use crate::settings::Settings;
use keys::{DATA_KEYS, FREE, KEYS, LATER, LORA_KEYS, refuse_unknown};
use model::{DeviceChoice, Products};
use prefs::reader::Choices;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// A run: its settings, and where it reads and writes. In a settings file both stand side by side.
///
/// ```
/// use std::path::Path;
/// use train::RunConfig;
///
/// let file = "
///     model = 'SmolLM2-135M-Instruct'
///     output_dir = 'run'
///     beta = 0.2
///
///     [data]
///     train = 'pairs.jsonl'
/// ";
/// let run = RunConfig::parse(file, Path::new("/project"))?;
/// assert_eq!(run.data.train, Path::new("/project/pairs.jsonl"));
/// assert_eq!((run.settings.beta, run.settings.learning_rate), (0.2, 5e-5));
///
/// let refused = RunConfig::parse(&file.replace("0.2", "0"), Path::new("/project")).unwrap_err();
/// assert_eq!(refused.to_string(), "beta is 0");
/// assert_eq!(refused.hint(), "Set it above 0; 0.1 is usual.");
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunConfig {
    /// Model folder (safetensors) or GGUF file.
    pub model: PathBuf,
    /// The run's folder: events, checkpoints and the adapter go here.
    pub output_dir: PathBuf,
    /// Where to compute: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`. A run that began with `auto` stays on the device that
    /// it then found.
    pub device: DeviceChoice,
    /// Go on with the run in `output_dir`: `false`, `true` (its newest whole checkpoint) or a checkpoint's folder.
    pub resume_from_checkpoint: Resume,
    /// Where the pairs are.
    pub data: DataConfig,
    /// How it learns.
    #[serde(flatten)]
    pub settings: Settings,
}

/// All of a [`RunConfig`] but its settings, which are read apart: what is read through `flatten` no longer knows its line.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Places {
    model: PathBuf,
    output_dir: PathBuf,
    device: DeviceChoice,
    resume_from_checkpoint: Resume,
    data: DataConfig,
}

/// The table `[data]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Pairs to train on: JSON, JSON Lines, CSV, TSV or Parquet.
    pub train: PathBuf,
    /// Held-out pairs to evaluate on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval: Option<PathBuf>,
    /// How both files are read where they do not say it themselves: which column is what, and choices such as
    /// `plain_text`.
    #[serde(skip_serializing_if = "Choices::is_empty")]
    pub map: Choices,
}

/// `resume_from_checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resume {
    /// Start a new run.
    #[default]
    No,
    /// Go on from the newest whole checkpoint, or from the start where there is none yet.
    Latest,
    /// Go on from this checkpoint.
    From(PathBuf),
}

impl RunConfig {
    /// Reads a settings file. Relative paths are taken from the file's folder; what begins with `hf:` stays as it is.
    ///
    /// # Errors
    /// When the file cannot be read, holds an unknown key, or a value without meaning.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_by(path, Self::parse)
    }

    /// As [`RunConfig::read`], of a file whose model, data and folder may be missing, because others decide them.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an unknown key; values are not checked yet.
    pub fn read_unplaced(path: &Path) -> Result<Self> {
        Self::read_by(path, Self::parse_unchecked)
    }

    fn read_by(path: &Path, parse: fn(&str, &Path) -> Result<Self>) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::read(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        parse(&text, folder).map_err(|error| match error {
            Error::Config { what, hint } => Error::Config { what: format!("{}: {what}", path.display()), hint },
            other => other,
        })
    }

    /// Reads settings from TOML text. Relative paths are taken from `folder`.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let config = Self::parse_unchecked(text, folder)?;
        config.validate()?;
        Ok(config)
    }

    fn parse_unchecked(text: &str, folder: &Path) -> Result<Self> {
        let not_toml = |error: toml::de::Error| {
            Error::config(error.to_string().trim().to_owned(), "Correct this line; every key is listed in the README.")
        };
        let table: toml::Table = toml::from_str(text).map_err(not_toml)?;
        refuse_unknown(&table, "", &KEYS)?;
        for (name, keys) in [("data", &DATA_KEYS[..]), ("lora", &LORA_KEYS[..])] {
            if let Some(toml::Value::Table(inner)) = table.get(name) {
                refuse_unknown(inner, &format!("{name}."), keys)?;
            }
        }
        let Places { model, output_dir, device, resume_from_checkpoint, data } =
            toml::from_str(text).map_err(not_toml)?;
        let settings = toml::from_str(text).map_err(not_toml)?;
        let mut config = Self { model, output_dir, device, resume_from_checkpoint, data, settings };
        config.resolve_paths(folder)?;
        Ok(config)
    }

    fn resolve_paths(&mut self, folder: &Path) -> Result<()> {
        let resolve = |path: &mut PathBuf| {
            // A name that begins so is one of the Hugging Face hub, and no path.
            if path.as_os_str().is_empty() || path.to_str().is_some_and(|text| text.starts_with("hf:")) {
                return Ok(());
            }
            *path = std::path::absolute(folder.join(&*path)).map_err(Error::read(folder))?;
            Ok(())
        };
        let required = [&mut self.model, &mut self.output_dir, &mut self.data.train];
        let adapters = [&mut self.settings.init_adapter, &mut self.settings.ref_adapter].into_iter().flatten();
        required.into_iter().chain(&mut self.data.eval).chain(adapters).try_for_each(resolve)?;
        match &mut self.resume_from_checkpoint {
            Resume::From(path) => resolve(path),
            _ => Ok(()),
        }
    }

    /// The same run with other settings.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The settings as TOML, complete.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        let cannot = |error: toml::ser::Error| {
            Error::config(format!("the settings cannot be written: {error}"), "Use paths that are plain text.")
        };
        let mut table = toml::Table::try_from(self).map_err(cannot)?;
        let in_order: toml::Table =
            KEYS.into_iter().filter_map(|key| Some((key.to_owned(), table.remove(key)?))).collect();
        toml::to_string(&in_order).map_err(cannot)
    }

    /// Every setting that shapes the run's numbers, as `key = value`, tables as `table.key`.
    fn fixed(&self) -> Result<Vec<(String, String)>> {
        let table: toml::Table = toml::from_str(&self.to_toml()?)
            .map_err(|error| Error::config(format!("the settings cannot be read back: {error}"), ""))?;
        let mut flat = Vec::new();
        // Which step is the best depends on which are looked at.
        let selecting = self.settings.selecting().is_some();
        let free = |key: &str| FREE.contains(&key) && !(selecting && key == "eval_steps");
        for (key, value) in table.into_iter().filter(|(key, _)| !free(key)) {
            match value {
                toml::Value::Table(inner) => {
                    flat.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), value.to_string())));
                }
                value => flat.push((key, value.to_string())),
            }
        }
        flat.sort();
        Ok(flat)
    }

    /// The settings that a run has written down in its folder. Before there was a choice of products, they were f32.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn of_run(folder: &Path) -> Result<Self> {
        let mut written = Self::read(&folder.join(CONFIG))?;
        if written.settings.products == Products::Auto {
            written.settings.products = Products::F32;
        }
        Ok(written)
    }

    /// What differs from the settings `earlier` that would change the run's numbers, a line for each key.
    ///
    /// # Errors
    /// As [`RunConfig::to_toml`].
    pub fn changes_since(&self, earlier: &Self) -> Result<Vec<String>> {
        let (old, new) = (earlier.fixed()?, self.fixed()?);
        let find = |list: &[(String, String)], key: &str| {
            list.iter().find(|(k, _)| k == key).map_or("unset".to_owned(), |(_, value)| value.clone())
        };
        let mut keys: Vec<_> = old.iter().chain(&new).map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        let line = |key: &str| {
            let (was, is) = (find(&old, key), find(&new, key));
            (was != is).then(|| format!("{key} was {was} and is now {is}"))
        };
        Ok(keys.into_iter().filter_map(line).collect())
    }

    /// SHA-256 (hexadecimal) over every setting that shapes the run's numbers.
    ///
    /// # Errors
    /// As [`RunConfig::to_toml`].
    pub fn digest(&self) -> Result<String> {
        let defaults = Self::default().fixed()?;
        let later = |key: &str| LATER.iter().any(|later| key.starts_with(later));
        let as_before = |entry: &(String, String)| match entry.0.as_str() {
            "products" => self.settings.products == Products::F32,
            key => later(key) && defaults.contains(entry),
        };
        let mut hasher = Sha256::new();
        for (key, value) in self.fixed()?.into_iter().filter(|entry| !as_before(entry)) {
            hasher.update(format!("{key} = {value}\n"));
        }
        Ok(format!("{:x}", hasher.finalize()))
    }
}

impl Serialize for Resume {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Latest => serializer.serialize_bool(true),
            Self::From(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Resume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "resume_from_checkpoint must be true, false or a checkpoint's folder")]
        enum Written {
            Flag(bool),
            Path(PathBuf),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Flag(false) => Self::No,
            Written::Flag(true) => Self::Latest,
            Written::Path(path) => Self::From(path),
        })
    }
}

#[cfg(test)]
mod tests;
