//! The pairs of a project as a list to page through, search and filter, and one after the other as they came in.

use std::cell::RefMut;
use std::collections::VecDeque;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::Project;
use super::derived::{current_item, current_pair, said};
use super::import_changes::held_out_among;
use super::search::{Texts, among_in_database, in_database};
use super::seen::marked;
use super::selection::PairSort;
use super::sql::pair;
use super::verdict::{Majority, named};
use crate::{Content, Error, Pair, Place};

/// Pairs fetched at a time by [`Pairs`].
const PAGE: usize = 256;

/// Rows of a page, at most.
pub(super) const MOST_ROWS: usize = 1000;

/// Characters of each text in a [`PairRow`].
const SHOWN: usize = 200;

/// Categories offered as a filter, at most.
const MOST_CATEGORIES: usize = 200;

named! {
    /// Where a pair has its content from.
    PairSource {
        Imported = "imported",
        /// Annotators decided which answer is better.
        Labelled = "labelled",
        /// Somebody edited it after it was imported.
        Edited = "edited",
        /// Its texts were changed after it was judged: it is not trained on until it is judged again.
        ToJudge = "to_judge",
        /// It was removed and is not trained on.
        Removed = "removed",
        /// All imports that brought it were taken back: it is not trained on.
        TakenBack = "taken_back",
    }
}

impl PairSource {
    /// Those of pairs that are not trained on.
    const NOT_TRAINED_ON: [Self; 3] = [Self::ToJudge, Self::Removed, Self::TakenBack];

    /// Whether such a pair is trained on.
    pub fn is_trained_on(self) -> bool {
        !Self::NOT_TRAINED_ON.contains(&self)
    }
}

/// What to look for among the pairs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ts_rs::TS)]
pub struct PairQuery {
    /// Text that prompt or answers contain, in any case; empty for all.
    pub text: String,
    /// Only these; without it, all that are trained on.
    pub source: Option<PairSource>,
    /// Only this category.
    pub category: Option<String>,
    /// Only what this import brought, whether or not it was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub import: Option<i64>,
    /// Only what this annotator's judgements count for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub annotator: Option<String>,
    /// Only what came in, or was last edited or judged, from this moment on, in milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub from: Option<i64>,
    /// The same, before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub until: Option<i64>,
    /// Only with so many characters in prompt and longer answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub shortest: Option<usize>,
    /// The same, with no more than so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub longest: Option<usize>,
    /// Only what annotators have judged: those who agree, or those who do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub disputed: Option<bool>,
    /// Only what came with an import that is held out of every training, or only what did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub held_out: Option<bool>,
    /// Only whose chosen answer the file rates so, or higher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub least_score: Option<f64>,
    /// The same, or lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub most_score: Option<f64>,
    /// Only whose chosen answer the file rates better by so much, or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub least_margin: Option<f64>,
    /// The same, or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub most_margin: Option<f64>,
    /// Only pairs of this set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub set: Option<i64>,
    /// The order.
    #[serde(default)]
    #[ts(optional, as = "Option<PairSort>")]
    pub sort: PairSort,
    /// The order the other way round.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub descending: bool,
    /// Rows to pass over.
    pub offset: usize,
    /// Rows to return, at most 1000.
    pub limit: usize,
}

/// One page of what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct PairPage {
    /// How many were found on all pages.
    pub total: usize,
    /// This page.
    pub rows: Vec<PairRow>,
    /// All categories of the project.
    pub categories: Vec<String>,
    /// Whether a file rates the answers of any pair of the project.
    pub rated: bool,
    /// The mark of this look at the list: what is done to what it shows is done to nothing else.
    pub seen: String,
}

