//! Which of a project's pairs a run is made of: one place, for the run itself, its plan and its checks.

mod asked;
mod words;

use super::super::types::{RunData, SetInRun};
use super::start::{Parts, no_pairs};
use crate::error::{Error, Result};
use prefs::Pair;
use prefs::checks::fingerprint;
use prefs::split::{self, Part};
use prefs::store::{Import, PairQuery, PairSet, Project, Prompts, SetDefinition, SourcedPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(crate) use asked::{Asked, asked, together};
pub(crate) use words::{by_import, listed, named, pairs_in_words};

/// The most often that a pair may be met in an epoch.
const MOST_TIMES: f64 = 100.0;

/// What is said of a weight that is none.
pub(super) const WEIGHT_HINT: &str = "Give a number above 0, up to 100; 0.5 is every second pair.";

/// Whether pairs can be met so often in an epoch.
pub(super) fn is_weight(times: f64) -> bool {
    times > 0.0 && times <= MOST_TIMES
}

/// A number as it was written, but for one of hundreds of digits.
pub(super) fn in_digits(number: f64) -> String {
    if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}") }
}

/// The pairs of a run.
#[derive(Debug, Default)]
pub(crate) struct Composed {
    /// Those that are trained on or held out.
    pub(crate) pairs: Vec<SourcedPair>,
    /// Places in `pairs` of those to train on, in their order; one that is met several times in an epoch stands there as often.
    pub(crate) train: Vec<usize>,
    /// Places in `pairs` of those held out, in their order.
    pub(crate) held_out: Vec<usize>,
    /// Prompts that are held out and of none of these pairs.
    pub(crate) asked: Prompts,
    /// What it is made of.
    pub(crate) record: Record,
}

/// What a run is made of, as it is kept with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<RunData>,
    /// The sets that it names, as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sets: Vec<SetRecord>,
    /// What is trained on, held out or left out and why, as sentences without a full stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) says: Vec<String>,
    /// What is to be kept in mind with its numbers, as sentences without a full stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warns: Vec<String>,
    /// By which its pairs were divided: in a sweep not that of each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
}

/// A set as it was when a run was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetRecord {
    pub(crate) set: i64,
    pub(crate) name: String,
    pub(crate) definition: SetDefinition,
    /// Pairs of it that could be trained on.
    pub(crate) pairs: usize,
    /// A digest of their numbers.
    pub(crate) digest: String,
}

impl Composed {
    /// The pairs themselves.
    pub(crate) fn parts(self) -> Parts {
        let of = |rows: &[usize]| rows.iter().map(|&row| self.pairs[row].pair.clone()).collect();
        Parts { train: of(&self.train), held_out: of(&self.held_out), asked: self.asked, record: self.record }
    }

    /// The places of those to train on, each once.
    pub(crate) fn trained_once(&self) -> Vec<usize> {
        let mut seen = HashSet::new();
        self.train.iter().copied().filter(|row| seen.insert(*row)).collect()
    }
}

/// A set that a run names, with the pairs that it has now.
struct Named {
    set: PairSet,
    pairs: HashSet<i64>,
}

