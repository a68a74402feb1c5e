//! How a model or a data set of the hub is named.
//!
//! ```text
//! model    = [ "hf:" ] owner "/" name [ "@" revision ]
//!          | "hf:" [ owner "/" ] name [ "@" revision ] [ ":" file ]
//! data set = "hf:datasets/" [ owner "/" ] name [ "@" revision ] [ ":" config [ "/" split ] | ":" split | ":" file ]
//! ```
//!
//! A revision is a branch, a tag or a commit; without one it is `main`, and for a data set the hub's conversion to
//! Parquet. What ends in the name of a data file's format (`.jsonl`, `.parquet`, `.csv.gz` …) is a file.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use hf_hub::{Repo, RepoType};

use super::HubError;

/// What a name begins with that can be nothing but one of the hub.
pub const PREFIX: &str = "hf:";

/// What the names of data sets begin with.
const DATASETS: &str = "hf:datasets/";

/// The branch on which the hub keeps its conversion of a data set to Parquet.
pub(crate) const PARQUET: &str = "refs/convert/parquet";

/// The endings of data files, before `.gz` or `.zst`.
const DATA_ENDINGS: [&str; 6] = [".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv"];

/// The longest that the hub lets the name of a repository be.
const LONGEST: usize = 96;

/// A repository: `owner/name`, or `name` alone for some old ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoId {
    name: String,
    is_dataset: bool,
}

impl RepoId {
    /// # Errors
    /// When the hub has no repository of such a name.
    pub(crate) fn new(name: &str, is_dataset: bool) -> Result<Self, String> {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 {
            return Err(format!("`{name}` has more than an owner and a name"));
        }
        for part in parts {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if part.is_empty() || !part.chars().all(allowed) {
                return Err(format!("`{part}` is no name: letters of English, digits, `-`, `_` and `.` are allowed"));
            }
            if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) || part.contains("--") || part.contains("..")
            {
                return Err(format!("`{part}` begins or ends with `-` or `.`, or has two of them together"));
            }
        }
        if name.len() > LONGEST {
            return Err(format!("the name is longer than {LONGEST} letters"));
        }
        Ok(Self { name: name.to_owned(), is_dataset })
    }

    /// Owner and name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As hf-hub has it: it knows the addresses and the cache's names of folders.
    pub(crate) fn at(&self, revision: &str) -> Repo {
        let kind = if self.is_dataset { RepoType::Dataset } else { RepoType::Model };
        Repo::with_revision(self.name.clone(), kind, revision.to_owned())
    }

    /// A repository as it is named where something is pushed to: `owner/name`, also with `hf:` and `datasets/` before it.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn to_push(text: &str, is_dataset: bool) -> Result<Self, HubError> {
        let wrong = |why: String| HubError::Name { text: text.to_owned(), why, form: "owner/name" };
        let rest = text.strip_prefix(PREFIX).unwrap_or(text);
        let rest = match rest.strip_prefix("datasets/") {
            Some(rest) if is_dataset => rest,
            Some(_) => return Err(wrong("this names a data set, and a model is pushed".to_owned())),
            None => rest,
        };
        let this = Self::new(rest, is_dataset).map_err(wrong)?;
        this.owner_and_name().map(|_| ())?;
        Ok(this)
    }

    /// Who owns it, and its name there.
    ///
    /// # Errors
    /// When the name has no owner, as those of some old repositories.
    pub(crate) fn owner_and_name(&self) -> Result<(&str, &str), HubError> {
        self.name.split_once('/').ok_or_else(|| HubError::Name {
            text: self.name.clone(),
            why: "it does not say whose it is".to_owned(),
            form: "owner/name",
        })
    }

    /// Whether it holds data, not a model.
    pub fn is_dataset(&self) -> bool {
        self.is_dataset
    }

    /// Its name in addresses of the API.
    pub(crate) fn api(&self) -> String {
        format!("{}/{}", if self.is_dataset { "datasets" } else { "models" }, self.name)
    }

    /// The repository whose place in the hub's cache this path is or was, with its commit.
    pub fn of_path(path: &Path) -> Option<(Self, String)> {
        in_cache(path).map(|found| (found.repo, found.commit))
    }

    /// The commit of this repository that a path in the hub's cache lies in.
    pub fn commit_in(&self, path: &Path) -> Option<String> {
        in_cache(path).filter(|found| found.repo == *self).map(|found| found.commit)
    }

    /// Another name of a repository of the same kind.
    ///
    /// # Errors
    /// As [`RepoId::new`].
    pub(crate) fn renamed(&self, name: &str) -> Result<Self, String> {
        Self::new(name, self.is_dataset)
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_dataset { "datasets/" } else { "" }, self.name)
    }
}

