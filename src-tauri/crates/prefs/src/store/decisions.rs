//! Where annotators differ: a person decides, with what each of them said in view, or changes their own verdict so.
//!
//! Both are rows of their own. A decision is no vote: it counts instead of them, for the texts that it was given on, until it
//! is taken back. A verdict that was changed with those of others in view is a vote, its annotator's newest. Where it is computed
//! how far annotators agree, it is left out, and what they had said blind before stands.

use rusqlite::{Transaction, params};

use super::derived::{self, CurrentItem, current_item};
use super::labels::known_annotator;
use super::sql::now;
use super::verdict::{ItemAnswer, Verdict};
use super::{Failed, Project};
use crate::Error;

/// What counts of an item, in words: shown wherever it matters, and what [`Project::training_pairs`] goes by.
pub const WHAT_COUNTS: &str = "Of an item counts what was decided on its present texts: the newest decision that was not taken back. Without a decision \
     it is what more than half of those say who judged these texts, one vote each; a tie is a vote, a skip is none, and much \
     better counts as better. Where more than half say neither the one nor the other answer, the item gives no pair.";

/// A verdict that was given with what others said in view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Who gives it.
    pub annotator: String,
    /// What is judged.
    pub item: i64,
    /// The item's revision as it was shown; `None`: as it came in.
    pub revision: Option<i64>,
    /// Which answer stood left.
    pub left: ItemAnswer,
    /// What was pressed; not a skip.
    pub verdict: Verdict,
    /// How long it took.
    pub milliseconds: u64,
    /// What there is to say about it.
    pub note: Option<String>,
}

impl Considered {
    fn note(&self) -> Option<&str> {
        self.note.as_deref().map(str::trim).filter(|note| !note.is_empty())
    }

    fn milliseconds(&self) -> i64 {
        i64::try_from(self.milliseconds).unwrap_or(i64::MAX)
    }

    /// The item, if its texts are those that were shown and somebody has judged it.
    fn item(&self, transaction: &Transaction) -> Result<CurrentItem, Failed> {
        let item = self.item;
        let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
        let judged = "SELECT 1 FROM judgements WHERE item = ? AND meaning <> 'skip'
                      AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)";
        if self.verdict == Verdict::Skip || !transaction.prepare_cached(judged)?.exists([item])? {
            return Err(Error::NotJudged { item }.into());
        }
        let is_current = current.is_ready() && current.had_these_texts(transaction, self.revision)?;
        if !is_current || derived::is_superseded(transaction, item)? {
            return Err(Error::TextsChanged { item }.into());
        }
        Ok(current)
    }
}

impl Project {
    /// Decides what counts of an item that somebody has judged. Returns the decision's number.
    ///
    /// # Errors
    /// When nobody has judged the item, it is a pair's in an audit, its texts are not those that were shown, or it cannot be
    /// written.
    pub fn decide(&mut self, considered: &Considered) -> Result<i64, Error> {
        self.write(|transaction| {
            let item = considered.item(transaction)?;
            if derived::is_audited(transaction, item.id)? {
                return Err(Error::AuditedItem { item: item.id }.into());
            }
            let annotator = known_annotator(transaction, &considered.annotator)?;
            transaction
                .prepare_cached(
                    "INSERT INTO decisions (item, item_revision, annotator, left, verdict, meaning, milliseconds, note, at, guideline)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT max(id) FROM guidelines))",
                )?
                .execute(params![
                    item.id,
                    item.revision,
                    annotator,
                    considered.left,
                    considered.verdict,
                    considered.verdict.meaning(considered.left),
                    considered.milliseconds(),
                    considered.note(),
                    now(),
                ])?;
            let decision = transaction.last_insert_rowid();
            derived::refresh_item(transaction, item.id)?;
            Ok(decision)
        })
    }

    /// Takes a decision back: what counts is what counted without it. Answers whether it still stood.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take_back_decision(&mut self, decision: i64) -> Result<bool, Error> {
        use rusqlite::OptionalExtension;
        self.write(|transaction| {
            let stands = "SELECT item FROM decisions WHERE id = ?
                          AND NOT EXISTS (SELECT 1 FROM undone_decisions WHERE decision = decisions.id)";
            let item = transaction.prepare_cached(stands)?.query_row([decision], |row| row.get(0)).optional()?;
            let Some(item) = item else { return Ok(false) };
            transaction
                .prepare_cached("INSERT INTO undone_decisions (decision, at) VALUES (?, ?)")?
                .execute(params![decision, now()])?;
            derived::refresh_item(transaction, item)?;
            Ok(true)
        })
    }

    /// Gives an annotator's verdict on an item anew; it is kept with it that those of others were in view. From now on it counts
    /// for what the item is. What the annotator had said blind stays what agreement is computed from, and counts again once
    /// this one is taken back.
    ///
    /// # Errors
    /// When nobody has judged the item, its texts are not those that were shown, or it cannot be written.
    pub fn judge_again(&mut self, considered: &Considered) -> Result<(), Error> {
        self.write(|transaction| {
            let item = considered.item(transaction)?;
            let annotator = known_annotator(transaction, &considered.annotator)?;
            transaction
                .prepare_cached(
                    "INSERT INTO showings (item, item_revision, annotator, second_pass, left, at) VALUES (?, ?, ?, 0, ?, ?)",
                )?
                .execute(params![item.id, item.revision, annotator, considered.left, now()])?;
            let showing = transaction.last_insert_rowid();
            transaction
                .prepare_cached(
                    "INSERT INTO judgements
                         (showing, item, annotator, second_pass, verdict, meaning, milliseconds, note, at, votes_seen, guideline)
                     VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, 1, (SELECT max(id) FROM guidelines))",
                )?
                .execute(params![
                    showing,
                    item.id,
                    annotator,
                    considered.verdict,
                    considered.verdict.meaning(considered.left),
                    considered.milliseconds(),
                    considered.note(),
                    now(),
                ])?;
            derived::refresh_task(transaction, annotator, item.id, false)?;
            derived::refresh_item(transaction, item.id)?;
            Ok(())
        })
    }
}
