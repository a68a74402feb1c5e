//! Bringing files of a repository into the cache: resumed where they broke off, and checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use ureq::Body;
use ureq::http::Response;

use super::HubError;
use super::client::{Asked, Attempts, Failure, Hub, escaped, text_of};
use super::facts::{Content, RemoteFile};
use super::layout::{Layout, make_folder};
use super::name::RepoId;
use super::watch::{Moment, Watch};

/// What is left free on the disk.
const MARGIN: u64 = 64 << 20;

/// A repository at one commit, of which files are fetched.
pub(crate) struct Fetch<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) repo: &'a RepoId,
    pub(crate) commit: &'a str,
    pub(crate) layout: &'a Layout,
}

/// Bytes that came, of those that were not here.
struct Count {
    done: u64,
    total: u64,
}

impl Fetch<'_> {
    /// Fetches what of `files` is not here yet, the small ones first, and answers with the bytes that came. A file that is
    /// here in its full length is taken as it is.
    ///
    /// # Errors
    /// See [`HubError`]. Files that came before stay.
    pub(crate) fn all(&self, files: &[&RemoteFile], watch: &mut Watch<'_>) -> Result<u64, HubError> {
        let mut missing: Vec<&RemoteFile> =
            files.iter().copied().filter(|file| !self.layout.has(self.commit, file)).collect();
        missing.sort_by_key(|file| file.bytes);
        let total = self.missing(files);
        if total > 0 {
            self.check_space(total)?;
        }
        let mut count = Count { done: 0, total };
        if let Some(first) = missing.first() {
            (watch.report)(Moment::Fetching { file: &first.path, done: 0, total });
        }
        for file in missing {
            watch.check()?;
            self.one(file, &mut count, watch)?;
        }
        Ok(count.done)
    }

    /// Bytes of `files` that are not here yet.
    pub(crate) fn missing(&self, files: &[&RemoteFile]) -> u64 {
        let missing = files.iter().filter(|file| !self.layout.has(self.commit, file));
        missing.map(|file| file.bytes - self.here(file)).fold(0, u64::saturating_add)
    }

    /// Bytes of a file that came before.
    fn here(&self, file: &RemoteFile) -> u64 {
        let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
        let id = file.content.id();
        let whole = length(&self.layout.blob(id)) == file.bytes;
        if whole { file.bytes } else { length(&self.layout.incomplete(id)).min(file.bytes) }
    }

    fn check_space(&self, needed: u64) -> Result<(), HubError> {
        let place = self.hub.cache();
        make_folder(place)?;
        let free = free_at(place)?;
        if needed.saturating_add(MARGIN) > free {
            return Err(HubError::DiskFull { needed, free, place: place.to_path_buf() });
        }
        Ok(())
    }

    fn one(&self, file: &RemoteFile, count: &mut Count, watch: &mut Watch<'_>) -> Result<(), HubError> {
        let id = file.content.id();
        let lock = self.layout.lock(id, watch)?;
        // Another process may have brought it meanwhile.
        if self.layout.has(self.commit, file) {
            return Ok(());
        }
        let blob = self.layout.blob(id);
        match blob.metadata() {
            Ok(found) if found.len() == file.bytes => return self.layout.link(self.commit, file, false),
            // Not the file that its name says.
            Ok(_) => fs::remove_file(&blob).map_err(HubError::io("remove", &blob))?,
            Err(_) => {}
        }
        let incomplete = self.layout.incomplete(id);
        let mut part = Part::open(&incomplete, file)?;
        let resumed = part.length > 0;
        self.fill(&mut part, file, count, watch)?;
        let found = part.digest();
        if resumed && found != id {
            // What was here before may be wrong: another program's, or a machine that went down while it was written.
            part.restart()?;
            count.total = count.total.saturating_add(file.bytes);
            self.fill(&mut part, file, count, watch)?;
        }
        let found = part.digest();
        if found != id {
            drop(part);
            fs::remove_file(&incomplete).map_err(HubError::io("remove", &incomplete))?;
            return Err(self.damaged(file, format!("its hash should be {id} and is {found}")));
        }
        part.file.sync_all().map_err(HubError::io("write", &incomplete))?;
        drop(part);
        fs::rename(&incomplete, &blob).map_err(HubError::io("rename a file to", &blob))?;
        self.layout.link(self.commit, file, true)?;
        drop(lock);
        Ok(())
    }

    /// Fetches what a part lacks.
    fn fill(
        &self,
        part: &mut Part<'_>,
        file: &RemoteFile,
        count: &mut Count,
        watch: &mut Watch<'_>,
    ) -> Result<(), HubError> {
        let resolve = self.repo.at(self.commit);
        let address = format!(
            "{}/{}/resolve/{}/{}",
            self.hub.settings.endpoint,
            resolve.url(),
            resolve.url_revision(),
            escaped(&file.path)
        );
        let mut attempts = Attempts::new(self.hub);
        while part.length < file.bytes {
            watch.check()?;
            let before = part.length;
            let outcome = self.attempt(&address, part, file, count, watch);
            if part.length > before {
                attempts.reset();
            }
            let Err(failure) = outcome else { continue };
            let failure = match failure {
                Failure::Passing { error: HubError::Network { reason, .. }, wait } if part.length > 0 => {
                    let error = HubError::Cut { file: file.path.clone(), done: part.length, bytes: file.bytes, reason };
                    Failure::Passing { error, wait }
                }
                failure => failure,
            };
            attempts.after(failure, watch)?;
        }
        Ok(())
    }

    /// One connection, for as long as it brings something.
    fn attempt(
        &self,
        address: &str,
        part: &mut Part<'_>,
        file: &RemoteFile,
        count: &mut Count,
        watch: &mut Watch<'_>,
    ) -> Result<(), Failure> {
        let asked = Asked { repo: self.repo, revision: self.commit, file: Some(&file.path) };
        let from = (part.length > 0).then_some(part.length);
        let answer = self.hub.ask(address, from, asked).map_err(|failure| match failure {
            Failure::Final(HubError::Server { status: 416, .. }) => {
                self.damaged(file, format!("the server has no byte {} of its {}", part.length, file.bytes)).into()
            }
            failure => failure,
        })?;
        self.check_answer(&answer, part, file, count)?;
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 18];
        while part.length < file.bytes {
            watch.check()?;
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.hub.broken(address, &ureq::Error::from(error))),
            };
            if read as u64 > file.bytes - part.length {
                part.restart()?;
                return Err(self.damaged(file, format!("more than its {} bytes came", file.bytes)).into());
            }
            part.append(&buffer[..read])?;
            count.done += read as u64;
            count.total = count.total.max(count.done);
            (watch.report)(Moment::Fetching { file: &file.path, done: count.done, total: count.total });
        }
        if part.length < file.bytes {
            let gone = io::Error::new(ErrorKind::UnexpectedEof, "the server closed it early");
            return Err(self.hub.broken(address, &ureq::Error::from(gone)));
        }
        Ok(())
    }

    /// Makes sure that what comes is the part that was asked for of a file of the right length. A server that sends the whole
    /// file instead is taken at its word: the part begins anew.
    fn check_answer(
        &self,
        answer: &Response<Body>,
        part: &mut Part<'_>,
        file: &RemoteFile,
        count: &mut Count,
    ) -> Result<(), HubError> {
        let wrong = |what: &str| self.damaged(file, what.to_owned());
        if answer.status().as_u16() == 206 {
            let range = text_of(answer.headers(), "content-range").ok_or_else(|| wrong("it came without its range"))?;
            // `bytes 5-9/10`
            let numbers = range.trim().strip_prefix("bytes ").and_then(|range| range.split_once('/'));
            let (from, all) = numbers
                .and_then(|(range, all)| Some((range.split_once('-')?.0.parse::<u64>().ok()?, all.parse::<u64>().ok())))
                .ok_or_else(|| wrong("the range that came cannot be read"))?;
            if from != part.length {
                return Err(wrong(&format!("byte {} was asked for and byte {from} came", part.length)));
            }
            if all.is_some_and(|all| all != file.bytes) {
                return Err(wrong(&format!(
                    "it should have {} bytes, and the server has {}",
                    file.bytes,
                    all.unwrap_or(0)
                )));
            }
            return Ok(());
        }
        if let Some(length) = answer.body().content_length()
            && length != file.bytes
        {
            return Err(wrong(&format!("it should have {} bytes, and the server has {length}", file.bytes)));
        }
        if part.length > 0 {
            count.total = count.total.saturating_add(part.length);
            part.restart()?;
        }
        Ok(())
    }

    fn damaged(&self, file: &RemoteFile, what: String) -> HubError {
        HubError::Damaged { repo: self.repo.to_string(), file: file.path.clone(), what }
    }
}

