//! Projects, and where to begin.

use super::ImportKind;
use serde::Serialize;
use ts_rs::TS;

/// A project that was open before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct RecentProject {
    pub folder: String,
    pub name: String,
    /// When it was opened last.
    pub opened_at: u64,
    /// Whether the folder still is a project.
    pub exists: bool,
    /// Whether the list leaves it out unless it is asked for it.
    pub archived: bool,
}

/// What the first screen shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Home {
    /// Projects that were open before, the last one first.
    pub recent: Vec<RecentProject>,
    /// Where new projects go.
    pub projects_folder: String,
    /// The program's version.
    pub version: String,
    /// What computes here, in words.
    pub device: String,
    /// Why that is the CPU, where another device was looked for: a clause.
    pub device_reason: Option<String>,
    /// Whether any folder of this machine may be opened, or only those in the projects folder.
    pub may_choose_folders: bool,
    /// Models that can be had by name.
    pub models: Vec<CatalogueModel>,
}

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct CatalogueModel {
    /// The name by which it is asked for.
    pub id: String,
    /// The name that is shown.
    pub title: String,
    /// Licence of the weights, as an SPDX identifier.
    pub licence: String,
    /// Number of weights.
    pub parameters: u64,
    /// Size of its file.
    pub bytes: u64,
    /// Whether it is on this machine.
    pub here: bool,
}

/// Where a model lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ModelPlace {
    /// In a folder of this machine.
    Folder,
    /// In the cache of the Hugging Face hub.
    HubCache,
}

/// A model, or an adapter, that is on this machine beside the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct LocalModel {
    /// By which it is chosen: a path, or a name of the hub with its commit.
    pub name: String,
    /// The last part of its path, or owner and name.
    pub title: String,
    pub place: ModelPlace,
    /// The folder that it lies in.
    pub folder: String,
    /// Of a model that can be trained, its family.
    pub family: Option<String>,
    pub parameters: Option<u64>,
    /// What its weights take of memory as they are.
    pub weights: Option<u64>,
    /// Why it cannot be trained.
    pub refused: Option<String>,
    /// That it is an adapter, and what it says it was trained on: an empty text where it does not say.
    pub adapter_of: Option<String>,
}

/// The models that were found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct LocalModels {
    pub models: Vec<LocalModel>,
    /// The folders that were looked through.
    pub folders: Vec<String>,
    /// Whether there were too many folders to look through all of them.
    pub cut_off: bool,
}

/// A model of the Hugging Face hub, before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct HubModel {
    /// The name by which it is the same for ever: with its commit.
    pub name: String,
    /// Owner and name.
    pub title: String,
    /// The commit that its revision stands for now.
    pub commit: String,
    /// The GGUF file of it.
    pub file: Option<String>,
    /// Its licence as its authors name it.
    pub licence: Option<String>,
    /// Number of weights, where the hub has counted them.
    pub parameters: Option<u64>,
    /// The family, where it is one that can be trained.
    pub family: Option<String>,
    /// Why it cannot be trained.
    pub refused: Option<String>,
    /// Why it is not known whether it can.
    pub unknown: Option<String>,
    /// Whether its authors give it only to some, or only after terms are accepted.
    pub gated: bool,
    /// Whether only some may see it.
    pub private: bool,
    /// Size of its weights, which they take at least in memory.
    pub weights: u64,
    /// Size of all that it needs.
    pub bytes: u64,
    /// Bytes that are not on this machine yet.
    pub to_fetch: u64,
    /// Bytes that are free where they would go.
    pub free: u64,
    /// Whether it is on this machine whole.
    pub here: bool,
}

/// An open project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ProjectView {
    /// Its folder, by which every other operation names it.
    pub folder: String,
    pub name: String,
    /// What somebody wrote of it.
    pub note: String,
    pub is_demo: bool,
    /// Its model: a name of the catalogue or a path.
    pub model: Option<String>,
    pub counts: ProjectCounts,
    /// What was brought in, the last first.
    pub imports: Vec<ImportView>,
    /// Who has judged.
    pub annotators: Vec<String>,
    /// What to do next, the most useful first.
    pub next: Vec<NextStep>,
}

/// What is in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, TS)]
pub struct ProjectCounts {
    /// Pairs to train on.
    pub pairs: usize,
    /// Prompts to label.
    pub items: usize,
    /// Of them, those that have no answers yet.
    pub items_without_answers: usize,
    /// Of them, those that somebody has judged.
    pub labelled: usize,
    /// Labelled answers that make no pair.
    pub single_labels: usize,
    /// Answers to be imitated.
    pub demonstrations: usize,
    /// Training runs.
    pub runs: usize,
    /// Of them, those that have an adapter.
    pub runs_with_adapter: usize,
    pub evaluations: usize,
}

/// Something to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct NextStep {
    /// Where it is done.
    pub screen: Screen,
    /// What, in words.
    pub sentence: String,
}

/// A screen of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    Project,
    /// Its pairs.
    Data,
    /// Judging answers.
    Label,
    /// Training runs.
    Train,
    /// Base against tuned.
    Evaluate,
    Export,
    /// Models that answer what one writes.
    Playground,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ImportView {
    /// Its number in the project.
    pub id: i64,
    /// The file's name.
    pub source: String,
    pub imported_at: i64,
    /// What its rows were.
    pub kind: ImportKind,
    /// What was new: `kind`, but for the next two.
    pub added: usize,
    /// Of what came in with pairs, items to label: neither answer was better.
    pub to_label: usize,
    /// Of what came in with pairs, labelled answers that make none.
    pub single_labels: usize,
    /// Rows that the project had already.
    pub duplicates: usize,
    /// Of them, those of which an earlier version of the program did not keep what they repeat.
    pub unknown_duplicates: usize,
    /// Rows that could not be used.
    pub refused: usize,
    /// What it is called, where not by its file's name.
    pub name: Option<String>,
    /// Whether its pairs are held out in every run.
    pub held_out: bool,
    /// Whether what it alone brought counts as not there.
    pub taken_back: bool,
}
