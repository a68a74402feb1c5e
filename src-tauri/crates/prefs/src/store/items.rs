//! Items to label: prompts with two answers, which may still have to be generated or may be those of an imported pair.

use rusqlite::{Connection, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::derived::{self, CurrentItem, CurrentPair, current_item, current_pair};
use super::pairs::PairSource;
use super::revisions::{Revision, add_item_revision};
use super::sql::{annotator, json, now};
use super::verdict::{ItemAnswer, Side};
use super::{Failed, Project};
use crate::{Content, Error, Message};

/// An item whose answers are still to be generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// Its number.
    pub item: i64,
    /// What is asked.
    pub prompt: Content,
    /// A label of the user's own.
    pub category: Option<String>,
}

impl Project {
    /// Items without answers, in the order of coming in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn items_without_answers(&self, limit: usize) -> Result<Vec<OpenItem>, Error> {
        self.read(|db| {
            let mut statement = db
                .prepare_cached("SELECT item FROM item_states WHERE ready = 0 AND removed = 0 ORDER BY item LIMIT ?")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let items = statement.query_map([limit], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            let open = |item: CurrentItem| OpenItem { item: item.id, prompt: item.prompt, category: item.category };
            let items = items.into_iter().map(|item| current_item(db, item));
            Ok(items.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().map(open).collect())
        })
    }

    /// Gives an item the two answers that `model` generated, in the prompt's own form: text, or a message of the assistant.
    ///
    /// # Errors
    /// When there is no such item, it has answers already, or it cannot be written.
    pub fn set_answers(&mut self, item: i64, model: &str, first: &str, second: &str) -> Result<(), Error> {
        self.write(|transaction| {
            let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
            if current.first.is_some() {
                return Err(Error::AlreadyAnswered { item }.into());
            }
            let answer = |text: &str| match current.prompt {
                Content::Text(_) => Content::from(text),
                Content::Messages(_) => vec![Message::new("assistant", text)].into(),
            };
            let (first, second) = (answer(first), answer(second));
            let revision = Revision { who: model, is_model: true, content: Some((&current.prompt, &first, &second)) };
            add_item_revision(transaction, item, &revision, None)
        })
    }

    /// Puts existing pairs up to be labelled again, blind: which answer stood as chosen is not shown. A pair that already is
    /// up as it stands is passed over. Returns how many were added.
    ///
    /// # Errors
    /// When a number is no imported pair's, or they cannot be written.
    pub fn add_items_from_pairs(&mut self, ids: &[i64]) -> Result<usize, Error> {
        self.write(|transaction| {
            let mut added = 0;
            for &id in ids {
                added += put_up(transaction, id)?;
            }
            Ok(added)
        })
    }

    /// Changes the answer that stands on `side` of a showing. What it was is kept; the annotator sees the new text in the
    /// same place. Those who judged the old text are asked again.
    ///
    /// # Errors
    /// When the showing is not this annotator's of this item, the answer has several messages, or it cannot be written.
    pub fn edit_answer(
        &mut self,
        annotator: &str,
        item: i64,
        showing: i64,
        side: Side,
        text: &str,
    ) -> Result<(), Error> {
        self.write(|transaction| {
            let shown = shown(transaction, annotator, item, showing)?.ok_or(Error::NoShowing { item, showing })?;
            let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
            if derived::is_audited(transaction, item)? {
                return Err(Error::AuditedItem { item }.into());
            }
            let which = if side == Side::Left { shown.left } else { shown.left.other() };
            let old = current.answer(which).ok_or(Error::NoItem { item })?;
            let new = match old {
                Content::Text(_) => Content::from(text),
                Content::Messages(said) => match said.messages.as_slice() {
                    [only] if only.is_plain() => vec![Message::new(only.role.clone(), text)].into(),
                    _ => return Err(Error::SeveralMessages { item }.into()),
                },
            };
            if new == *old {
                return Ok(());
            }
            let other = current.answer(which.other()).ok_or(Error::NoItem { item })?;
            let (first, second) = if which == ItemAnswer::First { (&new, other) } else { (other, &new) };
            let revision =
                Revision { who: annotator, is_model: false, content: Some((&current.prompt, first, second)) };
            add_item_revision(transaction, item, &revision, None)
        })
    }
}

/// Puts a pair up to be labelled as it is now; 1 where it was not up so already.
pub(super) fn put_up(transaction: &Transaction, pair: i64) -> Result<usize, Failed> {
    let current = current_pair(transaction, pair)?.ok_or(Error::NoPair { id: pair })?;
    if matches!(current.source, PairSource::Removed | PairSource::TakenBack) {
        return Ok(0);
    }
    let new = add_pair_item(transaction, "pair", pair, &current)?;
    if new > 0 {
        derived::refresh_item(transaction, transaction.last_insert_rowid())?;
    }
    Ok(new)
}

/// The hash of the item that a pair is, put up for `purpose`.
pub(super) fn pair_hash(purpose: &str, pair: i64, revision: Option<i64>) -> String {
    format!("{purpose} {pair} {}", revision.unwrap_or(0))
}

/// Adds the item that a pair is, put up for `purpose`; 1 where there was none.
pub(super) fn add_pair_item(
    transaction: &Transaction,
    purpose: &str,
    pair: i64,
    current: &CurrentPair,
) -> Result<usize, Failed> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO items (hash, at, pair, pair_revision, prompt, first, second, category)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    )?;
    let new = insert.execute(params![
        pair_hash(purpose, pair, current.revision),
        now(),
        pair,
        current.revision,
        json(&current.pair.prompt)?,
        json(&current.pair.chosen)?,
        json(&current.pair.rejected)?,
        current.pair.category,
    ])?;
    Ok(new)
}

/// A showing: who saw which answer left.
pub(super) struct Shown {
    pub(super) annotator: i64,
    pub(super) left: ItemAnswer,
    pub(super) second_pass: bool,
}

/// A showing of an item to an annotator.
pub(super) fn shown(db: &Connection, name: &str, item: i64, showing: i64) -> rusqlite::Result<Option<Shown>> {
    use rusqlite::OptionalExtension;
    let Some(annotator) = annotator(db, name)? else { return Ok(None) };
    let mut statement =
        db.prepare_cached("SELECT left, second_pass FROM showings WHERE id = ? AND item = ? AND annotator = ?")?;
    let shown = |row: &Row| Ok(Shown { annotator, left: row.get(0)?, second_pass: row.get(1)? });
    statement.query_row(params![showing, item, annotator], shown).optional()
}

/// The text of an answer as it is shown: of several messages each with who speaks.
pub(super) fn answer_text(answer: &Content) -> String {
    match answer {
        Content::Text(text) => text.clone(),
        Content::Messages(said) => match said.messages.as_slice() {
            [only] => only.shown().into_owned(),
            several => {
                let said = |message: &Message| format!("{}: {}", message.role, message.shown());
                several.iter().map(said).collect::<Vec<_>>().join("\n\n")
            }
        },
    }
}