/// The project's pairs as a run divides them: those of files that are marked as held out, and of a set that is, are held out; of
/// the others a share. What such a file asks in a row that is no pair to train on is not trained on either.
///
/// # Errors
/// When a set is gone, a weight is none, or the project cannot be read.
pub(crate) fn compose(store: &Project, share: f64, seed: u64, data: Option<&RunData>) -> Result<Composed> {
    let mut pairs = store.training_pairs()?;
    let data = data.filter(|data| **data != RunData::default());
    let mut sets: BTreeMap<i64, Named> = BTreeMap::new();
    let wanted = data.map_or(&[][..], |data| data.train.as_slice());
    let held_out_set = data.and_then(|data| data.held_out);
    for set in wanted.iter().map(|wanted| wanted.set).chain(held_out_set) {
        let trained: HashSet<i64> = pairs.iter().map(|sourced| sourced.id).collect();
        let pairs = store.pairs_of_set(set)?.into_iter().filter(|id| trained.contains(id)).collect();
        sets.insert(set, Named { set: store.set(set)?, pairs });
    }
    let weights = Weights::of(wanted, &sets)?;
    let marks = store.held_out_by_imports()?;
    let is_out = |id: i64| marks.contains_key(&id) || held_out_set.is_some_and(|set| sets[&set].pairs.contains(&id));
    // What no set has and no mark holds out is not of this run.
    let others = pairs.len();
    pairs.retain(|sourced| is_out(sourced.id) || weights.of_pair(sourced.id) > 0.0);
    let others = others - pairs.len();
    let marked: Vec<bool> = pairs.iter().map(|sourced| is_out(sourced.id)).collect();
    let contents: Vec<&Pair> = pairs.iter().map(|sourced| &sourced.pair).collect();
    let held_out_prompts: Prompts = contents
        .iter()
        .zip(&marked)
        .filter(|(_, marked)| **marked)
        .map(|(pair, _)| fingerprint(&pair.prompt))
        .collect();
    // Those of a pair that is held out need not be told of.
    let mut asked = asked(store, held_out_set)?;
    for asked in &mut asked {
        asked.prompts.retain(|prompt| !held_out_prompts.contains(prompt));
    }
    asked.retain(|asked| !asked.prompts.is_empty());
    let all_asked = together(&asked);
    let parts = split::divide(&contents, &marked, &all_asked, share, seed);
    let left_out: Vec<i64> = ids_of(&pairs, &parts, Part::LeftOut);
    let (times, not_drawn) = times(&pairs, &parts, &weights, seed);
    let imports = if marks.is_empty() && asked.is_empty() { Vec::new() } else { store.imports()? };
    let left_out_for = left_out_for(&pairs, &parts, &asked, |id| match marks.get(&id) {
        Some(import) => imports.iter().find(|of| of.id == *import).map(asked::called),
        None => held_out_set.filter(|_| is_out(id)).map(|set| sets[&set].set.name.clone()),
    });
    let told = words::Told {
        unknown_of: imports
            .iter()
            .filter(|import| import.state.held_out && !import.state.taken_back)
            .cloned()
            .collect(),
        imports: holding_out(&imports, &pairs, &marks),
        left_out_for,
        asked,
        by_file: pairs.iter().filter(|sourced| marks.contains_key(&sourced.id)).count(),
        by_set: held_out_set.map(|set| {
            let of_it = |sourced: &&SourcedPair| !marks.contains_key(&sourced.id) && is_out(sourced.id);
            (sets[&set].set.name.clone(), pairs.iter().filter(of_it).count())
        }),
        by_share: parts.iter().zip(&marked).filter(|(part, marked)| **part == Part::HeldOut && !**marked).count(),
        sets: wanted
            .iter()
            .map(|wanted| (sets[&wanted.set].set.name.clone(), sets[&wanted.set].pairs.len(), wanted.times))
            .collect(),
        in_several: weights.in_several,
        not_drawn,
        met: times.iter().sum(),
        others: if wanted.is_empty() { 0 } else { others },
        left_out,
        but_for_the_system: but_for_the_system(&pairs, &parts, &times),
        seed,
    };
    let record = Record {
        data: data.cloned(),
        sets: sets.into_values().map(|named| set_record(named.set, named.pairs)).collect(),
        says: told.say(store)?,
        warns: Vec::new(),
        seed: Some(seed),
    };
    let mut kept = Composed { record, asked: all_asked, ..Composed::default() };
    let mut left = Vec::new();
    for ((sourced, part), times) in pairs.into_iter().zip(parts).zip(times) {
        if part == Part::HeldOut {
            kept.held_out.push(kept.pairs.len());
        }
        if part == Part::HeldOut || times > 0 {
            kept.pairs.push(sourced);
            left.push(times);
        }
    }
    // All of them once, then all that are met again.
    while left.iter().any(|times| *times > 0) {
        for (row, times) in left.iter_mut().enumerate().filter(|(_, times)| **times > 0) {
            kept.train.push(row);
            *times -= 1;
        }
    }
    Ok(kept)
}

