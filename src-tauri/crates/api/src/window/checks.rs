//! What is odd about pairs: of a file before it is brought in, and of a project before it is trained on. What was found in a
//! project is kept for a while, so that its pairs can be listed, left out and put back.

use super::training::composition::{Composed, compose, named, pairs_in_words};
use super::training::start::model_path;
use super::types::{
    CheckImport, CheckPairs, Code, DataChecks, DataFinding, FindingOf, FindingView, FoundPair, ImportKind, LeaveOut,
    TokenLimits,
};
use super::uploads::of_upload;
use super::{Backend, OpenProject, data, locked};
use crate::error::{Error, Result};
use crate::token_checks::TokenChecks;
use chat::Limits;
use prefs::checks::{self, Finding, Found, Shown};
use prefs::mapping::MappedContent;
use prefs::store::{Project, SourcedPair};
use prefs::{Content, Pair};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Pairs of a finding that cross to the page at once; all of them can be listed.
const MOST_FOUND: usize = 200;

/// Characters of each text that do.
const SHOWN: usize = 160;

/// Checks that are kept, of all projects together.
const MOST_KEPT: usize = 4;

/// What checks have found.
#[derive(Default)]
pub(super) struct Checked {
    memory: Mutex<Memory>,
    /// One looks at a time: a page asks again while pairs change.
    looking: Mutex<()>,
}

#[derive(Default)]
struct Memory {
    /// What was looked at last, and what was found in the texts: limits on tokens are changed more often than pairs.
    last: Option<(u64, Arc<Vec<Finding>>)>,
    kept: VecDeque<Kept>,
    next: u32,
}

/// The findings of a check.
struct Kept {
    check: u32,
    project: PathBuf,
    findings: Vec<KeptFinding>,
}

struct KeptFinding {
    code: Code,
    message: String,
    remedy: String,
    ids: Vec<i64>,
    /// A part of the hash of the texts that each was found with.
    texts: Vec<u64>,
    /// Those that were left out from here.
    left_out: Vec<i64>,
}

/// Checks the pairs that an import would add, by themselves and beside those that the project has.
pub(super) fn check_import(backend: &Backend, request: CheckImport) -> Result<DataChecks> {
    let project = backend.project(&request.project)?;
    let store = project.another_store()?;
    let mut checked = DataChecks { check: None, pairs: 0, held_out: 0, findings: Vec::new() };
    if request.mapping.kind != ImportKind::Pairs {
        return Ok(checked);
    }
    let path = backend.uploaded(&request.upload)?;
    let table = data::table(backend, &path)?;
    let (mut places, mut pairs) = (Vec::new(), Vec::new());
    for row in store.new_rows(&table, &request.mapping).map_err(of_upload(&path))? {
        if let MappedContent::Pair(pair) = row.content {
            places.push(row.place);
            pairs.push(pair);
        }
    }
    checked.pairs = pairs.len();
    if pairs.is_empty() {
        return Ok(checked);
    }
    let found = |row: usize| FoundPair { place: Some(places[row]), ..shown(&pairs[row]) };
    let named = |row: usize| places[row].to_string();
    checked.findings =
        checks::check(&pairs, None).findings.into_iter().map(|finding| told(finding, &found, &named)).collect();
    let known: Vec<Pair> = store.training_pairs()?.into_iter().map(|sourced| sourced.pair).collect();
    let mut opposed = Found::default();
    for row in checks::contradicting(&pairs, &known) {
        opposed.add(row);
    }
    if opposed.count() > 0 {
        let message = format!(
            "{} of these pairs prefer the other answer than a pair that the project has: what the one teaches the other takes \
             back.",
            opposed.count()
        );
        checked.findings.insert(0, told(Finding::new(Code::Contradiction, opposed, message), &found, &named));
    }
    Ok(checked)
}

