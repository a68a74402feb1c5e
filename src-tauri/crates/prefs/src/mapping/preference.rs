//! Which of two answers is better, as files say it: `a`, `response_b`, `1`, `tie`, a ranking, and more.
//!
//! Words say it by themselves. A number does not: 1 is the first answer where counting starts at one, the second where it
//! starts at zero, and again the first where it means "yes". A [`PreferenceScheme`] says which is meant. It follows from the
//! file only where nothing else could be meant; otherwise a person chooses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ColumnMapping;
use crate::table::{Table, TableRow, is_ranking};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preferred {
    First,
    Second,
    /// A tie, or nothing said.
    Neither,
}

/// How numbers say which of two answers is better. "First" is the answer whose column's name comes first: `response_a`
/// before `response_b`, and where the names do not say, the column mapped as `answer_a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum PreferenceScheme {
    /// No number says it, but a letter, the name of an answer or a ranking.
    Named,
    /// 0 is the first answer, 1 the second; 2, 0.5 and -1 are ties.
    CountsFromZero,
    /// 1 is the first answer, 2 the second, 0 a tie.
    CountsFromOne,
    /// 1 (or true) says that the first is better, 0 (or false) that the second is, 0.5 a tie.
    OneIsFirst,
    /// Below zero the first is better, above it the second, 0 is a tie.
    NegativeIsFirst,
    /// Above zero the first is better, below it the second, 0 is a tie.
    PositiveIsFirst,
    /// Each answer has a column of its own, with 1 where it is the better one; neither is a tie.
    OneHot,
}

impl PreferenceScheme {
    /// What it means, for two answers of these names.
    pub(super) fn meaning(self, seen: &Seen, first: &str, second: &str) -> String {
        let (one, zero) = if seen.all_bool { ("true", "false") } else { ("1", "0") };
        let tie = |number: f64, name: &str| if seen.has(number) { format!(", {name} a tie") } else { String::new() };
        match self {
            Self::Named => format!("By name: `{first}` or `{second}`"),
            Self::CountsFromZero => {
                let ties = [tie(2.0, "2"), tie(0.5, "0.5"), tie(-1.0, "-1")].concat();
                format!("{zero} says that `{first}` is better, {one} that `{second}` is{ties}")
            }
            Self::CountsFromOne => {
                format!("1 says that `{first}` is better, 2 that `{second}` is{}", tie(0.0, "0"))
            }
            Self::OneIsFirst => {
                format!("{one} says that `{first}` is better, {zero} that `{second}` is{}", tie(0.5, "0.5"))
            }
            Self::NegativeIsFirst => {
                format!("below 0 `{first}` is better, above 0 `{second}`{}", tie(0.0, "0"))
            }
            Self::PositiveIsFirst => {
                format!("above 0 `{first}` is better, below 0 `{second}`{}", tie(0.0, "0"))
            }
            Self::OneHot => "the column that holds 1 names the better answer".to_owned(),
        }
    }

    // Numbers are compared as the file has them; and an arm for each scheme and number reads best.
    #[allow(clippy::float_cmp, clippy::match_same_arms)]
    fn of_number(self, number: f64) -> Option<Preferred> {
        let is = |other: f64| number.to_bits() == other.to_bits();
        match self {
            Self::Named | Self::OneHot => None,
            Self::CountsFromZero if is(0.0) => Some(Preferred::First),
            Self::CountsFromZero if is(1.0) => Some(Preferred::Second),
            Self::CountsFromZero => [2.0, 0.5, -1.0].contains(&number).then_some(Preferred::Neither),
            Self::CountsFromOne if is(1.0) => Some(Preferred::First),
            Self::CountsFromOne if is(2.0) => Some(Preferred::Second),
            Self::CountsFromOne => is(0.0).then_some(Preferred::Neither),
            Self::OneIsFirst if is(1.0) => Some(Preferred::First),
            Self::OneIsFirst if is(0.0) => Some(Preferred::Second),
            Self::OneIsFirst => is(0.5).then_some(Preferred::Neither),
            Self::NegativeIsFirst if number < 0.0 => Some(Preferred::First),
            Self::NegativeIsFirst if number > 0.0 => Some(Preferred::Second),
            Self::PositiveIsFirst if number > 0.0 => Some(Preferred::First),
            Self::PositiveIsFirst if number < 0.0 => Some(Preferred::Second),
            Self::NegativeIsFirst | Self::PositiveIsFirst => is(0.0).then_some(Preferred::Neither),
        }
    }
}

