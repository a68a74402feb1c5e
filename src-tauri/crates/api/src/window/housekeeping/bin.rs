//! The bin of a project: `bin/` in its folder.
//!
//! Each entry is the folder that was deleted, moved there by one rename under a name that says when it was deleted, what it is
//! and what its folder was called. Only emptying the bin removes anything: an entry first gets a hidden name, so that nothing
//! that is half removed can be put back. The names of what was removed are kept, and no new folder gets one of them: what refers
//! to a run that is gone must not come to mean another one.

use super::super::types::{Bin, BinEntry, BinKind, EmptyBin, Freed, InProject, ItemKind, ItemOf, PutBack};
use super::super::{Backend, OpenProject, now, training};
use super::disk::bytes_of;
use super::files::{moved, names_in};
use super::{Item, name_of};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of a project that is its bin.
pub(super) const BIN: &str = "bin";
/// In the bin: one line for each thing that was removed for good.
const REMOVED: &str = "removed.jsonl";
/// Before the name of an entry that is being removed.
const REMOVING: &str = ".removing-";
/// Between the parts of an entry's name.
const MARK: char = '~';

/// An entry, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    deleted_at: u64,
    kind: BinKind,
    /// The name that its folder had; of checkpoints, the folder of their run.
    item: String,
}

/// A line of what was removed.
#[derive(Serialize, Deserialize)]
#[allow(clippy::struct_field_names)] // as they stand in the file
struct Removed {
    kind: String,
    item: String,
    name: String,
    removed_at: u64,
    bytes: u64,
}

impl BinKind {
    const ALL: [Self; 5] = [Self::Run, Self::Evaluation, Self::Export, Self::Scores, Self::Checkpoints];

    fn of(kind: ItemKind) -> Self {
        match kind {
            ItemKind::Run => Self::Run,
            ItemKind::Evaluation => Self::Evaluation,
            ItemKind::Export => Self::Export,
            ItemKind::Scores => Self::Scores,
        }
    }

    /// What kind of item lies there, whole.
    fn item(self) -> Option<ItemKind> {
        match self {
            Self::Run => Some(ItemKind::Run),
            Self::Evaluation => Some(ItemKind::Evaluation),
            Self::Export => Some(ItemKind::Export),
            Self::Scores => Some(ItemKind::Scores),
            Self::Checkpoints => None,
        }
    }

    fn word(self) -> &'static str {
        self.item().map_or("checkpoints", ItemKind::word)
    }
}

impl Entry {
    fn now(kind: BinKind, item: &str) -> Self {
        Self { deleted_at: now(), kind, item: item.to_owned() }
    }

    fn name(&self) -> String {
        format!("{}{MARK}{}{MARK}{}", self.deleted_at, self.kind.word(), self.item)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, MARK);
        let deleted_at = parts.next()?.parse().ok()?;
        let word = parts.next()?;
        let kind = BinKind::ALL.into_iter().find(|kind| kind.word() == word)?;
        Some(Self { deleted_at, kind, item: parts.next()?.to_owned() })
    }

    /// Where it came from.
    fn origin(&self, project: &Path) -> PathBuf {
        match self.kind.item() {
            Some(kind) => project.join(kind.place()).join(&self.item),
            None => project.join(ItemKind::Run.place()).join(&self.item).join(train::checkpoint::FOLDER),
        }
    }
}

/// Moves an item into the bin, unless something is at work with it.
pub(in crate::window) fn delete_item(backend: &Backend, request: ItemOf) -> Result<BinEntry> {
    let item = Item::of(backend, &request)?;
    let _one_at_a_time = backend.housekeeping();
    super::dependents::refuse_in_use(backend, &item)?;
    let entry = Entry::now(BinKind::of(item.kind), &item.item);
    let bin = made(&item.project)?;
    let to = bin.join(entry.name());
    moved(&item.folder, &to)?;
    if item.kind == ItemKind::Run {
        backend.training().forget(&item.folder);
    }
    backend.changed(&item.project);
    shown(backend, &item.project, &entry)
}

/// Moves all checkpoints of a run into the bin but those that it needs to be resumed.
pub(in crate::window) fn remove_checkpoints(backend: &Backend, request: ItemOf) -> Result<BinEntry> {
    let item = Item::of(backend, &request)?;
    let _one_at_a_time = backend.housekeeping();
    super::dependents::refuse_in_use(backend, &item)?;
    let spare = super::disk::spare_checkpoints(backend, &item.project, &item.folder)?;
    if spare.is_empty() {
        let message = "this run has no checkpoints beside the ones that it needs to be resumed";
        return Err(Error::new("no_checkpoints", message, "There is nothing to remove."));
    }
    let entry = Entry::now(BinKind::Checkpoints, &item.item);
    let to = made(&item.project)?.join(entry.name());
    fs::create_dir(&to).map_err(Error::file(&to))?;
    for checkpoint in spare {
        moved(&checkpoint, &to.join(checkpoint.file_name().unwrap_or_default()))?;
    }
    backend.changed(&item.project);
    shown(backend, &item.project, &entry)
}