/// A pair in a list: the first 200 characters of each text, of conversations the last message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct PairRow {
    /// An imported pair's number, or minus the number of a labelled item.
    pub id: i64,
    /// What was asked.
    pub prompt: String,
    /// The better answer.
    pub chosen: String,
    /// The worse answer.
    pub rejected: String,
    /// A label of the user's own.
    pub category: Option<String>,
    /// Where it has its content from.
    pub source: PairSource,
    /// The import that brought it first.
    pub import: Option<i64>,
    /// When it came in, or was last edited or judged, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Characters of the prompt.
    pub prompt_length: i64,
    /// Characters of the chosen answer.
    pub chosen_length: i64,
    /// Characters of the rejected answer.
    pub rejected_length: i64,
    /// Whether its annotators differ; `None` where nobody has judged it.
    pub disputed: Option<bool>,
    /// Whether it came with an import that is held out of every training.
    pub held_out: bool,
    /// How the file rates the chosen answer.
    pub score: Option<f64>,
    /// By how much the file rates the chosen answer better.
    pub margin: Option<f64>,
}

/// A pair as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StoredPair {
    /// Its number in the project, from 1 in the order of coming in.
    pub id: i64,
    /// [`Pair::content_hash`].
    pub hash: String,
    /// The import that brought it.
    pub import: i64,
    /// Where it stands in what was imported.
    pub place: Place,
    pub pair: Pair,
}

impl Project {
    /// One page of the pairs as they are now, with how many there are. Labelled items come first, newest first, then
    /// imported pairs in the order of coming in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, query: &PairQuery) -> Result<PairPage, Error> {
        // First: what is written while this is read counts as not seen.
        let change = self.mark()?;
        let narrowed = if query.is_simple() { None } else { Some(self.matching(query, None)?) };
        let seen = narrowed.as_deref().map_or(change.clone(), |found| marked(&change, found));
        self.read(|db| {
            let (total, ids) = match narrowed {
                Some(ids) => page(&ids, query),
                None if query.text.is_empty() => filtered(db, query)?,
                None => page(&self.found(db, query)?, query),
            };
            page_of_rows(db, total, &ids, seen)
        })
    }

    /// As [`Project::page`], of these pairs alone and in their order, such as those of a finding. Without a `source` those
    /// that are not trained on are listed too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page_of(&self, ids: &[i64], query: &PairQuery) -> Result<PairPage, Error> {
        let change = self.mark()?;
        let narrowed = if query.is_simple() { None } else { Some(self.matching(query, Some(ids))?) };
        let seen = narrowed.as_deref().map_or(change.clone(), |found| marked(&change, found));
        self.read(|db| {
            let all = query.text.is_empty() && query.source.is_none() && query.category.is_none();
            let (total, ids) = match narrowed {
                Some(ids) => page(&ids, query),
                None if all => page(ids, query),
                None => page(&self.found_among(db, ids, query)?, query),
            };
            page_of_rows(db, total, &ids, seen)
        })
    }

    /// All pairs whose texts hold what a query looks for, of its source and category.
    pub(super) fn found(&self, db: &Connection, query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
        match self.current_texts(db)?.as_mut() {
            Some(texts) => Ok(texts.matching(query)?.to_vec()),
            None => in_database(db, query),
        }
    }

    /// The same of some pairs alone, in their order.
    pub(super) fn found_among(&self, db: &Connection, ids: &[i64], query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
        match self.current_texts(db)?.as_ref() {
            Some(texts) => texts.among(ids, query),
            None => among_in_database(db, ids, query),
        }
    }

    /// The texts as they are now, where they are few enough to be held.
    fn current_texts(&self, db: &Connection) -> rusqlite::Result<RefMut<'_, Option<Texts>>> {
        let mut texts = self.texts.borrow_mut();
        if !texts.as_mut().map_or(Ok(false), |texts| texts.catch_up(db))? {
            *texts = Texts::read(db)?;
        }
        Ok(texts)
    }

    /// Reads all texts into memory, so that the first search need not. Searching does it by itself where this was not done.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn prepare_search(&self) -> Result<(), Error> {
        let texts = self.read(Texts::read)?;
        self.texts.replace(texts);
        Ok(())
    }

    /// Takes over the texts that another connection to the same project has read, so that this one need not.
    pub fn take_search_of(&mut self, other: Self) {
        if self.texts.borrow().is_none() {
            self.texts = other.texts;
        }
    }

    /// Number of pairs that came in, removed ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self) -> Result<usize, Error> {
        self.read(|db| db.query_row("SELECT count(*) FROM pairs", [], |row| row.get::<_, i64>(0)))
            .map(|count| count as usize)
    }

    /// All pairs as they came in, in that order. Pairs that are added meanwhile come at the end. What they are now is said
    /// by [`Project::training_pairs`].
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { project: self, last: 0, page: VecDeque::new(), done: false }
    }

    fn page_after(&self, last: i64) -> rusqlite::Result<VecDeque<StoredPair>> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, hash, import, line, row, prompt, chosen, rejected, category FROM pairs WHERE id > ? ORDER BY id LIMIT ?",
        )?;
        statement.query_map(params![last, PAGE as i64], stored)?.collect()
    }
}

