//! What was labelled: every item that somebody has judged, with what each of them said of it, those first on which they differ.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::decisions::WHAT_COUNTS;
use super::derived::{self, CurrentItem, current_item};
use super::items::answer_text;
use super::pairs::{MOST_ROWS, beginning};
use super::verdict::{ItemAnswer, Majority, Meaning, named};
use super::{Project, file_labels};
use crate::{Content, Error};

named! {
    /// How the verdicts on an item stand to each other, in the order in which they are listed.
    Standing {
        /// They differ, and neither a decision nor more than half of them says what counts.
        Open = "open",
        /// They differ; more than half of them say what counts.
        Outvoted = "outvoted",
        /// Somebody decided.
        Decided = "decided",
        /// Two or more, all alike.
        Agreed = "agreed",
        /// One alone.
        Single = "single",
        /// None counts: the item was skipped, or its texts are not those that were judged.
        Nothing = "nothing",
    }
}

named! {
    /// What a statement about an item is.
    SaidAs {
        /// A vote.
        Vote = "vote",
        /// A verdict on an item that the same annotator had judged before.
        SecondPass = "second_pass",
        /// A decision where votes differ.
        Decision = "decision",
        /// What a file says: no vote.
        File = "file",
    }
}

/// What somebody says of an item: the newest word that was not taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct Said {
    /// What it is.
    pub kind: SaidAs,
    /// Its number, among judgements or among decisions.
    pub number: i64,
    /// Who says it.
    pub annotator: String,
    /// What it says.
    pub meaning: Meaning,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// How long it took.
    pub milliseconds: u64,
    /// What there was to say about it.
    pub note: Option<String>,
    /// What stands in the file, where that says it.
    pub raw: Option<String>,
    /// Whether it was said of the texts that the item has now, so that it counts.
    pub counts: bool,
    /// Whether the names of both models were in view.
    pub names_seen: bool,
    /// Whether what others said was in view.
    pub votes_seen: bool,
    /// The version of the project's guideline that stood then.
    pub guideline: Option<i64>,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ts_rs::TS)]
pub struct LabelledQuery {
    /// Text that prompt or answers contain, in any case; empty for all.
    pub text: String,
    /// Only what this annotator has judged.
    pub annotator: Option<String>,
    /// Only what was judged so, by that annotator where one is named.
    pub verdict: Option<Majority>,
    /// Only items whose verdicts stand so to each other.
    pub standing: Option<Standing>,
    /// Only the pairs of this audit, whose first answer is the one that the file prefers.
    pub audit: Option<i64>,
    /// Rows to pass over.
    pub offset: usize,
    /// Rows to return, at most 1000.
    pub limit: usize,
}

/// An item in the list: the first 200 characters of each text, of conversations the last message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct LabelledRow {
    /// Its number.
    pub item: i64,
    /// The imported pair that it is, where it is one: its first answer was the chosen one.
    pub pair: Option<i64>,
    /// Whether an audit asks it, so that what is said of it changes no pair.
    pub audited: bool,
    /// What was asked.
    pub prompt: String,
    /// The first answer.
    pub first: String,
    /// The second answer.
    pub second: String,
    /// A label of the user's own.
    pub category: Option<String>,
    /// How the verdicts stand to each other.
    pub standing: Standing,
    /// What counts of it.
    pub outcome: Option<Majority>,
    /// When the newest of them was given, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Who says what, oldest first.
    pub said: Vec<Said>,
}

/// One page of what was labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct LabelledPage {
    /// How many were found on all pages.
    pub total: usize,
    /// This page.
    pub rows: Vec<LabelledRow>,
    /// Who has judged or decided anything.
    pub annotators: Vec<String>,
    /// Items on which annotators differ and nothing counts.
    pub open: usize,
    /// What counts of an item, in words.
    pub what_counts: String,
}

/// An item that was labelled, with all that is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct LabelledItem {
    /// Its number.
    pub item: i64,
    /// The revision of the texts; `None`: as they came in.
    pub revision: Option<i64>,
    /// The imported pair that it is, where it is one: its first answer was the chosen one.
    pub pair: Option<i64>,
    /// Whether an audit asks it, so that what is said of it changes no pair.
    pub audited: bool,
    /// What was asked.
    pub prompt: Content,
    /// The first answer.
    pub first: String,
    /// The second answer.
    pub second: String,
    /// A label of the user's own.
    pub category: Option<String>,
    /// How the verdicts stand to each other.
    pub standing: Standing,
    /// What counts of it.
    pub outcome: Option<Majority>,
    /// Whether it can be judged: it is not removed, and the pair that it is was not edited since.
    pub is_up: bool,
    /// Who says what, oldest first.
    pub said: Vec<Said>,
    /// What counts of an item, in words.
    pub what_counts: String,
}