/// A model by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelName {
    /// Where it is.
    pub repo: RepoId,
    /// A branch, a tag or a commit; `main` where there is none.
    pub revision: Option<String>,
    /// A GGUF file of the repository, of a split one its first part.
    pub file: Option<String>,
}

/// A data set by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatasetName {
    /// Where it is.
    pub repo: RepoId,
    /// A branch, a tag or a commit.
    pub revision: Option<String>,
    /// What of it.
    pub part: Part,
}

/// What is wanted of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// The only split of the only configuration.
    Only,
    /// The only split of this configuration, or this split of the only configuration.
    Either(String),
    /// A split of a configuration.
    Split {
        /// The configuration.
        config: String,
        /// The split.
        split: String,
    },
    /// A file that its authors put there.
    File(String),
}

impl ModelName {
    /// The revision that is asked for.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The model whose place in the hub's cache this path is or was: a run keeps it, and by it the model can be fetched again.
    pub fn of_path(path: &Path) -> Option<Self> {
        let InCache { repo, commit, file } = in_cache(path).filter(|found| !found.repo.is_dataset)?;
        Some(Self { repo, revision: Some(commit), file: (!file.is_empty()).then_some(file) })
    }

    /// The model that `text` names where no path of that name exists: with `hf:` always one of the hub, without it only in
    /// the form `owner/name[@revision]`. Nothing where the text has no such form.
    ///
    /// # Errors
    /// When the text begins with `hf:` and is no name, or could be a path as well: a folder of the owner's name is there,
    /// or the name ends as a file of weights does.
    pub fn read(text: &str, folder: &Path) -> Result<Option<Self>, HubError> {
        if text.starts_with(PREFIX) {
            return text.parse().map(Some);
        }
        let Some((owner, name)) = text.split_once('/') else { return Ok(None) };
        let Ok(found) = format!("{PREFIX}{text}").parse::<Self>() else { return Ok(None) };
        if found.file.is_some() {
            return Ok(None);
        }
        let is_file = [".gguf", ".safetensors", ".bin", ".pth", ".pt"].iter().any(|ending| name.ends_with(ending));
        if is_file || folder.join(owner).is_dir() {
            return Err(HubError::TwoWays { text: text.to_owned() });
        }
        Ok(Some(found))
    }
}

impl DatasetName {
    /// The revision that is asked for.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(if matches!(self.part, Part::File(_)) { "main" } else { PARQUET })
    }

    /// The data set that `text` names: nothing where it does not begin with `hf:`.
    ///
    /// # Errors
    /// When it begins so and is no name of a data set.
    pub fn read(text: &str) -> Result<Option<Self>, HubError> {
        if text.starts_with(PREFIX) { text.parse().map(Some) } else { Ok(None) }
    }
}

impl FromStr for ModelName {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong =
            |why: String| HubError::Name { text: text.to_owned(), why, form: "hf:owner/name@revision:file.gguf" };
        if text.starts_with(DATASETS) {
            return Err(wrong("this names a data set, and a model is wanted".to_owned()));
        }
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return Err(wrong(format!("it does not begin with `{PREFIX}`")));
        };
        let (repo, revision, file) = split(rest).map_err(wrong)?;
        let repo = RepoId::new(repo, false).map_err(wrong)?;
        if let Some(file) = file {
            check_path(file).map_err(wrong)?;
            if !is_gguf(file) {
                return Err(wrong(format!(
                    "`{file}` is no GGUF file; a model of safetensors is named by its repository alone"
                )));
            }
        }
        Ok(Self { repo, revision: revision.map(str::to_owned), file: file.map(str::to_owned) })
    }
}