/// The pairs of a project, fetched in pages, so that a large project need not fit into memory. Ends after an error.
#[derive(Debug)]
pub struct Pairs<'a> {
    project: &'a Project,
    last: i64,
    page: VecDeque<StoredPair>,
    done: bool,
}

impl Iterator for Pairs<'_> {
    type Item = Result<StoredPair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.done {
            match self.project.page_after(self.last) {
                Ok(page) => self.page = page,
                Err(source) => {
                    self.done = true;
                    return Some(Err(self.project.unreadable(source)));
                }
            }
            self.done = self.page.len() < PAGE;
        }
        let next = self.page.pop_front()?;
        self.last = next.id;
        Some(Ok(next))
    }
}

fn stored(row: &Row) -> rusqlite::Result<StoredPair> {
    Ok(StoredPair {
        id: row.get(0)?,
        hash: row.get(1)?,
        import: row.get(2)?,
        place: Place::from_columns(row, 3)?,
        pair: pair(row, 5)?,
    })
}

/// The part of `ids` that a query asks for, with how many there are.
fn page(ids: &[i64], query: &PairQuery) -> (usize, Vec<i64>) {
    (ids.len(), ids.iter().copied().skip(query.offset).take(query.limit.min(MOST_ROWS)).collect())
}

/// The filters as SQL: the same two parameters, source and category, in each query.
pub(super) const FILTERS: &str =
    "CASE WHEN ?1 IS NULL THEN source NOT IN ('to_judge', 'removed', 'taken_back') ELSE source = ?1 END
    AND (?2 IS NULL OR category = ?2)";

fn filtered(db: &Connection, query: &PairQuery) -> rusqlite::Result<(usize, Vec<i64>)> {
    let (source, category) = (query.source, query.category.as_deref());
    let total = count(db, source, category)?;
    let page =
        format!("SELECT id FROM listing INDEXED BY listing_in_order WHERE {FILTERS} ORDER BY id LIMIT ?3 OFFSET ?4");
    let (limit, offset) = (query.limit.min(MOST_ROWS) as i64, query.offset as i64);
    let mut statement = db.prepare_cached(&page)?;
    let ids = statement.query_map(params![source, category, limit, offset], |row| row.get(0))?;
    Ok((total, ids.collect::<rusqlite::Result<_>>()?))
}

/// How many pairs the filters let through, counted in indexes alone.
pub(super) fn count(db: &Connection, source: Option<PairSource>, category: Option<&str>) -> rusqlite::Result<usize> {
    let counted = |query: &str, parameters: &[&dyn rusqlite::ToSql]| {
        db.prepare_cached(query)?.query_row(parameters, |row| row.get::<_, i64>(0)).map(|count| count as usize)
    };
    let of_source = |source: PairSource| match category {
        Some(category) => {
            counted("SELECT count(*) FROM listing WHERE source = ? AND category = ?", &[&source, &category])
        }
        None => counted("SELECT count(*) FROM listing WHERE source = ?", &[&source]),
    };
    let all = match (source, category) {
        (Some(source), _) => return of_source(source),
        (None, Some(category)) => counted("SELECT count(*) FROM listing WHERE category = ?", &[&category])?,
        (None, None) => counted("SELECT count(*) FROM listing", &[])?,
    };
    PairSource::NOT_TRAINED_ON.into_iter().try_fold(all, |left, source| Ok(left - of_source(source)?))
}

