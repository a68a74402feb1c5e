//! Runs, evaluations and exports of a project, in words.

use crate::arguments::{ItemsArguments, ItemsCommand, Named};
use crate::commands::Print;
use api::window::Headless;
use api::window::types::{Bin, BinEntry, BinKind, Dependents, DiskUse, ItemKind, Notes};
use api::words::counted;
use api::{DeviceChoice, Result};
use numbers::size;
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(arguments: ItemsArguments, print: &Print<'_>) -> Result<()> {
    let open = |folder: &Path| Headless::open(folder, DeviceChoice::Cpu);
    match arguments.command {
        ItemsCommand::List { of } => {
            let project = open(&of.project)?;
            let disk = project.disk_use()?;
            let noted = disk.items.iter().map(|item| Ok(project.notes(item.kind, &item.item)?.1));
            let noted = noted.collect::<Result<Vec<_>>>()?;
            let items: Vec<_> = disk.items.iter().zip(&noted).map(|(item, notes)| with_notes(item, notes)).collect();
            let mut reply = serde_json::json!(disk);
            reply["items"] = items.into();
            print("items", &reply, listed(&disk, &noted));
        }
        ItemsCommand::Describe { item: Named { kind, item }, of, name, note, tags } => {
            let project = open(&of.project)?;
            let (own, before) = project.notes(kind, &item)?;
            let tags = tags.map_or(before.tags, |tags| tags.split(',').map(str::to_owned).collect());
            project.describe(kind, &item, (name.unwrap_or(own), note.unwrap_or(before.note), tags))?;
            described(&project, kind, &item, print)?;
        }
        ItemsCommand::Archive { item: Named { kind, item }, of, undo } => {
            let project = open(&of.project)?;
            project.archive(kind, &item, !undo)?;
            described(&project, kind, &item, print)?;
        }
        ItemsCommand::Delete { item: Named { kind, item }, of, dry_run } => {
            let project = open(&of.project)?;
            let dependents = project.dependents(kind, &item)?;
            print("dependents", &dependents, depends(&dependents));
            if !dry_run {
                binned(&project.delete(kind, &item)?, print);
            }
        }
        ItemsCommand::RemoveCheckpoints { run, of } => binned(&open(&of.project)?.remove_checkpoints(&run)?, print),
        ItemsCommand::Bin { of } => {
            let bin = open(&of.project)?.bin()?;
            print("bin", &bin, in_bin(&bin));
        }
        ItemsCommand::PutBack { entry, of } => {
            let back = open(&of.project)?.put_back(&entry)?;
            print("put_back", &back, format!("put back: {} {}", word(back.kind), back.name));
        }
        ItemsCommand::EmptyBin { entries, all, of } => {
            let project = open(&of.project)?;
            let entries =
                if all { project.bin()?.entries.into_iter().map(|entry| entry.entry).collect() } else { entries };
            let freed = project.empty_bin(entries)?;
            let words =
                format!("removed for good: {}, {}", counted(freed.entries, "entry", "entries"), size(freed.bytes));
            print("freed", &freed, words);
        }
    }
    Ok(())
}

fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Run => "run",
        ItemKind::Evaluation => "evaluation",
        ItemKind::Export => "export",
        ItemKind::Scores => "scores",
    }
}

fn word(kind: BinKind) -> &'static str {
    match kind {
        BinKind::Run => "run",
        BinKind::Evaluation => "evaluation",
        BinKind::Export => "export",
        BinKind::Scores => "scores",
        BinKind::Checkpoints => "checkpoints of",
    }
}

fn with_notes(item: &impl serde::Serialize, notes: &Notes) -> serde_json::Value {
    let mut item = serde_json::json!(item);
    (item["note"], item["tags"]) = (notes.note.as_str().into(), notes.tags.clone().into());
    item["archived"] = notes.archived.into();
    item
}

fn listed(disk: &DiskUse, notes: &[Notes]) -> String {
    let mut words = format!(
        "{} in all: {} data, {} in the bin, {} other",
        size(disk.bytes),
        size(disk.data),
        size(disk.bin),
        size(disk.other)
    );
    for (item, notes) in disk.items.iter().zip(notes) {
        let name = if item.name == item.item { String::new() } else { format!(" ({})", item.name) };
        let _ = write!(words, "\n{:>9}  {}:{}{name}", size(item.bytes), kind(item.kind), item.item);
        if item.checkpoints > 0 {
            let spare = if item.spare > 0 {
                format!("; {} can be removed", counted(item.spare, "of them", "of them"))
            } else {
                String::new()
            };
            let checkpoints = counted(item.checkpoints, "checkpoint", "checkpoints");
            let _ = write!(words, ", {checkpoints} of {}{spare}", size(item.checkpoint_bytes));
        }
        if notes.archived {
            words += ", archived";
        }
        if !notes.tags.is_empty() {
            let _ = write!(words, ", tags: {}", notes.tags.join(", "));
        }
        if !notes.note.is_empty() {
            let _ = write!(words, "\n           {}", notes.note.replace('\n', "\n           "));
        }
    }
    words
}

fn described(project: &Headless, of: ItemKind, item: &str, print: &Print<'_>) -> Result<()> {
    let (name, notes) = project.notes(of, item)?;
    let mut words = format!("{}:{item} is called {name}", kind(of));
    if notes.archived {
        words += ", and is archived";
    }
    if !notes.tags.is_empty() {
        let _ = write!(words, "\ntags: {}", notes.tags.join(", "));
    }
    if !notes.note.is_empty() {
        let _ = write!(words, "\nnote: {}", notes.note);
    }
    let Notes { note, tags, archived, .. } = notes;
    let reply =
        serde_json::json!({ "kind": of, "item": item, "name": name, "note": note, "tags": tags, "archived": archived });
    print("item", &reply, words);
    Ok(())
}

fn depends(dependents: &Dependents) -> String {
    let mut words = format!("{}, {}", dependents.name, size(dependents.bytes));
    dependents.sentences.iter().for_each(|sentence| words.extend(["\n", sentence]));
    words
}

fn binned(entry: &BinEntry, print: &Print<'_>) {
    let words = format!(
        "in the bin: {} {}, {}; back with `tiebreak items put-back {}`",
        word(entry.kind),
        entry.name,
        size(entry.bytes),
        entry.entry
    );
    print("binned", entry, words);
}

fn in_bin(bin: &Bin) -> String {
    if bin.entries.is_empty() {
        return "the bin is empty".into();
    }
    let mut words = format!("{} in the bin", size(bin.bytes));
    for entry in &bin.entries {
        let _ = write!(words, "\n{:>9}  {}: {} {}", size(entry.bytes), entry.entry, word(entry.kind), entry.name);
        entry.refused.iter().for_each(|why| words.extend([", cannot be put back: ", why.as_str()]));
    }
    words
}
