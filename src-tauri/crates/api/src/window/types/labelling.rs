//! Judging answers.

use serde::Deserialize;
use ts_rs::TS;

pub use prefs::agreement::Agreement;
pub use prefs::store::{LabelState, Side, Verdict};

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct JudgeRequest {
    /// The project's folder.
    pub project: String,
    /// Who judges.
    pub annotator: String,
    pub item: i64,
    /// How it was shown.
    pub showing: i64,
    /// What is said of it.
    pub verdict: Verdict,
    /// How long it was looked at.
    pub milliseconds: u64,
    /// A remark.
    pub note: Option<String>,
}
