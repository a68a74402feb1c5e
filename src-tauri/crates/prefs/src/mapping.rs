//! From a table of foreign form to pairs, items to label or prompts: which column is which, guessed and then applied.

mod choices;
mod content;
mod file_label;
mod groups;
mod guess;
mod notices;
mod only;
mod preference;
mod question;
mod rated;
mod rated_columns;
mod rating_names;
mod repeats;
mod single;
pub(crate) mod transcript;
mod turns;
mod values;

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::table::{Table, TableRow, in_file, starred};
use crate::{Error, Pair, Place, Refused};
use groups::{Added, Groups};
use only::Only;
use preference::{Preferred, Scheme};
use repeats::Repeats;
use values::Parts;

pub use choices::{CHOICE_KEYS, COLUMN_KEYS, LeftOut, PlainText, PromptFrom, RepeatedPrompt};
pub use content::{Candidates, MappedContent};
pub use file_label::FileLabel;
pub use guess::guess;
pub use notices::notices;
pub use preference::PreferenceScheme;
pub(crate) use preference::meaning;
pub use question::{Question, QuestionOption, ReadRow, first_prompts, questions};
pub use rated::{PairRatings, Pairing, RatingOrder};
pub use single::guess_answer;

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
    /// A prompt and an answer to be imitated.
    Demonstrations,
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
    /// Who says so.
    #[serde(default)]
    pub annotator: Option<String>,
    /// Several answers of a row, by a path with `*` for their number (`completions.*.response`), or the one answer of each row,
    /// where rows with the same prompt belong together.
    #[serde(default)]
    pub answers: Option<String>,
    /// The ratings or ranks of `answers`.
    #[serde(default)]
    pub ratings: Option<String>,
    /// The rating of `answer_a`, or of `chosen`.
    #[serde(default)]
    pub rating_a: Option<String>,
    /// The rating of `answer_b`, or of `rejected`.
    #[serde(default)]
    pub rating_b: Option<String>,
    /// Which ratings are the better ones; what their name says where nothing is chosen.
    #[serde(default)]
    pub rating_order: Option<RatingOrder>,
    /// Which pairs are made of more than two answers.
    #[serde(default)]
    pub pairing: Option<Pairing>,
    /// The least distance of two ratings, as a number. Pairs nearer to each other are refused.
    #[serde(default)]
    pub least_margin: Option<String>,
    /// Which rows come in: `lang=en`, or several such conditions joined by `&`.
    #[serde(default)]
    pub only: Option<String>,
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
            annotator: None,
            answers: None,
            ratings: None,
            rating_a: None,
            rating_b: None,
            rating_order: None,
            pairing: None,
            least_margin: None,
            only: None,
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
        let idle = || self.rates_nothing();
        self.makes_no_sense().or_else(idle).or_else(|| self.lacks_column(table)).or_else(asked)
    }

    /// A choice that was typed and cannot be read, as a sentence.
    fn makes_no_sense(&self) -> Option<String> {
        let mut tried = self.clone();
        let only = self.only.as_deref().map(|only| ("only", only));
        let margin = self.least_margin.as_deref().map(|margin| ("least_margin", margin));
        let mut typed = [only, margin].into_iter().flatten();
        typed.find_map(|(key, value)| tried.set(key, value).err()).map(|reason| format!("{}.", capitalised(&reason)))
    }

    /// Which column is missing, as a sentence.
    fn lacks_column(&self, table: &Table) -> Option<String> {
        let known: HashSet<&str> = table.columns.iter().map(String::as_str).collect();
        if let Some(name) = self.named().find(|name| !known.contains(name)) {
            return Some(format!("The file has no column `{name}`; choose another."));
        }
        if let Some(name) = self.conditions().find(|name| !known.contains(name.as_str())) {
            return Some(format!("The file has no column `{name}`, which `only` names; choose another."));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.named().find(|name| !seen.insert(*name)) {
            return Some(format!("The column `{twice}` is chosen twice; choose another for one of the two."));
        }
        let both = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        let two_answers = both(&self.answer_a, &self.answer_b);
        match self.kind {
            ImportKind::Pairs if self.is_rated() => {
                // Which of several columns holds the ratings may be a question.
                (self.ratings.is_none() && rated_columns::ratings(table, self).is_empty())
                    .then(|| "Choose the column that holds the ratings of the answers.".to_owned())
            }
            ImportKind::Pairs => {
                // Which of several columns holds the preference may be a question.
                let is_said = self.preference.is_some() || self.rating_a.is_some() && self.rating_b.is_some();
                let by_preference = two_answers && (is_said || !guess::preferences(table, self).is_empty());
                (!both(&self.chosen, &self.rejected) && !by_preference).then(|| {
                    "Choose the columns of the chosen and the rejected answer, or of two answers and the preference."
                        .to_owned()
                })
            }
            ImportKind::Candidates => (!two_answers).then(|| "Choose the columns of the two answers.".to_owned()),
            ImportKind::Prompts => self.prompt.is_none().then(|| "Choose the column that holds the prompt.".to_owned()),
            ImportKind::Demonstrations => self.lacks_answer(table),
        }
    }

    /// The columns that say which rows come in.
    fn conditions(&self) -> impl Iterator<Item = String> {
        let only = self.only.as_deref().and_then(|conditions| Only::of(conditions).ok());
        only.into_iter().flat_map(|only| only.columns().map(str::to_owned).collect::<Vec<_>>())
    }

    /// The columns that this mapping uses.
    fn named(&self) -> impl Iterator<Item = &str> {
        let (first, second) = self.two_answers();
        let preference = self.preference.as_ref().filter(|_| self.is_by_preference());
        let answers = self.answers.as_ref().filter(|_| self.is_rated() || self.kind == ImportKind::Demonstrations);
        let rated = [answers, self.ratings.as_ref().filter(|_| self.is_rated())];
        let annotator = self.annotator.as_ref().filter(|_| self.kind == ImportKind::Pairs);
        let of_two = [&self.rating_a, &self.rating_b].map(|column| column.as_ref().filter(|_| first.is_some()));
        [&self.prompt, &self.system, &self.context, &self.category]
            .into_iter()
            .chain([&self.history, &self.tools, &self.chat_template_kwargs])
            .flatten()
            .chain([first, second, preference].into_iter().chain(rated).chain(of_two).flatten())
            .chain(annotator)
            .map(String::as_str)
    }

    /// Whether which answer is better stands in a column of its own.
    fn is_by_preference(&self) -> bool {
        self.kind == ImportKind::Pairs && (self.chosen.is_none() || self.rejected.is_none())
    }

    /// The columns of the two answers.
    fn two_answers(&self) -> (Option<&String>, Option<&String>) {
        match self.kind {
            ImportKind::Prompts | ImportKind::Demonstrations => (None, None),
            ImportKind::Pairs if !self.is_by_preference() => (self.chosen.as_ref(), self.rejected.as_ref()),
            _ => (self.answer_a.as_ref(), self.answer_b.as_ref()),
        }
    }
}

