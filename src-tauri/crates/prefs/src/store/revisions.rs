//! One pair as it is now, what became of it, and changing it: an edit and a removal are rows of their own.

use rusqlite::{Connection, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::confirmed::{self, is_confirmed};
use super::derived::{self, current_item};
use super::edited::edit_imported;
use super::import_changes::{came_again, decided_of};
use super::imports::origin;
use super::pairs::{PairSource, listed};
use super::ratings::ratings_of;
use super::sql::{content, json, now};
use super::upon::Upon;
use super::verdict::{ItemAnswer, Meaning};
use super::{Failed, Project, file_labels};
use crate::mapping::PairRatings;
use crate::{Content, Error, Pair};

/// The longest category that can be given, in characters.
const LONGEST_CATEGORY: usize = 100;

/// A pair as it is now, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairView {
    /// An imported pair's number, or minus the number of a labelled item.
    pub id: i64,
    /// What was asked.
    pub prompt: Content,
    /// The better answer.
    pub chosen: Content,
    /// The worse answer.
    pub rejected: Content,
    /// A label of the user's own.
    pub category: Option<String>,
    /// Where it has its content from.
    pub source: PairSource,
    /// How the file rates the two answers.
    pub ratings: Option<PairRatings>,
    /// Whether somebody looked at it as it is now, and found its label right.
    pub confirmed: bool,
    /// What became of it, newest first.
    pub history: Vec<PairChange>,
    /// The mark of this look at it.
    pub seen: String,
}

/// One thing that happened to a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct PairChange {
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Who did it: a person, a model, or `import`.
    pub who: String,
    /// What was done, as a sentence.
    pub what: String,
    /// The texts that were edited, as they were and as they became.
    pub texts: Vec<EditedText>,
}

/// A part of a pair before and after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct EditedText {
    /// Which part, in words.
    pub part: String,
    pub before: Content,
    /// As it became.
    pub after: Content,
}

impl PairChange {
    fn new(at: i64, who: impl Into<String>, what: String) -> Self {
        Self { at, who: who.into(), what, texts: Vec::new() }
    }
}

impl Project {
    /// A pair by its number in the listing.
    ///
    /// # Errors
    /// When there is no such pair, or the database cannot be read.
    pub fn pair(&self, id: i64) -> Result<PairView, Error> {
        let seen = self.mark()?;
        let view = self.read(|db| {
            let Some((pair, source)) = listed(db, id)? else { return Ok(None) };
            let (ratings, history) = (ratings_of(db, id, &pair)?, history(db, id)?);
            let confirmed = is_confirmed(db, &pair.content_hash())?;
            let Pair { prompt, chosen, rejected, category } = pair;
            Ok(Some(PairView {
                id,
                prompt,
                chosen,
                rejected,
                category,
                source,
                ratings,
                confirmed,
                history,
                seen: seen.clone(),
            }))
        })?;
        view.ok_or(Error::NoPair { id })
    }

    /// Gives a pair a new content; what it was stays in its history. What annotators said of the content it had does not count
    /// for the new one: they are asked again, and a pair that only they have made is not trained on until then.
    ///
    /// # Errors
    /// When there is no such pair, the new content does not [validate](Pair::validate), or it cannot be written.
    pub fn edit_pair(
        &mut self,
        id: i64,
        who: &str,
        prompt: Content,
        chosen: Content,
        rejected: Content,
    ) -> Result<PairView, Error> {
        self.write(|transaction| {
            let (now_is, _) = listed(transaction, id)?.ok_or(Error::NoPair { id })?;
            let pair = Pair { prompt, chosen, rejected, category: now_is.category.clone() };
            pair.validate().map_err(|reason| Error::InvalidEdit { reason })?;
            if pair == now_is {
                return Ok(());
            }
            if id > 0 {
                edit_imported(transaction, id, who, &pair)?;
            } else {
                let better = better_answer(transaction, -id)?.ok_or(Error::NoPair { id })?;
                let (first, second) = if better == ItemAnswer::First {
                    (pair.chosen, pair.rejected)
                } else {
                    (pair.rejected, pair.chosen)
                };
                let revision = Revision { who, is_model: false, content: Some((&pair.prompt, &first, &second)) };
                add_item_revision(transaction, -id, &revision, None)?;
            }
            Ok(())
        })?;
        self.pair(id)
    }

