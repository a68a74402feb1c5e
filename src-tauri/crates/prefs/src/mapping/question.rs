//! What a file leaves open: each question with the ways to answer it, and rows read each way.

use serde::{Deserialize, Serialize};

use super::choices::Named;
use super::preference::{PreferenceScheme, Scheme, readings};
use super::repeats::Counted;
use super::{
    ColumnMapping, ImportKind, MappedContent, Pairing, PlainText, Reader, groups, guess, notices, rated, rated_columns,
    single, values,
};
use crate::table::{Table, TableRow, shown};
use crate::{Content, Place};

/// Rows that are read each way.
const SHOWN: usize = 3;

/// Something that a file leaves open. [`ColumnMapping::set`] takes the key and the value of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct Question {
    /// What is to be set.
    pub key: String,
    /// The question, as a sentence.
    pub question: String,
    /// The ways to answer it.
    pub options: Vec<QuestionOption>,
    /// The value that counts where nobody chooses; without one nothing is imported before somebody does.
    pub preset: Option<String>,
    /// The value that was chosen.
    pub answer: Option<String>,
}

impl Question {
    /// Whether nothing is imported before somebody answers.
    pub fn is_open(&self) -> bool {
        self.preset.is_none() && self.answer.is_none()
    }
}

/// A way to read a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct QuestionOption {
    /// By which it is chosen.
    pub value: String,
    pub meaning: String,
    /// Rows, read this way. Of each option they are the same rows, chosen so that the options differ in them.
    pub rows: Vec<ReadRow>,
}

/// A row, read one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct ReadRow {
    /// Where it stands in its file.
    #[serde(flatten)]
    pub place: Place,
    /// What the column in question says there.
    pub says: Option<String>,
    pub prompt: Option<Content>,
    /// The chosen answer, or the first of two between which nothing is said.
    pub first: Option<Content>,
    /// The rejected or second answer.
    pub second: Option<Content>,
    /// Whether the first is said to be better.
    pub is_pair: bool,
    /// Why the row would be refused.
    pub refused: Option<String>,
}

/// A question without rows.
pub(super) struct Open {
    key: &'static str,
    question: String,
    options: Vec<(String, String)>,
    preset: Option<&'static str>,
    answer: Option<String>,
}

impl Open {
    fn is_open(&self) -> bool {
        self.preset.is_none() && self.answer.is_none()
    }

    /// The question as one sentence, with what can be set.
    pub(super) fn in_words(&self) -> String {
        let options: Vec<String> =
            self.options.iter().map(|(value, meaning)| format!("`{}={value}` ({meaning})", self.key)).collect();
        if options.is_empty() {
            self.question.clone()
        } else {
            format!("{} Set {}.", self.question, options.join(" or "))
        }
    }
}

/// What the file leaves open, with what was answered, in the order in which it is asked. One that must be answered and is not
/// is the last: what else there is to ask follows from it.
pub fn questions(table: &Table, mapping: &ColumnMapping) -> Vec<Question> {
    if mapping.lacks_column(table).is_some() {
        return Vec::new();
    }
    let ask = |open: Open| {
        let mappings: Vec<ColumnMapping> = open
            .options
            .iter()
            .filter_map(|(value, _)| {
                let mut mapping = mapping.clone();
                mapping.set(open.key, value).ok().map(|()| mapping)
            })
            .collect();
        let says = match open.key {
            "preference_scheme" => mapping.preference.as_deref(),
            _ => None,
        };
        let mut rows = examples(table, &mappings, says).into_iter();
        Question {
            key: open.key.to_owned(),
            question: open.question,
            options: open
                .options
                .into_iter()
                .map(|(value, meaning)| QuestionOption { value, meaning, rows: rows.next().unwrap_or_default() })
                .collect(),
            preset: open.preset.map(str::to_owned),
            answer: open.answer,
        }
    };
    let mut asked = needed(table, mapping);
    if !asked.iter().any(Open::is_open) {
        let reader = Reader::of(table, mapping);
        asked.extend([repeated_prompt(mapping, &reader), plain_text(table, mapping, &reader)].into_iter().flatten());
    }
    asked.into_iter().map(ask).collect()
}

/// The question that must be answered before anything is read, in words.
pub(super) fn first_open(table: &Table, mapping: &ColumnMapping) -> Option<String> {
    needed(table, mapping).iter().find(|question| question.is_open()).map(Open::in_words)
}

