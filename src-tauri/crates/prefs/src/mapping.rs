//! From a table of foreign form to pairs, items to label or prompts: which column is which, guessed and then applied.

mod choices;
mod guess;
mod notices;
mod preference;
mod question;
mod repeats;
pub(crate) mod transcript;
mod turns;
mod values;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::table::{Table, TableRow, is_filled};
use crate::{Content, Pair, Refused};
use preference::{Preferred, Scheme};
use repeats::Repeats;
use values::Parts;

pub use choices::{CHOICE_KEYS, COLUMN_KEYS, LeftOut, PlainText, PromptFrom, RepeatedPrompt};
pub use guess::guess;
pub use notices::notices;
pub use preference::PreferenceScheme;
pub(crate) use preference::meaning;
pub use question::{Question, QuestionOption, ReadRow, first_prompts, questions};

/// What an import brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    /// Two answers, and which is better.
    Pairs,
    /// Two answers to be labelled.
    Candidates,
    /// Prompts alone; the answers are still to be generated.
    Prompts,
}

impl ImportKind {
    /// The kind's name as it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Candidates => "candidates",
            Self::Prompts => "prompts",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Pairs, Self::Candidates, Self::Prompts].into_iter().find(|kind| kind.name() == name)
    }
}

/// Which column is which, and how what stands there is read where it could be read in several ways. Pairs come either from
/// `chosen` and `rejected`, or from `answer_a`, `answer_b` and a `preference` between them.
///
/// A choice that is absent was not made. [`questions`] says which of them are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct ColumnMapping {
    /// What the rows become.
    pub kind: ImportKind,
    /// What was asked; may be missing where the answers both begin with it.
    pub prompt: Option<String>,
    /// The better answer.
    pub chosen: Option<String>,
    /// The worse answer.
    pub rejected: Option<String>,
    /// An answer, where it is not known or said elsewhere which is better.
    pub answer_a: Option<String>,
    /// The other answer.
    pub answer_b: Option<String>,
    /// A system prompt.
    pub system: Option<String>,
    /// What belongs to the prompt and is put below it, such as Alpaca's `input`.
    pub context: Option<String>,
    /// A label by which results can be told apart.
    pub category: Option<String>,
    /// Which of the two answers is better.
    pub preference: Option<String>,
    /// The tools that the assistant may call.
    #[serde(default)]
    pub tools: Option<String>,
    /// Further arguments of the chat template.
    #[serde(default)]
    pub chat_template_kwargs: Option<String>,
    /// Earlier turns, each a question with its answer.
    #[serde(default)]
    pub history: Option<String>,
    /// How numbers in `preference` are meant.
    #[serde(default)]
    pub preference_scheme: Option<PreferenceScheme>,
    /// How plain text is given to a model with a chat template; as it is where nothing is said.
    #[serde(default)]
    pub plain_text: Option<PlainText>,
    /// Where the prompt is, if no column holds it.
    #[serde(default)]
    pub prompt_from: Option<PromptFrom>,
    /// What becomes of a prompt that the answers repeat; it is taken off where nothing is said.
    #[serde(default)]
    pub repeated_prompt: Option<RepeatedPrompt>,
    /// That rows come in without columns that change what a model reads and that cannot be kept, such as `images`.
    #[serde(default)]
    pub left_out: Option<LeftOut>,
}

impl ColumnMapping {
    /// A mapping with no column chosen.
    pub fn new(kind: ImportKind) -> Self {
        Self {
            kind,
            prompt: None,
            chosen: None,
            rejected: None,
            answer_a: None,
            answer_b: None,
            system: None,
            context: None,
            category: None,
            preference: None,
            tools: None,
            chat_template_kwargs: None,
            history: None,
            preference_scheme: None,
            plain_text: None,
            prompt_from: None,
            repeated_prompt: None,
            left_out: None,
        }
    }

    /// What is still to be chosen before this mapping can be applied, as a sentence: a column, or the answer to a question
    /// that the file leaves [open](questions).
    pub fn incomplete(&self, table: &Table) -> Option<String> {
        let asked = || question::first_open(table, self);
        self.lacks_column(table).or_else(asked)
    }