/// A row that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct MappedRow {
    /// Where it stands in its file.
    pub place: Place,
    /// What it became.
    pub content: MappedContent,
    /// How its two answers are rated, of a pair.
    pub ratings: Option<PairRatings>,
    /// What the file says of its two answers, beyond their order.
    pub labels: Vec<FileLabel>,
}

/// What a table became. Nothing is dropped without being counted: every row of the table is here or refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// What was asked for. Pairs by preference may hold items to label: rows whose preference is a tie or empty.
    pub kind: ImportKind,
    /// The rows that were taken, in file order.
    pub rows: Vec<MappedRow>,
    /// Rows that were not taken, by place and reason, those that the table refused among them.
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
        refused: Vec::new(),
        blank: table.blank,
        ignored_keys: ignored(table, mapping),
        notes: BTreeMap::new(),
    };
    mapped.notes = each(table, mapping, &mut |_, row| {
        match row {
            Ok(row) => mapped.rows.push(row),
            Err(refused) => mapped.refused.push(refused),
        }
        ControlFlow::Continue(())
    });
    mapped
}

/// Makes of every row what the mapping says, and hands it to `take` with the number of its file, one after the other, until
/// that has enough. Returns what was done to rows on their way, as sentences, each with how many rows it was done to. Where it
/// came to no end, [`Table::failure`] says so afterwards.
pub(crate) fn each(
    table: &Table,
    mapping: &ColumnMapping,
    take: &mut dyn FnMut(usize, Result<MappedRow, Refused>) -> ControlFlow<()>,
) -> BTreeMap<String, usize> {
    let incomplete = mapping.incomplete(table).unwrap_or_default();
    let reader = incomplete.is_empty().then(|| Reader::of(table, mapping));
    let only = mapping.only.as_deref().and_then(|conditions| Only::of(conditions).ok());
    let is_grouped = reader.is_some() && mapping.is_grouped();
    let mut groups = is_grouped.then(|| Groups::of(table, mapping, only.as_ref()));
    let mut giving = Giving { table, take, notes: BTreeMap::new() };
    let mut failed = None;
    table.each(&mut |row| {
        let row = match row {
            Ok(row) => row,
            Err((file, refused)) => return giving.hand(file, Err(refused)),
        };
        let Some(reader) = &reader else { return giving.give(row, Err(incomplete.clone())) };
        if let Some(condition) = only.as_ref().and_then(|only| only.excludes(row)) {
            giving.note(condition);
            return ControlFlow::Continue(());
        }
        match &mut groups {
            Some(groups) => {
                let added = match groups.add(row, mapping) {
                    Ok(added) => added,
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                };
                let Added { refused, group } = added;
                refused.map_or(ControlFlow::Continue(()), |reason| giving.give(row, Err(reason)))?;
                let Some(group) = group else { return ControlFlow::Continue(()) };
                group.each(reader, &mut |row, content| giving.give(row, content))
            }
            None => reader.contents(row).into_iter().try_for_each(|content| giving.give(row, content)),
        }
    });
    if let Some(error) = failed {
        table.fail(error);
    }
    giving.notes
}