/// The questions that have no preset, up to the first that is open.
fn needed(table: &Table, mapping: &ColumnMapping) -> Vec<Open> {
    let mut asked = Vec::new();
    let questions = [
        which_preference,
        how_preference_counts,
        which_ratings,
        how_ratings_count,
        which_pairs,
        where_the_prompt_is,
        what_is_left_out,
    ];
    for ask in questions {
        asked.extend(ask(table, mapping));
        if asked.last().is_some_and(Open::is_open) {
            break;
        }
    }
    asked
}

fn which_preference(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    if !mapping.is_by_preference() || mapping.is_rated() || mapping.rating_a.is_some() {
        return None;
    }
    let columns = guess::preferences(table, mapping);
    if columns.len() < 2 && (mapping.preference.is_some() || columns.is_empty()) {
        return None;
    }
    let named: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    Some(Open {
        key: "preference",
        question: format!("Which column says which answer is better: {}?", named.join(" or ")),
        options: columns.into_iter().map(|column| (column.clone(), format!("what `{column}` says"))).collect(),
        preset: None,
        answer: mapping.preference.clone(),
    })
}

fn how_preference_counts(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    if !mapping.is_by_preference() {
        return None;
    }
    let column = mapping.preference.as_deref()?;
    let readings = readings(table, mapping);
    let (first, second) = super::preference::Readings::in_order(mapping)?;
    let numbers = readings.seen.listed(6);
    let (question, options) = match readings.schemes.as_slice() {
        [_] => return None,
        [] => (
            format!(
                "`{column}` holds {numbers}: there is no way to read these as which of two answers is better. Choose \
                 another column, import the rows as candidates to label, or write a, b or tie into the file."
            ),
            Vec::new(),
        ),
        several => {
            let option =
                |scheme: &PreferenceScheme| (scheme.name().to_owned(), scheme.meaning(&readings.seen, first, second));
            (format!("`{column}` holds {numbers}: which answer is meant?"), several.iter().map(option).collect())
        }
    };
    let answer = mapping.preference_scheme.map(|scheme| scheme.name().to_owned());
    Some(Open { key: "preference_scheme", question, options, preset: None, answer })
}

fn which_ratings(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    if !mapping.is_rated() {
        return None;
    }
    let columns = rated_columns::ratings(table, mapping);
    if columns.len() < 2 && (mapping.ratings.is_some() || columns.is_empty()) {
        return None;
    }
    let named: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    Some(Open {
        key: "ratings",
        question: format!("Which column rates the answers: {}?", named.join(", ")),
        options: columns.into_iter().map(|column| (column.clone(), format!("what `{column}` says"))).collect(),
        preset: None,
        answer: mapping.ratings.clone(),
    })
}

fn how_ratings_count(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    let is_needed = mapping.is_rated() || mapping.is_by_preference() && mapping.preference.is_none();
    let column = if mapping.is_rated() { mapping.ratings.as_deref() } else { mapping.rating_a.as_deref() };
    // A label that is a number and says more than good or bad may as well be a class.
    let is_class = |column: &str| mapping.is_grouped() && single::may_be_class(table, column);
    let column = column.filter(|column| is_needed && (mapping.named_order().is_none() || is_class(column)))?;
    let options =
        [("higher_is_better", "the highest is the best"), ("lower_is_better", "the lowest is the best, as of ranks")];
    Some(Open {
        key: "rating_order",
        question: format!("`{column}` rates the answers: is a high or a low number the better one?"),
        options: options.map(|(value, meaning)| (value.to_owned(), meaning.to_owned())).to_vec(),
        preset: None,
        answer: mapping.rating_order.map(|order| order.name().to_owned()),
    })
}

fn which_pairs(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    if !mapping.is_rated() || mapping.ratings.is_none() {
        return None;
    }
    let key =
        format!("several: {:?} {:?} {:?} {:?}", mapping.prompt, mapping.answers, mapping.ratings, mapping.context);
    let several = if mapping.is_grouped() {
        groups::count_groups(table, mapping, &key)[1]
    } else {
        table.counted(&key, |row, [several]| *several += usize::from(rated::has_several(row, mapping)))[0]
    };
    if several == 0 {
        return None;
    }
    let options = Pairing::MEANINGS.map(|(pairing, meaning)| (pairing.name().to_owned(), meaning.to_owned()));
    Some(Open {
        key: "pairing",
        question: format!("{several} prompts have more than two rated answers: which pairs are made of them?"),
        options: options.to_vec(),
        preset: None,
        answer: mapping.pairing.map(|pairing| pairing.name().to_owned()),
    })
}

