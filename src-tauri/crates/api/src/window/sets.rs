//! Sets of pairs with names.

use super::Backend;
use super::types::{InProject, PairSetView, RemoveSet, SaveSet, SavedSet};
use super::who::signed;
use crate::error::{Error, Result};
use prefs::store::{PairSet, Project};
use std::collections::HashSet;

/// All sets of a project with how many pairs they have now.
pub(super) fn pair_sets(backend: &Backend, request: InProject) -> Result<Vec<PairSetView>> {
    let project = backend.project(&request.project)?;
    let store = project.another_store()?;
    let sets = store.sets()?;
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let trained: HashSet<i64> = store.matching(&prefs::store::PairQuery::default(), None)?.into_iter().collect();
    sets.into_iter().map(|set| view(&store, set, &trained)).collect()
}

fn view(store: &Project, set: PairSet, trained: &HashSet<i64>) -> Result<PairSetView> {
    let pairs = store.pairs_of_set(set.id)?;
    let count = pairs.iter().filter(|id| trained.contains(id)).count();
    let of = store.count_of_set(&set)?;
    let PairSet { id, name, definition, at } = set;
    Ok(PairSetView { set: id, name, definition, at, count, not_trained_on: pairs.len() - count, of })
}

/// Makes a set, or changes one.
pub(super) fn save_set(backend: &Backend, request: SaveSet) -> Result<SavedSet> {
    let SaveSet { project, who, set, name, definition, at } = request;
    let project = backend.project(&project)?;
    let set = project.another_store()?.save_set_upon(set, at, &signed(&who)?, &name, &definition)?;
    backend.changed(&project);
    Ok(SavedSet { set })
}

/// Removes a set, or brings it back. Its pairs stay what they are.
pub(super) fn remove_set(backend: &Backend, request: RemoveSet) -> Result<SavedSet> {
    let RemoveSet { project, who, set, removed } = request;
    let project = backend.project(&project)?;
    let (mut store, who) = (project.another_store()?, signed(&who)?);
    store.remove_set(set, &who, removed)?;
    let sets = store.sets()?;
    let own = sets.iter().find(|known| known.id == set);
    if let Some(other) = own.and_then(|own| sets.iter().find(|other| other.id != set && other.name == own.name)) {
        let message = format!("there is a set {:?} now", other.name);
        store.remove_set(set, &who, true)?;
        return Err(Error::new("set_name", message, "Give that one another name, then bring this one back."));
    }
    backend.changed(&project);
    Ok(SavedSet { set })
}
