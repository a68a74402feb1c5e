//! Pairs with all that belongs to them, as they leave a project: the file they came from, and what annotators said of them.

use std::collections::{HashMap, HashSet};

use rusqlite::Row;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Project;
use super::file_labels::OfTexts;
use super::training::{JudgementRow, SourcedPair};
use super::verdict::{ItemAnswer, Meaning};
use crate::mapping::PairRatings;
use crate::{Content, Error, Place};

/// A pair to train on, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedPair {
    /// The pair, its number and where it has its content from.
    pub sourced: SourcedPair,
    /// The name of what was imported, usually of a file, without its folders: those are nobody else's business.
    pub import_file: Option<String>,
    /// Its line there, from 1.
    pub import_line: Option<i64>,
    /// Its number there, from 1, where lines do not tell the rows apart.
    pub import_row: Option<i64>,
    /// How the file rates the two answers.
    pub ratings: Option<PairRatings>,
    /// Whether it came with an import that is held out, and so never trains.
    pub held_out: bool,
    /// What annotators said of these texts, in the order of coming in.
    pub judgements: Vec<PairJudgement>,
}

/// What an annotator said of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools)] // each is a mark of its own
pub struct PairJudgement {
    /// The name, or `annotator 1` where names are left out.
    pub annotator: String,
    /// What was said.
    pub verdict: PairVerdict,
    /// The answer that stood left.
    pub left: PairAnswer,
    /// How long it took.
    pub milliseconds: u64,
    /// What the annotator had to say.
    pub note: Option<String>,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Whether the annotator judged this before.
    pub second_pass: bool,
    /// Whether it was taken back.
    pub undone: bool,
    /// Whether it is a vote: the last word of the annotator's first pass, and no skip.
    pub counts: bool,
    /// Whether it is a decision, which stands instead of the votes unless it was taken back.
    pub decides: bool,
    /// Whether what others said of the pair was in view.
    pub votes_seen: bool,
    /// What stands in the file, where a file says it and nobody here. It is no vote.
    pub in_file: Option<String>,
}

/// What was said of a pair's two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PairVerdict {
    ChosenMuch,
    Chosen,
    Rejected,
    RejectedMuch,
    TieGood,
    TieBad,
    Skip,
}

/// One of a pair's two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PairAnswer {
    Chosen,
    Rejected,
}

/// Votes for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct PairVotes {
    pub chosen: i64,
    pub rejected: i64,
    pub tie: i64,
}

/// The pairs of a project with what belongs to them.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedPairs {
    /// In the order of [`Project::training_pairs`].
    pub pairs: Vec<ExportedPair>,
    /// Judgements that stand with none of them: of texts that were changed since, or of items that give no pair.
    pub judgements_left_out: usize,
    /// Those who judged anything, in the order in which they first did.
    pub annotators: Vec<ExportedAnnotator>,
    /// Whether annotators are named, not numbered.
    pub has_annotator_names: bool,
}

/// Somebody who judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedAnnotator {
    /// The name, or `annotator 1` where names are left out.
    pub name: String,
    /// A UUID that is the annotator's own in every export of the project. The name does not follow from it.
    pub uuid: String,
}

impl From<SourcedPair> for ExportedPair {
    fn from(sourced: SourcedPair) -> Self {
        Self {
            sourced,
            import_file: None,
            import_line: None,
            import_row: None,
            ratings: None,
            held_out: false,
            judgements: Vec::new(),
        }
    }
}

impl ExportedPair {
    /// The votes, one for each annotator.
    pub fn votes(&self) -> PairVotes {
        let mut votes = PairVotes::default();
        for judgement in self.judgements.iter().filter(|judgement| judgement.counts) {
            match judgement.verdict {
                PairVerdict::ChosenMuch | PairVerdict::Chosen => votes.chosen += 1,
                PairVerdict::RejectedMuch | PairVerdict::Rejected => votes.rejected += 1,
                PairVerdict::TieGood | PairVerdict::TieBad => votes.tie += 1,
                PairVerdict::Skip => {}
            }
        }
        votes
    }
}