/// The two answers by their columns' names.
#[derive(Clone)]
struct Names {
    /// As `answer_a` and `answer_b` are mapped.
    normal: [String; 2],
    /// The words in which the two names differ: `a` and `b`, `0` and `1`.
    differ: [String; 2],
    /// Whether the column mapped as `answer_b` comes first by its name.
    reversed: bool,
}

/// Words by which two answers are told apart that stand side by side.
pub(super) const IN_ORDER: [(&str, &str); 7] =
    [("a", "b"), ("0", "1"), ("1", "2"), ("first", "second"), ("left", "right"), ("one", "two"), ("x", "y")];

impl Names {
    fn of(mapping: &ColumnMapping) -> Self {
        let name = |column: &Option<String>| column.as_deref().map(normal).unwrap_or_default();
        let normal = [name(&mapping.answer_a), name(&mapping.answer_b)];
        let words = normal.each_ref().map(|name| name.split('_').collect::<Vec<_>>());
        let differ = |own: &[&str], other: &[&str]| {
            let differing = own.iter().zip(other).filter(|(one, other)| one != other).map(|(one, _)| *one);
            differing.collect::<Vec<_>>().join("_")
        };
        let differ = if words[0].len() == words[1].len() {
            [differ(&words[0], &words[1]), differ(&words[1], &words[0])]
        } else {
            Default::default()
        };
        let reversed = IN_ORDER.contains(&(differ[1].as_str(), differ[0].as_str()));
        Self { normal, differ, reversed }
    }

    /// Where the names themselves count: 0 or 1.
    fn start(&self) -> Option<i64> {
        let [one, other] = self.differ.each_ref().map(|word| word.parse::<i64>().ok());
        let (one, other) = (one?, other?);
        ((one - other).abs() == 1 && one.min(other) <= 1).then_some(one.min(other))
    }
}

/// The words in which the names of the two answers differ.
pub(super) fn differing(mapping: &ColumnMapping) -> [String; 2] {
    Names::of(mapping).differ
}

/// What stands in the column, as far as it tells how to read it.
#[derive(Default)]
pub(super) struct Seen {
    /// Numbers, also those in texts (`"1"`) and for true and false, in a form that can be ordered.
    numbers: BTreeSet<u64>,
    /// There are numbers that stand in names, such as `model_1`.
    in_names: bool,
    /// There are numbers that stand alone.
    alone: bool,
    /// All numbers are true or false.
    all_bool: bool,
}

impl Seen {
    fn of(table: &Table, column: &str, names: &Names) -> Self {
        let mut seen = Self { all_bool: true, ..Self::default() };
        for value in table.scalars(column).iter() {
            if let Value::Bool(yes) = value {
                seen.alone = true;
                seen.numbers.insert(f64::from(u8::from(*yes)).to_bits());
            } else if let Some(number) = number(value) {
                (seen.alone, seen.all_bool) = (true, false);
                seen.numbers.insert(number.to_bits());
            } else if let Value::String(text) = value
                && let Some(Word::Number(number)) = word(&normal(text), names)
            {
                (seen.in_names, seen.all_bool) = (true, false);
                seen.numbers.insert(number.to_bits());
            }
        }
        seen
    }