    /// Removes a pair from what is trained on, or puts it back. Nothing is deleted.
    ///
    /// # Errors
    /// When there is no such pair, or it cannot be written.
    pub fn remove_pair(&mut self, id: i64, who: &str, removed: bool) -> Result<PairView, Error> {
        self.remove_pairs(&[id], who, removed)?;
        self.pair(id)
    }

    /// The same for many pairs, all of them or none. Gives those that were not so before: what undoes this.
    ///
    /// # Errors
    /// As [`Project::remove_pair`].
    pub fn remove_pairs(&mut self, ids: &[i64], who: &str, removed: bool) -> Result<Vec<i64>, Error> {
        let pairs: Vec<_> = ids.iter().map(|&id| (id, Upon::Anything)).collect();
        Ok(self.remove_pairs_upon(&pairs, who, removed)?.into_iter().map(|(id, _)| id).collect())
    }

    /// The same for those pairs that are what is meant. Gives with each the number of this change.
    ///
    /// # Errors
    /// As [`Project::remove_pair`].
    pub fn remove_pairs_upon(
        &mut self,
        pairs: &[(i64, Upon)],
        who: &str,
        removed: bool,
    ) -> Result<Vec<(i64, i64)>, Error> {
        self.write(|transaction| {
            let mut changed = Vec::new();
            for (id, upon) in pairs {
                let id = *id;
                let (pair, source) = listed(transaction, id)?.ok_or(Error::NoPair { id })?;
                let is_meant = upon.is_met(&pair, || last_removal(transaction, id))?;
                if (source == PairSource::Removed) == removed || !is_meant {
                    continue;
                }
                if id > 0 {
                    add_pair_revision(transaction, id, who, None, removed)?;
                } else {
                    let revision = Revision { who, is_model: false, content: None };
                    add_item_revision(transaction, -id, &revision, Some(removed))?;
                }
                changed.extend(last_removal(transaction, id)?.map(|change| (id, change)));
            }
            Ok(changed)
        })
    }
}

impl Project {
    /// Gives pairs other categories, all of them or none; none where that is absent. Gives the categories that they had, of those
    /// that had another: what undoes this.
    ///
    /// # Errors
    /// When there is no such pair, a name is none, or it cannot be written.
    pub fn set_categories(
        &mut self,
        given: &[(i64, Option<String>)],
        who: &str,
    ) -> Result<Vec<(i64, Option<String>)>, Error> {
        let given: Vec<_> = given.iter().map(|(id, name)| (*id, name.clone(), Upon::Anything)).collect();
        Ok(self.set_categories_upon(&given, who)?.into_iter().map(|(id, had, _)| (id, had)).collect())
    }

    /// The same for those pairs that are what is meant. Gives with each the number of this change.
    ///
    /// # Errors
    /// As [`Project::set_categories`].
    pub fn set_categories_upon(
        &mut self,
        given: &[(i64, Option<String>, Upon)],
        who: &str,
    ) -> Result<Vec<(i64, Option<String>, i64)>, Error> {
        let names: Vec<Option<String>> = given
            .iter()
            .map(|(_, name, _)| name.as_deref().map(category_name).transpose())
            .collect::<Result<_, _>>()?;
        self.write(|transaction| {
            let mut changed = Vec::new();
            let last = "SELECT max(id) FROM category_changes WHERE pair = ?";
            for ((id, _, upon), name) in given.iter().zip(names) {
                let (pair, _) = listed(transaction, *id)?.ok_or(Error::NoPair { id: *id })?;
                let is_meant =
                    upon.is_met(&pair, || transaction.prepare_cached(last)?.query_row([id], |row| row.get(0)))?;
                if pair.category == name || !is_meant {
                    continue;
                }
                transaction
                    .prepare_cached("INSERT INTO category_changes (pair, at, who, category) VALUES (?, ?, ?, ?)")?
                    .execute(params![id, now(), who, name])?;
                let change = transaction.last_insert_rowid();
                if *id > 0 {
                    derived::refresh_pair(transaction, *id)?;
                } else {
                    derived::refresh_item(transaction, -id)?;
                }
                changed.push((*id, pair.category, change));
            }
            Ok(changed)
        })
    }
}

