//! What of a repository a model needs: safetensors with their configuration and tokenizer, or one GGUF file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::HubError;
use super::name::{ModelName, check_path, is_gguf};
use numbers::size;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What else may stand beside safetensors and changes what a model reads or when it ends.
const BESIDE: [&str; 10] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
];

/// Weights in formats that are programs, or that nothing here reads.
const OTHER_FORMATS: [&str; 8] = [".bin", ".pth", ".pt", ".ckpt", ".msgpack", ".h5", ".onnx", ".pkl"];

/// The files of a model, by their paths in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The files with weights; of a split GGUF file all parts, the first one first.
    pub weights: Vec<String>,
    /// What stands beside them: configuration, tokenizer, the index of the weights.
    pub beside: Vec<String>,
    /// What could stand beside them and does not.
    pub absent: Vec<&'static str>,
    /// Whether the weights are a GGUF file, which holds everything else too.
    pub is_gguf: bool,
}

impl Needs {
    /// What the model `name` needs of a repository with these files (path and size).
    ///
    /// # Errors
    /// [`HubError::Choice`] where several GGUF files are there and none is named, [`HubError::NoFile`], and
    /// [`HubError::Unusable`] where no weights are there that can be read, or not all that belongs to them.
    pub fn of(name: &ModelName, files: &[(String, u64)]) -> Result<Self, HubError> {
        let has = |path: &str| files.iter().any(|(one, _)| one == path);
        let unusable =
            |why: String, hint: &str| HubError::Unusable { repo: name.repo.to_string(), why, hint: hint.to_owned() };
        if let Some(file) = &name.file {
            if !has(file) {
                let (repo, revision) = (name.repo.to_string(), name.revision().to_owned());
                return Err(HubError::NoFile { repo, revision, file: file.clone() });
            }
            return Self::gguf(name, file, files);
        }
        let shards = || files.iter().map(|(path, _)| path).filter(|path| part(path, ".safetensors").is_some());
        if has(SINGLE) || has(INDEX) {
            for (needed, what) in [(CONFIG, "configuration"), (TOKENIZER, "tokenizer that can be read")] {
                if !has(needed) {
                    return Err(unusable(
                        format!("it has no {needed}, and so no {what}"),
                        "Take a repository that has it: most copies of the same model do.",
                    ));
                }
            }
            let (here, absent): (Vec<_>, Vec<_>) = BESIDE.into_iter().partition(|path| has(path));
            let mut beside: Vec<String> = [CONFIG, TOKENIZER].into_iter().chain(here).map(str::to_owned).collect();
            // As the reader of weights has it: a single file comes before an index.
            let weights = if has(SINGLE) {
                vec![SINGLE.to_owned()]
            } else {
                beside.push(INDEX.to_owned());
                shards().filter(|path| !path.contains('/')).cloned().collect()
            };
            return Ok(Self { weights, beside, absent, is_gguf: false });
        }
        if shards().any(|path| !path.contains('/')) {
            return Err(unusable(
                format!("it has parts of a model and no {INDEX}, which says what is in them"),
                "Take another revision, or a repository that has it.",
            ));
        }
        let first = |path: &&String| is_gguf(path) && part(path, ".gguf").is_none_or(|(_, at, _)| at == 1);
        // Projectors of images are no model of their own.
        let models: Vec<&String> =
            files.iter().map(|(path, _)| path).filter(first).filter(|path| !path.contains("mmproj")).collect();
        match models[..] {
            [only] => Self::gguf(name, only, files),
            [] => {
                let other = files.iter().map(|(path, _)| path.as_str()).find(|path| is_other_format(path));
                Err(if has("adapter_model.safetensors") || has("adapter_config.json") {
                    unusable(
                        "it is an adapter and no model".to_owned(),
                        "Give the model that it was made for, and the adapter by the path of its folder.",
                    )
                } else if let Some(other) = other {
                    unusable(
                        format!("its weights are in a format that is not read ({other})"),
                        "Such files can run code when they are opened. Take a repository or a branch with safetensors, such \
                         as refs/convert/safetensors or refs/pr/1 where the hub has made one, or a GGUF file.",
                    )
                } else {
                    unusable(
                        "it holds neither safetensors nor GGUF files".to_owned(),
                        "Take a repository that has the weights of a language model.",
                    )
                })
            }
            _ => {
                let mut choices = Vec::new();
                for path in models {
                    let parts = Self::gguf(name, path, files)?.weights;
                    let bytes = parts.iter().map(|path| length(files, path)).sum();
                    let choice = ModelName { file: Some(path.clone()), ..name.clone() };
                    choices.push(format!("{choice}  ({})", size(bytes)));
                }
                Err(HubError::Choice { repo: name.repo.to_string(), what: "which of its GGUF files is meant", choices })
            }
        }
    }

