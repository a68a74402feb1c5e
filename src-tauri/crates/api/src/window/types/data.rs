//! Files that are brought in, and the pairs of a project.

use super::Content;
use serde::Serialize;
use ts_rs::TS;

pub use prefs::checks::{Code, Severity as DataSeverity};
pub use prefs::mapping::{ColumnMapping, ImportKind, PairRatings, PlainText, Question};
pub use prefs::store::{
    EditedText, ImportChange, PairChange, PairPage, PairQuery, PairSource, SingleKind, SinglePage, StoredSingle,
};
pub use prefs::table::Column;
pub use prefs::{Place, Refused as RefusedRow};

/// A file that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Upload {
    /// By which it is named from now on.
    pub upload: String,
    /// The name it had.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A file of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SentFile {
    /// The name it had.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A row as it would be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PreviewRow {
    /// Where it stands in its file.
    #[serde(flatten)]
    pub place: Place,
    pub prompt: Content,
    /// The chosen or first answer.
    pub first: Option<Content>,
    /// The rejected or second answer.
    pub second: Option<Content>,
    /// What the file says of an answer that makes no pair: good, or bad.
    pub label: Option<bool>,
    pub category: Option<String>,
    /// What the model will see; none without a model or answers. Of one answer both are the same.
    pub rendered: Option<Rendered>,
    /// Why the model's template or tokenizer refuses it, where it does: a run would stop at it.
    pub unrendered: Option<String>,
}

/// A pair as the model sees it: through its chat template and tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Rendered {
    /// The prompt, no token of which is trained on.
    pub prompt: String,
    /// The first answer, up to the token that ends it.
    pub first: String,
    pub second: String,
    /// Whether it went through the chat template; plain text does not.
    pub through_template: bool,
    pub prompt_tokens: usize,
    /// Tokens of the first answer.
    pub first_tokens: usize,
    /// Tokens of the second answer.
    pub second_tokens: usize,
    /// The end of the prompt that is lost because the template writes it differently before an answer.
    pub boundary_broken: Option<String>,
}

/// What an import would do.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ImportPreview {
    /// By which it was sent.
    pub upload: String,
    /// The file, or the files that are read as one.
    pub files: Vec<SentFile>,
    /// Its format, in words.
    pub format: String,
    pub rows: usize,
    pub columns: Vec<Column>,
    /// Which column is what.
    pub mapping: ColumnMapping,
    /// Whether that was guessed here.
    pub guessed: bool,
    /// What the file leaves open, each with the ways to read it. Nothing is good while one of them is neither preset nor
    /// answered.
    pub questions: Vec<Question>,
    /// What the import leaves out or changes, as sentences.
    pub notices: Vec<String>,
    /// Columns that are not taken over, with how many rows fill them.
    pub unused: Vec<Counted>,
    /// What would be new: what `mapping` says, but for the next two.
    pub good: usize,
    /// Of it, items to label: neither answer is better.
    pub to_label: usize,
    /// Of it, labelled answers that make no pair and are kept as single labels.
    pub single_labels: usize,
    /// Rows that the project, or an earlier row, has already.
    pub duplicates: usize,
    /// Of them, those that bring ratings or labels which the project does not have.
    pub completing: usize,
    /// Rows that would be refused; the first of them.
    pub refused: Vec<RefusedRow>,
    /// How many would be refused.
    pub refused_total: usize,
    /// The first good rows.
    pub first: Vec<PreviewRow>,
    /// The model whose tokenizer has rendered them.
    pub tokenizer: Option<String>,
    /// Whether it has a chat template.
    pub has_template: bool,
}

/// Something that is counted in rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(rename = "CountedRows")]
pub struct Counted {
    pub name: String,
    pub rows: usize,
}

/// What is odd about pairs. Nothing is left out for it: the user decides.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct DataChecks {
    /// By which the pairs of its findings can be listed and left out; none of a file that is not brought in yet.
    pub check: Option<u32>,
    /// Pairs that were looked at.
    pub pairs: usize,
    /// Held-out pairs beside them.
    pub held_out: usize,
    /// The worst first.
    pub findings: Vec<DataFinding>,
}

/// One kind of oddity, and the pairs that show it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct DataFinding {
    /// Which check found it.
    #[ts(inline)]
    pub code: Code,
    /// How bad it is.
    #[ts(inline)]
    pub severity: DataSeverity,
    /// What, how many, and what it means for training, in words.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// How many pairs; 0 where it is about all of them together.
    pub count: usize,
    /// The first of them.
    pub pairs: Vec<FoundPair>,
}

/// A pair that a check has found: the beginning of each text.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct FoundPair {
    /// Its number in the project, where it is there already.
    pub id: Option<i64>,
    /// Where it stands in the file, where it would be brought in.
    pub place: Option<Place>,
    /// What was found in it, where there is more to say, in words.
    pub note: Option<String>,
    /// What was asked.
    pub prompt: String,
    /// The better answer.
    pub chosen: String,
    /// The other.
    pub rejected: String,
}

/// A finding whose pairs are listed or left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FindingView {
    /// What, how many, and what it means for training, in words.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// How many pairs.
    pub count: usize,
    /// How many of them were left out and can be put back.
    pub left_out: usize,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ImportReply {
    /// What the rows were.
    pub kind: ImportKind,
    /// Rows in the file.
    pub rows: usize,
    /// What was new: `kind`, but for the next two.
    pub added: usize,
    /// Of it, items to label.
    pub to_label: usize,
    /// Of it, what is kept as single labels.
    pub single_labels: usize,
    /// Those that were there already.
    pub duplicates: usize,
    /// Of them, those that brought ratings or labels.
    pub completing: usize,
    /// Those that were refused; the first of them.
    pub refused: Vec<RefusedRow>,
    /// How many were refused.
    pub refused_total: usize,
    /// What was left out or changed, as sentences.
    pub notices: Vec<String>,
    /// Columns that were not taken over, with how many rows fill them.
    pub unused: Vec<Counted>,
}

/// What a decision on an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ImportChanged {
    /// What went, came back or is held out, as sentences without a full stop.
    pub says: Vec<String>,
}

/// A pair, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PairView {
    /// Its number.
    pub id: i64,
    pub prompt: Content,
    /// The preferred answer.
    pub chosen: Content,
    /// The other.
    pub rejected: Content,
    pub category: Option<String>,
    /// Where it comes from.
    pub source: PairSource,
    /// How the file rates the two answers.
    pub ratings: Option<PairRatings>,
    /// Whether somebody looked at it as it is now, and found its label right.
    pub confirmed: bool,
    /// What happened to it, the last first.
    pub history: Vec<PairChange>,
    /// The mark of this look at it.
    pub seen: String,
    /// What the model will see; none without a model.
    pub rendered: Option<Rendered>,
    /// Why the model's template or tokenizer refuses it, where it does: a run would stop at it.
    pub unrendered: Option<String>,
}
