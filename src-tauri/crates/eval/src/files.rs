//! Writing files so that a crash at any instant leaves the old or the new, and reading files appended line by line.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Writes a whole file: a temporary one in the same folder, synced, renamed.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // An ordinary file: readable as the user's umask says, not only by its owner.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder).map_err(Error::file(path))?;
    temporary.write_all(bytes).map_err(Error::file(path))?;
    temporary.as_file().sync_all().map_err(Error::file(path))?;
    temporary.persist(path).map_err(|error| Error::file(path)(error.error))?;
    Ok(())
}

/// Writes a value as indented JSON, atomically.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::file(path)(error.into()))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Reads a JSON file; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path)(error)),
    };
    let damaged = |error: serde_json::Error| Error::Damaged {
        path: path.to_owned(),
        line: error.line(),
        reason: error.to_string(),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Reads a file of one JSON object per line; empty where there is none. A last line without its end is passed over.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => whole_lines(&bytes, path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::file(path)(error)),
    }
}

/// The values of all lines that have their end.
fn whole_lines<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<Vec<T>, Error> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let read = |(index, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| Error::Damaged {
            path: path.to_owned(),
            line: index + 1,
            reason: error.to_string(),
        })
    };
    lines.map(read).collect()
}

/// A file of one JSON object per line that only ever grows.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: std::path::PathBuf,
}

impl Log {
    /// Opens or makes the file and reads what is there. A last line without its end was being written when the process
    /// died; it is cut off.
    pub(crate) fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), Error> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::file(path))?;
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(Error::file(path))?;
        }
        let values = whole_lines(&bytes[..whole], path)?;
        Ok((Self { file, path: path.to_owned() }, values))
    }

    /// Appends values and waits until they are on the disk.
    pub(crate) fn append<T: Serialize>(&mut self, values: &[T]) -> Result<(), Error> {
        let mut lines = Vec::new();
        for value in values {
            serde_json::to_writer(&mut lines, value).map_err(|error| Error::file(&self.path)(error.into()))?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines).and_then(|()| self.file.sync_data()).map_err(Error::file(&self.path))
    }
}