    /// Which column is missing, as a sentence.
    fn lacks_column(&self, table: &Table) -> Option<String> {
        let known: HashSet<&str> = table.columns.iter().map(String::as_str).collect();
        if let Some(name) = self.named().find(|name| !known.contains(name)) {
            return Some(format!("The file has no column `{name}`; choose another."));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.named().find(|name| !seen.insert(*name)) {
            return Some(format!("The column `{twice}` is chosen twice; choose another for one of the two."));
        }
        let both = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        let two_answers = both(&self.answer_a, &self.answer_b);
        match self.kind {
            ImportKind::Pairs => {
                // Which of several columns holds the preference may be a question.
                let by_preference =
                    two_answers && (self.preference.is_some() || !guess::preferences(table, self).is_empty());
                (!both(&self.chosen, &self.rejected) && !by_preference).then(|| {
                    "Choose the columns of the chosen and the rejected answer, or of two answers and the preference."
                        .to_owned()
                })
            }
            ImportKind::Candidates => (!two_answers).then(|| "Choose the columns of the two answers.".to_owned()),
            ImportKind::Prompts => self.prompt.is_none().then(|| "Choose the column that holds the prompt.".to_owned()),
        }
    }

    /// The columns that this mapping uses.
    fn named(&self) -> impl Iterator<Item = &str> {
        let (first, second) = self.answers();
        let preference = self.preference.as_ref().filter(|_| self.is_by_preference());
        [&self.prompt, &self.system, &self.context, &self.category]
            .into_iter()
            .chain([&self.history, &self.tools, &self.chat_template_kwargs])
            .flatten()
            .chain([first, second, preference].into_iter().flatten())
            .map(String::as_str)
    }

    /// Whether which answer is better stands in a column of its own.
    fn is_by_preference(&self) -> bool {
        self.kind == ImportKind::Pairs && (self.chosen.is_none() || self.rejected.is_none())
    }

    /// The columns of the two answers.
    fn answers(&self) -> (Option<&String>, Option<&String>) {
        match self.kind {
            ImportKind::Prompts => (None, None),
            ImportKind::Pairs if !self.is_by_preference() => (self.chosen.as_ref(), self.rejected.as_ref()),
            _ => (self.answer_a.as_ref(), self.answer_b.as_ref()),
        }
    }
}

/// A prompt with two answers, between which nothing is said yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidates {
    /// What was asked.
    pub prompt: Content,
    /// One answer.
    pub first: Content,
    /// The other answer.
    pub second: Content,
    /// A label of the user's own.
    pub category: Option<String>,
}

/// What a row became.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MappedContent {
    Pair(Pair),
    /// Two answers to be labelled.
    Candidates(Candidates),
    /// A prompt to be answered.
    Prompt(crate::prompts::Prompt),
}

impl MappedContent {
    /// What was asked.
    pub fn prompt(&self) -> &Content {
        match self {
            Self::Pair(pair) => &pair.prompt,
            Self::Candidates(candidates) => &candidates.prompt,
            Self::Prompt(prompt) => &prompt.prompt,
        }
    }

    /// The chosen or the first answer.
    pub fn first(&self) -> Option<&Content> {
        match self {
            Self::Pair(pair) => Some(&pair.chosen),
            Self::Candidates(candidates) => Some(&candidates.first),
            Self::Prompt(_) => None,
        }
    }

    /// The rejected or the second answer.
    pub fn second(&self) -> Option<&Content> {
        match self {
            Self::Pair(pair) => Some(&pair.rejected),
            Self::Candidates(candidates) => Some(&candidates.second),
            Self::Prompt(_) => None,
        }
    }

    /// The label of the user's own.
    pub fn category(&self) -> Option<&str> {
        match self {
            Self::Pair(pair) => pair.category.as_deref(),
            Self::Candidates(candidates) => candidates.category.as_deref(),
            Self::Prompt(prompt) => prompt.category.as_deref(),
        }
    }

    /// SHA-256 (hexadecimal) of the content. Of a pair it is [`Pair::content_hash`]; two answers to be labelled are the
    /// same whichever stands first.
    pub fn content_hash(&self) -> String {
        match self {
            Self::Pair(pair) => pair.content_hash(),
            Self::Candidates(candidates) => {
                let hash = |one: &Content, other: &Content| {
                    let (prompt, chosen, rejected) = (candidates.prompt.clone(), one.clone(), other.clone());
                    Pair { prompt, chosen, rejected, category: None }.content_hash()
                };
                let (one, other) = (&candidates.first, &candidates.second);
                hash(one, other).min(hash(other, one))
            }
            Self::Prompt(prompt) => {
                let said = serde_json::to_vec(&prompt.prompt).unwrap_or_default();
                format!("{:x}", Sha256::new().chain_update(b"prompt").chain_update(said).finalize())
            }
        }
    }
}

/// A row that was taken, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRow {
    /// Line of the file, from 1.
    pub line: usize,
    /// What it became.
    pub content: MappedContent,
}

