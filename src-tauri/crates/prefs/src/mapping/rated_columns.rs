//! Guessing which columns hold rated answers, and which their ratings.

use super::groups::count_groups;
use super::guess::{ColumnSample, are_most};
use super::preference::{differing, normal};
use super::rated::number;
use super::rating_names::rates;
use super::{ColumnMapping, ImportKind, single};
use crate::table::Table;
use serde_json::Value;

/// Names of lists of answers, and of the answer inside of an element.
const LISTS: [&str; 9] =
    ["answers", "completions", "responses", "generations", "candidates", "outputs", "replies", "summaries", "comments"];
const INSIDE: [&str; 9] =
    ["response", "answer", "text", "completion", "content", "output", "summary", "generation", "body"];

/// The path of several answers in a row, where something beside them can be read as their ratings.
pub(super) fn rated_answers(table: &Table) -> Option<String> {
    let is_list = |path: &&String| {
        let (list, rest) = path.split_once(".*")?;
        let list = normal(list.rsplit('.').next().unwrap_or(list));
        let rest = normal(rest);
        (LISTS.contains(&list.as_str()) && (rest.is_empty() || INSIDE.contains(&rest.as_str()))).then_some(())
    };
    let found = table.columns.iter().filter(|path| is_list(path).is_some());
    found.into_iter().find(|path| !ratings_of(table, path).is_empty()).cloned()
}

/// The columns that rate the answers: inside of the same elements, or lists of numbers of the same length.
pub(super) fn ratings(table: &Table, mapping: &ColumnMapping) -> Vec<String> {
    match mapping.answers.as_deref() {
        Some(answers) if answers.contains(".*") => ratings_of(table, answers),
        Some(answers) => single_ratings(table, answers),
        None => Vec::new(),
    }
}

fn ratings_of(table: &Table, answers: &str) -> Vec<String> {
    let own = answers.split(".*").next().unwrap_or_default();
    let fits = |path: &&String| {
        let Some((list, _)) = path.split_once(".*") else { return false };
        if *path == answers || !rates(path) {
            return false;
        }
        let (mut numbers, mut others) = (0, 0);
        for row in table.sample() {
            let (said, rated) = (row.list(answers).len(), row.list(path));
            if list != own && rated.len() != said {
                others += said;
                continue;
            }
            for value in rated.into_iter().flatten() {
                // `N/A` stands for a rating that is not there.
                let is_missing =
                    value.as_str().is_some_and(|text| ["n/a", "na", ""].contains(&text.trim().to_lowercase().as_str()));
                numbers += usize::from(number(value).is_some());
                others += usize::from(number(value).is_none() && !is_missing);
            }
        }
        numbers > others * 2
    };
    table.columns.iter().filter(fits).cloned().collect()
}

pub(super) fn choose_ratings(table: &Table, mapping: &mut ColumnMapping) {
    if let [only] = ratings(table, mapping).as_slice() {
        mapping.ratings = Some(only.clone());
    }
}

/// Lists of chosen and of rejected answers, of which each of one is better than each of the other.
pub(super) fn lists_of_two(table: &Table) -> Option<(String, String)> {
    let rows = || table.sample().iter();
    // Most of the rows that have anything there: one with a list among texts is refused, and turns none of them round.
    let are_lists = |path: &str, name: &str| {
        let filled = rows().filter(|row| row.values.get(name).is_some_and(|value| !value.is_null())).count();
        let lists = rows().filter(|row| !row.list(path).is_empty()).count();
        lists > 0 && are_most(lists, filled)
    };
    let named = |name: &str| {
        let path = table.columns.iter().find(|path| path.strip_suffix(".*") == Some(name))?;
        are_lists(path, name).then(|| path.clone())
    };
    Some((named("chosen")?, named("rejected")?))
}

/// The columns that say how a chosen and a rejected answer were rated, under the names that published sets and this program's own
/// exports have. Votes are no ratings.
pub(super) fn ratings_beside(table: &Table, chosen: &str, rejected: &str) -> Option<(String, String)> {
    const NAMES: [&str; 12] = [
        "score_{}",
        "{}_score",
        "rating_{}",
        "{}_rating",
        "{}_avg_rating",
        "{}_average_rating",
        "{}_overall_score",
        "reward_{}",
        "{}_reward",
        "rank_{}",
        "{}_rank",
        "{}_ratings",
    ];
    let found = |name: &str, answer: &str| {
        let wanted = name.replace("{}", &normal(answer));
        table.columns.iter().find(|column| normal(column) == wanted && holds_numbers(table, column)).cloned()
    };
    NAMES.iter().find_map(|name| Some((found(name, chosen)?, found(name, rejected)?)))
}

