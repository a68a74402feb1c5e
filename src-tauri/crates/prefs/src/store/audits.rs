//! Audits: pairs of files that are labelled again, blind, and how far people agree with the files.
//!
//! An audit asks about pairs as they came in; which answer the file prefers is not shown, and sides are drawn. What is said
//! there changes no pair. Pairs of which an annotator says otherwise are left out or swapped where a person asks for it, and
//! that can be undone.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::derived::{self, current_pair};
use super::items::{add_pair_item, pair_hash};
use super::pairs::PairSource;
use super::revisions::add_pair_revision;
use super::sql::{from_json, json, now, pair};
use super::verdict::{ItemAnswer, Meaning, named};
use super::{Failed, Project};
use crate::checks::Share;
use crate::{Error, Pair};

/// Which pairs are audited: of those that are as they came in, all that match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ts_rs::TS)]
pub struct AuditOf {
    /// Only pairs of this import, by its number.
    pub import: Option<i64>,
    /// Only this category.
    pub category: Option<String>,
    /// Text that prompt or answers contain, in any case; empty for all.
    pub text: String,
    /// So many of them, drawn at random; `None`: all.
    pub count: Option<usize>,
    /// What the drawing begins with: the same seed draws the same pairs.
    pub seed: u32,
}

named! {
    /// What is done to pairs because of what an annotator said of them.
    AuditChoice {
        /// They are not trained on.
        LeaveOut = "leave_out",
        /// Their answers change places.
        Swap = "swap",
    }
}

/// Something that was done to pairs because of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct AuditAct {
    /// Its number.
    pub act: i64,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Who asked for it.
    pub who: String,
    /// What was done.
    pub choice: AuditChoice,
    /// To how many pairs.
    pub pairs: usize,
    /// Whether it was undone.
    pub undone: bool,
}

/// How far one annotator agrees with the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct Audited {
    /// Who judged.
    pub annotator: String,
    /// Pairs of which they prefer the answer that the file prefers.
    pub agree: usize,
    /// Pairs of which they prefer the other answer.
    pub differ: usize,
    /// Pairs of which they prefer neither.
    pub ties: usize,
    /// Pairs that were skipped.
    pub skipped: usize,
    /// Pairs judged anew with the verdicts of others in view: these verdicts are not blind, and in none of the counts.
    pub votes_seen: usize,
    /// Pairs that they have judged, blind or not.
    pub judged: usize,
    /// `agree / (agree + differ)`, 0 to 1.
    pub rate: Option<f64>,
    /// Its 95 % interval by Wilson.
    pub interval: Option<[f64; 2]>,
    /// Those on which they differ that are still as the file has them: what a choice would change.
    pub unchanged: usize,
}

/// An audit, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct Audit {
    /// Its number.
    pub audit: i64,
    /// Who asked for it.
    pub who: String,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Which pairs were asked for.
    pub of: AuditOf,
    /// The name of what they were imported from, where it is one import.
    pub source: Option<String>,
    /// How many they are.
    pub pairs: usize,
    /// Those that were edited or removed since, and are not asked any more.
    pub changed: usize,
    /// Each annotator who has judged any.
    pub annotators: Vec<Audited>,
    /// What was done to pairs because of it, oldest first.
    pub acts: Vec<AuditAct>,
}

impl Project {
    /// Begins an audit. Returns its number.
    ///
    /// # Errors
    /// When no pair that is as it came in matches, or it cannot be written.
    pub fn start_audit(&mut self, who: &str, of: &AuditOf) -> Result<i64, Error> {
        self.write(|transaction| {
            let pairs = wanted(transaction, of)?;
            if pairs.is_empty() {
                return Err(Error::NothingToAudit.into());
            }
            transaction.prepare_cached("INSERT INTO audits (who, at, wanted) VALUES (?, ?, ?)")?.execute(params![
                who,
                now(),
                json(of)?
            ])?;
            let audit = transaction.last_insert_rowid();
            for pair in pairs {
                let current = current_pair(transaction, pair)?.ok_or(Error::NoPair { id: pair })?;
                // An item of its own: what was said in another audit was said there.
                let purpose = format!("audit {audit}");
                add_pair_item(transaction, &purpose, pair, &current)?;
                let item: i64 = transaction
                    .prepare_cached("SELECT id FROM items WHERE hash = ?")?
                    .query_row([pair_hash(&purpose, pair, current.revision)], |row| row.get(0))?;
                transaction
                    .prepare_cached("INSERT INTO audit_items (audit, item) VALUES (?, ?)")?
                    .execute([audit, item])?;
                derived::refresh_item(transaction, item)?;
            }
            Ok(audit)
        })
    }