    fn gguf(name: &ModelName, file: &str, files: &[(String, u64)]) -> Result<Self, HubError> {
        let mut weights = vec![file.to_owned()];
        if let Some((stem, _, count)) = part(file, ".gguf") {
            let numbered = files.iter().filter_map(|(path, _)| {
                part(path, ".gguf").filter(|(of, _, all)| *of == stem && *all == count).map(|(_, at, _)| (at, path))
            });
            let parts: BTreeMap<u32, &String> = numbered.collect();
            if let Some(lost) = (1..=count).find(|at| !parts.contains_key(at)) {
                return Err(HubError::Unusable {
                    repo: name.repo.to_string(),
                    why: format!("part {lost} of {count} of {file} is missing"),
                    hint: "Take another file of it, or another revision.".to_owned(),
                });
            }
            weights = parts.into_values().cloned().collect();
        }
        Ok(Self { weights, beside: Vec::new(), absent: Vec::new(), is_gguf: true })
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.beside.iter().chain(&self.weights).map(String::as_str)
    }

    /// Bytes of all files in a repository.
    pub fn bytes(&self, files: &[(String, u64)]) -> u64 {
        self.files().map(|path| length(files, path)).fold(0, u64::saturating_add)
    }

    /// The index of the weights, where they have one.
    pub(crate) fn index(&self) -> Option<&str> {
        self.beside.iter().find(|path| *path == INDEX).map(String::as_str)
    }

    /// What is opened, where the files are in this folder: the folder, or the GGUF file.
    pub(crate) fn opened(&self, snapshot: &Path) -> PathBuf {
        match self.weights.first() {
            Some(first) if self.is_gguf => snapshot.join(first),
            _ => snapshot.to_path_buf(),
        }
    }
}

/// The files that an index of weights names.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn named_by(index: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_str(index).map_err(|error| format!("its {INDEX} is damaged ({error})"))?;
    let mut files: Vec<String> = index.weight_map.into_values().collect();
    files.sort();
    files.dedup();
    files.iter().try_for_each(|path| check_path(path))?;
    if files.is_empty() { Err(format!("its {INDEX} is empty")) } else { Ok(files) }
}

fn length(files: &[(String, u64)], path: &str) -> u64 {
    files.iter().find(|(one, _)| one == path).map_or(0, |(_, bytes)| *bytes)
}

fn is_other_format(path: &str) -> bool {
    OTHER_FORMATS.iter().any(|ending| path.ends_with(ending))
}