    /// Leaves out numbers that stand in less than one of twenty rows. Gives whether there are such.
    fn leave_out_rare(&mut self, table: &Table, column: &str) -> bool {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        let mut all = 0;
        table.each_row(|row| {
            if let Some(number) = row.get(column).and_then(number) {
                *counts.entry(number.to_bits()).or_default() += 1;
                all += 1;
            }
            ControlFlow::Continue(())
        });
        let before = self.numbers.len();
        self.numbers.retain(|bits| counts.get(bits).is_none_or(|rows| rows * 20 >= all));
        self.numbers.len() < before
    }

    fn has(&self, number: f64) -> bool {
        self.numbers.contains(&number.to_bits())
    }

    fn all(&self, fits: impl Fn(f64) -> bool) -> bool {
        self.numbers.iter().all(|bits| fits(f64::from_bits(*bits)))
    }

    /// The numbers in words, at most `most` of them.
    pub(super) fn listed(&self, most: usize) -> String {
        if self.all_bool {
            return "true and false".to_owned();
        }
        let mut numbers: Vec<f64> = self.numbers.iter().map(|bits| f64::from_bits(*bits)).collect();
        numbers.sort_by(f64::total_cmp);
        let shown: Vec<String> = numbers.iter().take(most).map(ToString::to_string).collect();
        let more = if numbers.len() > most { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }
}

/// The ways in which a preference column can be read.
pub(super) struct Readings {
    pub(super) seen: Seen,
    pub(super) schemes: Vec<PreferenceScheme>,
}

impl Readings {
    /// The columns of the two answers, in the order in which numbers mean them.
    pub(super) fn in_order(mapping: &ColumnMapping) -> Option<(&str, &str)> {
        let (a, b) = (mapping.answer_a.as_deref()?, mapping.answer_b.as_deref()?);
        Some(if Names::of(mapping).reversed { (b, a) } else { (a, b) })
    }
}

/// Every way to read the column that the file leaves open; one of them alone needs no choice.
pub(super) fn readings(table: &Table, mapping: &ColumnMapping) -> Readings {
    let names = Names::of(mapping);
    let column = mapping.preference.as_deref().unwrap_or_default();
    let mut seen = Seen::of(table, column, &names);
    let mut schemes = open_schemes(&seen, &names, column, table);
    // A number that hardly any row has does not decide how all others are read: its rows are refused.
    if schemes.is_empty() && seen.leave_out_rare(table, column) {
        schemes = open_schemes(&seen, &names, column, table);
    }
    Readings { seen, schemes }
}

#[allow(clippy::float_cmp)] // as the file has them
fn open_schemes(seen: &Seen, names: &Names, column: &str, table: &Table) -> Vec<PreferenceScheme> {
    use PreferenceScheme::{CountsFromOne, CountsFromZero, NegativeIsFirst, OneHot, OneIsFirst, PositiveIsFirst};
    if seen.numbers.is_empty() {
        return vec![PreferenceScheme::Named];
    }
    let normal = normal(column);
    let is_flag = seen.all(|number| [0.0, 1.0].contains(&number)) && !seen.in_names;
    let says_better = !normal.split('_').any(|word| WORSE.contains(&word) || TIE.contains(&word));
    if is_flag && says_better && twin(table, column, names).is_some() {
        return vec![OneHot];
    }
    // Stanford's SHP and NVIDIA's HelpSteer say in their cards what their numbers mean.
    if names.normal[0].starts_with("human_ref") && normal == "labels" && is_flag {
        return vec![OneIsFirst];
    }
    let is_signed = !seen.all(|number| number >= 0.0);
    if ["overall_preference", "preference_strength"].contains(&normal.as_str()) && !seen.in_names && is_signed {
        return vec![NegativeIsFirst];
    }
    let mut open: Vec<PreferenceScheme> = [CountsFromZero, CountsFromOne, OneIsFirst]
        .into_iter()
        .filter(|scheme| seen.all(|number| scheme.of_number(number).is_some()))
        .filter(|scheme| *scheme != OneIsFirst || !seen.in_names)
        .filter(|scheme| *scheme != CountsFromOne || !seen.all_bool)
        .collect();
    if !seen.all(|number| number >= 0.0) && !seen.in_names {
        open.extend([NegativeIsFirst, PositiveIsFirst]);
    }
    // A column that numbers the answers is no "yes" and no scale.
    let numbers_answers = normal.split('_').next_back().is_some_and(|last| ["id", "idx", "index"].contains(&last));
    if numbers_answers {
        open.retain(|scheme| [CountsFromZero, CountsFromOne].contains(scheme));
    }
    // `a_is_better` and `prefers_b` name the answer that 1 speaks for.
    let named: Vec<bool> =
        names.differ.iter().map(|word| !word.is_empty() && normal.split('_').any(|part| part == word)).collect();
    if named[0] != named[1] && is_flag && says_better {
        let is_first = named[0] != names.reversed;
        return vec![if is_first { OneIsFirst } else { CountsFromZero }];
    }
    // Names that count say where counting starts, unless the numbers go on where the names end.
    let counted = match names.start() {
        Some(0) if !seen.all_bool && seen.all(|number| [0.0, 1.0].contains(&number)) => Some(CountsFromZero),
        Some(1) if !seen.all_bool && (seen.all(|number| number == 1.0) || seen.has(2.0)) => Some(CountsFromOne),
        None if seen.has(1.0) && seen.has(2.0) && !seen.has(0.0) => Some(CountsFromOne),
        None if seen.in_names && !seen.alone && seen.has(0.0) && seen.has(1.0) && !seen.has(2.0) => {
            Some(CountsFromZero)
        }
        _ => None,
    };
    match counted.filter(|scheme| open.contains(scheme)) {
        Some(scheme) => vec![scheme],
        None => open,
    }
}

/// How the preference of a mapping is read, in words; none where it has no such column, or names the answers.
pub(crate) fn meaning(table: &Table, mapping: &ColumnMapping) -> Option<String> {
    mapping.preference.as_ref()?;
    let scheme = Scheme::of(table, mapping)?.numbers;
    let readings = readings(table, mapping);
    let (first, second) = Readings::in_order(mapping)?;
    (scheme != PreferenceScheme::Named).then(|| scheme.meaning(&readings.seen, first, second))
}

/// The second of the two columns from which a preference is read, where there are two.
pub(super) fn second_column(table: &Table, mapping: &ColumnMapping) -> Option<String> {
    let column = mapping.preference.as_deref()?;
    let scheme = Scheme::of(table, mapping)?;
    (scheme.numbers == PreferenceScheme::OneHot).then(|| Some(twin(table, column, &scheme.names)?.0))?
}

/// The column that holds 1 where the other answer is the better one: `winner_model_b` beside `winner_model_a`.
fn twin(table: &Table, column: &str, names: &Names) -> Option<(String, bool)> {
    let normal_name = normal(column);
    let words: Vec<&str> = normal_name.split('_').collect();
    let [one, other] = &names.differ;
    let (from, to, is_first) = match (words.contains(&one.as_str()), words.contains(&other.as_str())) {
        (true, false) => (one, other, true),
        (false, true) => (other, one, false),
        _ => return None,
    };
    let replaced = words.iter().map(|word| if word == from { to.as_str() } else { word }).collect::<Vec<_>>().join("_");
    let found = table.columns.iter().find(|name| *name != column && normal(name) == replaced)?;
    Some((found.clone(), is_first))
}

/// How the column is read.
#[derive(Clone)]
pub(super) struct Scheme {
    names: Names,
    numbers: PreferenceScheme,
    twin: Option<(String, bool)>,
}

impl Scheme {
    /// The scheme that was chosen, or the only one that there is; `None` where a choice is open.
    pub(super) fn of(table: &Table, mapping: &ColumnMapping) -> Option<Self> {
        let only = || match readings(table, mapping).schemes.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        Some(Self::with(table, mapping, mapping.preference_scheme.or_else(only)?))
    }