/// All that is said of one item.
struct Labelled {
    item: i64,
    /// Whether it is among those to label: what an audit asks is not, nor what was removed.
    is_up: bool,
    standing: Standing,
    outcome: Option<Majority>,
    said: Vec<Said>,
}

impl Labelled {
    fn at(&self) -> i64 {
        let by_people = self.said.iter().filter(|said| said.kind != SaidAs::File);
        by_people.map(|said| said.at).max().unwrap_or(0)
    }

    fn is_wanted(&self, query: &LabelledQuery) -> bool {
        let is_by = |said: &Said| query.annotator.as_ref().is_none_or(|name| *name == said.annotator);
        let says = |said: &Said| query.verdict.is_none_or(|verdict| Majority::of([said.meaning]) == Some(verdict));
        query.standing.is_none_or(|standing| standing == self.standing)
            && self.said.iter().any(|said| is_by(said) && says(said))
    }
}

impl Project {
    /// One page of what was labelled: items on which annotators differ first, and then those judged last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn labelled(&self, query: &LabelledQuery) -> Result<LabelledPage, Error> {
        self.read(|db| {
            let all = labelled(db, None)?;
            let annotators: BTreeSet<&str> =
                all.iter().flat_map(|item| item.said.iter().map(|said| said.annotator.as_str())).collect();
            let annotators = annotators.into_iter().map(str::to_owned).collect();
            let open = all.iter().filter(|item| item.standing == Standing::Open && item.is_up).count();
            let mut found: Vec<Labelled> = all.into_iter().filter(|item| item.is_wanted(query)).collect();
            if let Some(audit) = query.audit {
                let mut statement = db.prepare_cached("SELECT item FROM audit_items WHERE audit = ?")?;
                let asked =
                    statement.query_map([audit], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<i64>>>()?;
                found.retain(|labelled| asked.contains(&labelled.item));
            }
            let text = query.text.trim().to_lowercase();
            if !text.is_empty() {
                let mut holding = Vec::new();
                for labelled in found {
                    if current_item(db, labelled.item)?.is_some_and(|item| holds(&item, &text)) {
                        holding.push(labelled);
                    }
                }
                found = holding;
            }
            found.sort_by_key(|item| (item.standing, std::cmp::Reverse((item.at(), item.item))));
            let total = found.len();
            let page = found.into_iter().skip(query.offset).take(query.limit.min(MOST_ROWS));
            let rows = page.map(|labelled| row(db, labelled)).collect::<rusqlite::Result<Vec<_>>>()?;
            let rows = rows.into_iter().flatten().collect();
            Ok(LabelledPage { total, rows, annotators, open, what_counts: WHAT_COUNTS.to_owned() })
        })
    }

    /// An item with all that is said of it.
    ///
    /// # Errors
    /// When there is no such item with both answers, or the database cannot be read.
    pub fn labelled_item(&self, item: i64) -> Result<LabelledItem, Error> {
        let found = self.read(|db| {
            let Some(current) = current_item(db, item)? else { return Ok(None) };
            let (Some(first), Some(second)) = (&current.first, &current.second) else { return Ok(None) };
            let of_it = labelled(db, Some(item))?.into_iter().next();
            let is_up = current.is_ready() && !derived::is_superseded(db, item)?;
            let (standing, outcome, said) =
                of_it.map_or((Standing::Nothing, None, Vec::new()), |it| (it.standing, it.outcome, it.said));
            Ok(Some(LabelledItem {
                item,
                revision: current.revision,
                pair: current.pair,
                audited: derived::is_audited(db, item)?,
                first: answer_text(first),
                second: answer_text(second),
                standing,
                outcome,
                is_up,
                said,
                what_counts: WHAT_COUNTS.to_owned(),
                prompt: current.prompt,
                category: current.category,
            }))
        })?;
        found.ok_or(Error::NoItem { item })
    }
}

fn row(db: &Connection, labelled: Labelled) -> rusqlite::Result<Option<LabelledRow>> {
    let at = labelled.at();
    let Labelled { item, standing, outcome, said, .. } = labelled;
    let shown = |answer: Option<&Content>| answer.map(beginning).unwrap_or_default();
    let audited = derived::is_audited(db, item)?;
    Ok(current_item(db, item)?.map(|current| LabelledRow {
        item,
        pair: current.pair,
        audited,
        prompt: beginning(&current.prompt),
        first: shown(current.answer(ItemAnswer::First)),
        second: shown(current.answer(ItemAnswer::Second)),
        category: current.category,
        standing,
        outcome,
        at,
        said,
    }))
}

fn holds(item: &CurrentItem, text: &str) -> bool {
    let answers = [item.first.as_ref(), item.second.as_ref()];
    answers.into_iter().flatten().chain([&item.prompt]).any(|part| answer_text(part).to_lowercase().contains(text))
}