/// Pairs to train on that ask what held-out ones do, but for a system's message.
fn but_for_the_system(pairs: &[SourcedPair], parts: &[Part], times: &[usize]) -> Vec<i64> {
    let of = |wanted: Part| (0..pairs.len()).filter(move |&row| parts[row] == wanted);
    let trained: Vec<usize> = of(Part::Train).filter(|&row| times[row] > 0).collect();
    let held_out: Vec<&Pair> = of(Part::HeldOut).map(|row| &pairs[row].pair).collect();
    let contents: Vec<&Pair> = trained.iter().map(|&row| &pairs[row].pair).collect();
    let near = prefs::checks::but_for_the_system(&contents, &held_out);
    near.into_iter().map(|place| pairs[trained[place]].id).collect()
}

fn ids_of(pairs: &[SourcedPair], parts: &[Part], wanted: Part) -> Vec<i64> {
    pairs.iter().zip(parts).filter(|(_, part)| **part == wanted).map(|(sourced, _)| sourced.id).collect()
}

/// How often pairs are met in an epoch.
struct Weights {
    /// By the pair's number; none where all pairs are met once.
    of: Option<HashMap<i64, f64>>,
    /// Pairs that are in more than one of the sets: each counts once, by the larger weight.
    in_several: usize,
}

impl Weights {
    fn of(wanted: &[SetInRun], sets: &BTreeMap<i64, Named>) -> Result<Self> {
        if wanted.is_empty() {
            return Ok(Self { of: None, in_several: 0 });
        }
        let mut of = HashMap::new();
        let mut several = HashSet::new();
        for (at, SetInRun { set, times }) in wanted.iter().enumerate() {
            let name = &sets[set].set.name;
            if !is_weight(*times) {
                let message = format!("the pairs of {name} are to be met {} times in an epoch", in_digits(*times));
                return Err(Error::new("set_weight", message, WEIGHT_HINT));
            }
            if wanted[..at].iter().any(|before| before.set == *set) {
                let message = format!("the set {name} is named twice");
                return Err(Error::new("set_twice", message, "Name it once, with the weight that is meant."));
            }
            for id in &sets[set].pairs {
                if let Some(before) = of.insert(*id, *times) {
                    several.insert(*id);
                    of.insert(*id, times.max(before));
                }
            }
        }
        Ok(Self { of: Some(of), in_several: several.len() })
    }

    fn of_pair(&self, id: i64) -> f64 {
        self.of.as_ref().map_or(1.0, |of| of.get(&id).copied().unwrap_or(0.0))
    }
}

/// How often each pair is met in an epoch, and how many to train on are not, as a weight below 1 did not draw them.
fn times(pairs: &[SourcedPair], parts: &[Part], weights: &Weights, seed: u64) -> (Vec<usize>, usize) {
    let mut times = vec![0; pairs.len()];
    let mut by_weight: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for row in (0..pairs.len()).filter(|&row| parts[row] == Part::Train) {
        by_weight.entry(weights.of_pair(pairs[row].id).to_bits()).or_default().push(row);
    }
    let mut not_drawn = 0;
    for (weight, mut rows) in by_weight {
        let weight = f64::from_bits(weight);
        let once_more = (weight.fract() * rows.len() as f64).round() as usize;
        rows.sort_by_cached_key(|&row| {
            let id = pairs[row].id;
            Sha256::new().chain_update(seed.to_le_bytes()).chain_update(id.to_le_bytes()).finalize().to_vec()
        });
        for (place, row) in rows.into_iter().enumerate() {
            times[row] = weight.trunc() as usize + usize::from(place < once_more);
            not_drawn += usize::from(times[row] == 0);
        }
    }
    (times, not_drawn)
}