fn where_the_prompt_is(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    let (Some(first), Some(second)) = mapping.two_answers() else { return None };
    if mapping.prompt.is_some() || mapping.context.is_some() {
        return None;
    }
    // A few such rows among transcripts are refused one by one.
    let [bare] = table.counted(&format!("bare texts: {first:?} {second:?}"), |row, [bare]| {
        *bare += usize::from(values::are_bare_texts(row, first, second));
    });
    if bare * 2 <= table.row_count {
        return None;
    }
    // Of two answers side by side a common beginning is chance.
    let side_by_side = mapping.kind != ImportKind::Pairs || mapping.is_by_preference();
    let (question, options) = if side_by_side {
        ("Choose the column that holds the prompt.".to_owned(), Vec::new())
    } else {
        let question = format!(
            "No column is named as the prompt, and `{first}` and `{second}` are texts that do not say where it ends."
        );
        let meaning = "what both answers begin with is the prompt".to_owned();
        (question, vec![("shared_beginning".to_owned(), meaning)])
    };
    let answer = mapping.prompt_from.filter(|_| !side_by_side).map(|_| "shared_beginning".to_owned());
    Some(Open { key: "prompt_from", question, options, preset: None, answer })
}

fn what_is_left_out(table: &Table, mapping: &ColumnMapping) -> Option<Open> {
    // Of prompts and demonstrations it is told beside what else is left out.
    let is_told = matches!(mapping.kind, ImportKind::Prompts | ImportKind::Demonstrations);
    let columns = if is_told { Vec::new() } else { notices::not_kept(table, mapping) };
    if columns.is_empty() {
        return None;
    }
    let listed = notices::listed(&columns);
    let has_turns = columns.iter().any(|(path, _)| notices::is_history(path));
    let turns = if has_turns {
        " Earlier turns are kept as a list of messages, or of questions with their answers."
    } else {
        ""
    };
    Some(Open {
        key: "left_out",
        question: format!(
            "What a model reads depends on columns that cannot be kept: {listed}.{turns} Are the rows right without them?"
        ),
        options: vec![("accept".to_owned(), "the rows come in without them".to_owned())],
        preset: None,
        answer: mapping.left_out.map(|choice| choice.name().to_owned()),
    })
}

fn repeated_prompt(mapping: &ColumnMapping, reader: &Reader) -> Option<Open> {
    let Counted { both, one, both_by_chance } = reader.repeats.count();
    let question = match (both, one) {
        (0, 0) if both_by_chance == 0 => return None,
        (0, 0) => format!(
            "In {both_by_chance} rows both answers begin with the prompt, which is so short that it may be chance. Does it \
             belong to the answers?"
        ),
        (both, 0) => format!("In {both} rows both answers begin with the prompt. Does it belong to the answers?"),
        (0, one) => format!("In {one} rows one of the answers begins with the prompt. Does it belong to the answer?"),
        (both, one) => format!(
            "In {both} rows both answers begin with the prompt, in {one} more only one does. Does it belong to the answers?"
        ),
    };
    let options = [
        ("take_off", "the prompt is taken off both answers; rows in which only one repeats it are refused"),
        ("keep", "the answers stay as they stand"),
    ];
    Some(Open {
        key: "repeated_prompt",
        question,
        options: options.map(|(value, meaning)| (value.to_owned(), meaning.to_owned())).to_vec(),
        preset: Some(if both + one == 0 { "keep" } else { "take_off" }),
        answer: mapping.repeated_prompt.map(|choice| choice.name().to_owned()),
    })
}

/// The first prompts as they stand in the file, also those that `mapping` makes messages of.
pub fn first_prompts(table: &Table, mapping: &ColumnMapping) -> Vec<Content> {
    prompts_as_is(table, mapping, &Reader::of(table, mapping))
}

