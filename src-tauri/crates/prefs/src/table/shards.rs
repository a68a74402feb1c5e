//! The files of a data set: one file, a folder of shards, or those that a pattern (`train-*.parquet`) names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Error;

/// Endings of files that hold rows, before that of a compression.
const ROWS: [&str; 7] = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "jsonlines"];
const COMPRESSED: [&str; 3] = ["gz", "zst", "zstd"];

/// Files that say something about a data set and hold none of its rows.
const ABOUT: [&str; 6] =
    ["dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "config.json", "metadata.json"];

/// Words by which the parts of a data set are told apart that must not be mixed.
const SPLITS: [&str; 8] = ["train", "test", "validation", "valid", "val", "dev", "eval", "heldout"];

/// How deep folders are looked into: `data/train/00000.parquet`.
const DEEPEST: usize = 4;

/// The files of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shards {
    /// In the order in which they are read: by name, numbers counted.
    pub(super) files: Vec<PathBuf>,
    /// What lies beside them and is not read, as a sentence.
    pub(super) left_out: Option<String>,
}

impl Shards {
    /// The files that a path names.
    ///
    /// # Errors
    /// When there is none, a folder holds several splits or forms, or a shard is missing by the others' names.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Choice { path: path.to_path_buf(), reason };
        let (files, left_out) = if path.is_dir() {
            let (mut files, mut others) = (Vec::new(), Vec::new());
            collect(path, 0, &mut files, &mut others)?;
            if files.is_empty() {
                return Err(wrong(
                    match others.iter().find(|name| Path::new(name).extension().is_some_and(|end| end == "arrow")) {
                        Some(_) => "the folder holds Arrow files, which `datasets` keeps for itself; write it out by \
                                `to_parquet` or `to_json`"
                            .to_owned(),
                        None => format!(
                            "the folder holds no file of rows ({}, also with {})",
                            ROWS.map(|end| format!(".{end}")).join(", "),
                            COMPRESSED.map(|end| format!(".{end}")).join(", ")
                        ),
                    },
                ));
            }
            check_one_split(path, &files).map_err(wrong)?;
            (files, others)
        } else if !path.exists() && path.to_string_lossy().contains(['*', '?', '[']) {
            let pattern = path.to_string_lossy();
            let found = glob::glob(&pattern).map_err(|error| wrong(format!("the pattern cannot be read: {error}")))?;
            let files: Vec<PathBuf> = found.filter_map(Result::ok).filter(|path| path.is_file()).collect();
            if files.is_empty() {
                return Err(wrong("the pattern names no file".to_owned()));
            }
            check_one_split(Path::new(""), &files).map_err(wrong)?;
            (files, Vec::new())
        } else {
            return Ok(Self { files: vec![path.to_path_buf()], left_out: None });
        };
        let mut files = files;
        files.sort_by_cached_key(|file| in_order(file));
        check_forms(&files).map_err(wrong)?;
        check_complete(&files).map_err(wrong)?;
        let shown = || left_out.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = if left_out.len() > 5 { format!(" and {} more", left_out.len() - 5) } else { String::new() };
        let left_out =
            (!left_out.is_empty()).then(|| format!("Beside the data lie files that are not read: {}{more}.", shown()));
        Ok(Self { files, left_out })
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, others: &mut Vec<String>) -> Result<(), Error> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(Error::io("list", folder))?;
    entries.sort();
    for path in entries {
        let name = name_of(&path);
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth + 1 < DEEPEST {
                collect(&path, depth + 1, files, others)?;
            } else {
                others.push(name);
            }
        } else if form(&path).is_some() && !ABOUT.contains(&name.as_str()) {
            files.push(path);
        } else {
            others.push(name);
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The ending by which a file holds rows: `jsonl` of `train.jsonl.gz`.
fn form(path: &Path) -> Option<String> {
    let name = name_of(path).to_lowercase();
    let mut parts = name.rsplit('.');
    let last = parts.next()?;
    let ending = if COMPRESSED.contains(&last) { parts.next()? } else { last };
    (parts.next().is_some() && ROWS.contains(&ending)).then(|| ending.to_owned())
}

/// A folder with a training and a test split is two data sets. Which is meant is not guessed.
fn check_one_split(folder: &Path, files: &[PathBuf]) -> Result<(), String> {
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        // Of the files that a pattern names, the names alone: their folders have names of their own.
        let inside = file.strip_prefix(folder).ok().filter(|_| folder.components().next().is_some());
        let inside = inside.unwrap_or_else(|| Path::new(file.file_name().unwrap_or_default()));
        let inside = inside.to_string_lossy().to_lowercase();
        let words: Vec<&str> = inside.split(|c: char| !c.is_ascii_alphabetic()).collect();
        let named = SPLITS.iter().find(|split| words.iter().any(|word| word == *split)).copied();
        *splits.entry(named.unwrap_or("no split in their names")).or_default() += 1;
    }
    if splits.len() < 2 {
        return Ok(());
    }
    let counted: Vec<String> = splits.iter().map(|(split, files)| format!("{split} ({files})")).collect();
    Err(format!(
        "the files are of several splits: {}. Name one of them by a pattern, such as {}",
        counted.join(", "),
        folder.join("train*").display()
    ))
}