fn set_record(set: PairSet, pairs: HashSet<i64>) -> SetRecord {
    let PairSet { id, name, definition, .. } = set;
    SetRecord { set: id, name, definition, pairs: pairs.len(), digest: digest(pairs) }
}

fn digest(pairs: HashSet<i64>) -> String {
    let mut ids: Vec<i64> = pairs.into_iter().collect();
    ids.sort_unstable();
    let mut digest = Sha256::new();
    for id in ids {
        digest.update(id.to_le_bytes());
    }
    format!("{:x}", digest.finalize())
}

/// What has become of the sets that a run was made of, as sentences without a full stop.
///
/// # Errors
/// When the project cannot be read.
pub(super) fn changed_sets(store: &Project, record: &Record) -> Result<Vec<String>> {
    let sets = store.sets()?;
    let trained: HashSet<i64> = if record.sets.is_empty() {
        HashSet::new()
    } else {
        store.matching(&PairQuery::default(), None)?.into_iter().collect()
    };
    let mut says = Vec::new();
    for was in &record.sets {
        let Some(now) = sets.iter().find(|set| set.id == was.set) else {
            says.push(format!("the set {} was removed since", was.name));
            continue;
        };
        let called = if now.name == was.name { was.name.clone() } else { format!("{} (now {})", was.name, now.name) };
        let pairs: HashSet<i64> = store.pairs_of_set(was.set)?.into_iter().filter(|id| trained.contains(id)).collect();
        let count = pairs.len();
        if now.definition != was.definition {
            says.push(format!(
                "the set {called} is another since: its filter or its subset was changed; it had {} and has {count} now",
                pairs_in_words(was.pairs)
            ));
        } else if digest(pairs) != was.digest {
            says.push(format!(
                "the set {called} had {} and has {count} now, not all of them the same",
                pairs_in_words(was.pairs)
            ));
        }
    }
    Ok(says)
}

/// Refuses what nothing can be trained on.
///
/// # Errors
/// When there are no pairs, or all of them are held out.
pub(crate) fn refuse_nothing(composed: &Composed) -> Result<()> {
    if composed.pairs.is_empty() && composed.record.data.is_none() {
        return Err(no_pairs());
    }
    if composed.train.is_empty() {
        let message = "of these pairs none is left to train on: all are held out or left out";
        let hint = "Train on more pairs, or hold out fewer.";
        return Err(Error::new("no_pairs", message, hint));
    }
    Ok(())
}

/// The imports that are held out and hold out something of `pairs`.
fn holding_out(imports: &[Import], pairs: &[SourcedPair], marks: &HashMap<i64, i64>) -> Vec<Import> {
    let at_work: HashSet<i64> = pairs.iter().filter_map(|sourced| marks.get(&sourced.id).copied()).collect();
    imports.iter().filter(|import| at_work.contains(&import.id)).cloned().collect()
}

/// What the files and sets are called that ask what pairs are left out for: `owner` says it of a pair that is held out.
fn left_out_for(
    pairs: &[SourcedPair],
    parts: &[Part],
    asked: &[Asked],
    owner: impl Fn(i64) -> Option<String>,
) -> Vec<String> {
    let of = |wanted: Part| pairs.iter().zip(parts).filter(move |(_, part)| **part == wanted).map(|(pair, _)| pair);
    let prompts: Prompts = of(Part::LeftOut).map(|sourced| fingerprint(&sourced.pair.prompt)).collect();
    let mut names = Vec::new();
    if prompts.is_empty() {
        return names;
    }
    let pairs = of(Part::HeldOut).filter(|sourced| prompts.contains(&fingerprint(&sourced.pair.prompt)));
    let rows = asked.iter().filter(|asked| !asked.prompts.is_disjoint(&prompts)).map(|asked| asked.name.clone());
    for name in pairs.filter_map(|sourced| owner(sourced.id)).chain(rows) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