/// Stem, number and count of `STEM-00001-of-00003.ENDING`.
fn part<'a>(path: &'a str, ending: &str) -> Option<(&'a str, u32, u32)> {
    let (rest, count) = path.strip_suffix(ending)?.rsplit_once("-of-")?;
    let (stem, at) = rest.rsplit_once('-')?;
    let number = |text: &str| (text.len() == 5).then(|| text.parse::<u32>().ok()).flatten();
    Some((stem, number(at)?, number(count)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(name: &str, files: &[&str]) -> Result<Needs, HubError> {
        let files: Vec<(String, u64)> = files.iter().map(|path| ((*path).to_owned(), 1_500_000)).collect();
        Needs::of(&name.parse().unwrap(), &files)
    }

    const TEXT: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];

    #[test]
    fn safetensors_come_with_what_stands_beside_them_and_nothing_else() {
        let other = ["README.md", "consolidated.safetensors", "pytorch_model.bin", "onnx/model.onnx", "a.gguf"];
        let one = of("hf:o/n", &[&TEXT[..], &other, &["model.safetensors"]].concat()).unwrap();
        assert_eq!(one.weights, ["model.safetensors"]);
        assert_eq!(one.beside, ["config.json", "tokenizer.json", "tokenizer_config.json"]);
        assert!(one.absent.contains(&"chat_template.jinja") && !one.is_gguf);

        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", INDEX];
        let several = of("hf:o/n", &[&TEXT[..], &other, &shards].concat()).unwrap();
        assert_eq!(several.weights, shards[..2]);
        assert_eq!(several.index(), Some(INDEX));
        let error = of("hf:o/n", &[&TEXT[..], &shards[..2]].concat()).unwrap_err().to_string();
        assert!(error.contains("no model.safetensors.index.json"), "{error}");
        let error = of("hf:o/n", &["config.json", "model.safetensors"]).unwrap_err().to_string();
        assert!(error.contains("no tokenizer.json"), "{error}");
    }

    #[test]
    fn one_gguf_file_is_taken_and_several_are_asked_for() {
        let parts = ["q8-00002-of-00002.gguf", "q8-00001-of-00002.gguf"];
        let split = of("hf:o/n", &[&parts[..], &["mmproj-f16.gguf"]].concat()).unwrap();
        assert_eq!(split.weights, ["q8-00001-of-00002.gguf", "q8-00002-of-00002.gguf"]);
        assert_eq!(split.opened(Path::new("/s")), Path::new("/s/q8-00001-of-00002.gguf"));

        let all = [&parts[..], &["q4.gguf"]].concat();
        let error = of("hf:o/n@v1", &all).unwrap_err().to_string();
        assert!(error.contains("hf:o/n@v1:q4.gguf  (1.5 MB)"), "{error}");
        assert!(error.contains("hf:o/n@v1:q8-00001-of-00002.gguf  (3.0 MB)"), "{error}");
        assert!(!error.contains("00002-of-00002"), "{error}");
        assert_eq!(of("hf:o/n:q4.gguf", &all).unwrap().weights, ["q4.gguf"]);
        assert_eq!(of("hf:o/n:q8-00002-of-00002.gguf", &all).unwrap().weights, split.weights);
        assert!(matches!(of("hf:o/n:q5.gguf", &all), Err(HubError::NoFile { .. })));
        let error = of("hf:o/n", &parts[1..]).unwrap_err().to_string();
        assert!(error.contains("part 2 of 2"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let why = |files: &[&str]| of("hf:o/n", files).unwrap_err().to_string();
        assert!(why(&["config.json", "pytorch_model.bin"]).contains("(pytorch_model.bin)"));
        assert!(why(&["adapter_config.json", "adapter_model.safetensors"]).contains("adapter and no model"));
        assert!(why(&["README.md"]).contains("neither safetensors nor GGUF"));
    }

    #[test]
    fn an_index_names_files_inside_the_repository() {
        assert_eq!(named_by(r#"{"weight_map": {"a": "x", "b": "x", "c": "y"}}"#).unwrap(), ["x", "y"]);
        for index in
            [r#"{"weight_map": {}}"#, r#"{"weight_map": {"a": "../x"}}"#, "{", r#"{"weight_map": {"a": "/x"}}"#]
        {
            assert!(named_by(index).is_err(), "{index}");
        }
    }
}
