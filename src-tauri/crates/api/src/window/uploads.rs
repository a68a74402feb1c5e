//! Files that the page sends: kept in a folder of their own until they are imported.

use super::folders::Settings;
use super::{Backend, types};
use crate::error::{Error, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The largest file that is taken.
pub const MOST_BYTES: u64 = 1 << 30;

/// A file this old has been imported long ago, or was forgotten.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The folder of the data folder that holds one folder for each file.
const FOLDER: &str = "uploads";

/// A file that is being sent. Dropped before it is finished, it leaves nothing.
pub struct Upload {
    folder: tempfile::TempDir,
    file: fs::File,
    path: PathBuf,
    bytes: u64,
}

impl Backend {
    /// Begins to take a file that had this name where it came from.
    ///
    /// # Errors
    /// When the data folder cannot be written.
    pub fn begin_upload(&self, name: &str) -> Result<Upload> {
        let all = self.settings().data_folder.join(FOLDER);
        fs::create_dir_all(&all).map_err(Error::file(&all))?;
        let folder = tempfile::Builder::new().prefix("").rand_bytes(16).tempdir_in(&all).map_err(Error::file(&all))?;
        let path = folder.path().join(plain(name));
        let file = fs::File::create_new(&path).map_err(Error::file(&path))?;
        Ok(Upload { folder, file, path, bytes: 0 })
    }

    /// Takes a file that is in memory already.
    ///
    /// # Errors
    /// When it is too large or cannot be written.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> Result<types::Upload> {
        let mut upload = self.begin_upload(name)?;
        upload.write(bytes)?;
        upload.finish()
    }

    /// Where the file that was sent lies.
    ///
    /// # Errors
    /// When there is none of that name, or no longer.
    pub(crate) fn uploaded(&self, upload: &str) -> Result<PathBuf> {
        let gone = || {
            let hint = "send the file again";
            Error::new("no_upload", "the file that was sent is not there any more", hint)
        };
        if upload.is_empty() || !upload.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(gone());
        }
        let folder = self.settings().data_folder.join(FOLDER).join(upload);
        let mut files = fs::read_dir(&folder).map_err(|_| gone())?;
        files.next().and_then(std::result::Result::ok).map(|entry| entry.path()).ok_or_else(gone)
    }
}

impl Upload {
    /// Takes the next part.
    ///
    /// # Errors
    /// When the file becomes too large or cannot be written.
    pub fn write(&mut self, part: &[u8]) -> Result<()> {
        self.bytes += part.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(Error::new(
                "too_large",
                format!("the file is larger than {} MB", MOST_BYTES >> 20),
                "split it, or bring it in with `tiebreak import`",
            ));
        }
        self.file.write_all(part).map_err(Error::file(&self.path))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<types::Upload> {
        self.file.sync_all().map_err(Error::file(&self.path))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = self.folder.keep();
        let upload = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(types::Upload { upload, name, bytes: self.bytes })
    }
}

/// The name's last part, without anything that a file system could take amiss.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let kept: String = last.chars().map(keep).collect();
    // The end tells the format. File systems allow 255 bytes.
    let skip = kept.chars().count().saturating_sub(60);
    let kept: String = kept.chars().skip(skip).collect();
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() { "file".to_owned() } else { kept.to_owned() }
}

/// Removes files that nobody will ask for. Failing to is no reason not to start.
pub(super) fn remove_old(settings: &Settings) {
    let Ok(entries) = fs::read_dir(settings.data_folder.join(FOLDER)) else { return };
    for entry in entries.flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > KEPT)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The name of an uploaded file, as the user knows it.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
