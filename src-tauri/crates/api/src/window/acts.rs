//! What is done to many pairs at once, each with a way back.

use super::training::composition::named;
use super::training::says_of_all;
use super::types::{ActOnPairs, PairAct, PairIdsOf, PairsActedOn, PairsChosen, UndoAct};
use super::who::signed;
use super::{Backend, OpenProject, checks, locked};
use crate::error::{Error, Result};
use prefs::store::{Project, Upon, has_same_pairs};
use prefs::words;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// Acts that can be undone, of all projects together.
const MOST_KEPT: usize = 32;

/// What was done last.
#[derive(Default)]
pub(super) struct Acts {
    memory: Mutex<Memory>,
    /// One acts at a time: what was looked at is compared with what is there now, and then changed.
    acting: Mutex<()>,
}

impl Acts {
    /// Keeps others from acting until it is dropped.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        locked(&self.acting)
    }
}

#[derive(Default)]
struct Memory {
    kept: VecDeque<(u32, PathBuf, Back)>,
    /// The numbers of those that were undone.
    undone: HashSet<u32>,
    next: u32,
}

/// What undoes an act: pairs, each with the number of the change that is to be undone. What somebody has done to one since stays.
pub(super) enum Back {
    Removed {
        pairs: Vec<(i64, i64)>,
        removed: bool,
    },
    Swapped(Vec<(i64, i64)>),
    Confirmed(Vec<(i64, i64)>),
    /// With the category that each is to have again.
    Categories(Vec<(i64, Option<String>, i64)>),
    Members {
        set: i64,
        pairs: Vec<(i64, i64)>,
        member: bool,
    },
}

impl Back {
    /// How many pairs it is of.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Removed { pairs, .. }
            | Self::Members { pairs, .. }
            | Self::Swapped(pairs)
            | Self::Confirmed(pairs) => pairs.len(),
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
    let (project, who) = (backend.project(&project)?, signed(&who)?);
    let _alone = backend.0.acts.alone();
    let ids = chosen(backend, &project, &project.another_store()?, pairs)?;
    let pairs: Vec<_> = ids.into_iter().map(|id| (id, None)).collect();
    let (back, unsuited) = apply(&project, &pairs, &who, act)?;
    let unchanged = pairs.len() - back.len() - unsuited;
    Ok(PairsActedOn { unchanged, unsuited, ..keep(backend, &project, back)? })
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
    let whatever: Vec<_> = ids.iter().map(|&id| (id, Upon::Anything)).collect();
    let members: Vec<_> = ids.iter().map(|&id| (id, None)).collect();
    let back = match act {
        PairAct::Removed(removed) => {
            Back::Removed { pairs: store.remove_pairs_upon(&whatever, who, removed)?, removed: !removed }
        }
        PairAct::Swapped => {
            let upon = |hash: &Option<String>| hash.clone().map_or(Upon::Anything, Upon::Texts);
            let meant: Vec<_> = pairs.iter().map(|(id, hash)| (*id, upon(hash))).collect();
            let swapped = store.swap_pairs(&meant, who)?;
            let unsuited = pairs.len() - swapped.len();
            return Ok((Back::Swapped(swapped), unsuited));
        }
        PairAct::Confirmed(confirmed) => {
            let found = store.confirm_pairs(&ids, who, confirmed)?;
            return Ok((Back::Confirmed(found.changed), found.unsuited));
        }
        PairAct::Category(name) => {
            let given: Vec<_> = ids.iter().map(|&id| (id, name.clone(), Upon::Anything)).collect();
            Back::Categories(store.set_categories_upon(&given, who)?)
        }
        PairAct::IntoSet(set) => {
            Back::Members { set, pairs: store.set_members_upon(set, &members, who, true)?, member: false }
        }
        PairAct::OutOfSet(set) => {
            Back::Members { set, pairs: store.set_members_upon(set, &members, who, false)?, member: true }
        }
    };
    Ok((back, 0))
}

