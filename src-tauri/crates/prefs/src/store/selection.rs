//! Which pairs a query means: its filters and its order from one index of the listing, its text from the texts in memory.

use std::collections::HashSet;

use rusqlite::{Connection, ToSql};
use serde::{Deserialize, Serialize};

use super::Project;
use super::import_changes::{PAIRS_OF_IMPORT, held_out_pairs};
use super::pairs::PairQuery;
use crate::Error;

/// What pairs are sorted by. Pairs that are alike in it stand in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum PairSort {
    /// Labelled items, the newest first, then imported pairs as they came in.
    #[default]
    Number,
    /// When they came in, or were last edited or judged.
    Date,
    /// Characters of the prompt.
    PromptLength,
    /// Characters of the chosen answer.
    ChosenLength,
    /// Characters of the rejected answer.
    RejectedLength,
    /// How many characters the chosen answer has more than the rejected one.
    LengthDifference,
    /// How the file rates the chosen answer; those without a rating last.
    Score,
    /// By how much the file rates the chosen answer better; those without ratings last.
    Margin,
    /// The category; those without one last.
    Category,
    /// The import that brought them first; those from no file last.
    Import,
}

impl PairSort {
    fn sql(self) -> &'static str {
        match self {
            Self::Number => "id",
            Self::Date => "at",
            Self::PromptLength => "prompt_length",
            Self::ChosenLength => "chosen_length",
            Self::RejectedLength => "rejected_length",
            Self::LengthDifference => "chosen_length - rejected_length",
            Self::Score => "score_chosen",
            Self::Margin => "margin",
            Self::Category => "category",
            Self::Import => "import",
        }
    }
}

/// The pairs that an annotator's judgements count for.
const JUDGED_BY: &str = "SELECT coalesce(items.pair, -items.id)
    FROM annotators JOIN tasks ON tasks.annotator = annotators.id JOIN items ON items.id = tasks.item
    WHERE annotators.name = :annotator AND state = 'done'
      AND NOT EXISTS (SELECT 1 FROM audit_items WHERE audit_items.item = tasks.item)";

impl PairQuery {
    /// Whether it asks for no more than a text, a source and a category, in the order of numbers.
    pub(super) fn is_simple(&self) -> bool {
        let simple = Self {
            text: self.text.clone(),
            source: self.source,
            category: self.category.clone(),
            offset: self.offset,
            limit: self.limit,
            ..Self::default()
        };
        *self == simple
    }

    /// What of it is looked for in the texts.
    fn of_texts(&self) -> Self {
        Self { text: self.text.clone(), source: self.source, category: self.category.clone(), ..Self::default() }
    }
}

impl Project {
    /// The numbers of all pairs that a query asks for, in its order; its offset and limit do not count. Of `among` alone, where
    /// that is given: then in its order where the query names none, and without a `source` also those that are not trained on.
    ///
    /// # Errors
    /// When the database cannot be read, or the query names a set that the project does not have.
    pub fn matching(&self, query: &PairQuery, among: Option<&[i64]>) -> Result<Vec<i64>, Error> {
        let wanted = query.set.map(|set| self.pairs_of_set(set)).transpose()?;
        self.read(|db| {
            let mut ids = selected(db, query, among.is_none())?;
            if let Some(wanted) = query.held_out {
                let held_out = held_out_pairs(db)?;
                ids.retain(|id| held_out.contains_key(id) == wanted);
            }
            if !query.text.is_empty() {
                let texts = query.of_texts();
                let found: HashSet<i64> = match among {
                    Some(among) => self.found_among(db, among, &texts)?.into_iter().collect(),
                    None => self.found(db, &texts)?.into_iter().collect(),
                };
                ids.retain(|id| found.contains(id));
            }
            if let Some(wanted) = wanted {
                let wanted: HashSet<i64> = wanted.into_iter().collect();
                ids.retain(|id| wanted.contains(id));
            }
            let Some(among) = among else { return Ok(ids) };
            if query.sort == PairSort::Number && !query.descending {
                let ids: HashSet<i64> = ids.into_iter().collect();
                return Ok(among.iter().copied().filter(|id| ids.contains(id)).collect());
            }
            let among: HashSet<i64> = among.iter().copied().collect();
            ids.retain(|id| among.contains(id));
            Ok(ids)
        })
    }
}

/// Characters of prompt and longer answer, as SQL.
const LENGTH: &str = "prompt_length + max(chosen_length, rejected_length)";

/// The pairs that the filters let through, in order, whatever their texts are.
fn selected(db: &Connection, query: &PairQuery, only_trained_on: bool) -> rusqlite::Result<Vec<i64>> {
    let PairQuery { source, category, import, annotator, from, until, shortest, longest, disputed, .. } = query;
    let (shortest, longest) = (shortest.map(|most| most as i64), longest.map(|most| most as i64));
    let of_import = format!("id IN ({PAIRS_OF_IMPORT})");
    let judged_by = format!("id IN ({JUDGED_BY})");
    let (at_least, at_most) = (format!("{LENGTH} >= :shortest"), format!("{LENGTH} <= :longest"));
    let PairQuery { least_score, most_score, least_margin, most_margin, .. } = query;
    let filters: [(&str, &str, Option<&dyn ToSql>); 13] = [
        ("source = :source", ":source", source.as_ref().map(|it| it as &dyn ToSql)),
        ("category = :category", ":category", category.as_ref().map(|it| it as &dyn ToSql)),
        (&of_import, ":import", import.as_ref().map(|it| it as &dyn ToSql)),
        (&judged_by, ":annotator", annotator.as_ref().map(|it| it as &dyn ToSql)),
        ("at >= :from", ":from", from.as_ref().map(|it| it as &dyn ToSql)),
        ("at < :until", ":until", until.as_ref().map(|it| it as &dyn ToSql)),
        (&at_least, ":shortest", shortest.as_ref().map(|it| it as &dyn ToSql)),
        (&at_most, ":longest", longest.as_ref().map(|it| it as &dyn ToSql)),
        ("disputed = :disputed", ":disputed", disputed.as_ref().map(|it| it as &dyn ToSql)),
        ("score_chosen >= :least_score", ":least_score", least_score.as_ref().map(|it| it as &dyn ToSql)),
        ("score_chosen <= :most_score", ":most_score", most_score.as_ref().map(|it| it as &dyn ToSql)),
        ("margin >= :least_margin", ":least_margin", least_margin.as_ref().map(|it| it as &dyn ToSql)),
        ("margin <= :most_margin", ":most_margin", most_margin.as_ref().map(|it| it as &dyn ToSql)),
    ];
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    if source.is_none() && only_trained_on {
        conditions.push("source NOT IN ('to_judge', 'removed', 'taken_back')");
    }
    for (condition, name, value) in filters {
        if let Some(value) = value {
            conditions.push(condition);
            parameters.push((name, value));
        }
    }
    let all = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
    let (key, down) = (query.sort.sql(), if query.descending { "DESC" } else { "ASC" });
    let sql = format!(
        "SELECT id FROM listing INDEXED BY listing_in_order WHERE {all} ORDER BY {key} IS NULL, {key} {down}, id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_map(parameters.as_slice(), |row| row.get(0))?.collect()
}