/// Checks the pairs that a run would be trained on, beside those that it would hold out.
pub(super) fn check_pairs(backend: &Backend, request: CheckPairs) -> Result<DataChecks> {
    let project = backend.project(&request.project)?;
    let composed = compose(&project.another_store()?, request.held_out_share, request.seed, request.data.as_ref())?;
    let trained: Vec<&SourcedPair> = composed.trained_once().into_iter().map(|row| &composed.pairs[row]).collect();
    let train: Vec<&Pair> = trained.iter().map(|sourced| &sourced.pair).collect();
    let ids: Vec<i64> = trained.iter().map(|sourced| sourced.id).collect();
    let held_out: Vec<&Pair> = composed.held_out.iter().map(|&row| &composed.pairs[row].pair).collect();
    let mut findings = backend.0.checked.of_texts(&train, &held_out).as_ref().clone();
    if let Some(tokens) = &request.tokens {
        findings.extend(of_tokens(backend, tokens, &composed)?);
        findings.sort_by_key(|finding| finding.severity);
    }
    let check = backend.0.checked.keep(project.folder(), &findings, &ids, &train);
    let found = |row: usize| FoundPair { id: Some(ids[row]), ..shown(train[row]) };
    // A labelled pair is known by its item.
    let called = |row: usize| match ids[row] {
        id if id < 0 => format!("item {}", -id),
        id => format!("pair {id}"),
    };
    let findings = findings.into_iter().map(|finding| told(finding, &found, &called)).collect();
    Ok(DataChecks { check: Some(check), pairs: train.len(), held_out: held_out.len(), findings })
}

/// What the model and its limits make of the pairs to train on; nothing where the model is not on this machine, as the plan of
/// the run says.
fn of_tokens(backend: &Backend, tokens: &TokenLimits, composed: &Composed) -> Result<Vec<Finding>> {
    let TokenLimits { model, max_length, max_prompt_length, truncation } = tokens;
    let (Ok(path), Ok(Some(tokenizer))) = (model_path(backend, model), backend.tokenizer(model)) else {
        return Ok(Vec::new());
    };
    let limits = Limits {
        max_length: (*max_length > 0).then_some(*max_length),
        max_prompt_length: *max_prompt_length,
        truncation: *truncation,
    };
    let read = backend.0.lengths.of(&path, &tokenizer, &composed.pairs)?;
    let mut checks = TokenChecks::default();
    for (row, place) in composed.trained_once().into_iter().enumerate() {
        let read = &read[place];
        checks.look_at(row, &composed.pairs[place].pair, &read.length, read.is_broken, &tokenizer, &limits);
    }
    Ok(checks.findings())
}

/// A finding that was kept.
pub(super) fn finding(backend: &Backend, request: FindingOf) -> Result<FindingView> {
    let project = backend.project(&request.project)?;
    backend.0.checked.of(&project, request.check, request.code, |finding| finding.view())
}

/// Takes the pairs of a finding out of what is trained on, or puts back those that were taken out so. Nothing is deleted.
pub(super) fn leave_out(backend: &Backend, request: LeaveOut) -> Result<FindingView> {
    let LeaveOut { project, check, code, who, out } = request;
    let project = backend.project(&project)?;
    let checked = &backend.0.checked;
    let ids = checked.of(&project, check, code, |kept| if out { kept.ids.clone() } else { kept.left_out.clone() })?;
    let _alone = backend.0.acts.alone();
    // Many pairs take seconds: labelling goes on meanwhile.
    let mut store = project.another_store()?;
    if out {
        let found = checked.of(&project, check, code, |kept| kept.texts.clone())?;
        refuse_edited(&store, &ids, &found)?;
    }
    let changed = store.remove_pairs(&ids, &who, out)?;
    let view = checked.of(&project, check, code, |kept| {
        kept.left_out = if out { [std::mem::take(&mut kept.left_out), changed].concat() } else { Vec::new() };
        kept.view()
    });
    backend.changed(&project);
    view
}

/// Refuses to leave out pairs that were edited since they were found: what was found may be gone.
fn refuse_edited(store: &Project, ids: &[i64], found: &[u64]) -> Result<()> {
    let now = store.pairs_now(ids)?;
    let is_edited =
        |(pair, found): (&Option<Pair>, &u64)| pair.as_ref().is_none_or(|pair| part_of_hash(pair) != *found);
    let edited = ids.iter().zip(now.iter().zip(found)).filter(|(_, of)| is_edited(*of));
    let edited: Vec<i64> = edited.map(|(id, _)| *id).collect();
    if edited.is_empty() {
        return Ok(());
    }
    let has = if edited.len() == 1 { "has" } else { "have" };
    let message =
        format!("{} {has} other texts now than when this was found: {}", pairs_in_words(edited.len()), named(&edited));
    let hint =
        "Nothing was left out. Look at the pairs again where a run is prepared: what is still found is listed there.";
    Err(Error::new("list_changed", message, hint))
}

fn part_of_hash(pair: &Pair) -> u64 {
    pair.content_hash().get(..16).and_then(|part| u64::from_str_radix(part, 16).ok()).unwrap_or_default()
}

