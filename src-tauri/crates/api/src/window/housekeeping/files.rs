//! Folders that are moved whole.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// The names in a folder; none where it is not there.
pub(super) fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
    .map_err(Error::file(folder))
}

/// Renames a folder, and has the disk know of it before anything else is said.
///
/// # Errors
/// When it cannot be moved, or something is in its new place; nothing is changed then.
pub(super) fn moved(from: &Path, to: &Path) -> Result<()> {
    // On most systems a rename replaces an empty folder.
    if to.exists() {
        return Err(Error::file(to)(std::io::ErrorKind::AlreadyExists.into()));
    }
    fs::rename(from, to).map_err(|error| {
        let message = format!("{} cannot be moved to {}: {error}", from.display(), to.display());
        let hint = "Nothing was changed. Both must lie on one disk, and no other program may use it.";
        Error::new("not_moved", message, hint)
    })?;
    for parent in [from.parent(), to.parent()].into_iter().flatten() {
        train::sync_folder(parent)?;
    }
    Ok(())
}