fn prompts_as_is(table: &Table, mapping: &ColumnMapping, reader: &Reader) -> Vec<Content> {
    let as_is = ColumnMapping { plain_text: Some(PlainText::AsIs), ..mapping.clone() };
    let reader = Reader { mapping: &as_is, ..reader.clone() };
    let taken = table.first_rows().iter().filter_map(|row| reader.content(row).ok());
    taken.map(|taken| taken.content.prompt().clone()).collect()
}

fn plain_text(table: &Table, mapping: &ColumnMapping, reader: &Reader) -> Option<Open> {
    let prompts = prompts_as_is(table, mapping, reader);
    let texts = prompts.iter().filter(|prompt| matches!(prompt, Content::Text(_))).count();
    let others = prompts.len() - texts;
    if texts == 0 {
        return None;
    }
    let question = if others == 0 {
        "The prompts are plain text. How does a model with a chat template read them?".to_owned()
    } else {
        format!(
            "Of the first {} rows, {texts} have prompts that are plain text, and the others are conversations. How does a \
             model with a chat template read the text?",
            texts + others
        )
    };
    let options = [
        ("as_user_message", "each prompt becomes a user's message and passes through the chat template"),
        ("as_is", "the text stands as it is, and no chat template is applied"),
    ];
    Some(Open {
        key: "plain_text",
        question,
        options: options.map(|(value, meaning)| (value.to_owned(), meaning.to_owned())).to_vec(),
        preset: Some("as_is"),
        answer: mapping.plain_text.map(|choice| choice.name().to_owned()),
    })
}

/// The same few rows, read by each mapping: some in which the readings differ and the column says different things.
fn examples(table: &Table, mappings: &[ColumnMapping], says: Option<&str>) -> Vec<Vec<ReadRow>> {
    let readers: Vec<Reader> = mappings.iter().map(|mapping| Reader::of(table, mapping)).collect();
    let said = |row: &TableRow| says.and_then(|column| row.get(column)).map(shown);
    let mut found: Vec<(Option<String>, Vec<ReadRow>)> = Vec::new();
    let mut spare = Vec::new();
    for row in table.first_rows() {
        let read: Vec<ReadRow> = readers.iter().map(|reader| read_row(row, reader, said(row))).collect();
        if read.len() > 1 && read.windows(2).all(|two| two[0] == two[1]) {
            continue;
        }
        let says_other = says.is_none() || found.iter().all(|(known, _)| *known != said(row));
        if says_other {
            found.push((said(row), read));
        } else if spare.len() < SHOWN {
            spare.push((said(row), read));
        }
        if found.len() == SHOWN {
            break;
        }
    }
    found.extend(spare);
    found.truncate(SHOWN);
    found.sort_by_key(|(_, read)| read.first().map(|row| row.place));
    (0..mappings.len()).map(|at| found.iter().filter_map(|(_, read)| read.get(at).cloned()).collect()).collect()
}

fn read_row(row: &TableRow, reader: &Reader, says: Option<String>) -> ReadRow {
    let (place, none) = (row.place, None);
    match reader.content(row) {
        Ok(taken) => ReadRow {
            place,
            says,
            prompt: Some(taken.content.prompt().clone()),
            first: taken.content.first().cloned(),
            second: taken.content.second().cloned(),
            is_pair: matches!(taken.content, MappedContent::Pair(_)),
            refused: None,
        },
        Err(reason) => ReadRow {
            place,
            says,
            prompt: none.clone(),
            first: none.clone(),
            second: none,
            is_pair: false,
            refused: Some(reason),
        },
    }
}

/// Whether every row says the same by both columns.
pub(super) fn agree(table: &Table, mapping: &ColumnMapping, one: &str, other: &str) -> bool {
    let scheme = |column: &str| {
        let mapping = ColumnMapping { preference: Some(column.to_owned()), preference_scheme: None, ..mapping.clone() };
        Scheme::of(table, &mapping)
    };
    let (Some(of_one), Some(of_other)) = (scheme(one), scheme(other)) else { return false };
    let key = format!("agree: {:?} {:?} {one:?} {other:?}", mapping.answer_a, mapping.answer_b);
    let differ = |row: &TableRow| of_one.preferred(row, one).ok() != of_other.preferred(row, other).ok();
    // Most that differ do so in the first rows.
    !table.first_rows().iter().any(differ)
        && table.counted(&key, |row, [differing]| *differing += usize::from(differ(row))) == [0]
}
