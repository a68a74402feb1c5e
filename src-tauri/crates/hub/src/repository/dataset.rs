//! A data set by name: its configurations and splits as the hub has converted them to Parquet, and their files.

use std::fmt::Write;
use std::path::PathBuf;

use super::HubError;
use super::client::Hub;
use super::facts::{Facts, RemoteFile};
use super::layout::Layout;
use super::model::sizes;
use super::name::{DatasetName, PARQUET, Part, is_commit, is_data_file};
use super::transfer::Fetch;
use super::watch::Watch;
use numbers::size;

/// The hub converts only the beginning of a large split, and says so by the name of its folder.
const BEGINNING: &str = "partial-";

/// A data set at one commit of its conversion to Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFacts {
    /// The repository.
    pub facts: Facts,
    /// Its configurations, in the order of their names.
    pub configs: Vec<Config>,
}

/// A configuration: a data set of its own within one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its name; `default` where its authors gave none.
    pub name: String,
    /// Its splits, in the order of their names.
    pub splits: Vec<Split>,
}

/// A split, such as `train`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its name; begins with `partial-` where the hub converted only its beginning.
    pub name: String,
    /// Paths of its Parquet files, in order.
    pub shards: Vec<String>,
    /// Their size.
    pub bytes: u64,
}

/// Files of a data set that are on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedData {
    /// The files, in the order of their rows.
    pub paths: Vec<PathBuf>,
    /// The data set's name with commit, configuration and split, by which it is the same for ever.
    pub name: DatasetName,
    /// Bytes that were fetched for it now.
    pub fetched: u64,
    /// What the user should know, in sentences without a full stop.
    pub notes: Vec<String>,
}

impl FetchedData {
    /// The one file, or the folder that holds nothing but these.
    pub fn place(&self) -> PathBuf {
        match &self.paths[..] {
            [several, _, ..] => several.parent().unwrap_or(several).to_path_buf(),
            one => one.first().cloned().unwrap_or_default(),
        }
    }
}

impl Hub {
    /// The configurations and splits of a data set; nothing is fetched.
    ///
    /// # Errors
    /// See [`HubError`]. Where the hub has not converted it, [`HubError::Unusable`] names the files of its authors.
    pub fn dataset_facts(&self, name: &DatasetName, watch: &mut Watch<'_>) -> Result<DatasetFacts, HubError> {
        if self.settings.offline {
            return Err(offline(name, "what the repository holds can only be asked of the hub"));
        }
        let facts = match self.facts(&name.repo, name.revision(), watch) {
            Err(HubError::NoRevision { .. }) if name.revision.is_none() => {
                let own = self.facts(&name.repo, "main", watch)?;
                return Err(not_converted(name, "the hub has not converted it to Parquet", &own));
            }
            facts => facts?,
        };
        let configs = configs(&sizes(&facts));
        if configs.is_empty() {
            let why = format!("at `{}` it holds no files that the hub converted to Parquet", name.revision());
            return Err(not_converted(name, &why, &facts));
        }
        Ok(DatasetFacts { facts, configs })
    }

    /// The Parquet files of one split, or the one file that is named, fetched where they are not in the cache. A commit
    /// that is in the cache whole needs no network.
    ///
    /// # Errors
    /// See [`HubError`]: [`HubError::Choice`] where several configurations or splits are there and none is named.
    pub fn dataset(&self, name: &DatasetName, watch: &mut Watch<'_>) -> Result<FetchedData, HubError> {
        let layout = Layout::new(self.cache(), &name.repo);
        if self.settings.offline || is_commit(name.revision()) {
            match cached(&layout, name) {
                Ok(data) => return Ok(data),
                Err(error) if self.settings.offline => return Err(error),
                Err(_) => {}
            }
        }
        let mut notes = Vec::new();
        let (facts, part, paths) = if let Part::File(file) = &name.part {
            (self.facts(&name.repo, name.revision(), watch)?, name.part.clone(), vec![file.clone()])
        } else {
            let DatasetFacts { facts, configs } = self.dataset_facts(name, watch)?;
            let (config, split) = choose(name, &configs)?;
            let part = Part::Split { config: config.to_owned(), split: split.name.clone() };
            notes.extend(is_beginning(name, split));
            (facts, part, split.shards.clone())
        };
        let find = |path: &String| {
            facts.file(path).ok_or_else(|| HubError::NoFile {
                repo: name.repo.to_string(),
                revision: name.revision().to_owned(),
                file: path.clone(),
            })
        };
        let files = paths.iter().map(find).collect::<Result<Vec<&RemoteFile>, _>>()?;
        let fetch = Fetch { hub: self, repo: &name.repo, commit: &facts.commit, layout: &layout };
        let fetched = fetch.all(&files, watch)?;
        if let Part::Split { config, split } = &part {
            layout.keep_absent(&facts.commit, &shard(config, split, files.len()))?;
        }
        layout.keep_commit(name.revision(), &facts.commit)?;
        let snapshot = layout.snapshot(&facts.commit);
        let name = DatasetName { repo: name.repo.clone(), revision: Some(facts.commit.clone()), part };
        Ok(FetchedData { paths: paths.iter().map(|path| snapshot.join(path)).collect(), name, fetched, notes })
    }
}

