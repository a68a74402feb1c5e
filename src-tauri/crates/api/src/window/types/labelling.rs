//! Judging answers.

use super::{Content, Said};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What somebody says of two answers beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The left one is much better.
    LeftMuch,
    /// The left one is better.
    Left,
    /// The right one is better.
    Right,
    /// The right one is much better.
    RightMuch,
    /// Both are good.
    TieGood,
    /// Both are bad.
    TieBad,
    /// No judgement.
    Skip,
}

/// Where an answer stands on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// Two answers to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct LabelItem {
    /// Its number.
    pub item: i64,
    /// The recorded showing: which answer stands left. It goes back with the verdict.
    pub showing: i64,
    /// What was asked.
    #[ts(as = "Said")]
    pub prompt: Content,
    /// The answer on the left.
    pub left: String,
    /// The answer on the right.
    pub right: String,
    /// Its category.
    pub category: Option<String>,
    /// Whether this annotator has judged it before, and is asked again.
    pub second_pass: bool,
}

/// How far an annotator is, and what comes next.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct LabelState {
    /// Who judges.
    pub annotator: String,
    /// Items judged.
    pub done: usize,
    /// Items in all.
    pub total: usize,
    /// Items skipped.
    pub skipped: usize,
    /// The usual time for one item.
    pub seconds_per_item: Option<f64>,
    /// Time for the rest at that pace.
    pub seconds_left: Option<f64>,
    /// Whether there is something to take back.
    pub can_undo: bool,
    /// Share of decided judgements that went to the left answer.
    pub left_share: Option<f64>,
    /// The next items.
    pub queue: Vec<LabelItem>,
}

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct JudgeRequest {
    /// The project's folder.
    pub project: String,
    /// Who judges.
    pub annotator: String,
    /// The item.
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

/// How far annotators agree with each other and with themselves.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Agreement {
    /// Items that two or more have judged.
    pub items_shared: usize,
    /// Share of their pairs of judgements that agree, in percent.
    pub percent: Option<f64>,
    /// Krippendorff's alpha.
    pub alpha: Option<f64>,
    /// Each two annotators.
    pub pairs: Vec<AnnotatorPair>,
    /// Each annotator.
    pub annotators: Vec<AnnotatorView>,
}

/// Two annotators.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AnnotatorPair {
    /// The one.
    pub a: String,
    /// The other.
    pub b: String,
    /// Items that both have judged.
    pub items: usize,
    /// Of them, those on which they agree, in percent.
    pub percent: f64,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
}

/// One annotator.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AnnotatorView {
    /// The name.
    pub annotator: String,
    /// Items judged.
    pub judged: usize,
    /// Share of decided judgements that went to the left answer.
    pub left_share: Option<f64>,
    /// Its 95 % interval.
    pub left_share_interval: Option<(f64, f64)>,
    /// Items judged twice.
    pub self_items: usize,
    /// Of them, those judged alike, in percent.
    pub self_percent: Option<f64>,
    /// The usual time for one item.
    pub median_seconds: Option<f64>,
}