impl FromStr for DatasetName {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong = |why: String| HubError::Name {
            text: text.to_owned(),
            why,
            form: "hf:datasets/owner/name@revision:configuration/split",
        };
        let Some(rest) = text.strip_prefix(DATASETS) else {
            return Err(wrong(format!("the name of a data set begins with `{DATASETS}`")));
        };
        let (repo, revision, part) = split(rest).map_err(wrong)?;
        let repo = RepoId::new(repo, true).map_err(wrong)?;
        let part = match part {
            None => Part::Only,
            Some(part) => {
                check_path(part).map_err(wrong)?;
                if is_data_file(part) {
                    Part::File(part.to_owned())
                } else if let Some((config, split)) = part.split_once('/') {
                    if split.contains('/') {
                        return Err(wrong(format!("`{part}` has more than a configuration and a split")));
                    }
                    Part::Split { config: config.to_owned(), split: split.to_owned() }
                } else {
                    Part::Either(part.to_owned())
                }
            }
        };
        Ok(Self { repo, revision: revision.map(str::to_owned), part })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(f, ":{file}"))
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        match &self.part {
            Part::Only => Ok(()),
            Part::Either(part) | Part::File(part) => write!(f, ":{part}"),
            Part::Split { config, split } => write!(f, ":{config}/{split}"),
        }
    }
}

/// What the path of a file in the hub's cache says.
struct InCache {
    repo: RepoId,
    commit: String,
    file: String,
}

fn in_cache(path: &Path) -> Option<InCache> {
    let parts: Vec<&str> = path.components().map(|part| part.as_os_str().to_str()).collect::<Option<_>>()?;
    let at = parts.iter().rposition(|part| *part == "snapshots")?;
    let folder = parts.get(at.checked_sub(1)?)?;
    let (name, is_dataset) = match folder.strip_prefix("models--") {
        Some(name) => (name, false),
        None => (folder.strip_prefix("datasets--")?, true),
    };
    // A name has no `--` of its own.
    let repo = RepoId::new(&name.replace("--", "/"), is_dataset).ok()?;
    let commit = parts.get(at + 1).filter(|commit| is_commit(commit))?;
    Some(InCache { repo, commit: (*commit).to_owned(), file: parts[at + 2..].join("/") })
}

/// Whether it is a commit: a revision that stays what it is.
pub(crate) fn is_commit(revision: &str) -> bool {
    is_hex(revision, 40)
}

/// Whether the text is a hash of that many digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the path ends as a GGUF file's does.
pub(crate) fn is_gguf(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "gguf")
}

/// Whether the path ends as a data file does.
pub(crate) fn is_data_file(path: &str) -> bool {
    let path = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    DATA_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Makes sure that a path in a repository stays inside every folder that it is joined to, on every system.
///
/// # Errors
/// With the reason.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    if path.contains(odd) {
        return Err(format!("the path {path:?} has letters that no path here may have"));
    }
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(format!("the path {path:?} leads out of its folder or has an empty part"));
    }
    Ok(())
}