    /// How many pairs an audit would ask about.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_size(&self, of: &AuditOf) -> Result<usize, Error> {
        self.read(|db| Ok(wanted(db, of)?.len()))
    }

    /// All audits, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audits(&self) -> Result<Vec<Audit>, Error> {
        self.read(|db| {
            let ids = db
                .prepare_cached("SELECT id FROM audits ORDER BY id DESC")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            let audits = ids.into_iter().map(|id| audit(db, id)).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(audits.into_iter().flatten().collect())
        })
    }

    /// One audit.
    ///
    /// # Errors
    /// When there is no such audit, or the database cannot be read.
    pub fn audit(&self, id: i64) -> Result<Audit, Error> {
        self.read(|db| audit(db, id))?.ok_or(Error::NoAudit)
    }

    /// Does what was chosen to every pair of an audit of which `annotator` prefers the answer that the file does not, and that is
    /// still as it came in. Returns how many they are.
    ///
    /// # Errors
    /// When there is no such audit, or it cannot be written.
    pub fn act_on_audit(&mut self, id: i64, annotator: &str, choice: AuditChoice, who: &str) -> Result<usize, Error> {
        self.write(|transaction| {
            audit(transaction, id)?.ok_or(Error::NoAudit)?;
            let judged = judged(transaction, id)?.remove(annotator).unwrap_or_default();
            let mut changed = Vec::new();
            for (pair, said) in judged {
                if said.last == Word::Differs && is_as_imported(transaction, pair)? {
                    apply(transaction, pair, choice, who)?;
                    changed.push(pair);
                }
            }
            if !changed.is_empty() {
                record(transaction, id, who, choice, &changed, None)?;
            }
            Ok(changed.len())
        })
    }

    /// Undoes what was done because of an audit, of every pair that is still as it was left then. Returns how many they are.
    ///
    /// # Errors
    /// When nothing of that number was done or it was undone already, or it cannot be written.
    pub fn undo_audit_act(&mut self, act: i64, who: &str) -> Result<usize, Error> {
        self.write(|transaction| {
            let query = "SELECT audit, choice, pairs FROM audit_acts AS done WHERE id = ? AND undoes IS NULL
                         AND NOT EXISTS (SELECT 1 FROM audit_acts WHERE undoes = done.id)";
            let found = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get(1)?, from_json::<Vec<i64>>(row, 2)?));
            let found = transaction.prepare_cached(query)?.query_row([act], found).optional()?;
            let (audit, choice, pairs) = found.ok_or(Error::NoAudit)?;
            let mut changed = Vec::new();
            for pair in pairs {
                if revert(transaction, pair, choice, who)? {
                    changed.push(pair);
                }
            }
            record(transaction, audit, who, choice, &changed, Some(act))?;
            Ok(changed.len())
        })
    }
}

fn record(
    transaction: &Transaction,
    audit: i64,
    who: &str,
    choice: AuditChoice,
    pairs: &[i64],
    undoes: Option<i64>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO audit_acts (audit, at, who, choice, pairs, undoes) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![audit, now(), who, choice, json(&pairs)?, undoes])?;
    Ok(())
}

fn swapped(pair: Pair) -> Pair {
    Pair { chosen: pair.rejected, rejected: pair.chosen, ..pair }
}

fn apply(transaction: &Transaction, id: i64, choice: AuditChoice, who: &str) -> Result<(), Failed> {
    let current = current_pair(transaction, id)?.ok_or(Error::NoPair { id })?;
    match choice {
        AuditChoice::LeaveOut => add_pair_revision(transaction, id, who, None, true),
        AuditChoice::Swap => add_pair_revision(transaction, id, who, Some(&swapped(current.pair)), false),
    }
}

/// Whether the pair was still as the choice had left it, and is now as it came in.
fn revert(transaction: &Transaction, id: i64, choice: AuditChoice, who: &str) -> Result<bool, Failed> {
    let current = current_pair(transaction, id)?.ok_or(Error::NoPair { id })?;
    let came_in = transaction
        .prepare_cached("SELECT prompt, chosen, rejected, category FROM pairs WHERE id = ?")?
        .query_row([id], |row| pair(row, 0))?;
    match choice {
        AuditChoice::LeaveOut if current.source == PairSource::Removed => {
            add_pair_revision(transaction, id, who, None, false)?;
        }
        AuditChoice::Swap if current.source == PairSource::Edited && current.pair == swapped(came_in.clone()) => {
            add_pair_revision(transaction, id, who, Some(&came_in), false)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The pairs that an audit asks about, in the order in which they are asked: as drawn, or as they came in.
fn wanted(db: &Connection, of: &AuditOf) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare_cached(
        "SELECT listing.id FROM listing JOIN pairs ON pairs.id = listing.id
         WHERE listing.source = 'imported' AND (?1 IS NULL OR pairs.import = ?1) AND (?2 IS NULL OR listing.category = ?2)
           AND (?3 = '' OR instr(text, ?3) > 0) ORDER BY listing.id",
    )?;
    let text = of.text.trim().to_lowercase();
    let matching = statement.query_map(params![of.import, of.category, text], |row| row.get(0))?;
    let mut pairs = matching.collect::<rusqlite::Result<Vec<i64>>>()?;
    if let Some(count) = of.count {
        let rank = |pair: &i64| {
            let digest = Sha256::new().chain_update(of.seed.to_le_bytes()).chain_update(pair.to_le_bytes()).finalize();
            (digest.to_vec(), *pair)
        };
        pairs.sort_by_cached_key(rank);
        pairs.truncate(count);
    }
    Ok(pairs)
}

fn is_as_imported(db: &Connection, pair: i64) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM listing WHERE id = ? AND source = 'imported'")?.exists([pair])
}

/// A verdict on a pair in an audit, compared with the pair's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Agrees,
    Differs,
    Tie,
    Skipped,
}

