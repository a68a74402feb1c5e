//! The name that was given later, a note and tags, in a file of their own beside what is there.

use super::super::Backend;
use super::super::types::{ArchiveItem, DescribeItem, ItemKind, ItemOf, Notes};
use super::{Item, first_name};
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use std::path::{Path, PathBuf};

/// The file. In what was exported it is hidden: other programs read all files there.
const FILE: &str = "notes.json";
const HIDDEN_FILE: &str = ".notes.json";

pub(super) const LONGEST_NAME: usize = 100;
pub(super) const LONGEST_NOTE: usize = 4000;
const LONGEST_TAG: usize = 40;
const MOST_TAGS: usize = 20;

fn path(kind: ItemKind, folder: &Path) -> PathBuf {
    folder.join(if kind == ItemKind::Export { HIDDEN_FILE } else { FILE })
}

/// What was written of the item in a folder; nothing where nobody has.
///
/// # Errors
/// When the file cannot be read.
pub(in crate::window) fn notes_of(kind: ItemKind, folder: &Path) -> Result<Notes> {
    let path = path(kind, folder);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            Error::new(
                "notes",
                message,
                "Correct this file or remove it: its name, note and tags are all that it holds.",
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Notes::default()),
        Err(error) => Err(Error::file(&path)(error)),
    }
}

/// What an item is called now, and what was noted of it.
pub(in crate::window) fn name_and_notes(backend: &Backend, request: &ItemOf) -> Result<(String, Notes)> {
    let item = Item::of(backend, request)?;
    Ok((item.name(backend)?, notes_of(item.kind, &item.folder)?))
}

/// Renames an item, and writes a note and tags of it.
pub(in crate::window) fn describe_item(backend: &Backend, request: DescribeItem) -> Result<Notes> {
    let DescribeItem { project, kind, item, name, note, tags } = request;
    let item = Item::find(backend, &project, kind, &item)?;
    let name = checked_name(&name, kind)?;
    let note = note.trim().to_owned();
    too_long("note", &note, LONGEST_NOTE)?;
    let tags = checked_tags(tags)?;
    let first = first_name(backend, &item.project, kind, &item.folder)?;
    // A name that is the first one goes on following it: an evaluation is called as its run.
    let name = (name != first).then_some(name);
    change(backend, &item, |notes| (notes.name, notes.note, notes.tags) = (name, note, tags))
}

/// Leaves an item out of the lists, or takes it up there again.
pub(in crate::window) fn archive_item(backend: &Backend, request: ArchiveItem) -> Result<Notes> {
    let item = Item::find(backend, &request.project, request.kind, &request.item)?;
    change(backend, &item, |notes| notes.archived = request.archived)
}

fn change(backend: &Backend, item: &Item, change: impl FnOnce(&mut Notes)) -> Result<Notes> {
    let _one_at_a_time = backend.housekeeping();
    let mut notes = notes_of(item.kind, &item.folder)?;
    change(&mut notes);
    write_json(&path(item.kind, &item.folder), &notes)?;
    backend.changed(&item.project);
    Ok(notes)
}

fn checked_name(name: &str, kind: ItemKind) -> Result<String> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::new("no_name", format!("the {} has no name", kind.word()), "Give it one."));
    }
    too_long("name", name, LONGEST_NAME)?;
    Ok(name.to_owned())
}

pub(super) fn too_long(what: &str, text: &str, most: usize) -> Result<()> {
    let length = text.chars().count();
    if length <= most {
        return Ok(());
    }
    let message = format!("the {what} has {length} characters");
    Err(Error::new("too_long", message, format!("Use at most {most}.")))
}

/// Tags without spaces around them, each once, in their order.
fn checked_tags(tags: Vec<String>) -> Result<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim();
        too_long("tag", tag, LONGEST_TAG)?;
        if !tag.is_empty() && !kept.iter().any(|other| other == tag) {
            kept.push(tag.to_owned());
        }
    }
    if kept.len() > MOST_TAGS {
        let message = format!("there are {} tags", kept.len());
        return Err(Error::new("too_many_tags", message, format!("Use at most {MOST_TAGS}.")));
    }
    Ok(kept)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_kept_once_each_and_in_order() {
        let tags = |given: &[&str]| checked_tags(given.iter().map(|&tag| tag.to_owned()).collect());
        assert_eq!(tags(&[" good ", "", "baseline", "good"]).unwrap(), ["good", "baseline"]);
        assert_eq!(tags(&["x".repeat(41).as_str()]).unwrap_err().code, "too_long");
        let many: Vec<String> = (0..21).map(|tag| tag.to_string()).collect();
        assert_eq!(checked_tags(many).unwrap_err().code, "too_many_tags");
    }

    #[test]
    fn a_damaged_file_is_named_and_one_with_less_in_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(notes_of(ItemKind::Run, folder.path()).unwrap(), Notes::default());
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let error = notes_of(ItemKind::Run, folder.path()).unwrap_err();
        assert!(error.code == "notes" && error.message.contains(FILE), "{error:?}");
        std::fs::write(folder.path().join(FILE), r#"{"archived": true}"#).unwrap();
        assert!(notes_of(ItemKind::Run, folder.path()).unwrap().archived);
    }
}