/// Repository, revision, and what stands after the colon.
fn split(rest: &str) -> Result<(&str, Option<&str>, Option<&str>), String> {
    let (place, part) = rest.split_once(':').map_or((rest, None), |(place, part)| (place, Some(part)));
    let (repo, revision) = place.split_once('@').map_or((place, None), |(repo, revision)| (repo, Some(revision)));
    if part == Some("") {
        return Err("nothing stands after the colon".to_owned());
    }
    if let Some(revision) = revision {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
        let odd = revision.starts_with('-') || revision.contains("..") || revision.split('/').any(str::is_empty);
        if odd || !revision.chars().all(allowed) {
            return Err(format!("`{revision}` is no branch, tag or commit"));
        }
    }
    Ok((repo, revision, part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for text in [
            "hf:org/name",
            "hf:gpt2",
            "hf:org/name@v1.0",
            "hf:org/name@refs/pr/3",
            "hf:org/name@0123456789012345678901234567890123456789:sub/a-00001-of-00002.gguf",
            "hf:org/name:a.gguf",
        ] {
            assert_eq!(text.parse::<ModelName>().unwrap().to_string(), text);
        }
        for text in [
            "hf:datasets/org/name",
            "hf:datasets/org/name:default/train",
            "hf:datasets/org/name@refs/convert/parquet:train",
            "hf:datasets/org/name@main:data/a.jsonl.gz",
        ] {
            assert_eq!(text.parse::<DatasetName>().unwrap().to_string(), text);
        }
        let data: DatasetName = "hf:datasets/o/n:data/x.jsonl".parse().unwrap();
        assert_eq!(data.revision(), "main");
        assert_eq!(data.part, Part::File("data/x.jsonl".to_owned()));
        assert_eq!("hf:datasets/o/n".parse::<DatasetName>().unwrap().revision(), PARQUET);
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, why) in [
            ("hf:a/b/c", "more than an owner and a name"),
            ("hf:a/", "is no name"),
            ("hf:a/..", "begins or ends"),
            ("hf:a/b@", "no branch"),
            ("hf:a/b@../x", "no branch"),
            ("hf:a/b:../../x.gguf", "leads out"),
            ("hf:a/b:C:\\x.gguf", "letters that no path"),
            ("hf:a/b:model.safetensors", "no GGUF file"),
            ("hf:a/b:", "after the colon"),
            ("hf:datasets/a/b", "names a data set"),
        ] {
            let error = text.parse::<ModelName>().unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        for (text, why) in [
            ("hf:a/b", "begins with `hf:datasets/`"),
            ("hf:datasets/a/b:x/y/z", "more than a configuration and a split"),
            ("hf:datasets/a/b:/etc/passwd.csv", "leads out"),
        ] {
            let error = text.parse::<DatasetName>().unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_place_in_the_cache_says_what_it_is() {
        let commit = "0123456789012345678901234567890123456789";
        let model = format!("/c/hub/models--org--name/snapshots/{commit}");
        assert_eq!(ModelName::of_path(Path::new(&model)).unwrap().to_string(), format!("hf:org/name@{commit}"));
        let file = ModelName::of_path(&Path::new(&model).join("q4/a.gguf")).unwrap();
        assert_eq!(file.to_string(), format!("hf:org/name@{commit}:q4/a.gguf"));
        let data = format!("/c/datasets--org--name/snapshots/{commit}/default/train");
        assert_eq!(ModelName::of_path(Path::new(&data)), None);
        assert_eq!(RepoId::new("org/name", true).unwrap().commit_in(Path::new(&data)).as_deref(), Some(commit));
        assert_eq!(RepoId::new("org/other", true).unwrap().commit_in(Path::new(&data)), None);
        for other in ["/models/a", "/c/models--org--name/snapshots/main", "/snapshots"] {
            assert_eq!(ModelName::of_path(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn what_could_be_a_path_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        let read = |text: &str| ModelName::read(text, folder.path());
        assert_eq!(read("org/name@main").unwrap().unwrap().to_string(), "hf:org/name@main");
        assert_eq!(read("hf:models/name").unwrap().unwrap().to_string(), "hf:models/name");
        for no_name in ["model", "./org/name", "../name", "/abs/name", "a/b/c", "org/name:x.gguf", "C:/models"] {
            assert_eq!(read(no_name).unwrap(), None, "{no_name}");
        }
        for both in ["models/name", "org/name.gguf"] {
            assert!(matches!(read(both), Err(HubError::TwoWays { .. })), "{both}");
        }
    }
}