/// What is in the bin.
pub(in crate::window) fn bin(backend: &Backend, request: InProject) -> Result<Bin> {
    let project = backend.project(&request.project)?;
    {
        let _one_at_a_time = backend.housekeeping();
        // What was being removed when the program ended; where that fails, emptying the bin says why.
        let _ = remove_hidden(&project.folder().join(BIN));
    }
    let mut entries = Vec::new();
    for entry in entries_of(project.folder())? {
        entries.push(shown(backend, &project, &entry)?);
    }
    entries.sort_by(|a, b| b.deleted_at.cmp(&a.deleted_at).then_with(|| a.entry.cmp(&b.entry)));
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    Ok(Bin { entries, bytes })
}

/// Puts an entry back where it was.
pub(in crate::window) fn put_back(backend: &Backend, request: PutBack) -> Result<BinEntry> {
    let project = backend.project(&request.project)?;
    let _one_at_a_time = backend.housekeeping();
    let entry = entry_of(project.folder(), &request.entry)?;
    let view = shown(backend, &project, &entry)?;
    if let Some(why) = view.refused {
        return Err(Error::new("not_put_back", why, "It stays in the bin."));
    }
    let (from, to) = (project.folder().join(BIN).join(&request.entry), entry.origin(project.folder()));
    match entry.kind {
        BinKind::Checkpoints => {
            fs::create_dir_all(&to).map_err(Error::file(&to))?;
            for name in names_in(&from)? {
                moved(&from.join(&name), &to.join(&name))?;
            }
            fs::remove_dir(&from).map_err(Error::file(&from))?;
        }
        BinKind::Run | BinKind::Evaluation | BinKind::Export | BinKind::Scores => {
            let parent = to.parent().unwrap_or(&to);
            fs::create_dir_all(parent).map_err(Error::file(parent))?;
            moved(&from, &to)?;
        }
    }
    backend.watch_runs(&project);
    backend.changed(&project);
    Ok(view)
}

/// Removes entries for good, and what an earlier time did not come to the end of.
pub(in crate::window) fn empty_bin(backend: &Backend, request: EmptyBin) -> Result<Freed> {
    let project = backend.project(&request.project)?;
    let _one_at_a_time = backend.housekeeping();
    let bin = project.folder().join(BIN);
    let mut freed = Freed { entries: 0, bytes: 0 };
    for name in &request.entries {
        let entry = entry_of(project.folder(), name)?;
        let view = shown(backend, &project, &entry)?;
        let line = Removed {
            kind: entry.kind.word().to_owned(),
            item: entry.item.clone(),
            name: view.name,
            removed_at: now(),
            bytes: view.bytes,
        };
        noted(&bin.join(REMOVED), &line)?;
        moved(&bin.join(name), &bin.join(format!("{REMOVING}{name}")))?;
        freed = Freed { entries: freed.entries + 1, bytes: freed.bytes + view.bytes };
    }
    let removed = remove_hidden(&bin);
    backend.changed(&project);
    removed.map(|()| freed)
}

/// The names that folders in `place`, a folder of a project, had and are not to have again.
pub(in crate::window) fn gone(place: &Path) -> HashSet<String> {
    let (Some(project), Some(holds)) = (place.parent(), place.file_name()) else { return HashSet::new() };
    let is_here = |kind: BinKind| kind.item().is_some_and(|kind| OsStr::new(kind.place()) == holds);
    // What cannot be read is told of where the bin is shown.
    let in_bin = entries_of(project).unwrap_or_default().into_iter().filter(|entry| is_here(entry.kind));
    let mut names: HashSet<String> = in_bin.map(|entry| entry.item).collect();
    let removed = fs::read_to_string(project.join(BIN).join(REMOVED)).unwrap_or_default();
    let lines = removed.lines().filter_map(|line| serde_json::from_str::<Removed>(line).ok());
    let here = lines.filter(|line| BinKind::ALL.into_iter().any(|kind| kind.word() == line.kind && is_here(kind)));
    names.extend(here.map(|line| line.item));
    names
}

/// Whether an item that is not in its place lies in the bin.
pub(in crate::window) fn in_bin(project: &OpenProject, kind: ItemKind, item: &str) -> bool {
    let entries = entries_of(project.folder()).unwrap_or_default();
    entries.iter().any(|entry| entry.kind == BinKind::of(kind) && entry.item == item)
}

