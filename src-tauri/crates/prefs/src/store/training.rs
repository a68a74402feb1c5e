//! What leaves a project: the pairs to train on, and every judgement ever given.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Project;
use super::derived::{self, superseded};
use super::pairs::{PairSource, listed};
use super::sql::{content, damaged, pair};
use super::verdict::{ItemAnswer, Meaning, Side, Verdict};
use crate::agreement::Vote;
use crate::jsonl::write_lines;
use crate::{Content, Error, Pair};

/// A pair to train on, and where it has its content from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SourcedPair {
    /// An imported pair's number, or minus the number of a labelled item.
    pub id: i64,
    /// Where it has its content from.
    pub source: PairSource,
    pub pair: Pair,
}

/// A judgement as it was given, with what was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::struct_excessive_bools)] // each is a mark of its own
pub struct JudgementRow {
    /// Its number, in the order of coming in.
    pub judgement: i64,
    pub item: i64,
    /// The imported pair that the item is, where it is one.
    pub pair: Option<i64>,
    /// Who judged.
    pub annotator: String,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// How long it took.
    pub milliseconds: u64,
    /// Which answer stood left.
    pub left: ItemAnswer,
    /// What was pressed.
    pub verdict: Verdict,
    /// Which answer that means.
    pub meaning: Meaning,
    /// What the annotator had to say.
    pub note: Option<String>,
    /// Whether the annotator judged this item before.
    pub second_pass: bool,
    /// When it was taken back, in milliseconds since 1970 (UTC).
    pub undone: Option<i64>,
    /// Whether it was given on other texts than the item has now: it does not count for these.
    #[serde(default)]
    pub text_changed: bool,
    /// Whether it was known whose answers they are, as in the playground; else they were judged blind.
    #[serde(default)]
    pub names_seen: bool,
    /// Whether what others said of the item was in view; else it was judged without knowing that.
    #[serde(default)]
    pub votes_seen: bool,
    /// Whether it is no vote but a decision, which counts instead of the votes. Decisions have numbers of their own, and stand
    /// behind all judgements.
    #[serde(default)]
    pub decides: bool,
    /// The version of the project's guideline that stood then.
    #[serde(default)]
    pub guideline: Option<i64>,
    /// A label of the user's own.
    pub category: Option<String>,
    /// What was asked, as it was shown.
    pub prompt: Content,
    /// The first answer, as it was shown.
    pub first: Content,
    /// The second answer, as it was shown.
    pub second: Content,
}

impl Project {
    /// All pairs to train on, as they are now: imported and edited ones in the order of coming in, then those that
    /// annotators decided: what counts of an item is [`super::WHAT_COUNTS`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn training_pairs(&self) -> Result<Vec<SourcedPair>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT listing.id, source, prompt, chosen, rejected, listing.category
                 FROM listing LEFT JOIN pairs ON pairs.id = listing.id
                 ORDER BY listing.id < 0, abs(listing.id)",
            )?;
            let mut rows = statement.query([])?;
            let mut pairs = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, source): (i64, PairSource) = (row.get(0)?, row.get(1)?);
                if !source.is_trained_on() {
                    continue;
                }
                // Most pairs are as they came in, and those need not be looked up.
                if source == PairSource::Imported {
                    pairs.push(SourcedPair { id, source, pair: pair(row, 2)? });
                } else {
                    pairs.extend(listed(db, id)?.map(|(pair, source)| SourcedPair { id, source, pair }));
                }
            }
            Ok(pairs)
        })
    }

    /// A number that another one follows whenever the pairs of the project change.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pairs_version(&self) -> Result<i64, Error> {
        self.read(|db| {
            db.prepare_cached("SELECT coalesce(max(change), 0) FROM listing_changes")?.query_row([], |row| row.get(0))
        })
    }

    /// The pairs by their content.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn ids_by_content(&self) -> Result<IdsByContent, Error> {
        let came_in = self.read(|db| {
            let mut statement = db.prepare("SELECT hash, id FROM pairs")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<HashMap<_, _>>>()
        })?;
        let now = self.training_pairs()?.into_iter();
        let trained_on = now.map(|SourcedPair { id, pair, .. }| (pair.content_hash(), id)).collect();
        Ok(IdsByContent { came_in, trained_on })
    }

    /// Every judgement ever given, oldest first, and then every decision, those that were taken back among them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn judgements(&self) -> Result<Vec<JudgementRow>, Error> {
        self.read(|db| {
            // What was said, and what it was said of: `item_revision` is that of the showing, or the decision's own.
            let said = |columns: &str, from: &str| {
                format!(
                    "SELECT said.id, said.item, items.pair, name, said.at, milliseconds, left, verdict, meaning, note,
                            {columns}, category,
                            coalesce(shown.prompt, items.prompt), coalesce(shown.first, items.first),
                            coalesce(shown.second, items.second),
                            (coalesce(shown.prompt, items.prompt), coalesce(shown.first, items.first),
                             coalesce(shown.second, items.second))
                            IS NOT (coalesce(newest.prompt, items.prompt), coalesce(newest.first, items.first),
                                    coalesce(newest.second, items.second)) OR {superseded},
                            guideline
                     FROM {from}
                     JOIN items ON items.id = said.item
                     JOIN annotators ON annotators.id = said.annotator
                     LEFT JOIN item_revisions AS shown ON shown.id = item_revision
                     LEFT JOIN item_states ON item_states.item = items.id
                     LEFT JOIN item_revisions AS newest ON newest.id = item_states.revision
                     ORDER BY said.id",
                    superseded = superseded!(),
                )
            };
            let judgements = said(
                "said.second_pass, undone.at, names_seen, votes_seen, 0",
                "judgements AS said JOIN showings ON showings.id = showing LEFT JOIN undone ON judgement = said.id",
            );
            let decisions = said(
                "0, undone_decisions.at, 0, 1, 1",
                "decisions AS said LEFT JOIN undone_decisions ON decision = said.id",
            );
            let mut all = Vec::new();
            for query in [judgements, decisions] {
                let mut statement = db.prepare(&query)?;
                for row in statement.query_map([], judgement)? {
                    all.push(row?);
                }
            }
            Ok(all)
        })
    }

    /// Writes [`Project::judgements`], one JSON object per line; the file appears whole or not at all. Returns how many.
    ///
    /// # Errors
    /// When the database cannot be read or the file not be written.
    pub fn export_judgements(&self, path: &Path) -> Result<usize, Error> {
        let judgements = self.judgements()?;
        write_lines(path, judgements.iter().map(Ok))?;
        Ok(judgements.len())
    }

    /// The judgements that stand, for [`crate::agreement::agreement`]; skips are left out, and so is what was said of texts
    /// that were changed since. Beside a verdict that was given with those of others in view stands the one that its annotator had
    /// given blind. With them stands what files say of the same items, told apart.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn votes(&self) -> Result<Vec<Vote>, Error> {
        let mut votes = self.read(|db| {
            let mut statement = db.prepare(
                "SELECT name, judgements.item, meaning, side, milliseconds, pass, votes_seen
                 FROM tasks
                 JOIN judgements ON judgements.id = judgement
                 JOIN annotators ON annotators.id = tasks.annotator
                 WHERE state = 'done' ORDER BY judgements.id",
            )?;
            let vote = |row: &Row| {
                Ok(Vote {
                    annotator: row.get(0)?,
                    item: row.get(1)?,
                    meaning: row.get(2)?,
                    side: row.get::<_, Option<Side>>(3)?,
                    milliseconds: row.get::<_, i64>(4)? as u64,
                    second_pass: row.get(5)?,
                    votes_seen: row.get(6)?,
                    is_file: false,
                })
            };
            let mut votes = statement.query_map([], vote)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let changed: Vec<(String, i64)> =
                votes.iter().filter(|vote| vote.votes_seen).map(|vote| (vote.annotator.clone(), vote.item)).collect();
            for (annotator, item) in changed {
                votes.extend(blind_vote(db, annotator, item)?);
            }
            Ok(votes)
        })?;
        votes.extend(self.votes_of_files()?);
        Ok(votes)
    }
}