/// The columns that rate two answers side by side: `score_a` and `score_b` beside `response_a` and `response_b`.
pub(super) fn two_ratings(table: &Table, mapping: &ColumnMapping) -> Option<(String, String)> {
    let [a, b] = differing(mapping);
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let named = |word: &str| {
        let fits = |name: &&String| {
            normal(name).split('_').any(|part| part == word) && rates(name) && holds_numbers(table, name)
        };
        let mut found = table.columns.iter().filter(fits);
        let first = found.next().cloned()?;
        found.next().is_none().then_some(first)
    };
    Some((named(&a)?, named(&b)?))
}

/// Columns of numbers, or of yes and no, that rate the one answer of each row.
fn single_ratings(table: &Table, answers: &str) -> Vec<String> {
    let fits = |path: &&String| *path != answers && !path.contains(".*") && rates(path) && holds_numbers(table, path);
    table.columns.iter().filter(fits).cloned().collect()
}

/// Whether nearly all that a column holds is a number, or yes and no.
fn holds_numbers(table: &Table, column: &str) -> bool {
    let values = table.sample().iter().filter_map(|row| row.get(column));
    let (numbers, others): (Vec<&Value>, Vec<&Value>) = values.partition(|value| number(value).is_some());
    !numbers.is_empty() && are_most(numbers.len(), numbers.len() + others.len())
}

/// Names of the one answer of each row.
const ANSWER: [&str; 9] =
    ["response", "completion", "answer", "output", "reply", "generation", "model_output", "summary", "assistant"];

/// Pairs of rows with one rated answer each, where in most rows the prompt has another answer that is rated differently, or where
/// the rating is a label, which says something of an answer that stands alone.
pub(super) fn one_answer_a_row(table: &Table, columns: &[ColumnSample], mapping: ColumnMapping) -> ColumnMapping {
    match single_answers(table, columns, &mapping) {
        Some((rated, counted)) if counted[2] * 2 >= table.row_count => rated,
        Some((rated, _)) if rated.ratings.as_deref().is_some_and(|column| single::are_labels(table, column)) => rated,
        _ => mapping,
    }
}

/// How prompts with several rated answers, one to a row, would become pairs, and how many such prompts there are.
pub(super) fn few_pairs(table: &Table, mapping: &ColumnMapping) -> Option<(ColumnMapping, usize)> {
    let columns: Vec<ColumnSample> = table.columns.iter().map(|name| ColumnSample::at(table, name)).collect();
    let (rated, [prompts, ..]) = single_answers(table, &columns, mapping)?;
    (prompts > 0).then_some((rated, prompts))
}

fn single_answers(
    table: &Table,
    columns: &[ColumnSample],
    mapping: &ColumnMapping,
) -> Option<(ColumnMapping, [usize; 3])> {
    if mapping.kind != ImportKind::Prompts {
        return None;
    }
    let named =
        ANSWER.iter().find_map(|name| columns.iter().find(|column| column.last == *name && column.is_content()));
    let whole = columns.iter().find(|column| {
        ["messages", "conversations", "conversation"].contains(&column.last.as_str())
            && column.whole > 0
            && are_most(column.whole, column.filled)
    });
    let mut rated = ColumnMapping { kind: ImportKind::Pairs, ..mapping.clone() };
    match (named, whole) {
        (Some(answer), _) if mapping.prompt.as_ref().is_some_and(|prompt| *prompt != answer.name) => {
            rated.answers = Some(answer.name.clone());
        }
        (_, Some(whole)) => {
            rated.prompt = None;
            rated.answers = Some(whole.name.clone());
        }
        _ => return None,
    }
    let counted = |column: &String| {
        let mapping = ColumnMapping { ratings: Some(column.clone()), ..rated.clone() };
        let key = format!("groups: {:?} {:?} {column:?}", mapping.prompt, mapping.answers);
        count_groups(table, &mapping, &key)
    };
    let most = ratings(table, &rated).iter().map(counted).max_by_key(|counted| counted[2])?;
    choose_ratings(table, &mut rated);
    Some((rated, most))
}