fn page_of_rows(db: &Connection, total: usize, ids: &[i64], seen: String) -> rusqlite::Result<PairPage> {
    let held_out = held_out_among(db, ids)?;
    let rows = ids.iter().map(|id| row(db, *id)).collect::<rusqlite::Result<Vec<_>>>()?;
    let marked = |row: PairRow| PairRow { held_out: held_out.contains(&row.id), ..row };
    let rated = "SELECT EXISTS (SELECT 1 FROM listing INDEXED BY listing_rated WHERE score_chosen IS NOT NULL)";
    let rated = db.prepare_cached(rated)?.query_row([], |row| row.get(0))?;
    Ok(PairPage {
        total,
        rows: rows.into_iter().flatten().map(marked).collect(),
        categories: categories(db)?,
        rated,
        seen,
    })
}

/// Each category is looked up after the one before it: there are few, and many pairs of each.
fn categories(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare_cached(
        "WITH RECURSIVE known (name) AS (
             SELECT min(category) FROM listing
             UNION ALL SELECT (SELECT min(category) FROM listing WHERE category > name) FROM known WHERE name IS NOT NULL
         ) SELECT name FROM known WHERE name IS NOT NULL LIMIT ?",
    )?;
    statement.query_map([MOST_CATEGORIES as i64], |row| row.get(0))?.collect()
}

/// A pair as it is now, by its number in the listing.
pub(super) fn listed(db: &Connection, id: i64) -> rusqlite::Result<Option<(Pair, PairSource)>> {
    if id > 0 {
        return Ok(current_pair(db, id)?.map(|current| (current.pair, current.source)));
    }
    let mut statement = db.prepare_cached(
        "SELECT source, outcome FROM listing JOIN item_states ON item = -listing.id WHERE listing.id = ?",
    )?;
    let state = |row: &Row| Ok((row.get::<_, PairSource>(0)?, row.get::<_, Option<Majority>>(1)?));
    let mut states = statement.query_map([id], state)?;
    let Some((source, outcome)) = states.next().transpose()? else { return Ok(None) };
    let Some(item) = current_item(db, -id)? else { return Ok(None) };
    let better = match outcome {
        Some(outcome) => outcome.better(),
        None => said(db, &item)?.better(),
    };
    Ok(better.and_then(|better| item.into_pair(better)).map(|pair| (pair, source)))
}

/// The first characters of a text, or of the last message of a conversation.
pub(super) fn beginning(content: &Content) -> String {
    content.last_text().chars().take(SHOWN).collect()
}

fn row(db: &Connection, id: i64) -> rusqlite::Result<Option<PairRow>> {
    let Some((pair, source)) = listed(db, id)? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT import, at, prompt_length, chosen_length, rejected_length, disputed, score_chosen, margin
         FROM listing INDEXED BY listing_in_order WHERE id = ?",
    )?;
    let row = statement.query_row([id], |row| {
        Ok(PairRow {
            id,
            prompt: beginning(&pair.prompt),
            chosen: beginning(&pair.chosen),
            rejected: beginning(&pair.rejected),
            category: pair.category.clone(),
            source,
            import: row.get(0)?,
            at: row.get(1)?,
            prompt_length: row.get(2)?,
            chosen_length: row.get(3)?,
            rejected_length: row.get(4)?,
            disputed: row.get(5)?,
            held_out: false,
            score: row.get(6)?,
            margin: row.get(7)?,
        })
    })?;
    Ok(Some(row))
}