fn check_forms(files: &[PathBuf]) -> Result<(), String> {
    let forms: BTreeSet<String> = files.iter().map(|file| form(file).unwrap_or_else(|| name_of(file))).collect();
    // JSON and JSON Lines are told apart by what is in them.
    if forms.len() < 2 || forms.iter().all(|form| form.starts_with("json") || form == "ndjson") {
        return Ok(());
    }
    let forms: Vec<String> = forms.into_iter().collect();
    Err(format!(
        "its files are of different forms ({}); name those that belong together by a pattern, such as *.{}",
        forms.join(", "),
        forms[0]
    ))
}

/// `train-00001-of-00003.parquet`: all three must be there.
fn check_complete(files: &[PathBuf]) -> Result<(), String> {
    let mut sets: BTreeMap<(String, usize), BTreeSet<usize>> = BTreeMap::new();
    for file in files {
        if let Some((before, number, of)) = shard(&name_of(file)) {
            sets.entry((file.with_file_name(before).display().to_string(), of)).or_default().insert(number);
        }
    }
    for ((before, of), there) in sets {
        let missing: Vec<String> = (0..of).filter(|number| !there.contains(number)).map(|it| it.to_string()).collect();
        // Some count from one.
        if missing.is_empty() || missing == ["0"] && there.contains(&of) {
            continue;
        }
        let shown = missing.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if missing.len() > 5 { ", …" } else { "" };
        return Err(format!(
            "of {of} shards by the name `{}-*-of-{of:05}`, {} are missing (number {shown}{more}); fetch them, or name the \
             files that are to be read one by one",
            name_of(Path::new(&before)),
            missing.len()
        ));
    }
    Ok(())
}

/// What stands before the number, the number, and of how many.
fn shard(name: &str) -> Option<(String, usize, usize)> {
    let (before, after) = name.rsplit_once("-of-")?;
    let (before, number) = before.rsplit_once('-')?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    let is_number = |text: &str| !text.is_empty() && text.len() < 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(number) && is_number(&digits)).then_some((before.to_owned(), number.parse().ok()?, digits.parse().ok()?))
}

/// A key by which `part-2` stands before `part-10`.
fn in_order(path: &Path) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let text = path.to_string_lossy();
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(words);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        key.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}\n").unwrap();
        }
        folder
    }

    fn read(names: &[&str]) -> Result<(Vec<String>, Option<String>), String> {
        let folder = folder(names);
        let shards = Shards::of(folder.path()).map_err(|error| error.to_string())?;
        Ok((shards.files.iter().map(|file| name_of(file)).collect(), shards.left_out))
    }

    #[test]
    fn a_folder_is_its_shards_in_order() {
        let (files, left_out) = read(&["part-10.jsonl", "part-2.jsonl.gz", "README.md", ".gitattributes"]).unwrap();
        assert_eq!(files, ["part-2.jsonl.gz", "part-10.jsonl"]);
        assert!(left_out.unwrap().contains("`README.md`"));
        let (files, left_out) =
            read(&["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]).unwrap();
        assert_eq!((files.len(), left_out), (2, None));
    }

    #[test]
    fn what_could_be_meant_otherwise_is_not_guessed() {
        let splits = read(&["train.jsonl", "test.jsonl"]).unwrap_err();
        assert!(splits.contains("test (1), train (1)") && splits.contains("train*"), "{splits}");
        let forms = read(&["a.csv", "b.parquet"]).unwrap_err();
        assert!(forms.contains("csv, parquet"), "{forms}");
        let missing = read(&["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"]).unwrap_err();
        assert!(missing.contains("1 are missing (number 1)"), "{missing}");
        let nothing = read(&["README.md"]).unwrap_err();
        assert!(nothing.contains("no file of rows"), "{nothing}");
        let arrow = read(&["data-00000-of-00001.arrow", "state.json"]).unwrap_err();
        assert!(arrow.contains("to_parquet"), "{arrow}");
    }

    #[test]
    fn a_pattern_names_files() {
        let folder = folder(&["train-1.jsonl", "train-2.jsonl", "test-1.jsonl"]);
        let shards = Shards::of(&folder.path().join("train-*.jsonl")).unwrap();
        assert_eq!(shards.files.len(), 2);
        let mixed = Shards::of(&folder.path().join("*.jsonl")).unwrap_err().to_string();
        assert!(mixed.contains("test (1), train (2)"), "{mixed}");
        assert!(Shards::of(&folder.path().join("nothing-*")).unwrap_err().to_string().contains("names no file"));
        // A file that is not there says so when it is opened.
        assert_eq!(Shards::of(&folder.path().join("absent.jsonl")).unwrap().files.len(), 1);
    }
}
