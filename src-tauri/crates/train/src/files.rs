//! Writing so that a crash at any instant leaves the old or the new.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes a file whole: a temporary one in the same folder, synced, renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = prefs::whole::write_by(path, |file| file.write_all(bytes));
    written.map_err(Error::write(path))?;
    sync_parent(path)
}

/// Makes a rename in a folder last through a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Makes what was created or renamed in a folder last through a power cut.
///
/// # Errors
/// When the folder cannot be opened or the disk refuses.
#[cfg(unix)]
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::write(folder))
}

/// Nothing to do: Windows writes folder entries through and lets no folder be opened as a file.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// Creates a folder and its parents.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// SHA-256 of a file, hexadecimal.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(Error::read(path))?;
    Ok(format!("{:x}", hasher.finalize()))
}
