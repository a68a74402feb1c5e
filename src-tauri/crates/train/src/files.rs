//! Writing so that a crash at any instant leaves the old or the new.

use crate::error::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Appends JSON objects to a file, each line whole or not at all.
#[derive(Debug)]
pub(crate) struct LineWriter {
    file: File,
    path: PathBuf,
    length: u64,
}

impl LineWriter {
    /// Opens or creates the file. A last line that a crash left unfinished is cut off.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(Error::write(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::read(path))?;
        let length = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        file.set_len(length).map_err(Error::write(path))?;
        file.seek(SeekFrom::Start(length)).map_err(Error::write(path))?;
        Ok(Self { file, path: path.to_path_buf(), length })
    }

    /// Bytes of whole lines.
    pub(crate) fn bytes(&self) -> u64 {
        self.length
    }

    /// Appends one line. Where that fails half-way (a full disk), the half line is taken back.
    pub(crate) fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(std::io::Error::from).map_err(Error::write(&self.path))?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            // If this fails too, the next `open` cuts the half line off.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(Error::write(&self.path)(error));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::write(&self.path))
    }
}

/// Writes a file whole: a temporary one in the same folder, synced, renamed.
///
/// # Errors
/// When the folder cannot be written or the disk is full.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
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
