//! Exports.

use super::Notes;
pub use prefs::export::PairForm;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExportWhat {
    /// A run's adapter, in PEFT's format.
    Adapter,
    /// The project's pairs.
    Pairs,
    /// A page about a run and its evaluation.
    Report,
    /// Every judgement ever given, as JSONL.
    Labels,
}

/// One thing exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Exported {
    pub what: String,
    pub path: String,
    pub load: String,
    /// What was found when it was read again, in words, where that is done.
    pub check: Option<String>,
    /// Whether what was found is a warning.
    pub check_warns: bool,
    /// Says so where the base is another than the run was trained on.
    pub other_base: Option<String>,
    /// What else there is to know of it, as sentences.
    pub notes: Vec<String>,
    /// The export that it lies in: its folder's name.
    pub export: String,
}

/// Something that was exported before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ExportSummary {
    /// By which it is named: its folder's name.
    pub export: String,
    pub name: String,
    /// What was written of it.
    pub notes: Notes,
    /// What is in it, in words.
    pub parts: Vec<String>,
    /// Whether it is a report alone, whose page is downloaded as one file.
    pub is_page: bool,
    /// The run that it was made from, where that is still there.
    pub run: Option<String>,
    pub run_name: Option<String>,
    pub made_at: u64,
    pub bytes: u64,
    pub folder: String,
}