fn shown(backend: &Backend, project: &OpenProject, entry: &Entry) -> Result<BinEntry> {
    let folder = project.folder().join(BIN).join(entry.name());
    let run = project.folder().join(ItemKind::Run.place()).join(&entry.item);
    let named = |kind, folder: &Path| name_of(backend, project, kind, folder);
    let (name, refused) = if let Some(kind) = entry.kind.item() {
        let why = "something else has its place now: a folder of the same name".to_owned();
        (named(kind, &folder), entry.origin(project.folder()).exists().then_some(why))
    } else {
        let why = "their run is not in its place: put the run back first".to_owned();
        (named(ItemKind::Run, &run), (!run.is_dir()).then_some(why))
    };
    let bytes = bytes_of(&folder)?;
    let (kind, item, deleted_at) = (entry.kind, entry.item.clone(), entry.deleted_at);
    Ok(BinEntry { entry: entry.name(), kind, item, name, deleted_at, bytes, refused })
}

/// The name that a folder has in its place, also where it lies in the bin.
pub(super) fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Entry::parse(&name).map_or(name, |entry| entry.item)
}

fn entries_of(project: &Path) -> Result<Vec<Entry>> {
    let names = names_in(&project.join(BIN))?;
    Ok(names.iter().filter_map(|name| Entry::parse(name.to_str()?)).collect())
}

fn entry_of(project: &Path, name: &str) -> Result<Entry> {
    let found = training::inside(&project.join(BIN), name).filter(|folder| folder.is_dir());
    found.and_then(|_| Entry::parse(name)).ok_or_else(|| {
        let hint = "It was put back or removed meanwhile; look at the bin again.";
        Error::new("not_in_bin", "this is not in the bin", hint)
    })
}

fn made(project: &OpenProject) -> Result<PathBuf> {
    let bin = project.folder().join(BIN);
    fs::create_dir_all(&bin).map_err(Error::file(&bin))?;
    Ok(bin)
}

fn noted(path: &Path, line: &Removed) -> Result<()> {
    let text = serde_json::to_string(line)
        .map_err(|error| Error::new("json", format!("{}: {error}", path.display()), "Report this as a fault."))?;
    let append = || -> std::io::Result<()> {
        let mut file = fs::File::options().create(true).append(true).open(path)?;
        // On a line of its own, also after one that a crash cut off.
        file.write_all(format!("\n{text}\n").as_bytes())?;
        file.sync_all()
    };
    append().map_err(Error::file(path))
}

/// Removes what has a hidden name: of an entry that was to be removed nothing is to stay.
fn remove_hidden(bin: &Path) -> Result<()> {
    for name in names_in(bin)? {
        if name.to_string_lossy().starts_with(REMOVING) {
            let path = bin.join(name);
            fs::remove_dir_all(&path).map_err(|error| {
                let message = format!("{}: {error}", path.display());
                Error::new(
                    "not_removed",
                    message,
                    "It is out of the bin; what is left of it goes when the bin is emptied next.",
                )
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entrys_name_says_what_it_is() {
        for kind in BinKind::ALL {
            let entry = Entry { deleted_at: 1_764_000_000_123, kind, item: "a~run-2".into() };
            assert_eq!(Entry::parse(&entry.name()), Some(entry));
        }
        for other in ["", "removed.jsonl", ".removing-1~run~a", "x~run~a", "1~walk~a", "1~run"] {
            assert_eq!(Entry::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_what_is_in_the_bin_or_was_removed_are_not_given_again() {
        let project = tempfile::tempdir().unwrap();
        let bin = project.path().join(BIN);
        for name in ["1~run~first", "2~evaluation~judged", "3~checkpoints~second"] {
            fs::create_dir_all(bin.join(name)).unwrap();
        }
        let line =
            |item: &str| Removed { kind: "run".into(), item: item.into(), name: item.into(), removed_at: 4, bytes: 5 };
        noted(&bin.join(REMOVED), &line("third")).unwrap();
        // A line that a crash cut off is passed over.
        fs::File::options().append(true).open(bin.join(REMOVED)).unwrap().write_all(b"{\"kind\": \"ru").unwrap();
        let names = |place: &str| {
            let mut names: Vec<String> = gone(&project.path().join(place)).into_iter().collect();
            names.sort();
            names
        };
        assert_eq!(names("runs"), ["first", "third"]);
        assert_eq!(names("evals"), ["judged"]);
        assert!(names("exports").is_empty());
        let made = training::new_folder(&project.path().join("runs"), "First").unwrap();
        assert!(made.ends_with("first-2"), "{}", made.display());
    }
}