/// What a table became. Nothing is dropped without being counted: every row of the table is here or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// What was asked for. Pairs by preference may hold items to label: rows whose preference is a tie or empty.
    pub kind: ImportKind,
    /// The rows that were taken, in file order.
    pub rows: Vec<MappedRow>,
    /// Rows that were not taken, by line and reason, those that the table refused among them.
    pub refused: Vec<Refused>,
    /// Lines with nothing in them.
    pub blank: usize,
    /// Columns that were not taken over, with how often each held something.
    pub ignored_keys: BTreeMap<String, usize>,
    /// What was done to rows on their way in, as sentences, each with how many rows it was done to.
    pub notes: BTreeMap<String, usize>,
}

/// Makes of every row what the mapping says. A mapping that is [incomplete](ColumnMapping::incomplete) refuses them all.
pub fn apply(table: &Table, mapping: &ColumnMapping) -> Mapped {
    let mut mapped = Mapped {
        kind: mapping.kind,
        rows: Vec::new(),
        refused: table.refused.clone(),
        blank: table.blank,
        ignored_keys: BTreeMap::new(),
        notes: BTreeMap::new(),
    };
    if let Some(reason) = mapping.incomplete(table) {
        mapped.refused.extend(table.rows.iter().map(|row| Refused { line: row.line, reason: reason.clone() }));
    } else {
        let reader = Reader::of(table, mapping);
        for row in &table.rows {
            match reader.content(row) {
                Ok(Taken { content, notes }) => {
                    for note in notes {
                        *mapped.notes.entry(note.to_owned()).or_default() += 1;
                    }
                    mapped.rows.push(MappedRow { line: row.line, content });
                }
                Err(reason) => mapped.refused.push(Refused { line: row.line, reason }),
            }
        }
    }
    mapped.refused.sort_by_key(|refused| refused.line);
    mapped.ignored_keys = ignored(table, mapping);
    mapped
}

/// A row that was taken.
struct Taken {
    content: MappedContent,
    notes: Vec<&'static str>,
}

/// A mapping with what it takes from the file as a whole.
#[derive(Clone)]
struct Reader<'a> {
    mapping: &'a ColumnMapping,
    /// None where the answers have no preference, or where it is not known how to read it.
    scheme: Option<Scheme>,
    repeats: Repeats,
    turn_lists: bool,
}

impl<'a> Reader<'a> {
    fn of(table: &Table, mapping: &'a ColumnMapping) -> Self {
        let by_preference = mapping.is_by_preference() && mapping.preference.is_some();
        let scheme = if by_preference { Scheme::of(table, mapping) } else { None };
        let turn_lists = turns::are_lists(table, mapping);
        let repeats = Repeats::of(table, mapping);
        Self { mapping, scheme, repeats, turn_lists }
    }

    fn content(&self, row: &TableRow) -> Result<Taken, String> {
        let mapping = self.mapping;
        let category = values::category(row, mapping.category.as_deref())?;
        let (Some(first), Some(second)) = mapping.answers() else {
            let (prompt, notes) = values::prompt_alone(row, mapping)?;
            let content = MappedContent::Prompt(crate::prompts::Prompt { prompt, category });
            return Ok(Taken { content, notes });
        };
        let preferred = match mapping.preference.as_deref().filter(|_| mapping.is_by_preference()) {
            Some(column) => {
                let scheme = self.scheme.as_ref().ok_or_else(|| format!("how `{column}` counts is not chosen yet"))?;
                scheme.preferred(row, column)?
            }
            None if mapping.kind == ImportKind::Pairs => Preferred::First,
            None => Preferred::Neither,
        };
        let Parts { prompt, first, second, notes } = values::parts(row, self, first, second)?;
        if preferred == Preferred::Neither {
            if first == second {
                return Err("both answers are the same: there is nothing to prefer".to_owned());
            }
            let content = MappedContent::Candidates(Candidates { prompt, first, second, category });
            return Ok(Taken { content, notes });
        }
        let (chosen, rejected) = if preferred == Preferred::First { (first, second) } else { (second, first) };
        let content = MappedContent::Pair(Pair { prompt, chosen, rejected, category });
        Ok(Taken { content, notes })
    }
}

fn ignored(table: &Table, mapping: &ColumnMapping) -> BTreeMap<String, usize> {
    let second = if mapping.is_by_preference() { preference::second_column(table, mapping) } else { None };
    let used: HashSet<&str> = mapping.named().chain(second.as_deref()).collect();
    let unused = table.columns.iter().filter(|column| !used.contains(column.as_str()));
    let counted = unused.map(|column| {
        let filled = table.rows.iter().filter_map(|row| row.get(column)).filter(|value| is_filled(value)).count();
        (column.clone(), filled)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests;
