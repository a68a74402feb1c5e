//! What is held out beyond pairs: prompts of files that are marked as held out, and of pairs of a held-out set, which are of no pair
//! that could be held out. Pairs that ask them are not trained on.

use crate::error::Result;
use prefs::store::{Import, Project, Prompts};

/// Prompts that hold out what asks them.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What the file or the set is called.
    pub(crate) name: String,
    /// Whether it is a file, which was marked.
    pub(crate) is_file: bool,
    pub(crate) prompts: Prompts,
}

/// The prompts of the imports that are held out, and of the pairs of a set that are not trained on.
///
/// # Errors
/// When the set is gone, or the project cannot be read.
pub(crate) fn asked(store: &Project, held_out_set: Option<i64>) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    let by_import = store.held_out_prompts()?;
    if !by_import.is_empty() {
        let imports = store.imports()?;
        let name = |id: i64| imports.iter().find(|import| import.id == id).map_or_else(String::new, called);
        asked.extend(by_import.into_iter().map(|(id, prompts)| Asked { name: name(id), is_file: true, prompts }));
    }
    if let Some(set) = held_out_set {
        let prompts = store.prompts_of_pairs(&store.pairs_of_set(set)?)?;
        if !prompts.is_empty() {
            asked.push(Asked { name: store.set(set)?.name, is_file: false, prompts });
        }
    }
    Ok(asked)
}

/// All of them.
pub(crate) fn together(asked: &[Asked]) -> Prompts {
    asked.iter().flat_map(|asked| asked.prompts.iter().copied()).collect()
}

/// What an import is called.
pub(super) fn called(import: &Import) -> String {
    import.state.name.clone().unwrap_or_else(|| import.source.clone())
}