/// Free bytes of the disk that the folder is on, or would be on.
pub(crate) fn free_at(folder: &Path) -> Result<u64, HubError> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    fs4::available_space(there).map_err(HubError::io("look at the disk of", there))
}

/// The part of a file that has come, with the state of its hash.
struct Part<'a> {
    path: &'a Path,
    file: File,
    length: u64,
    hash: Hash,
    whole: &'a RemoteFile,
}

impl<'a> Part<'a> {
    /// What is there, read for its hash; what is too long begins anew.
    fn open(path: &'a Path, whole: &'a RemoteFile) -> Result<Self, HubError> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        let file = file.map_err(HubError::io("write", path))?;
        let mut part = Self { path, file, length: 0, hash: Hash::of(whole), whole };
        let there = part.file.metadata().map_err(HubError::io("read", path))?.len();
        if there > whole.bytes {
            part.restart()?;
            return Ok(part);
        }
        let mut buffer = vec![0; 1 << 18];
        loop {
            match part.file.read(&mut buffer) {
                Ok(0) => return Ok(part),
                Ok(read) => {
                    part.hash.update(&buffer[..read]);
                    part.length += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HubError::io("read", path)(error)),
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(HubError::io("write", self.path))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(HubError::io("write", self.path))?;
        (self.length, self.hash) = (0, Hash::of(self.whole));
        Ok(())
    }

    fn digest(&self) -> String {
        match &self.hash {
            Hash::Sha256(hash) => format!("{:x}", hash.clone().finalize()),
            Hash::GitBlob(hash) => format!("{:x}", hash.clone().finalize()),
        }
    }
}

/// The hash of a file while it comes.
enum Hash {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hash {
    fn of(file: &RemoteFile) -> Self {
        match file.content {
            Content::Sha256(_) => Self::Sha256(Sha256::new()),
            Content::GitBlob(_) => Self::GitBlob(Sha1::new_with_prefix(format!("blob {}\0", file.bytes))),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitBlob(hash) => hash.update(bytes),
        }
    }
}
