//! A folder that appears whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use train::sync_folder;

/// A folder that is being filled beside its place, under its name with `.partial` after it. Dropped before
/// [`WholeFolder::finish`], it goes away again; what a killed process left is removed by whoever comes next.
pub(crate) struct WholeFolder {
    path: PathBuf,
    partial: PathBuf,
    lock_path: PathBuf,
    /// Tells others that somebody is at work; the system lets go of it however the process ends.
    _lock: File,
}

impl WholeFolder {
    /// Begins the folder `path`, whose parent is made where it is not there.
    ///
    /// # Errors
    /// When there is such a folder already, somebody else fills it now, or nothing can be written there.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            let message = format!("{} is there already", path.display());
            return Err(Error::new("exists", message, "Remove it, or choose another folder."));
        }
        let parent = parent(path);
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
        let Some(this) = Self::take(path)? else {
            let message = format!("another process writes {} now", path.display());
            return Err(Error::new("busy", message, "Wait for it, or choose another folder."));
        };
        this.remove_partial().and_then(|()| fs::create_dir(&this.partial)).map_err(Error::file(&this.partial))?;
        Ok(this)
    }

    /// Removes what a process left that was killed while it filled the folder `path`. Says whether there was anything.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove_left_over(path: &Path) -> Result<bool> {
        if !beside(path, "partial").is_dir() {
            return Ok(false);
        }
        // Where somebody is at work, nothing is left over.
        Ok(Self::take(path)?.is_some())
    }

    /// Takes the place of `path` for this process; nothing where another one has it.
    fn take(path: &Path) -> Result<Option<Self>> {
        let lock_path = beside(path, "lock");
        let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file(&lock_path)(error)),
        }
        Ok(Some(Self { path: path.to_path_buf(), partial: beside(path, "partial"), lock_path, _lock: lock }))
    }

    /// Where the files go for now.
    pub(crate) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Where they will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder its name, for good: its files must be on the disk.
    ///
    /// # Errors
    /// When it cannot be renamed; it then goes away.
    pub(crate) fn finish(self) -> Result<()> {
        sync_folder(&self.partial)?;
        fs::rename(&self.partial, &self.path).map_err(Error::file(&self.path))?;
        Ok(sync_folder(parent(&self.path))?)
    }

    fn remove_partial(&self) -> std::io::Result<()> {
        match fs::remove_dir_all(&self.partial) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Drop for WholeFolder {
    fn drop(&mut self) {
        // Whoever comes next tries again.
        let _ = self.remove_partial();
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_appears_when_it_is_finished_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/merged");
        let folder = WholeFolder::begin(&path).unwrap();
        fs::write(folder.partial().join("a"), "1").unwrap();
        assert!(!path.exists());
        assert_eq!(WholeFolder::begin(&path).err().unwrap().code, "busy");
        assert!(!WholeFolder::remove_left_over(&path).unwrap(), "somebody is at work");
        folder.finish().unwrap();
        assert_eq!(entries(path.parent().unwrap()), ["merged"]);
        assert_eq!(entries(&path), ["a"]);
        assert_eq!(WholeFolder::begin(&path).err().unwrap().code, "exists");
    }

    #[test]
    fn what_is_given_up_or_left_over_goes_away() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("merged");
        let folder = WholeFolder::begin(&path).unwrap();
        fs::write(folder.partial().join("a"), "1").unwrap();
        drop(folder);
        assert!(entries(place.path()).is_empty());
        // As after a kill: the folder is there, and nobody holds the lock.
        for _ in 0..2 {
            fs::create_dir(place.path().join("merged.partial")).unwrap();
            fs::write(place.path().join("merged.partial/half"), "1").unwrap();
            fs::write(place.path().join("merged.lock"), "").unwrap();
            assert!(WholeFolder::remove_left_over(&path).unwrap());
            assert!(entries(place.path()).is_empty());
            assert!(!WholeFolder::remove_left_over(&path).unwrap());
        }
        fs::create_dir(place.path().join("merged.partial")).unwrap();
        fs::write(place.path().join("merged.partial/half"), "1").unwrap();
        let folder = WholeFolder::begin(&path).unwrap();
        assert!(entries(folder.partial()).is_empty());
    }
}