/// The path of a shard of a split; the hub numbers them from 0.
fn shard(config: &str, split: &str, number: usize) -> String {
    format!("{config}/{split}/{number:04}.parquet")
}

/// The configurations that a repository's files make.
fn configs(files: &[(String, u64)]) -> Vec<Config> {
    let mut found: Vec<Config> = Vec::new();
    let mut files: Vec<&(String, u64)> = files.iter().collect();
    files.sort();
    for (path, bytes) in files {
        let parts: Vec<&str> = path.split('/').collect();
        let [config, split, file] = parts[..] else { continue };
        let numbered = file.strip_suffix(".parquet").is_some_and(|stem| stem.bytes().all(|b| b.is_ascii_digit()));
        if !numbered {
            continue;
        }
        if found.last().is_none_or(|last| last.name != config) {
            found.push(Config { name: config.to_owned(), splits: Vec::new() });
        }
        let Some(last) = found.last_mut() else { continue };
        if last.splits.last().is_none_or(|last| last.name != split) {
            last.splits.push(Split { name: split.to_owned(), shards: Vec::new(), bytes: 0 });
        }
        if let Some(split) = last.splits.last_mut() {
            split.shards.push(path.clone());
            split.bytes = split.bytes.saturating_add(*bytes);
        }
    }
    found
}

/// The split that the name means. A part of a split that the hub did not convert whole is taken only by its full name.
fn choose<'a>(name: &DatasetName, configs: &'a [Config]) -> Result<(&'a str, &'a Split), HubError> {
    let fits = |config: &Config, split: &Split| match &name.part {
        Part::Only => true,
        Part::Either(either) => config.name == *either || (configs.len() == 1 && split.name == *either),
        Part::Split { config: wanted, split: part } => config.name == *wanted && split.name == *part,
        Part::File(_) => false,
    };
    let all = || configs.iter().flat_map(|config| config.splits.iter().map(move |split| (config, split)));
    let fitting: Vec<_> = all().filter(|(config, split)| fits(config, split)).collect();
    let by_name = matches!(name.part, Part::Split { .. });
    match fitting[..] {
        [(config, split)] if by_name || !split.name.starts_with(BEGINNING) => Ok((&config.name, split)),
        _ => {
            let choices = if fitting.is_empty() { all().collect() } else { fitting };
            let choice = |(config, split): (&Config, &Split)| {
                let part = Part::Split { config: config.name.clone(), split: split.name.clone() };
                let beginning = if split.name.starts_with(BEGINNING) { ", only its beginning" } else { "" };
                format!("{}  ({}{beginning})", DatasetName { part, ..name.clone() }, size(split.bytes))
            };
            Err(HubError::Choice {
                repo: name.repo.to_string(),
                what: "which of its configurations and splits is meant",
                choices: choices.into_iter().map(choice).collect(),
            })
        }
    }
}

fn is_beginning(name: &DatasetName, split: &Split) -> Option<String> {
    let whole = split.name.strip_prefix(BEGINNING)?;
    Some(format!("the hub has converted only the beginning of {whole} of {}: its other rows are not there", name.repo))
}

fn not_converted(name: &DatasetName, why: &str, facts: &Facts) -> HubError {
    const SHOWN: usize = 10;
    let files: Vec<&RemoteFile> = facts.files.iter().filter(|file| is_data_file(&file.path)).collect();
    let mut why = why.to_owned();
    let hint = match files.first() {
        Some(first) => {
            why.push_str("; its authors' own data files are:");
            for file in files.iter().take(SHOWN) {
                // Writing into a string cannot fail.
                let _ = write!(why, "\n  {}  ({})", file.path, size(file.bytes));
            }
            if files.len() > SHOWN {
                let _ = write!(why, "\n  and {} more", files.len() - SHOWN);
            }
            let revision = name.revision.as_ref().map(|revision| format!("@{revision}")).unwrap_or_default();
            let or = if revision.is_empty() {
                "; several at once cannot be named".to_owned()
            } else {
                format!(", or leave the revision out for `{PARQUET}`")
            };
            format!("Name one of them, as in `hf:{}{revision}:{}`{or}.", name.repo, first.path)
        }
        None => "Fetch its files another way and give their paths.".to_owned(),
    };
    HubError::Unusable { repo: name.repo.to_string(), why, hint }
}

