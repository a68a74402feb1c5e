//! The model that something is computed with: which of its files count, their digests, and whether they are what they were.

use crate::digests::{Digests, Going, Stamp};
use crate::error::{Error, Result};
use crate::files::sha256_of_file;
use model::weights;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a folder that are read beside the weights and `config.json`: a change to one of them changes tokens, the text
/// that a chat template makes, where an answer ends, or which tensors are read.
const BESIDE: [&str; 8] = [
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Digits of a digest that are shown in a sentence.
const SHOWN: usize = 12;

/// A model by the contents of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// SHA-256 (hexadecimal) over weights and configuration: a GGUF file or all parts of one that was split, or the safetensors
    /// and `config.json` of a folder.
    pub sha256: String,
    /// SHA-256 of every file that is read, by name, none of one that is not there. Empty where only `sha256` was noted, as
    /// was done before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Option<String>>,
}

impl Base {
    /// The model in a folder or a GGUF file; none where `going` says to stop.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(model: &Path, digests: &Digests, going: &mut Going<'_>) -> Result<Option<Self>> {
        let weights = weights_of(model)?;
        let Some(read) = digests.of(model, &weights, going)? else { return Ok(None) };
        let mut files: BTreeMap<String, Option<String>> =
            read.each.into_iter().map(|(name, digest)| (name, Some(digest))).collect();
        if let Some(digest) = files.remove("") {
            files.insert(name_of(model), digest);
        }
        if model.is_dir() {
            for name in BESIDE {
                let path = model.join(name);
                files.insert(name.into(), path.is_file().then(|| sha256_of_file(&path)).transpose()?);
            }
        }
        Ok(Some(Self { sha256: read.all, files }))
    }

    /// The same, read to the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(model: &Path, digests: &Digests) -> Result<Self> {
        let stopped = || Error::read(model)(std::io::ErrorKind::Interrupted.into());
        Self::of(model, digests, &mut |_, _| true)?.ok_or_else(stopped)
    }

    /// What of `found` is not as it is here, a phrase for each file; none where nothing is known to differ.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut names: BTreeSet<&String> = self.files.keys().collect();
        // Without a list of files, the digest of all says all that is known.
        if !names.is_empty() {
            names.extend(found.files.keys().filter(|name| is_weights(name)));
        }
        let digest = |base: &Self, name: &str| base.files.get(name).cloned().flatten();
        let files = names.into_iter().filter_map(|name| match (digest(self, name), digest(found, name)) {
            (expected, got) if expected == got => None,
            (Some(expected), Some(got)) => {
                Some(format!("{name} has SHA-256 {}, where {} was expected", short(&got), short(&expected)))
            }
            (Some(expected), None) => Some(format!("{name} (SHA-256 {}) is gone", short(&expected))),
            (None, got) => Some(format!("{name} (SHA-256 {}) was not there then", short(&got.unwrap_or_default()))),
        });
        let mut differences: Vec<String> = files.collect();
        if differences.is_empty() && self.sha256 != found.sha256 {
            let (got, expected) = (short(&found.sha256), short(&self.sha256));
            differences.push(format!("weights and configuration have SHA-256 {got}, where {expected} was expected"));
        }
        differences
    }

    /// Whether only the digest over weights and configuration was noted, so that nothing can be said of the other files.
    pub fn is_of_weights_alone(&self) -> bool {
        self.files.is_empty()
    }
}

/// Refuses a model that is not the one something was computed with, unless that is `allowed`. Where it is, answers with what
/// there is to say in the record.
///
/// # Errors
/// [`Error::ChangedBase`].
pub fn check(of: &str, expected: &Base, model: &Path, found: &Base, allowed: bool) -> Result<Option<String>> {
    let differences = expected.differences(found);
    if differences.is_empty() {
        return Ok(None);
    }
    let what = differences.join("; ");
    if allowed {
        return Ok(Some(format!("computed on another base than {of}, as asked: in {}, {what}", model.display())));
    }
    Err(Error::ChangedBase { model: model.to_path_buf(), of: of.to_owned(), what })
}

/// A digest as it stands in a sentence.
pub fn short(digest: &str) -> String {
    match digest.get(..SHOWN) {
        Some(begin) => format!("{begin}…"),
        None => digest.to_owned(),
    }
}

/// What the system says of a model's files: where it is the same, they were not changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps(Vec<(String, Option<Stamp>)>);

impl Stamps {
    /// Of the files that [`Base::of`] reads.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn of(model: &Path) -> Result<Self> {
        let mut files = weights_of(model)?;
        if model.is_dir() {
            files.extend(BESIDE.map(|name| (name.to_owned(), model.join(name))));
        }
        let stamp = |path: &Path| path.exists().then(|| Stamp::of(path)).transpose();
        Ok(Self(files.into_iter().map(|(name, path)| Ok((name, stamp(&path)?))).collect::<Result<_>>()?))
    }
}

fn is_weights(name: &str) -> bool {
    [".safetensors", ".gguf"].iter().any(|end| name.ends_with(end))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of weights and configuration in order, by the names that count in their digest.
fn weights_of(model: &Path) -> Result<Vec<(String, PathBuf)>> {
    if !model.is_dir() {
        return Ok(match &weights::gguf_files(model)[..] {
            // One file, which needs no name.
            [file] => vec![(String::new(), file.clone())],
            parts => parts.iter().map(|part| (name_of(part), part.clone())).collect(),
        });
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(model).map_err(Error::read(model))? {
        let path = entry.map_err(Error::read(model))?.path();
        let name = name_of(&path);
        if name == "config.json" || name.ends_with(".safetensors") {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_model_in_parts_covers_all_of_them_whichever_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let parts = [1, 2].map(|number| folder.path().join(format!("m-0000{number}-of-00002.gguf")));
        for (place, part) in parts.iter().enumerate() {
            fs::write(part, [place as u8; 9]).unwrap();
        }
        let read = |part: &Path| Base::read(part, &Digests::unkept());
        let before = read(&parts[0]).unwrap();
        assert_eq!(read(&parts[1]).unwrap(), before);
        assert_eq!(before.files.keys().collect::<Vec<_>>(), ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
        fs::write(&parts[1], [7; 9]).unwrap();
        let differences = before.differences(&read(&parts[0]).unwrap());
        assert!(differences.len() == 1 && differences[0].starts_with("m-00002-of-00002.gguf has"), "{differences:?}");
        fs::remove_file(&parts[1]).unwrap();
        assert!(read(&parts[0]).unwrap_err().to_string().contains("m-00002-of-00002.gguf"));
    }
}