    pub(super) fn with(table: &Table, mapping: &ColumnMapping, numbers: PreferenceScheme) -> Self {
        let names = Names::of(mapping);
        let twin = match numbers {
            PreferenceScheme::OneHot => twin(table, mapping.preference.as_deref().unwrap_or_default(), &names),
            _ => None,
        };
        Self { names, numbers, twin }
    }

    /// What a row says, as the answers are mapped.
    pub(super) fn preferred(&self, row: &TableRow, column: &str) -> Result<Preferred, String> {
        if self.numbers == PreferenceScheme::OneHot {
            return self.one_hot(row, column);
        }
        let Some(value) = row.get(column) else { return Ok(Preferred::Neither) };
        self.of_value(value).ok_or_else(|| {
            let value: String = crate::table::shown(value).chars().take(60).collect();
            let how = match self.numbers {
                PreferenceScheme::Named => "a, b, first, second, tie, or the name of an answer's column",
                PreferenceScheme::CountsFromZero => "0, 1 or a tie",
                PreferenceScheme::CountsFromOne => "1, 2 or a tie",
                PreferenceScheme::OneIsFirst => "1, 0 or a tie",
                PreferenceScheme::NegativeIsFirst | PreferenceScheme::PositiveIsFirst => "a number or a tie",
                PreferenceScheme::OneHot => "1 or 0",
            };
            format!("`{column}` says {value}: expected {how}")
        })
    }