/// As [`each`], until `take` fails or the files do.
pub(crate) fn try_each<E: From<Error>>(
    table: &Table,
    mapping: &ColumnMapping,
    mut take: impl FnMut(usize, Result<MappedRow, Refused>) -> Result<(), E>,
) -> Result<BTreeMap<String, usize>, E> {
    let mut taken = Ok(());
    let notes = each(table, mapping, &mut |file, row| {
        taken = take(file, row);
        if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    taken?;
    table.failure()?;
    Ok(notes)
}

/// Hands on what rows became, and counts what was done to them.
struct Giving<'a, 'b> {
    table: &'a Table,
    take: &'a mut (dyn FnMut(usize, Result<MappedRow, Refused>) -> ControlFlow<()> + 'b),
    notes: BTreeMap<String, usize>,
}

impl Giving<'_, '_> {
    fn give(&mut self, row: &TableRow, content: Result<Taken, String>) -> ControlFlow<()> {
        let place = row.place;
        match content {
            Ok(Taken { content, labels, notes, ratings, .. }) => {
                for note in notes {
                    self.note(note.to_owned());
                }
                self.hand(row.file, Ok(MappedRow { place, content, ratings, labels }))
            }
            Err(reason) => {
                let reason = in_file(&self.table.files, row.file, reason);
                self.hand(row.file, Err(Refused { place, reason }))
            }
        }
    }

    fn hand(&mut self, file: usize, row: Result<MappedRow, Refused>) -> ControlFlow<()> {
        (self.take)(file, row)
    }

    fn note(&mut self, note: String) {
        *self.notes.entry(note).or_default() += 1;
    }
}

/// A row that was taken.
struct Taken {
    content: MappedContent,
    labels: Vec<FileLabel>,
    notes: Vec<&'static str>,
    /// Of a pair.
    ratings: Option<PairRatings>,
    /// Of rows that were brought together, which ones hold the better and the worse answer.
    from: Option<(usize, usize)>,
}

/// A mapping with what it takes from the file as a whole.
#[derive(Clone)]
struct Reader<'a> {
    mapping: &'a ColumnMapping,
    /// None where the answers have no preference, or where it is not known how to read it.
    scheme: Option<Scheme>,
    repeats: Repeats,
    turn_lists: bool,
    /// Whether the ratings say good or bad and nothing more.
    has_labels: bool,
}

impl<'a> Reader<'a> {
    fn of(table: &Table, mapping: &'a ColumnMapping) -> Self {
        let by_preference = mapping.is_by_preference() && mapping.preference.is_some();
        let scheme = if by_preference { Scheme::of(table, mapping) } else { None };
        let turn_lists = turns::are_lists(table, mapping);
        let repeats = Repeats::of(table, mapping);
        let ratings = mapping.ratings.as_deref().filter(|_| mapping.is_grouped());
        let has_labels = ratings.is_some_and(|column| single::are_labels(table, column));
        Self { mapping, scheme, repeats, turn_lists, has_labels }
    }

    /// What a row becomes: one pair, or several of rated answers.
    fn contents(&self, row: &TableRow) -> Vec<Result<Taken, String>> {
        if self.mapping.kind == ImportKind::Demonstrations {
            return vec![self.demonstration(row)];
        }
        let several = if self.mapping.is_rated() { self.rated(row) } else { self.of_lists(row) };
        match several {
            Ok(taken) => taken.into_iter().map(Ok).collect(),
            Err(reason) => vec![Err(reason)],
        }
    }

