//! Files of this machine that are to be pushed: their lengths and hashes, from one reading.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::HubError;
use super::super::facts::Content;
use super::super::name::check_path;
use super::super::watch::{Moment, Watch};

/// Bytes of a file's beginning by which the hub tells text from what is not.
const SAMPLE: usize = 512;

/// A file that is to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Its path in the repository.
    pub path: String,
    /// Where it lies.
    pub place: PathBuf,
    /// Its size.
    pub bytes: u64,
    pub(super) sha256: String,
    pub(super) git_blob: String,
    pub(super) sample: Vec<u8>,
}

impl LocalFile {
    /// Reads files for their hashes: pairs of a path in the repository and the place of the file.
    ///
    /// # Errors
    /// When a file cannot be read, a path leads out of the repository, or the user stops it.
    pub fn read_all(files: &[(String, PathBuf)], watch: &mut Watch<'_>) -> Result<Vec<Self>, HubError> {
        let length = |place: &Path| place.metadata().map_err(HubError::io("read", place)).map(|found| found.len());
        let mut total = 0;
        for (_, place) in files {
            total += length(place)?;
        }
        let mut done = 0;
        files.iter().map(|(path, place)| Self::read(path, place, (&mut done, total), watch)).collect()
    }

    fn read(path: &str, place: &Path, (done, total): (&mut u64, u64), watch: &mut Watch<'_>) -> Result<Self, HubError> {
        check_path(path).map_err(|why| HubError::Unusable {
            repo: path.to_owned(),
            why,
            hint: "Give the file another name.".to_owned(),
        })?;
        let mut file = File::open(place).map_err(HubError::io("read", place))?;
        let bytes = file.metadata().map_err(HubError::io("read", place))?.len();
        let (mut sha256, mut git) = (Sha256::new(), Sha1::new_with_prefix(format!("blob {bytes}\0")));
        let (mut buffer, mut sample, mut read_so_far) = (vec![0; 1 << 18], Vec::new(), 0);
        loop {
            watch.check()?;
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(HubError::io("read", place)(error)),
            };
            let some = &buffer[..read];
            sha256.update(some);
            git.update(some);
            sample.extend(some.iter().take(SAMPLE - sample.len().min(SAMPLE)));
            read_so_far += read as u64;
            *done += read as u64;
            (watch.report)(Moment::Reading { file: path, done: *done, total: total.max(*done) });
        }
        if read_so_far != bytes {
            return Err(changed(place));
        }
        Ok(Self {
            path: path.to_owned(),
            place: place.to_path_buf(),
            bytes,
            sha256: format!("{:x}", sha256.finalize()),
            git_blob: format!("{:x}", git.finalize()),
            sample,
        })
    }

    /// SHA-256 of it, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether what a repository holds is this file.
    pub(super) fn is(&self, content: &Content) -> bool {
        match content {
            Content::Sha256(hash) => *hash == self.sha256,
            Content::GitBlob(hash) => *hash == self.git_blob,
        }
    }

    pub(super) fn open(&self) -> Result<File, HubError> {
        let file = File::open(&self.place).map_err(HubError::io("read", &self.place))?;
        match file.metadata().map_err(HubError::io("read", &self.place))?.len() {
            length if length == self.bytes => Ok(file),
            _ => Err(changed(&self.place)),
        }
    }
}

fn changed(place: &Path) -> HubError {
    HubError::io("send", place)(std::io::Error::other("it was changed meanwhile"))
}
