//! The demo as a project: the same pairs that `tiebreak demo` trains on.

use super::about::About;
use crate::demo::{MODEL, PAIRS};
use crate::error::{Error, Result};
use prefs::jsonl;
use prefs::store::Project;
use std::fs;
use std::path::{Path, PathBuf};

/// The demo's name, and that of its folder among the projects.
const NAME: &str = "Demo: plain answers";
const FOLDER: &str = "demo";

/// Makes the demo's project where it is not there yet, or not wholly, and says where it is.
pub(super) fn prepare(projects: &Path) -> Result<PathBuf> {
    let folder = projects.join(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let empty = fs::read_dir(&folder).map_err(Error::file(&folder))?.next().is_none();
    if !empty && !About::read(&folder)?.demo {
        let message = format!("the demo goes into {}, but something else is there", folder.display());
        return Err(Error::new("folder_not_empty", message, "Move that folder, then open the demo again."));
    }
    // Said first, so that a start that was killed half way is resumed.
    if empty {
        About { name: NAME.into(), model: Some(MODEL.into()), demo: true, note: String::new() }.write(&folder)?;
    }
    let mut project = Project::open_or_create(&folder)?;
    if project.count()? == 0 {
        let (name, text) = PAIRS;
        let reading = jsonl::read_pairs_from(text.as_bytes()).map_err(Error::file(Path::new(name)))?;
        project.add_import(&reading, name)?;
    }
    if project.counts()?.items == 0 {
        // Their preference is known: to see how labelling goes, they are judged again without being told.
        let ids = project.pairs().map(|pair| pair.map(|pair| pair.id)).collect::<std::result::Result<Vec<_>, _>>()?;
        project.add_items_from_pairs(&ids)?;
    }
    Ok(folder)
}