    /// What a row becomes, as far as that is one thing: of several the first. Where rows are brought together by their prompt, it
    /// is the one answer that stands in it.
    fn content(&self, row: &TableRow) -> Result<Taken, String> {
        if self.mapping.is_grouped() { self.demonstration(row) } else { self.contents(row).swap_remove(0) }
    }

    /// Each of several chosen answers against each of several rejected ones.
    fn of_lists(&self, row: &TableRow) -> Result<Vec<Taken>, String> {
        let (Some(chosen), Some(rejected)) = (&self.mapping.chosen, &self.mapping.rejected) else {
            return Ok(vec![self.of_two(row)?]);
        };
        if self.mapping.kind != ImportKind::Pairs || !(chosen.contains(".*") || rejected.contains(".*")) {
            return Ok(vec![self.of_two(row)?]);
        }
        let places = |column: &String| match row.list(column).len() {
            _ if !column.contains(".*") => vec![column.clone()],
            many => (0..many).map(|at| column.replacen(".*", &format!(".{at}"), 1)).collect(),
        };
        let (chosen, rejected) = (places(chosen), places(rejected));
        let two = chosen.iter().flat_map(|one| rejected.iter().map(move |other| (one, other)));
        let taken = two.map(|(one, other)| self.pair(row, one, other)).collect::<Result<Vec<_>, _>>()?;
        if taken.is_empty() { Err("it holds no chosen or no rejected answer".to_owned()) } else { Ok(taken) }
    }

    fn of_two(&self, row: &TableRow) -> Result<Taken, String> {
        let mapping = self.mapping;
        let category = values::category(row, mapping.category.as_deref())?;
        let (Some(first), Some(second)) = mapping.two_answers() else {
            let (prompt, notes) = values::prompt_alone(row, mapping)?;
            let content = MappedContent::Prompt(crate::prompts::Prompt { prompt, category });
            return Ok(Taken { content, labels: Vec::new(), notes, ratings: None, from: None });
        };
        let preferred = match mapping.preference.as_deref().filter(|_| mapping.is_by_preference()) {
            Some(column) => {
                let scheme = self.scheme.as_ref().ok_or_else(|| format!("how `{column}` counts is not chosen yet"))?;
                scheme.preferred(row, column)?
            }
            None if mapping.kind == ImportKind::Pairs => Preferred::First,
            None => Preferred::Neither,
        };
        let rated = self.two_ratings(row)?;
        let preferred = rated.as_ref().and_then(|rated| rated.preferred).unwrap_or(preferred);
        let Parts { prompt, first, second, mut notes } = values::parts(row, self, first, second)?;
        notes.extend(rated.as_ref().and_then(|rated| rated.note));
        let (labels, unread) = self.labels(row, preferred);
        notes.extend(unread);
        if preferred == Preferred::Neither {
            if first == second {
                return Err("both answers are the same: there is nothing to prefer".to_owned());
            }
            let content = MappedContent::Candidates(Candidates { prompt, first, second, category });
            return Ok(Taken { content, labels, notes, ratings: None, from: None });
        }
        let is_first = preferred == Preferred::First;
        let (chosen, rejected) = if is_first { (first, second) } else { (second, first) };
        let content = MappedContent::Pair(Pair { prompt, chosen, rejected, category });
        let ratings = rated.and_then(|rated| rated.ratings);
        let ratings = ratings.map(|ratings| if is_first { ratings } else { ratings.swapped() });
        Ok(Taken { content, labels, notes, ratings, from: None })
    }
}

/// The columns that are not taken over, with how often each holds something.
pub(crate) fn ignored(table: &Table, mapping: &ColumnMapping) -> BTreeMap<String, usize> {
    let second = if mapping.is_by_preference() { preference::second_column(table, mapping) } else { None };
    let conditions: Vec<String> = mapping.conditions().collect();
    let used: HashSet<&str> =
        mapping.named().chain(second.as_deref()).chain(conditions.iter().map(String::as_str)).collect();
    let filled = table.filled();
    let unused = table.columns.iter().filter(|column| !is_used(column, &used));
    unused.map(|column| (column.clone(), filled[column])).filter(|(_, count)| *count > 0).collect()
}

/// Whether a column, or the list that it is an element of, is used. A list stands there by its elements.
fn is_used(column: &str, used: &HashSet<&str>) -> bool {
    column.contains(".*") || used.contains(column) || starred(column).is_some_and(|list| used.contains(list.as_str()))
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
