//! An imported pair with other texts.

use rusqlite::{Connection, Transaction};

use super::Failed;
use super::derived::{self, current_item, current_pair};
use super::items::put_up;
use super::pairs::PairSource;
use super::revisions::{add_pair_revision, items_of, parts};
use super::verdict::Majority;
use crate::Pair;

/// Gives an imported pair a new content, and asks again where it is up to be labelled.
pub(super) fn edit_imported(transaction: &Transaction, id: i64, who: &str, pair: &Pair) -> Result<(), Failed> {
    let removed = current_pair(transaction, id)?.is_some_and(|pair| pair.source == PairSource::Removed);
    let was_up = is_to_be_labelled(transaction, id)?;
    let judged = texts_of_judged(transaction, id, pair)?;
    add_pair_revision(transaction, id, who, Some(judged.as_ref().unwrap_or(pair)), removed)?;
    if judged.is_some() && !current_pair(transaction, id)?.is_some_and(|now| same_texts(&now.pair, pair)) {
        add_pair_revision(transaction, id, who, Some(pair), removed)?;
    }
    if was_up {
        put_up(transaction, id)?;
    }
    Ok(())
}

fn same_texts(one: &Pair, other: &Pair) -> bool {
    (&one.prompt, &one.chosen, &one.rejected) == (&other.prompt, &other.chosen, &other.rejected)
}

/// Where a pair is to be what annotators had made of it, the texts that they had judged: what they said counts again.
fn texts_of_judged(db: &Connection, id: i64, pair: &Pair) -> rusqlite::Result<Option<Pair>> {
    for item in items_of(db, id)? {
        let Some(current) = current_item(db, item)?.filter(|item| !item.removed) else { continue };
        if derived::is_audited(db, item)? {
            continue;
        }
        let better = derived::said(db, &current)?.outcome.and_then(Majority::better);
        if better.and_then(|better| current.into_pair(better)).is_some_and(|made| same_texts(&made, pair)) {
            let query =
                "SELECT prompt, chosen, rejected FROM pair_revisions WHERE id = (SELECT pair_revision FROM items WHERE id = ?1)
                 UNION ALL SELECT pairs.prompt, chosen, rejected FROM pairs JOIN items ON items.pair = pairs.id
                 WHERE items.id = ?1 AND pair_revision IS NULL";
            let texts = db.prepare_cached(query)?.query_row([item], |row| parts(row, 0))?;
            let [Some(prompt), Some(chosen), Some(rejected)] = texts else { continue };
            return Ok(Some(Pair { prompt, chosen, rejected, category: None }));
        }
    }
    Ok(None)
}

/// Whether a pair, as it is now, is up to be labelled again.
fn is_to_be_labelled(db: &Connection, pair: i64) -> rusqlite::Result<bool> {
    let up = "SELECT 1 FROM items JOIN item_states ON item = id WHERE pair = ? AND removed = 0";
    db.prepare_cached(up)?.exists([pair])
}
