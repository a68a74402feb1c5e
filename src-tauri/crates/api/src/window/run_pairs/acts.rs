//! What is done to many pairs of a run at once, as the project has them now.

use super::super::Backend;
use super::super::acts::{apply, check_expected, check_same, check_seen, keep};
use super::super::types::{ActOnRunPairs, PairAct, PairsActedOn, RunPairsOf};
use super::super::who::signed;
use super::queue::{Queued, Standing, not_scored, queue};
use super::subject::Subject;
use crate::error::{Error, Result};
use prefs::words;
use std::collections::{BTreeMap, HashSet};

/// The project's pair of each row of a part of the list; none where it has no such pair.
pub(in crate::window) fn run_pair_ids(backend: &Backend, request: RunPairsOf) -> Result<Vec<Option<i64>>> {
    let RunPairsOf { query, offset, limit } = request;
    let project = backend.project(&query.project)?;
    let subject = Subject::find(backend, &project, &query.run, query.by)?;
    let queue = queue(backend, &project, &subject, query.by)?.ok_or_else(not_scored)?;
    let places = queue.arranged(&project, &subject, &query)?;
    Ok(places.iter().skip(offset).take(limit).map(|&place| queue.pairs[place].place.id).collect())
}

/// Does something to many pairs of a run, to all of them or to none.
pub(in crate::window) fn act_on_run_pairs(backend: &Backend, request: ActOnRunPairs) -> Result<PairsActedOn> {
    let ActOnRunPairs { query, who, ids, expected, act, seen } = request;
    let (project, who) = (backend.project(&query.project)?, signed(&who)?);
    let subject = Subject::find(backend, &project, &query.run, query.by)?;
    let _alone = backend.0.acts.alone();
    let queue = queue(backend, &project, &subject, query.by)?.ok_or_else(not_scored)?;
    let places = queue.arranged(&project, &subject, &query)?;
    let is_all = ids.is_none();
    let shown = places.iter().map(|&place| &queue.pairs[place]);
    let chosen = if let Some(ids) = ids {
        Chosen::named(shown, ids)?
    } else {
        check_expected(places.len(), expected)?;
        Chosen::of(shown)
    };
    if let Some(seen) = seen {
        let ids: Vec<i64> = chosen.pairs.keys().copied().collect();
        check_seen(&project.store(), &seen, &ids)?;
        if is_all {
            check_same(&seen, &queue.ids(&places))?;
        }
    }
    let asked = chosen.pairs.len();
    let pairs = chosen.meant(&act);
    let (back, unsuited) = apply(&project, &pairs, &who, act)?;
    let unchanged = asked - back.len() - unsuited;
    let Chosen { elsewhere, again, .. } = chosen;
    Ok(PairsActedOn { unchanged, unsuited, elsewhere, again, ..keep(backend, &project, back)? })
}

/// Rows of a run as pairs of the project, each once.
#[derive(Default)]
struct Chosen {
    pairs: BTreeMap<i64, AsItWas>,
    elsewhere: usize,
    again: usize,
}

/// A pair as the run had it.
struct AsItWas {
    hash: String,
    /// The project has it the other way round now.
    is_swapped: bool,
}

impl Chosen {
    fn of<'a>(rows: impl Iterator<Item = &'a Queued>) -> Self {
        let mut all = Self::default();
        for row in rows {
            let Some(id) = row.place.id else {
                all.elsewhere += 1;
                continue;
            };
            // Of two rows that are one pair, the one that it is now says what is meant.
            all.again += usize::from(all.pairs.contains_key(&id));
            if row.standing == Standing::Same || !all.pairs.contains_key(&id) {
                let is_swapped = row.standing == Standing::Swapped;
                all.pairs.insert(id, AsItWas { hash: row.hash.clone(), is_swapped });
            }
        }
        all
    }

    /// Those with these numbers: rows of one pair were chosen as one.
    fn named<'a>(shown: impl Iterator<Item = &'a Queued>, ids: Vec<i64>) -> Result<Self> {
        let ids: HashSet<i64> = ids.into_iter().collect();
        let named = Self::of(shown.filter(|row| row.place.id.is_some_and(|id| ids.contains(&id))));
        match ids.len() - named.pairs.len() {
            0 => Ok(Self { again: 0, ..named }),
            gone => {
                let gone = words::counted(gone, "chosen pair is", "chosen pairs are");
                let message = format!("{gone} not in this list any more");
                Err(Error::new("list_changed", message, "Choose none, look at the list again, then choose them again."))
            }
        }
    }

    /// Those that something is to be done to. A pair that has been swapped since the run is not swapped back, and one that has
    /// other texts now is left as it is.
    fn meant(&self, act: &PairAct) -> Vec<(i64, Option<String>)> {
        let swaps = *act == PairAct::Swapped;
        let meant = self.pairs.iter().filter(|(_, pair)| !(swaps && pair.is_swapped));
        meant.map(|(&id, pair)| (id, swaps.then(|| pair.hash.clone()))).collect()
    }
}
