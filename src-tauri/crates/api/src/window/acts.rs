//! What is done to many pairs at once, each with a way back.

use super::types::{ActOnPairs, PairAct, PairIdsOf, PairsActedOn, PairsChosen, UndoAct};
use super::{Backend, OpenProject, checks, locked};
use crate::error::{Error, Result};
use prefs::store::Project;
use prefs::words;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Mutex;

/// Acts that can be undone, of all projects together.
const MOST_KEPT: usize = 8;

/// What was done last.
#[derive(Default)]
pub(super) struct Acts(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    kept: VecDeque<(u32, PathBuf, Back)>,
    next: u32,
}

/// What undoes an act.
pub(super) enum Back {
    Removed {
        ids: Vec<i64>,
        removed: bool,
    },
    /// With the hash of the texts that each was left with.
    Swapped(Vec<(i64, String)>),
    Confirmed {
        ids: Vec<i64>,
        confirmed: bool,
    },
    Categories(Vec<(i64, Option<String>)>),
    Members {
        set: i64,
        ids: Vec<i64>,
        member: bool,
    },
}

impl Back {
    /// How many pairs it is of.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Removed { ids, .. } | Self::Confirmed { ids, .. } | Self::Members { ids, .. } => ids.len(),
            Self::Swapped(left) => left.len(),
            Self::Categories(had) => had.len(),
        }
    }
}

/// The numbers of a part of the pairs that a query finds.
pub(super) fn pair_ids(backend: &Backend, request: PairIdsOf) -> Result<Vec<i64>> {
    let PairIdsOf { project, query, finding } = request;
    let project = backend.project(&project)?;
    let among = finding.map(|finding| checks::ids(backend, &project, finding.check, finding.code)).transpose()?;
    let ids = project.another_store()?.matching(&query, among.as_deref())?;
    Ok(ids.into_iter().skip(query.offset).take(query.limit).collect())
}

/// Does something to many pairs, to all of them or to none.
pub(super) fn act_on_pairs(backend: &Backend, request: ActOnPairs) -> Result<PairsActedOn> {
    let ActOnPairs { project, who, pairs, act } = request;
    let project = backend.project(&project)?;
    let ids = chosen(backend, &project, &project.another_store()?, pairs)?;
    let pairs: Vec<_> = ids.into_iter().map(|id| (id, None)).collect();
    let (back, unsuited) = apply(&project, &pairs, &who, act)?;
    let unchanged = pairs.len() - back.len() - unsuited;
    Ok(PairsActedOn { unchanged, unsuited, ..keep(backend, &project, back) })
}

/// Does something to pairs, each of which stands here once, with the hash of the texts that are meant where others are not to be
/// swapped. Gives what undoes this, and of how many it cannot be done.
pub(super) fn apply(
    project: &OpenProject,
    pairs: &[(i64, Option<String>)],
    who: &str,
    act: PairAct,
) -> Result<(Back, usize)> {
    // Many pairs take seconds: labelling goes on meanwhile.
    let mut store = project.another_store()?;
    let ids: Vec<i64> = pairs.iter().map(|(id, _)| *id).collect();
    let back = match act {
        PairAct::Removed(removed) => Back::Removed { ids: store.remove_pairs(&ids, who, removed)?, removed: !removed },
        PairAct::Swapped => {
            let swapped = store.swap_pairs(pairs, who)?;
            let unsuited = pairs.len() - swapped.len();
            return Ok((Back::Swapped(swapped), unsuited));
        }
        PairAct::Confirmed(confirmed) => {
            let found = store.confirm_pairs(&ids, who, confirmed)?;
            return Ok((Back::Confirmed { ids: found.changed, confirmed: !confirmed }, found.unsuited));
        }
        PairAct::Category(name) => {
            let given: Vec<_> = ids.iter().map(|&id| (id, name.clone())).collect();
            Back::Categories(store.set_categories(&given, who)?)
        }
        PairAct::IntoSet(set) => Back::Members { set, ids: store.set_members(set, &ids, who, true)?, member: false },
        PairAct::OutOfSet(set) => Back::Members { set, ids: store.set_members(set, &ids, who, false)?, member: true },
    };
    Ok((back, 0))
}

/// Undoes an act. What it gives undoes the undoing.
pub(super) fn undo_act(backend: &Backend, request: UndoAct) -> Result<PairsActedOn> {
    let UndoAct { project, who, act } = request;
    let project = backend.project(&project)?;
    let kept = {
        let mut memory = locked(&backend.0.acts.0);
        let at = memory.kept.iter().position(|(known, of, _)| *known == act && of == project.folder());
        at.and_then(|at| memory.kept.remove(at))
    };
    let Some((.., back)) = kept else {
        let message = "what is to be undone is too long ago: the last few things can be";
        return Err(Error::new("act_gone", message, "Choose the pairs and do the opposite."));
    };
    let mut store = project.another_store()?;
    let asked = back.len();
    let back = match back {
        Back::Removed { ids, removed } => {
            Back::Removed { ids: store.remove_pairs(&ids, &who, removed)?, removed: !removed }
        }
        Back::Swapped(left) => {
            let left: Vec<_> = left.into_iter().map(|(id, hash)| (id, Some(hash))).collect();
            Back::Swapped(store.swap_pairs(&left, &who)?)
        }
        Back::Confirmed { ids, confirmed } => {
            Back::Confirmed { ids: store.confirm_pairs(&ids, &who, confirmed)?.changed, confirmed: !confirmed }
        }
        Back::Categories(had) => Back::Categories(store.set_categories(&had, &who)?),
        Back::Members { set, ids, member } => {
            Back::Members { set, ids: store.set_members(set, &ids, &who, member)?, member: !member }
        }
    };
    let unchanged = asked - back.len();
    Ok(PairsActedOn { unchanged, ..keep(backend, &project, back) })
}

/// Keeps what undoes an act, and tells the page that pairs have changed.
pub(super) fn keep(backend: &Backend, project: &OpenProject, back: Back) -> PairsActedOn {
    let changed = back.len();
    let mut memory = locked(&backend.0.acts.0);
    memory.next += 1;
    let act = memory.next;
    memory.kept.push_back((act, project.folder().to_path_buf(), back));
    if memory.kept.len() > MOST_KEPT {
        memory.kept.pop_front();
    }
    drop(memory);
    backend.changed(project);
    PairsActedOn { act, changed, unchanged: 0, unsuited: 0, elsewhere: 0, again: 0 }
}

/// The pairs that are meant, each once. All that a list shows are those that it was seen to show.
fn chosen(backend: &Backend, project: &OpenProject, store: &Project, pairs: PairsChosen) -> Result<Vec<i64>> {
    let PairsChosen { ids, query, finding, expected } = pairs;
    let Some(query) = query else { return Ok(ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()) };
    let among = finding.map(|finding| checks::ids(backend, project, finding.check, finding.code)).transpose()?;
    let found = store.matching(&query, among.as_deref())?;
    check_expected(found.len(), expected)?;
    Ok(found)
}

/// Refuses to act on another list than the one that was looked at.
pub(super) fn check_expected(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let message = format!(
        "{} now, and {expected} did when they were chosen",
        words::counted(found, "pair matches", "pairs match")
    );
    Err(Error::new("list_changed", message, "Look at the list again, then choose them again."))
}