/// What an annotator says of a pair in an audit.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Without what others say in view: what the numbers are computed from.
    blind: Option<Word>,
    /// The newest word: what is done to the pair goes by it.
    last: Word,
    /// Whether that was given with what others say in view.
    votes_seen: bool,
}

/// What every annotator says of each pair, by name.
fn judged(db: &Connection, audit: i64) -> rusqlite::Result<BTreeMap<String, BTreeMap<i64, Said>>> {
    let mut statement = db.prepare_cached(
        "SELECT name, pair, meaning, votes_seen
         FROM audit_items JOIN items ON items.id = audit_items.item JOIN judgements ON judgements.item = items.id
         JOIN annotators ON annotators.id = annotator
         WHERE audit = ? AND second_pass = 0 AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
         ORDER BY judgements.id",
    )?;
    let mut all: BTreeMap<String, BTreeMap<i64, Said>> = BTreeMap::new();
    let mut rows = statement.query([audit])?;
    while let Some(row) = rows.next()? {
        let meaning: Meaning = row.get(2)?;
        // The first answer of such an item is the one that the file prefers.
        let last = match meaning.better() {
            Some(ItemAnswer::First) => Word::Agrees,
            Some(ItemAnswer::Second) => Word::Differs,
            None if meaning == Meaning::Skip => Word::Skipped,
            None => Word::Tie,
        };
        let votes_seen = row.get(3)?;
        let of_annotator = all.entry(row.get(0)?).or_default();
        let pair = row.get(1)?;
        let before = of_annotator.get(&pair).and_then(|said| said.blind);
        of_annotator.insert(pair, Said { blind: if votes_seen { before } else { Some(last) }, last, votes_seen });
    }
    Ok(all)
}

fn audit(db: &Connection, id: i64) -> rusqlite::Result<Option<Audit>> {
    let begun = |row: &Row| Ok((row.get(0)?, row.get(1)?, from_json::<AuditOf>(row, 2)?));
    let begun =
        db.prepare_cached("SELECT who, at, wanted FROM audits WHERE id = ?")?.query_row([id], begun).optional()?;
    let Some((who, at, of)) = begun else { return Ok(None) };
    let source = match of.import {
        Some(import) => db
            .prepare_cached("SELECT source FROM imports WHERE id = ?")?
            .query_row([import], |row| row.get(0))
            .optional()?,
        None => None,
    };
    let (pairs, unchanged): (i64, i64) = db
        .prepare_cached(
            "SELECT count(*), count(CASE WHEN source = 'imported' THEN 1 END)
             FROM audit_items JOIN items ON items.id = item LEFT JOIN listing ON listing.id = pair WHERE audit = ?",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut annotators = Vec::new();
    for (annotator, words) in judged(db, id)? {
        annotators.push(audited(db, annotator, &words)?);
    }
    let mut statement = db.prepare_cached(
        "SELECT id, at, who, choice, pairs, EXISTS (SELECT 1 FROM audit_acts WHERE undoes = done.id)
         FROM audit_acts AS done WHERE audit = ? AND undoes IS NULL ORDER BY id",
    )?;
    let act = |row: &Row| {
        Ok(AuditAct {
            act: row.get(0)?,
            at: row.get(1)?,
            who: row.get(2)?,
            choice: row.get(3)?,
            pairs: from_json::<Vec<i64>>(row, 4)?.len(),
            undone: row.get(5)?,
        })
    };
    let acts = statement.query_map([id], act)?.collect::<rusqlite::Result<_>>()?;
    let (pairs, changed) = (pairs as usize, (pairs - unchanged) as usize);
    Ok(Some(Audit { audit: id, who, at, of, source, pairs, changed, annotators, acts }))
}

fn audited(db: &Connection, annotator: String, all: &BTreeMap<i64, Said>) -> rusqlite::Result<Audited> {
    let count = |word: Word| all.values().filter(|said| said.blind == Some(word)).count();
    let (agree, differ) = (count(Word::Agrees), count(Word::Differs));
    let share = (agree + differ > 0).then(|| Share::new(agree, agree + differ));
    let mut unchanged = 0;
    for (pair, _) in all.iter().filter(|(_, said)| said.last == Word::Differs) {
        unchanged += usize::from(is_as_imported(db, *pair)?);
    }
    Ok(Audited {
        annotator,
        agree,
        differ,
        ties: count(Word::Tie),
        skipped: count(Word::Skipped),
        votes_seen: all.values().filter(|said| said.votes_seen).count(),
        judged: all.values().filter(|said| said.last != Word::Skipped).count(),
        rate: share.map(|share| share.share),
        interval: share.map(|share| share.interval),
        unchanged,
    })
}