impl Project {
    /// [`Project::training_pairs`] with what belongs to each. Without `annotator_names` annotators are numbered in the order
    /// in which they first judged.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn exported_pairs(&self, annotator_names: bool) -> Result<ExportedPairs, Error> {
        let origins = self.origins()?;
        let (uuids, ratings) = (self.annotator_uuids()?, self.stored_ratings()?);
        let (mut of_item, mut items_of) = (HashMap::<i64, Vec<JudgementRow>>::new(), HashMap::<i64, Vec<i64>>::new());
        // By their names in the project, as they are called in the export.
        let mut called: HashMap<String, String> = HashMap::new();
        let mut annotators: Vec<ExportedAnnotator> = Vec::new();
        let mut all = 0;
        for mut judgement in self.judgements()? {
            all += 1;
            let name = called.entry(judgement.annotator.clone()).or_insert_with(|| {
                let numbered = format!("annotator {}", annotators.len() + 1);
                let name = if annotator_names { judgement.annotator.clone() } else { numbered };
                let uuid = uuids.get(&judgement.annotator).cloned().unwrap_or_default();
                annotators.push(ExportedAnnotator { name: name.clone(), uuid });
                name
            });
            judgement.annotator.clone_from(name);
            let item = judgement.item;
            let of_this = of_item.entry(item).or_default();
            if of_this.is_empty() {
                items_of.entry(judgement.pair.unwrap_or(-item)).or_default().push(item);
            }
            of_this.push(judgement);
        }
        let of_files = self.said_in_files(annotator_names)?;
        let (withdrawn, held_out) = (self.withdrawn_items()?, self.held_out_by_imports()?);
        let mut given = 0;
        let belonging = |sourced: SourcedPair| {
            let items = items_of.get(&sourced.id).map(Vec::as_slice).unwrap_or_default();
            let judged = items.iter().flat_map(|item| {
                let is_withdrawn = withdrawn.contains(item);
                said_of(&sourced, of_item.get(item).map(Vec::as_slice).unwrap_or_default(), is_withdrawn)
            });
            let mut judgements: Vec<PairJudgement> = judged.collect();
            given += judgements.len();
            let labels = of_files.get(&sourced.id).into_iter().flatten();
            judgements.extend(labels.filter_map(|(label, name)| said_in_file(&sourced, label, name)));
            // Of what was put up several times, the judgements of one moment stay in their order.
            judgements.sort_by_key(|judgement| judgement.at);
            let (import_file, place) = origins.get(&sourced.id).cloned().unzip();
            let (import_line, import_row) =
                place.map(Place::columns).map_or((None, None), |(line, row)| (Some(line), row));
            let ratings = ratings.get(&sourced.id).and_then(|stored| stored.of(&sourced.pair));
            let held_out = held_out.contains_key(&sourced.id);
            ExportedPair { sourced, import_file, import_line, import_row, ratings, held_out, judgements }
        };
        let pairs = self.training_pairs()?.into_iter().map(belonging).collect();
        Ok(ExportedPairs { pairs, judgements_left_out: all - given, annotators, has_annotator_names: annotator_names })
    }

    /// What files say, by the number of the pair, each with what its annotator is called.
    fn said_in_files(&self, annotator_names: bool) -> Result<HashMap<i64, Vec<(OfTexts, String)>>, Error> {
        let (mut all, mut called) = (HashMap::<i64, Vec<_>>::new(), HashMap::<String, String>::new());
        for said in self.labels_of_files()? {
            let number = called.len() + 1;
            let numbered = || format!("annotator {number} of a file");
            let name = called.entry(said.label.annotator.clone()).or_insert_with(numbered);
            let name = if annotator_names { said.label.annotator.clone() } else { name.clone() };
            all.entry(said.of).or_default().push((said, name));
        }
        Ok(all)
    }

    /// The UUID of every annotator by name: a digest of when exactly the annotator came, which is nobody's secret and the same in
    /// no two projects.
    fn annotator_uuids(&self) -> Result<HashMap<String, String>, Error> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT name, id, at FROM annotators")?;
            let annotator = |row: &Row| Ok((row.get(0)?, uuid(row.get(1)?, row.get(2)?)));
            statement.query_map([], annotator)?.collect()
        })
    }

    /// The file and place of every pair and item, by its number among the pairs.
    fn origins(&self) -> Result<HashMap<i64, (String, Place)>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT pairs.id, source, line, row FROM pairs JOIN imports ON imports.id = import
                 UNION ALL SELECT -items.id, source, line, row FROM items JOIN imports ON imports.id = import",
            )?;
            let name =
                |source: String| source.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("").to_owned();
            statement
                .query_map([], |row| Ok((row.get(0)?, (name(row.get(1)?), Place::from_columns(row, 2)?))))?
                .collect()
        })
    }

    /// Items that are not labelled any more, so that their judgements are no votes.
    fn withdrawn_items(&self) -> Result<HashSet<i64>, Error> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT item FROM item_states WHERE removed")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }
}