/// What is said of each item, or of one: of every annotator the newest word that was not taken back, and the decisions.
fn labelled(db: &Connection, only: Option<i64>) -> rusqlite::Result<Vec<Labelled>> {
    let mut items: BTreeMap<i64, Vec<Said>> = BTreeMap::new();
    let mut statement = db.prepare_cached(
        "SELECT tasks.item, pass, judgement, name, meaning, judgements.at, milliseconds, note, state = 'done',
                names_seen, votes_seen, guideline
         FROM tasks JOIN judgements ON judgements.id = judgement JOIN annotators ON annotators.id = tasks.annotator
         WHERE ?1 IS NULL OR tasks.item = ?1 ORDER BY judgement",
    )?;
    let judged = |row: &Row| {
        let kind = if row.get(1)? { SaidAs::SecondPass } else { SaidAs::Vote };
        Ok((row.get::<_, i64>(0)?, said(row, kind, 2)?))
    };
    for row in statement.query_map([only], judged)? {
        let (item, said) = row?;
        items.entry(item).or_default().push(said);
    }
    let mut statement = db.prepare_cached(
        "SELECT item, decisions.id, name, meaning, decisions.at, milliseconds, note, 0, 0, 1, guideline
         FROM decisions JOIN annotators ON annotators.id = annotator
         WHERE (?1 IS NULL OR item = ?1)
           AND NOT EXISTS (SELECT 1 FROM undone_decisions WHERE decision = decisions.id) ORDER BY decisions.id",
    )?;
    let decided = |row: &Row| Ok((row.get::<_, i64>(0)?, said(row, SaidAs::Decision, 1)?));
    for row in statement.query_map([only], decided)? {
        let (item, said) = row?;
        items.entry(item).or_default().push(said);
    }
    for (item, label) in file_labels::of_items(db, only)? {
        if let Some(said) = items.get_mut(&item) {
            said.push(said_in_file(label));
        } else if only.is_some() {
            items.insert(item, vec![said_in_file(label)]);
        }
    }
    let mut all = Vec::new();
    for (item, mut said) in items {
        if said.iter().any(|said| said.kind == SaidAs::Decision)
            && let Some(current) = current_item(db, item)?
        {
            let counting = derived::decided(db, &current)?.map(|(number, _)| number);
            for decision in said.iter_mut().filter(|said| said.kind == SaidAs::Decision) {
                decision.counts = Some(decision.number) == counting;
            }
        }
        let up = "SELECT 1 FROM item_states WHERE item = ? AND ready = 1";
        let is_up = db.prepare_cached(up)?.exists([item])?;
        let (standing, outcome) = standing(&said);
        all.push(Labelled { item, is_up, standing, outcome, said });
    }
    Ok(all)
}

fn said(row: &Row, kind: SaidAs, from: usize) -> rusqlite::Result<Said> {
    Ok(Said {
        kind,
        number: row.get(from)?,
        annotator: row.get(from + 1)?,
        meaning: row.get(from + 2)?,
        at: row.get(from + 3)?,
        milliseconds: row.get::<_, i64>(from + 4)? as u64,
        note: row.get(from + 5)?,
        raw: None,
        counts: row.get(from + 6)?,
        names_seen: row.get(from + 7)?,
        votes_seen: row.get(from + 8)?,
        guideline: row.get(from + 9)?,
    })
}

fn said_in_file(label: file_labels::Labelled) -> Said {
    let file_labels::Labelled { number, annotator, raw, meaning, at } = label;
    Said {
        kind: SaidAs::File,
        number,
        annotator,
        meaning,
        at,
        milliseconds: 0,
        note: None,
        raw: Some(raw),
        counts: false,
        names_seen: false,
        votes_seen: false,
        guideline: None,
    }
}

/// How what is said of an item stands to each other, and what counts of it.
fn standing(said: &[Said]) -> (Standing, Option<Majority>) {
    let counting = |kind: SaidAs| said.iter().filter(move |said| said.kind == kind && said.counts);
    if let Some(decision) = counting(SaidAs::Decision).next() {
        return (Standing::Decided, Majority::of([decision.meaning]));
    }
    let votes: Vec<Meaning> = counting(SaidAs::Vote).map(|vote| vote.meaning).collect();
    let outcome = Majority::of(votes.iter().copied());
    let differ = votes.iter().any(|vote| vote.better() != votes[0].better());
    let standing = match (votes.len(), differ) {
        (0, _) => Standing::Nothing,
        (1, _) => Standing::Single,
        (_, false) => Standing::Agreed,
        _ if outcome == Some(Majority::None) => Standing::Open,
        _ => Standing::Outvoted,
    };
    (standing, outcome)
}