/// When a pair was last removed or put back: the number of that change.
fn last_removal(db: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
    let query = if id > 0 {
        "SELECT max(id) FROM pair_revisions WHERE pair = ? AND prompt IS NULL"
    } else {
        "SELECT max(id) FROM item_revisions WHERE item = ? AND prompt IS NULL"
    };
    db.prepare_cached(query)?.query_row([id.abs()], |row| row.get(0))
}

fn category_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_CATEGORY || name.chars().any(char::is_control) {
        return Err(Error::CategoryName { most: LONGEST_CATEGORY });
    }
    Ok(name.to_owned())
}

pub(super) fn add_pair_revision(
    transaction: &Transaction,
    pair: i64,
    who: &str,
    content: Option<&Pair>,
    removed: bool,
) -> Result<(), Failed> {
    let text = |part: Option<&Content>| part.map(json).transpose();
    transaction
        .prepare_cached(
            "INSERT INTO pair_revisions (pair, at, who, prompt, chosen, rejected, removed) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            pair,
            now(),
            who,
            text(content.map(|pair| &pair.prompt))?,
            text(content.map(|pair| &pair.chosen))?,
            text(content.map(|pair| &pair.rejected))?,
            removed,
        ])?;
    if content.is_some() {
        // What they say of the pair as it was no longer counts.
        for item in items_of(transaction, pair)? {
            derived::refresh_item(transaction, item)?;
            derived::refresh_tasks_of(transaction, item)?;
        }
    }
    derived::refresh_pair(transaction, pair)?;
    Ok(())
}

/// The items that a pair was put up as, to be labelled again.
pub(super) fn items_of(db: &Connection, pair: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare_cached("SELECT id FROM items WHERE pair = ? ORDER BY id")?;
    statement.query_map([pair], |row| row.get(0))?.collect()
}

/// A change of an item: who made it, and the new prompt, first and second answer where these changed.
pub(super) struct Revision<'a> {
    pub(super) who: &'a str,
    pub(super) is_model: bool,
    pub(super) content: Option<(&'a Content, &'a Content, &'a Content)>,
}

/// Appends a change of an item. `removed`: `None` leaves that as it is.
pub(super) fn add_item_revision(
    transaction: &Transaction,
    item: i64,
    revision: &Revision,
    removed: Option<bool>,
) -> Result<(), Failed> {
    let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
    let text = |part: Option<&Content>| part.map(json).transpose();
    transaction
        .prepare_cached(
            "INSERT INTO item_revisions (item, at, who, is_model, prompt, first, second, removed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            item,
            now(),
            revision.who,
            revision.is_model,
            text(revision.content.map(|(prompt, ..)| prompt))?,
            text(revision.content.map(|(_, first, _)| first))?,
            text(revision.content.map(|(.., second)| second))?,
            removed.unwrap_or(current.removed),
        ])?;
    derived::refresh_item(transaction, item)?;
    if revision.content.is_some() {
        derived::refresh_tasks_of(transaction, item)?;
    }
    Ok(())
}

/// Which answer of an item its annotators prefer, or preferred before its texts were changed.
fn better_answer(db: &Connection, item: i64) -> rusqlite::Result<Option<ItemAnswer>> {
    let Some(item) = current_item(db, item)? else { return Ok(None) };
    Ok(derived::said(db, &item)?.better())
}

/// What became of a pair, newest first.
fn history(db: &Connection, id: i64) -> rusqlite::Result<Vec<PairChange>> {
    let (table, row) = if id > 0 { ("pairs", id) } else { ("items", -id) };
    let mut changes = Vec::new();
    if let Some((source, place, at)) = origin(db, table, row)? {
        changes.push(PairChange::new(at, "import", format!("Imported from {source}, {place}.")));
    }
    let kind = if id > 0 { "pair" } else { "item" };
    for (source, place, at) in came_again(db, kind, row)? {
        changes.push(PairChange::new(at, "import", format!("Came again with {source}, {place}.")));
    }
    for (at, who, what) in decided_of(db, table, kind, row)? {
        changes.push(PairChange::new(at, who, what));
    }
    changes.extend(given_categories(db, id)?);
    let chosen = if id > 0 { ItemAnswer::First } else { better_answer(db, row)?.unwrap_or(ItemAnswer::First) };
    for label in file_labels::of_pair(db, id)? {
        let said = in_words(label.meaning, chosen);
        changes.push(PairChange::new(
            label.at,
            label.annotator,
            format!("Labelled in the file: `{}`, {said}.", label.raw),
        ));
    }
    if id > 0 {
        changes.extend(pair_revisions(db, id)?);
        for item in items_of(db, id)? {
            changes.extend(item_revisions(db, item)?);
            changes.extend(judgements(db, item, ItemAnswer::First)?);
            changes.extend(decisions(db, item, ItemAnswer::First)?);
        }
    } else {
        changes.extend(item_revisions(db, row)?);
        changes.extend(judgements(db, row, chosen)?);
        changes.extend(decisions(db, row, chosen)?);
    }
    changes.extend(confirmed::changes(db, id)?);
    // Of what happened in one millisecond the later row stays the newer one.
    changes.sort_by_key(|change| change.at);
    changes.reverse();
    Ok(changes)
}