    fn one_hot(&self, row: &TableRow, column: &str) -> Result<Preferred, String> {
        let Some((twin, is_first)) = &self.twin else {
            return Err(format!("beside `{column}` there is no column of the same kind for the other answer"));
        };
        let says = |column: &str| match row.get(column) {
            None => Ok(false),
            Some(Value::Bool(yes)) => Ok(*yes),
            Some(value) => match number(value) {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                _ => Err(format!("`{column}` says {}: expected 1 or 0", crate::table::shown(value))),
            },
        };
        match (says(column)?, says(twin)?) {
            (true, true) => Err(format!("`{column}` and `{twin}` both say 1")),
            (false, false) => Ok(Preferred::Neither),
            (own, _) => Ok(if own == *is_first { Preferred::First } else { Preferred::Second }),
        }
    }

    pub(super) fn of_value(&self, value: &Value) -> Option<Preferred> {
        let in_order = |preferred: Preferred| match preferred {
            Preferred::First if self.names.reversed => Preferred::Second,
            Preferred::Second if self.names.reversed => Preferred::First,
            as_mapped => as_mapped,
        };
        match value {
            Value::Null => Some(Preferred::Neither),
            Value::Bool(yes) => self.numbers.of_number(f64::from(u8::from(*yes))).map(in_order),
            Value::String(text) if text.trim().is_empty() => Some(Preferred::Neither),
            Value::String(_) | Value::Number(_) => match number(value) {
                Some(number) => self.numbers.of_number(number).map(in_order),
                None => match word(&normal(value.as_str()?), &self.names)? {
                    Word::Answer(preferred) => Some(preferred),
                    Word::InOrder(preferred) => Some(in_order(preferred)),
                    Word::Number(number) => self.numbers.of_number(number).map(in_order),
                },
            },
            Value::Array(ranks) if is_ranking(value) => self.of_ranking(ranks),
            _ => None,
        }
    }

