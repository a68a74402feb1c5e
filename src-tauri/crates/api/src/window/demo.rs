//! The demo as a project: the same pairs that `tiebreak demo` trains on.

use super::projects::About;
use crate::demo::{MODEL, PAIRS};
use crate::error::{Error, Result};
use prefs::store::Project;
use prefs::jsonl;
use std::fs;
use std::path::{Path, PathBuf};

/// The demo's folder among the projects.
const FOLDER: &str = "demo";

/// Makes the demo's project where it is not there yet, and says where it is.
pub(super) fn prepare(projects: &Path) -> Result<PathBuf> {
    let folder = projects.join(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let mut project = Project::open_or_create(&folder)?;
    if project.count()? > 0 {
        return Ok(folder);
    }
    let (name, text) = PAIRS;
    let reading = jsonl::read_pairs_from(text.as_bytes()).map_err(Error::file(Path::new(name)))?;
    project.add_import(&reading, name)?;
    // Their preference is known: to see how labelling goes, they are judged again without being told.
    let ids = project.pairs().map(|pair| pair.map(|pair| pair.id)).collect::<std::result::Result<Vec<_>, _>>()?;
    project.add_items_from_pairs(&ids)?;
    About { name: "Demo: plain answers".into(), model: Some(MODEL.into()), demo: true }.write(&folder)?;
    Ok(folder)
}
