//! What is done to many pairs at once, each with a way back.

use super::training::says_of_all;
use super::types::{ActOnPairs, PairAct, PairIdsOf, PairsActedOn, PairsChosen, UndoAct};
use super::who::signed;
use super::words::counted;
use super::{Backend, OpenProject, checks, locked};
use crate::error::{Error, Result};
use prefs::store::Project;
use std::collections::VecDeque;
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
enum Back {
    Removed {
        ids: Vec<i64>,
        removed: bool,
    },
    /// Each pair with the category that it is to have again, and the one that it was given.
    Categories(Vec<(i64, Option<String>, Option<String>)>),
    Members {
        set: i64,
        ids: Vec<i64>,
        member: bool,
    },
}

impl Back {
    fn len(&self) -> usize {
        match self {
            Self::Removed { ids, .. } | Self::Members { ids, .. } => ids.len(),
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
    // Many pairs take seconds: labelling goes on meanwhile.
    let mut store = project.another_store()?;
    let ids = chosen(backend, &project, &store, pairs)?;
    let back = match act {
        PairAct::Removed(removed) => Back::Removed { ids: store.remove_pairs(&ids, &who, removed)?, removed: !removed },
        PairAct::Category(name) => {
            let given: Vec<_> = ids.iter().map(|&id| (id, name.clone())).collect();
            let had = store.set_categories(&given, &who)?;
            Back::Categories(had.into_iter().map(|(id, had)| (id, had, name.clone())).collect())
        }
        PairAct::IntoSet(set) => Back::Members { set, ids: store.set_members(set, &ids, &who, true)?, member: false },
        PairAct::OutOfSet(set) => Back::Members { set, ids: store.set_members(set, &ids, &who, false)?, member: true },
    };
    keep(backend, &project, ids.len(), back)
}

/// Undoes an act. What it gives undoes the undoing.
pub(super) fn undo_act(backend: &Backend, request: UndoAct) -> Result<PairsActedOn> {
    let UndoAct { project, who, act } = request;
    let (project, who) = (backend.project(&project)?, signed(&who)?);
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
        Back::Categories(changes) => {
            // What somebody said of a pair since stays.
            let mut own = Vec::new();
            for (id, had, gave) in changes {
                if store.pair(id)?.category == gave {
                    own.push((id, had, gave));
                }
            }
            let given: Vec<_> = own.iter().map(|(id, had, _)| (*id, had.clone())).collect();
            store.set_categories(&given, &who)?;
            Back::Categories(own.into_iter().map(|(id, had, gave)| (id, gave, had)).collect())
        }
        Back::Members { set, ids, member } => {
            Back::Members { set, ids: store.set_members(set, &ids, &who, member)?, member: !member }
        }
    };
    let mut undone = keep(backend, &project, asked, back)?;
    if undone.unchanged > 0 {
        let stay = if undone.unchanged == 1 { "stays as it is" } else { "stay as they are" };
        let pairs = counted(undone.unchanged, "pair was", "pairs were");
        undone.says.insert(0, format!("{pairs} changed otherwise since, and {stay}"));
    }
    Ok(undone)
}

fn keep(backend: &Backend, project: &OpenProject, asked: usize, back: Back) -> Result<PairsActedOn> {
    let changed = back.len();
    let is_removal = matches!(back, Back::Removed { .. });
    let mut memory = locked(&backend.0.acts.0);
    memory.next += 1;
    let act = memory.next;
    memory.kept.push_back((act, project.folder().to_path_buf(), back));
    if memory.kept.len() > MOST_KEPT {
        memory.kept.pop_front();
    }
    drop(memory);
    backend.changed(project);
    let says = if is_removal { says_of_all(backend, project)? } else { Vec::new() };
    Ok(PairsActedOn { act, changed, unchanged: asked - changed, says })
}

/// The pairs that are meant. All that a list shows are those that it was seen to show.
fn chosen(backend: &Backend, project: &OpenProject, store: &Project, pairs: PairsChosen) -> Result<Vec<i64>> {
    let PairsChosen { ids, query, finding, expected } = pairs;
    let Some(query) = query else { return Ok(ids) };
    let among = finding.map(|finding| checks::ids(backend, project, finding.check, finding.code)).transpose()?;
    let found = store.matching(&query, among.as_deref())?;
    if found.len() != expected {
        let message = format!("{} pairs match now, and {expected} did when they were chosen", found.len());
        return Err(Error::new("list_changed", message, "Look at the list again, then choose them again."));
    }
    Ok(found)
}