/// A UUID of version 8, whose bits are the maker's own.
fn uuid(id: i64, at: i64) -> String {
    let digest = Sha256::new().chain_update(b"annotator").chain_update(id.to_le_bytes()).chain_update(at.to_le_bytes());
    let hex = format!("{:x}", digest.finalize());
    format!("{}-{}-8{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// What the judgements of one item say of a pair: those that were given on its texts.
fn said_of<'a>(
    sourced: &'a SourcedPair,
    rows: &'a [JudgementRow],
    is_withdrawn: bool,
) -> impl Iterator<Item = PairJudgement> + 'a {
    let stands = move |row: &JudgementRow| {
        !(is_withdrawn || row.text_changed || row.second_pass || row.decides || row.undone.is_some())
    };
    // A later word of the same annotator takes the place of an earlier one, also where it is a skip.
    let last: HashMap<&str, i64> =
        rows.iter().filter(|row| stands(row)).map(|row| (row.annotator.as_str(), row.judgement)).collect();
    rows.iter().filter_map(move |row| {
        let chosen = chosen_among(sourced, &row.prompt, &row.first, &row.second)?;
        let answer = |of: ItemAnswer| if of == chosen { PairAnswer::Chosen } else { PairAnswer::Rejected };
        let is_last = stands(row) && last.get(row.annotator.as_str()) == Some(&row.judgement);
        Some(PairJudgement {
            annotator: row.annotator.clone(),
            verdict: verdict(row.meaning, answer),
            left: answer(row.left),
            milliseconds: row.milliseconds,
            note: row.note.clone(),
            at: row.at,
            second_pass: row.second_pass,
            undone: row.undone.is_some(),
            counts: is_last && row.meaning != Meaning::Skip,
            decides: row.decides,
            votes_seen: row.votes_seen,
            in_file: None,
        })
    })
}

/// What a file says of a pair, where these are the texts that it says it of.
fn said_in_file(sourced: &SourcedPair, said: &OfTexts, name: &str) -> Option<PairJudgement> {
    let [Some(prompt), Some(first), Some(second)] = &said.texts else { return None };
    let chosen = chosen_among(sourced, prompt, first, second)?;
    let answer = |of: ItemAnswer| if of == chosen { PairAnswer::Chosen } else { PairAnswer::Rejected };
    Some(PairJudgement {
        annotator: name.to_owned(),
        verdict: verdict(said.label.meaning, answer),
        left: answer(ItemAnswer::First),
        milliseconds: 0,
        note: None,
        at: said.label.at,
        second_pass: false,
        undone: false,
        counts: false,
        decides: false,
        votes_seen: false,
        in_file: Some(said.label.raw.clone()),
    })
}

/// Which of two answers is the chosen one, where these are the texts of the pair.
fn chosen_among(sourced: &SourcedPair, prompt: &Content, first: &Content, second: &Content) -> Option<ItemAnswer> {
    let pair = &sourced.pair;
    if *prompt != pair.prompt {
        None
    } else if *first == pair.chosen && *second == pair.rejected {
        Some(ItemAnswer::First)
    } else {
        (*first == pair.rejected && *second == pair.chosen).then_some(ItemAnswer::Second)
    }
}

fn verdict(meaning: Meaning, answer: impl Fn(ItemAnswer) -> PairAnswer) -> PairVerdict {
    let of = |better: ItemAnswer, much: bool| match (answer(better), much) {
        (PairAnswer::Chosen, true) => PairVerdict::ChosenMuch,
        (PairAnswer::Chosen, false) => PairVerdict::Chosen,
        (PairAnswer::Rejected, true) => PairVerdict::RejectedMuch,
        (PairAnswer::Rejected, false) => PairVerdict::Rejected,
    };
    match meaning {
        Meaning::FirstMuch => of(ItemAnswer::First, true),
        Meaning::First => of(ItemAnswer::First, false),
        Meaning::Second => of(ItemAnswer::Second, false),
        Meaning::SecondMuch => of(ItemAnswer::Second, true),
        Meaning::TieGood => PairVerdict::TieGood,
        Meaning::TieBad => PairVerdict::TieBad,
        Meaning::Skip => PairVerdict::Skip,
    }
}