fn given_categories(db: &Connection, id: i64) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement =
        db.prepare_cached("SELECT at, who, category FROM category_changes WHERE pair = ? ORDER BY id")?;
    let change = |row: &Row| {
        let what = match row.get::<_, Option<String>>(2)? {
            Some(category) => format!("Category set to {category}."),
            None => "Category taken away.".to_owned(),
        };
        Ok(PairChange::new(row.get(0)?, row.get::<_, String>(1)?, what))
    };
    statement.query_map([id], change)?.collect()
}

fn pair_revisions(db: &Connection, pair: i64) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement = db.prepare_cached(
        "SELECT at, who, prompt, chosen, rejected, removed FROM pair_revisions WHERE pair = ? ORDER BY id",
    )?;
    let came_in = "SELECT prompt, chosen, rejected FROM pairs WHERE id = ?";
    let before = db.prepare_cached(came_in)?.query_row([pair], |row| parts(row, 0))?;
    let revisions = statement.query_map([pair], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            parts(row, 2)?,
            row.get::<_, bool>(5)?,
            ["prompt", "chosen answer", "rejected answer"],
        ))
    })?;
    Ok(changes(before, revisions.collect::<rusqlite::Result<_>>()?))
}

fn item_revisions(db: &Connection, item: i64) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement = db.prepare_cached(
        "SELECT at, who, prompt, first, second, removed FROM item_revisions WHERE item = ? ORDER BY id",
    )?;
    let came_in = "SELECT prompt, first, second FROM items WHERE id = ?";
    let before = db.prepare_cached(came_in)?.query_row([item], |row| parts(row, 0))?;
    let revisions = statement.query_map([item], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            parts(row, 2)?,
            row.get::<_, bool>(5)?,
            ["prompt", "first answer", "second answer"],
        ))
    })?;
    Ok(changes(before, revisions.collect::<rusqlite::Result<_>>()?))
}

pub(super) type Texts = [Option<Content>; 3];

pub(super) fn parts(row: &Row, from: usize) -> rusqlite::Result<Texts> {
    Ok([content(row, from)?, content(row, from + 1)?, content(row, from + 2)?])
}