/// Undoes an act. What it gives undoes the undoing.
pub(super) fn undo_act(backend: &Backend, request: UndoAct) -> Result<PairsActedOn> {
    let UndoAct { project, who, act } = request;
    let (project, who) = (backend.project(&project)?, signed(&who)?);
    let _alone = backend.0.acts.alone();
    let back = taken(backend, &project, act)?;
    let mut store = project.another_store()?;
    let asked = back.len();
    let upon = |pairs: Vec<(i64, i64)>| -> Vec<(i64, Upon)> {
        pairs.into_iter().map(|(id, change)| (id, Upon::Change(change))).collect()
    };
    let back = match back {
        Back::Removed { pairs, removed } => {
            Back::Removed { pairs: store.remove_pairs_upon(&upon(pairs), &who, removed)?, removed: !removed }
        }
        Back::Swapped(pairs) => Back::Swapped(store.swap_pairs(&upon(pairs), &who)?),
        Back::Confirmed(pairs) => Back::Confirmed(store.undo_confirmations(&pairs, &who)?),
        Back::Categories(had) => {
            let given: Vec<_> = had.into_iter().map(|(id, had, change)| (id, had, Upon::Change(change))).collect();
            Back::Categories(store.set_categories_upon(&given, &who)?)
        }
        Back::Members { set, pairs, member } => {
            let pairs: Vec<_> = pairs.into_iter().map(|(id, change)| (id, Some(change))).collect();
            Back::Members { set, pairs: store.set_members_upon(set, &pairs, &who, member)?, member: !member }
        }
    };
    let unchanged = asked - back.len();
    Ok(PairsActedOn { unchanged, ..keep(backend, &project, back)? })
}

/// What undoes an act, which then cannot be undone any more.
fn taken(backend: &Backend, project: &OpenProject, act: u32) -> Result<Back> {
    let mut memory = locked(&backend.0.acts.memory);
    let at = memory.kept.iter().position(|(known, of, _)| *known == act && of == project.folder());
    if let Some((.., back)) = at.and_then(|at| memory.kept.remove(at)) {
        memory.undone.insert(act);
        return Ok(back);
    }
    let (message, hint) = if memory.undone.contains(&act) {
        ("this was undone already", "Look at the list again: it shows the pairs as they are now.")
    } else {
        ("what is to be undone is too long ago: the last few things can be", "Choose the pairs and do the opposite.")
    };
    Err(Error::new("act_gone", message, hint))
}

/// Keeps what undoes an act, and tells the page that pairs have changed.
pub(super) fn keep(backend: &Backend, project: &OpenProject, back: Back) -> Result<PairsActedOn> {
    let (changed, seen) = (back.len(), project.store().mark()?);
    let is_removal = matches!(back, Back::Removed { .. });
    let mut memory = locked(&backend.0.acts.memory);
    memory.next += 1;
    let act = memory.next;
    memory.kept.push_back((act, project.folder().to_path_buf(), back));
    if memory.kept.len() > MOST_KEPT {
        memory.kept.pop_front();
    }
    drop(memory);
    backend.changed(project);
    let says = if is_removal { says_of_all(backend, project)? } else { Vec::new() };
    Ok(PairsActedOn { act, changed, unchanged: 0, unsuited: 0, elsewhere: 0, again: 0, says, seen })
}

/// The pairs that are meant, each once. All that a list shows are those that it was seen to show.
fn chosen(backend: &Backend, project: &OpenProject, store: &Project, pairs: PairsChosen) -> Result<Vec<i64>> {
    let PairsChosen { ids, query, finding, expected, seen } = pairs;
    let Some(query) = query else {
        let ids: Vec<i64> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        seen.map_or(Ok(()), |seen| check_seen(store, &seen, &ids))?;
        return Ok(ids);
    };
    let among = finding.map(|finding| checks::ids(backend, project, finding.check, finding.code)).transpose()?;
    let found = store.matching(&query, among.as_deref())?;
    check_expected(found.len(), expected)?;
    if let Some(seen) = seen {
        check_seen(store, &seen, &found)?;
        check_same(&seen, &found)?;
    }
    Ok(found)
}

/// Refuses to act on pairs that somebody has changed since they were looked at.
pub(super) fn check_seen(store: &Project, seen: &str, ids: &[i64]) -> Result<()> {
    let changed = store.changed_since(seen, ids)?;
    if changed.is_empty() {
        return Ok(());
    }
    let was = if changed.len() == 1 { "was" } else { "were" };
    let message =
        format!("{} {was} changed since you looked at the list: {}", words::pairs(changed.len()), named(&changed));
    Err(Error::new("list_changed", message, "Nothing was done. Look at them as they are now, then choose them again."))
}

/// Refuses to act on a list that has other pairs than it had when it was looked at.
pub(super) fn check_same(seen: &str, found: &[i64]) -> Result<()> {
    if has_same_pairs(seen, found) {
        return Ok(());
    }
    let message = "the list has other pairs now than when they were chosen, though as many";
    Err(Error::new("list_changed", message, "Nothing was done. Look at the list again, then choose them again."))
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