/// The pairs of a finding that was kept.
pub(super) fn ids(backend: &Backend, project: &OpenProject, check: u32, code: Code) -> Result<Vec<i64>> {
    backend.0.checked.of(project, check, code, |finding| finding.ids.clone())
}

impl Checked {
    /// What stands out in the texts; known where the same texts were looked at last.
    fn of_texts(&self, train: &[&Pair], held_out: &[&Pair]) -> Arc<Vec<Finding>> {
        let mut hasher = DefaultHasher::new();
        (train, held_out).hash(&mut hasher);
        let texts = hasher.finish();
        let _alone = locked(&self.looking);
        if let Some((known, findings)) = &locked(&self.memory).last
            && *known == texts
        {
            return Arc::clone(findings);
        }
        let findings = Arc::new(checks::check(train, Some(held_out)).findings);
        locked(&self.memory).last = Some((texts, Arc::clone(&findings)));
        findings
    }

    /// Keeps findings by a number, which is the one of before where nothing has changed.
    fn keep(&self, project: &Path, findings: &[Finding], ids: &[i64], pairs: &[&Pair]) -> u32 {
        let findings: Vec<KeptFinding> = findings
            .iter()
            .map(|finding| KeptFinding {
                code: finding.code,
                message: finding.message.clone(),
                remedy: finding.remedy.clone(),
                ids: finding.rows.iter().map(|&row| ids[row]).collect(),
                texts: finding.rows.iter().map(|&row| part_of_hash(pairs[row])).collect(),
                left_out: Vec::new(),
            })
            .collect();
        let mut memory = locked(&self.memory);
        let same = |kept: &&Kept| {
            kept.project == project
                && kept.findings.len() == findings.len()
                && kept
                    .findings
                    .iter()
                    .zip(&findings)
                    .all(|(one, other)| one.code == other.code && one.ids == other.ids && one.texts == other.texts)
        };
        if let Some(kept) = memory.kept.iter().find(same) {
            return kept.check;
        }
        memory.next += 1;
        let check = memory.next;
        memory.kept.push_back(Kept { check, project: project.to_path_buf(), findings });
        if memory.kept.len() > MOST_KEPT {
            memory.kept.pop_front();
        }
        check
    }

    fn of<T>(
        &self,
        project: &OpenProject,
        check: u32,
        code: Code,
        what: impl FnOnce(&mut KeptFinding) -> T,
    ) -> Result<T> {
        let mut memory = locked(&self.memory);
        let kept = memory.kept.iter_mut().find(|kept| kept.check == check && kept.project == project.folder());
        let finding = kept.and_then(|kept| kept.findings.iter_mut().find(|finding| finding.code == code));
        finding.map(what).ok_or_else(|| {
            Error::new(
                "finding_gone",
                "this finding is of an earlier look at the pairs, which is not kept any more",
                "Look at the pairs again where a run is prepared.",
            )
        })
    }
}

impl KeptFinding {
    fn view(&self) -> FindingView {
        FindingView {
            message: self.message.clone(),
            remedy: self.remedy.clone(),
            count: self.ids.len(),
            left_out: self.left_out.len(),
        }
    }
}

fn told(finding: Finding, found: &dyn Fn(usize) -> FoundPair, named: &dyn Fn(usize) -> String) -> DataFinding {
    let Finding { code, severity, message, remedy, rows, shown, .. } = finding;
    let pairs = shown.iter().take(MOST_FOUND).map(|shown| FoundPair { note: note(shown, named), ..found(shown.row) });
    DataFinding { code, severity, message, remedy, count: rows.len(), pairs: pairs.collect() }
}

/// What was found in a pair, in words.
fn note(shown: &Shown, named: &dyn Fn(usize) -> String) -> Option<String> {
    let Shown { other, jaccard, note, .. } = shown;
    let beside = match (other, jaccard) {
        (Some(other), Some(jaccard)) => Some(format!("like {}: {jaccard:.2}", named(*other))),
        (Some(other), None) => Some(format!("with {}", named(*other))),
        (None, Some(jaccard)) => Some(format!("{jaccard:.2}")),
        (None, None) => None,
    };
    let parts: Vec<String> = beside.into_iter().chain(note.clone()).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

fn shown(pair: &Pair) -> FoundPair {
    let beginning = |content: &Content| content.last_text().chars().take(SHOWN).collect();
    FoundPair {
        id: None,
        place: None,
        note: None,
        prompt: beginning(&pair.prompt),
        chosen: beginning(&pair.chosen),
        rejected: beginning(&pair.rejected),
    }
}