/// What is in the cache, where it is known to be all.
fn cached(layout: &Layout, name: &DatasetName) -> Result<FetchedData, HubError> {
    let revision = name.revision();
    let commit =
        layout.commit(revision).ok_or_else(|| offline(name, &format!("no commit of `{revision}` was fetched")))?;
    let files = layout.files(&commit);
    let mut notes = Vec::new();
    let (part, paths) = if let Part::File(file) = &name.part {
        if !files.iter().any(|(path, _)| path == file) {
            return Err(offline(name, &format!("{file} is missing")));
        }
        (name.part.clone(), vec![file.clone()])
    } else {
        let configs = configs(&files);
        if configs.is_empty() {
            return Err(offline(name, "no Parquet file of it is there"));
        }
        let (config, split) = choose(name, &configs)?;
        let whole = (0..split.shards.len()).all(|at| split.shards.contains(&shard(config, &split.name, at)));
        if !whole || !layout.is_absent(&commit, &shard(config, &split.name, split.shards.len())) {
            return Err(offline(name, "whether all its Parquet files are there is not known"));
        }
        notes.extend(is_beginning(name, split));
        (Part::Split { config: config.to_owned(), split: split.name.clone() }, split.shards.clone())
    };
    let snapshot = layout.snapshot(&commit);
    let name = DatasetName { repo: name.repo.clone(), revision: Some(commit), part };
    Ok(FetchedData { paths: paths.iter().map(|path| snapshot.join(path)).collect(), name, fetched: 0, notes })
}

fn offline(name: &DatasetName, missing: &str) -> HubError {
    HubError::Offline { wanted: name.to_string(), missing: missing.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(paths: &[&str]) -> Vec<Config> {
        configs(&paths.iter().map(|path| ((*path).to_owned(), 1_500_000)).collect::<Vec<_>>())
    }

    fn chosen(name: &str, configs: &[Config]) -> Result<String, String> {
        let name: DatasetName = name.parse().unwrap();
        choose(&name, configs).map(|(config, split)| format!("{config}/{}", split.name)).map_err(|e| e.to_string())
    }

    #[test]
    fn splits_are_made_of_the_converted_files() {
        let found =
            of(&["default/train/0001.parquet", "default/train/0000.parquet", "default/test/0000.parquet", "README.md"]);
        assert_eq!(found.len(), 1);
        let names: Vec<_> = found[0].splits.iter().map(|split| (split.name.as_str(), split.bytes)).collect();
        assert_eq!(names, [("test", 1_500_000), ("train", 3_000_000)]);
        assert_eq!(found[0].splits[1].shards, ["default/train/0000.parquet", "default/train/0001.parquet"]);
        assert!(of(&["data/train-00000-of-00001.parquet", "default/train/index.duckdb"]).is_empty());
    }

    #[test]
    fn one_split_is_taken_and_several_are_asked_for() {
        let one = of(&["default/train/0000.parquet"]);
        assert_eq!(chosen("hf:datasets/o/n", &one).unwrap(), "default/train");
        let two = of(&["default/train/0000.parquet", "default/test/0000.parquet"]);
        assert_eq!(chosen("hf:datasets/o/n:train", &two).unwrap(), "default/train");
        let error = chosen("hf:datasets/o/n", &two).unwrap_err();
        assert!(error.contains("hf:datasets/o/n:default/test  (1.5 MB)"), "{error}");
        let error = chosen("hf:datasets/o/n:validation", &two).unwrap_err();
        assert!(error.contains("hf:datasets/o/n:default/train"), "{error}");

        let several = of(&["a/train/0000.parquet", "b/train/0000.parquet", "b/test/0000.parquet"]);
        assert_eq!(chosen("hf:datasets/o/n:a", &several).unwrap(), "a/train");
        assert_eq!(chosen("hf:datasets/o/n:b/test", &several).unwrap(), "b/test");
        let error = chosen("hf:datasets/o/n:b", &several).unwrap_err();
        assert!(error.contains(":b/train") && !error.contains(":a/train"), "{error}");
        // Of which configuration is left open.
        assert!(chosen("hf:datasets/o/n:train", &several).unwrap_err().contains(":a/train"));
    }

    #[test]
    fn the_beginning_of_a_split_is_taken_only_by_its_full_name() {
        let large = of(&["default/partial-train/0000.parquet"]);
        let error = chosen("hf:datasets/o/n", &large).unwrap_err();
        assert!(error.contains("hf:datasets/o/n:default/partial-train  (1.5 MB, only its beginning)"), "{error}");
        assert_eq!(chosen("hf:datasets/o/n:default/partial-train", &large).unwrap(), "default/partial-train");
    }
}
