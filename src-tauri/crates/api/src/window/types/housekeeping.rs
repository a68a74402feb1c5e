//! Keeping house: what runs, evaluations and exports are called, what was written of them, and what becomes of them.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a project keeps in a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Run,
    Evaluation,
    Export,
    /// Of pairs, by a model without a run.
    Scores,
}

/// What somebody wrote of a run, an evaluation or an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Notes {
    /// The name that was given later, in the place of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether lists leave it out unless they are asked for it.
    #[serde(default)]
    pub archived: bool,
    /// What keeps the item from being read or relied on, with what to do: it stands in the list so that it can be deleted. It is
    /// found anew each time, and no part of the file.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub damaged: Option<String>,
}

impl Notes {
    /// Of an item that cannot be read.
    pub(crate) fn of_damaged(error: &Error) -> Self {
        Self { damaged: Some(format!("{}. {}", error.message.trim_end_matches('.'), error.hint)), ..Self::default() }
    }
}

/// A run, an evaluation or an export.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ItemOf {
    /// The project's folder.
    pub project: String,
    pub kind: ItemKind,
    /// Its folder's name.
    pub item: String,
}

/// What one is to be called from now on, and what is noted of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DescribeItem {
    /// The project's folder.
    pub project: String,
    pub kind: ItemKind,
    /// Its folder's name.
    pub item: String,
    pub name: String,
    pub note: String,
    pub tags: Vec<String>,
}

/// One that is to be archived, or taken out of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ArchiveItem {
    /// The project's folder.
    pub project: String,
    pub kind: ItemKind,
    /// Its folder's name.
    pub item: String,
    pub archived: bool,
}

/// What hangs on something that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Dependents {
    /// What it is called.
    pub name: String,
    /// What refers to it and what becomes of that, as sentences.
    pub sentences: Vec<String>,
    /// What it takes on the disk.
    pub bytes: u64,
}

/// What lies in the bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum BinKind {
    Run,
    Evaluation,
    Export,
    /// Of pairs, by a model without a run.
    Scores,
    /// Checkpoints of a run.
    Checkpoints,
}

/// Something in a project's bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct BinEntry {
    /// By which it is named there.
    pub entry: String,
    pub kind: BinKind,
    /// What links to it name; of checkpoints, their run.
    pub item: String,
    /// What it was called; of checkpoints, their run.
    pub name: String,
    pub deleted_at: u64,
    /// What it takes on the disk.
    pub bytes: u64,
    /// Why it cannot be put back.
    pub refused: Option<String>,
}

/// What is in a project's bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Bin {
    /// The last first.
    pub entries: Vec<BinEntry>,
    /// What all of it takes on the disk.
    pub bytes: u64,
}

/// Something to be put back from the bin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PutBack {
    /// The project's folder.
    pub project: String,
    pub entry: String,
}

/// What is to be removed for good: those that were shown, and none that came later.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct EmptyBin {
    /// The project's folder.
    pub project: String,
    pub entries: Vec<String>,
}

/// What was removed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
pub struct Freed {
    pub entries: usize,
    pub bytes: u64,
}

/// What a project takes on the disk, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DiskUse {
    /// All of its folder.
    pub bytes: u64,
    /// The database: pairs, labels, judgements.
    pub data: u64,
    pub bin: u64,
    /// What of the folder is none of this.
    pub other: u64,
    /// Runs, evaluations and exports, the largest first.
    pub items: Vec<ItemDisk>,
}

/// What a run, an evaluation or an export takes on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ItemDisk {
    pub kind: ItemKind,
    pub item: String,
    pub name: String,
    pub bytes: u64,
    /// Of a run, how many checkpoints it has, and what they take of that.
    pub checkpoints: usize,
    pub checkpoint_bytes: u64,
    /// Of them, those that it does not need to be resumed.
    pub spare: usize,
    pub spare_bytes: u64,
}

/// A file that was sent, or several that are read as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SentUpload {
    pub upload: String,
    pub name: String,
    pub bytes: u64,
    /// Whether it was imported, or its prompts were taken into an evaluation.
    pub brought_in: bool,
    /// When it is removed unless it is used again.
    pub goes_at: u64,
}

/// The files that were sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SentUploads {
    /// How long they are kept, in words.
    pub rule: String,
    /// The largest first.
    pub uploads: Vec<SentUpload>,
}

/// Files that were sent, to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RemoveUploads {
    pub uploads: Vec<String>,
}

/// What a project is to be called from now on, and what is noted of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DescribeProject {
    /// The project's folder.
    pub project: String,
    pub name: String,
    pub note: String,
}

/// A project that the list of recent ones is to leave out, or to show again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ArchiveProject {
    pub folder: String,
    pub archived: bool,
}

/// A project in the bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DeletedProject {
    /// By which it is named there.
    pub entry: String,
    pub name: String,
    pub deleted_at: u64,
    pub bytes: u64,
    /// What it holds, in words; empty where that was not counted.
    pub holds: String,
}

/// A project to be put back from the bin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PutProjectBack {
    pub entry: String,
}

/// Deleted projects to be removed for good: those that were shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct EmptyProjectsBin {
    pub entries: Vec<String>,
}
