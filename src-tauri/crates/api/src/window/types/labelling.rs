//! Judging answers.

use serde::Deserialize;
use ts_rs::TS;

pub use prefs::agreement::Agreement;
pub use prefs::store::{
    Among, Audit, AuditChoice, AuditOf, Guideline, ItemAnswer, LabelState, LabelledItem, LabelledPage, LabelledQuery,
    Side, Verdict,
};

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
    /// Of which items to give the next.
    pub among: Option<Among>,
}

/// Requests about what was labelled, each with its fields; an unknown field is an error.
macro_rules! requests {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        pub struct $name {
            /// The project's folder.
            pub project: String,
            $($(#[$field_about])* pub $field: $type,)*
        })*
    };
}

requests! {
    /// A part of what was labelled.
    LabelledOf {
        query: LabelledQuery,
    }

    /// An item that was labelled.
    LabelledItemOf {
        item: i64,
    }

    /// A verdict with what others said in view: one's own in place of that before, or a decision.
    Consider {
        annotator: String,
        item: i64,
        /// The revision of the texts that were shown.
        revision: Option<i64>,
        /// Which answer stood left.
        left: ItemAnswer,
        verdict: Verdict,
        /// How long it was looked at.
        milliseconds: u64,
        /// A remark.
        note: Option<String>,
    }

    /// A decision to be taken back.
    TakeBackDecision {
        item: i64,
        /// Its number.
        decision: i64,
    }

    /// An audit by its number.
    AuditIn {
        audit: i64,
    }

    /// Pairs to be labelled again.
    StartAudit {
        /// Who asks for it.
        who: String,
        of: AuditOf,
    }

    /// What is to be done to the pairs of an audit of which an annotator prefers the other answer.
    ActOnAudit {
        audit: i64,
        annotator: String,
        choice: AuditChoice,
        /// Who asks for it.
        who: String,
    }

    /// Something that was done because of an audit, to be undone.
    UndoAuditAct {
        audit: i64,
        /// Its number.
        act: i64,
        /// Who asks for it.
        who: String,
    }

    /// A new version of the guideline.
    SaveGuideline {
        /// Who writes it.
        who: String,
        text: String,
        /// The version that was edited.
        before: Option<i64>,
    }
}