/// What an annotator said of an item's present texts before they judged it anew with what others say in view.
fn blind_vote(db: &Connection, annotator: String, item: i64) -> rusqlite::Result<Option<Vote>> {
    let mut statement = db.prepare_cached(
        "SELECT meaning, verdict, milliseconds, item_revision
         FROM judgements JOIN showings ON showings.id = showing JOIN annotators ON annotators.id = judgements.annotator
         WHERE name = ? AND judgements.item = ? AND judgements.second_pass = 0 AND votes_seen = 0
           AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)
         ORDER BY judgements.id DESC LIMIT 1",
    )?;
    let said = |row: &Row| Ok((row.get(0)?, row.get::<_, Verdict>(1)?, row.get::<_, i64>(2)?, row.get(3)?));
    let said: Option<(Meaning, Verdict, i64, Option<i64>)> =
        statement.query_row(params![annotator, item], said).optional()?;
    let Some((meaning, verdict, milliseconds, revision)) = said else { return Ok(None) };
    if meaning == Meaning::Skip || !derived::still_counts(db, item, revision)? {
        return Ok(None);
    }
    let (milliseconds, side) = (milliseconds as u64, verdict.side());
    Ok(Some(Vote {
        annotator,
        item,
        meaning,
        side,
        milliseconds,
        second_pass: false,
        votes_seen: false,
        is_file: false,
    }))
}

/// The number of each pair by [`Pair::content_hash`].
#[derive(Debug)]
pub struct IdsByContent {
    /// Of what came in, as it came in.
    came_in: HashMap<String, i64>,
    /// Of what is trained on, as it is now: imported pairs, and what annotators decided.
    trained_on: HashMap<String, i64>,
}

impl IdsByContent {
    /// The pair that has or had this content. Where two have it, the one that is trained on.
    pub fn get(&self, hash: &str) -> Option<i64> {
        self.trained_on.get(hash).or_else(|| self.came_in.get(hash)).copied()
    }

    /// Whether a pair with this content is trained on now.
    pub fn is_trained_on(&self, hash: &str) -> bool {
        self.trained_on.contains_key(hash)
    }
}

fn judgement(row: &Row) -> rusqlite::Result<JudgementRow> {
    let shown = |column: usize| content(row, column)?.ok_or_else(|| damaged(column, "what was shown is missing"));
    Ok(JudgementRow {
        judgement: row.get(0)?,
        item: row.get(1)?,
        pair: row.get(2)?,
        annotator: row.get(3)?,
        at: row.get(4)?,
        milliseconds: row.get::<_, i64>(5)? as u64,
        left: row.get(6)?,
        verdict: row.get(7)?,
        meaning: row.get(8)?,
        note: row.get(9)?,
        second_pass: row.get(10)?,
        undone: row.get(11)?,
        names_seen: row.get(12)?,
        votes_seen: row.get(13)?,
        decides: row.get(14)?,
        category: row.get(15)?,
        prompt: shown(16)?,
        first: shown(17)?,
        second: shown(18)?,
        text_changed: row.get(19)?,
        guideline: row.get(20)?,
    })
}