/// Says of each revision what it changed.
fn changes(mut before: Texts, revisions: Vec<(i64, String, Texts, bool, [&'static str; 3])>) -> Vec<PairChange> {
    let mut was_removed = false;
    let mut changes = Vec::new();
    for (at, who, now_is, removed, names) in revisions {
        let (what, texts) = if now_is[0].is_none() {
            let what = if removed && !was_removed { "Removed." } else { "Put back." };
            (what.to_owned(), Vec::new())
        } else if before[1].is_none() && now_is[1].is_some() {
            before = now_is;
            ("Generated both answers.".to_owned(), Vec::new())
        } else {
            let texts = edited(&before, &now_is, names);
            let is_swap = before[0] == now_is[0] && before[1] == now_is[2] && before[2] == now_is[1];
            before = now_is;
            if is_swap {
                ("Swapped the two answers.".to_owned(), Vec::new())
            } else {
                let parts: Vec<&str> = texts.iter().map(|text| text.part.as_str()).collect();
                (format!("Edited the {}.", listing(&parts)), texts)
            }
        };
        was_removed = removed;
        changes.push(PairChange { at, who, what, texts });
    }
    changes
}

/// The parts that are not what they were.
fn edited(before: &Texts, after: &Texts, names: [&str; 3]) -> Vec<EditedText> {
    let parts = before.iter().zip(after).zip(names);
    parts
        .filter_map(|((before, after), part)| match (before, after) {
            (Some(before), Some(after)) if before != after => {
                Some(EditedText { part: part.to_owned(), before: before.clone(), after: after.clone() })
            }
            _ => None,
        })
        .collect()
}

fn listing(names: &[&str]) -> String {
    match names {
        [] => "text".to_owned(),
        [one] => (*one).to_owned(),
        [firsts @ .., last] => format!("{} and the {last}", firsts.join(", the ")),
    }
}

/// What annotators said, `chosen` being the answer that stands as chosen.
fn judgements(db: &Connection, item: i64, chosen: ItemAnswer) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement = db.prepare_cached(
        "SELECT judgements.at, name, meaning, note, judgements.second_pass, undone.at, item_revision,
                names_seen, votes_seen
         FROM judgements JOIN annotators ON annotators.id = judgements.annotator
         JOIN showings ON showings.id = showing LEFT JOIN undone ON judgement = judgements.id
         WHERE judgements.item = ? ORDER BY judgements.id",
    )?;
    let mut changes = Vec::new();
    let Some(current) = current_item(db, item)? else { return Ok(changes) };
    let superseded = derived::is_superseded(db, item)?;
    let audited = derived::is_audited(db, item)?;
    let mut rows = statement.query([item])?;
    while let Some(row) = rows.next()? {
        let (at, who): (i64, String) = (row.get(0)?, row.get(1)?);
        let said = in_words(row.get(2)?, chosen);
        let audit = if audited { ", in an audit" } else { "" };
        let how = match (row.get(7)?, row.get(8)?) {
            (true, _) => "with the names of both models in view",
            (false, true) => "with the verdicts of others in view",
            (false, false) => "blind",
        };
        let again = if row.get::<_, bool>(4)? { " a second time" } else { "" };
        let counts = !superseded && current.had_these_texts(db, row.get(6)?)?;
        let of = if counts { "" } else { " Of texts that were changed since: this does not count for the new ones." };
        let note = row.get::<_, Option<String>>(3)?.map_or_else(String::new, |note| format!(" Note: {note}"));
        changes.push(PairChange::new(at, &*who, format!("Judged {how}{audit}{again}: {said}.{of}{note}")));
        if let Some(at) = row.get(5)? {
            changes.push(PairChange::new(at, who, format!("Took the judgement back ({said}).")));
        }
    }
    Ok(changes)
}

/// What a verdict says, `chosen` being the answer that stands as chosen.
fn in_words(meaning: Meaning, chosen: ItemAnswer) -> String {
    let much = if matches!(meaning, Meaning::FirstMuch | Meaning::SecondMuch) { "much " } else { "" };
    match meaning.better() {
        Some(better) if better == chosen => format!("the chosen answer is {much}better"),
        Some(_) => format!("the rejected answer is {much}better"),
        None if meaning == Meaning::TieGood => "both answers are equally good".to_owned(),
        None if meaning == Meaning::TieBad => "both answers are equally bad".to_owned(),
        None => "skipped".to_owned(),
    }
}

/// What was decided where annotators differ, `chosen` being the answer that stands as chosen.
fn decisions(db: &Connection, item: i64, chosen: ItemAnswer) -> rusqlite::Result<Vec<PairChange>> {
    let mut statement = db.prepare_cached(
        "SELECT decisions.at, name, meaning, note, undone_decisions.at
         FROM decisions JOIN annotators ON annotators.id = annotator LEFT JOIN undone_decisions ON decision = decisions.id
         WHERE item = ? ORDER BY decisions.id",
    )?;
    let mut changes = Vec::new();
    let mut rows = statement.query([item])?;
    while let Some(row) = rows.next()? {
        let (at, who): (i64, String) = (row.get(0)?, row.get(1)?);
        let said = in_words(row.get(2)?, chosen);
        let note = row.get::<_, Option<String>>(3)?.map_or_else(String::new, |note| format!(" Note: {note}"));
        changes.push(PairChange::new(at, &*who, format!("Decided: {said}.{note}")));
        if let Some(at) = row.get(4)? {
            changes.push(PairChange::new(at, who, format!("Took the decision back ({said}).")));
        }
    }
    Ok(changes)
}
