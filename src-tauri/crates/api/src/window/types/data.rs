//! Files that are brought in, and the pairs of a project.

use super::{Content, Said};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    /// Pairs whose preference is known.
    Pairs,
    /// Two answers each, no preference yet.
    Candidates,
    /// Prompts alone.
    Prompts,
}

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

/// Which column is what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ColumnMapping {
    /// What the rows are.
    pub kind: ImportKind,
    /// Column of the prompt; none where the answers hold it.
    pub prompt: Option<String>,
    /// Column of the preferred answer.
    pub chosen: Option<String>,
    /// Column of the other answer.
    pub rejected: Option<String>,
    /// Column of the first answer, where no preference is known or `preference` tells it.
    pub answer_a: Option<String>,
    /// Column of the second answer.
    pub answer_b: Option<String>,
    /// Column of the system message.
    pub system: Option<String>,
    /// Column of what goes before the prompt.
    pub context: Option<String>,
    /// Column of the category.
    pub category: Option<String>,
    /// Column that says which answer is preferred.
    pub preference: Option<String>,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Share of the rows that have it, 0 to 1.
    pub filled: f64,
    /// A value of it, shortened.
    pub sample: String,
}

/// A row as it would be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PreviewRow {
    /// Its line, from 1.
    pub line: usize,
    /// The prompt.
    #[ts(as = "Said")]
    pub prompt: Content,
    /// The chosen or first answer.
    #[ts(as = "Option<Said>")]
    pub first: Option<Content>,
    /// The rejected or second answer.
    #[ts(as = "Option<Said>")]
    pub second: Option<Content>,
    /// Its category.
    pub category: Option<String>,
    /// What the model will see; none without a model or answers.
    pub rendered: Option<Rendered>,
}

/// A pair as the model sees it: through its chat template and tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Rendered {
    /// The prompt, no token of which is trained on.
    pub prompt: String,
    /// The first answer, up to the token that ends it.
    pub first: String,
    /// The second.
    pub second: String,
    /// Tokens of the prompt.
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
    /// The file.
    pub upload: String,
    /// Its format, in words.
    pub format: String,
    /// Rows in it.
    pub rows: usize,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Which column is what.
    pub mapping: ColumnMapping,
    /// Whether that was guessed here.
    pub guessed: bool,
    /// Rows that would be new.
    pub good: usize,
    /// Rows that the project, or an earlier row, has already.
    pub duplicates: usize,
    /// Rows that would be refused; the first of them.
    pub refused: Vec<RefusedRow>,
    /// How many would be refused.
    pub refused_total: usize,
    /// The first good rows.
    pub first: Vec<PreviewRow>,
    /// The model whose tokenizer has rendered them.
    pub tokenizer: Option<String>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct RefusedRow {
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ImportReply {
    /// What the rows were.
    pub kind: ImportKind,
    /// Rows in the file.
    pub rows: usize,
    /// New ones.
    pub added: usize,
    /// Those that were there already.
    pub duplicates: usize,
    /// Those that were refused; the first of them.
    pub refused: Vec<RefusedRow>,
    /// How many were refused.
    pub refused_total: usize,
}

/// Which pairs to show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairQuery {
    /// Text that prompt or answers hold; empty for all.
    pub text: String,
    /// Only those from there.
    pub source: Option<PairSource>,
    /// Only those of this category.
    pub category: Option<String>,
    /// How many to skip.
    pub offset: usize,
    /// How many to give.
    pub limit: usize,
}

/// Where a pair comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairSource {
    /// From a file.
    Imported,
    /// From a judgement made here.
    Labelled,
    /// Changed here.
    Edited,
    /// Taken out; not trained on.
    Removed,
}

/// A pair in a list: the beginnings of its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairRow {
    /// Its number.
    pub id: i64,
    /// The last message of the prompt.
    pub prompt: String,
    /// The preferred answer.
    pub chosen: String,
    /// The other.
    pub rejected: String,
    /// Its category.
    pub category: Option<String>,
    /// Where it comes from.
    pub source: PairSource,
}

/// A part of the list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairPage {
    /// How many there are in all, under this query.
    pub total: usize,
    /// The part asked for.
    pub rows: Vec<PairRow>,
    /// All categories of the project.
    pub categories: Vec<String>,
}

/// A pair, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairView {
    /// Its number.
    pub id: i64,
    /// The prompt.
    #[ts(as = "Said")]
    pub prompt: Content,
    /// The preferred answer.
    #[ts(as = "Said")]
    pub chosen: Content,
    /// The other.
    #[ts(as = "Said")]
    pub rejected: Content,
    /// Its category.
    pub category: Option<String>,
    /// Where it comes from.
    pub source: PairSource,
    /// What happened to it, the last first.
    pub history: Vec<PairChange>,
    /// What the model will see; none without a model.
    pub rendered: Option<Rendered>,
}

/// Something that happened to a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairChange {
    /// When.
    pub at: i64,
    /// Who did it; empty for an import.
    pub who: String,
    /// What, as a sentence.
    pub what: String,
}