    // Ranks are compared as the file has them.
    #[allow(clippy::float_cmp)]
    /// `Argilla`'s list of ranks: the answer with the lower one is the better one.
    fn of_ranking(&self, ranks: &[Value]) -> Option<Preferred> {
        let rank = |answer: &str| {
            let mut of =
                ranks.iter().filter(|entry| entry["value"].as_str().is_some_and(|name| normal(name) == *answer));
            let rank = of.next()?["rank"].as_f64()?;
            of.next().is_none().then_some(rank)
        };
        // The columns of the answers may lie inside other objects than their names here.
        let last = |answer: &str| {
            rank(answer).or_else(|| {
                let tail = answer.rsplit('_').take(2).collect::<Vec<_>>();
                rank(&tail.into_iter().rev().collect::<Vec<_>>().join("_"))
            })
        };
        let [one, other] = [last(&self.names.normal[0])?, last(&self.names.normal[1])?];
        Some(if one == other {
            Preferred::Neither
        } else if one < other {
            Preferred::First
        } else {
            Preferred::Second
        })
    }
}

/// What a text says.
enum Word {
    /// An answer by its own name, as it is mapped.
    Answer(Preferred),
    /// The first or the second by the order of the names.
    InOrder(Preferred),
    /// The number of an answer.
    Number(f64),
}

/// Words by which nobody is preferred.
const TIE: [&str; 13] =
    ["tie", "tied", "both", "equal", "same", "draw", "neither", "none", "null", "nan", "even", "similar", "na"];

/// Words in a column's name by which 1 does not speak for the answer that it names.
const WORSE: [&str; 12] =
    ["worse", "worst", "rejected", "loser", "lost", "loses", "bad", "unsafe", "toxic", "not", "non", "harmful"];

fn word(text: &str, names: &Names) -> Option<Word> {
    // An answer inside an object is called by the last of its names.
    let is = |name: &str| text == name || (text.contains('_') && name.ends_with(&format!("_{text}")));
    match (is(&names.normal[0]), is(&names.normal[1])) {
        (true, false) => return Some(Word::Answer(Preferred::First)),
        (false, true) => return Some(Word::Answer(Preferred::Second)),
        _ => {}
    }
    let mut words = text.split('_').filter(|word| !word.is_empty());
    let first_word = words.clone().next()?;
    if TIE.contains(&first_word) || text == "no_preference" {
        return Some(Word::InOrder(Preferred::Neither));
    }
    // `response_a`, `Answer B`, `A is better`: one word names the answer, the others say nothing else.
    let filler = |word: &str| {
        ["is", "better", "much", "slightly", "wins", "win", "winner", "assistant", "the", "preferred"].contains(&word)
            || ANSWER_WORDS.contains(&word)
    };
    let named: Vec<&str> = words.by_ref().filter(|word| !filler(word)).collect();
    let [named] = named.as_slice() else { return None };
    if let Ok(number) = named.parse::<u32>() {
        return Some(Word::Number(f64::from(number)));
    }
    match *named {
        own if own == names.differ[0] => Some(Word::Answer(Preferred::First)),
        own if own == names.differ[1] => Some(Word::Answer(Preferred::Second)),
        "a" | "first" | "left" | "one" => Some(Word::InOrder(Preferred::First)),
        "b" | "second" | "right" | "two" => Some(Word::InOrder(Preferred::Second)),
        _ => None,
    }
}

/// Words for an answer in the names of columns.
pub(super) const ANSWER_WORDS: [&str; 17] = [
    "response",
    "responses",
    "answer",
    "answers",
    "completion",
    "completions",
    "output",
    "outputs",
    "reply",
    "replies",
    "candidate",
    "candidates",
    "generation",
    "summary",
    "summaries",
    "conversation",
    "model",
];

/// Lower case, with `_` between words; a word ends where a number begins (`answer1`) or a capital (`responseA`).
pub(super) fn normal(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut before: Option<char> = None;
    for c in name.trim().chars() {
        let is_border = before.is_some_and(|before| {
            before.is_alphabetic() && c.is_ascii_digit() || before.is_lowercase() && c.is_uppercase()
        });
        if is_border {
            text.push('_');
        }
        text.extend(c.to_lowercase());
        before = Some(c);
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // Negative zero is zero.
    number.is_finite().then_some(number + 0.0)
}
