//! Large files: git LFS's batch, which says what the hub lacks and where it goes, then the files themselves, whole (`basic`)
//! or in parts (`multipart`, the hub's own), and the hub's word that they arrived.
//!
//! The storage is another host, and its addresses are signed: it gets no token.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::super::HubError;
use super::super::client::{Attempts, Failure, Hub, text_of};
use super::super::name::RepoId;
use super::super::watch::{Moment, Watch};
use super::local::LocalFile;
use super::wire::{Address, Outgoing, Refusal, Status};
use super::{AT_ONCE, JSON, REVISION};

const KIND: &str = "application/vnd.git-lfs+json";

#[derive(Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    size: u64,
    actions: Option<Actions>,
    error: Option<ObjectError>,
}

#[derive(Deserialize)]
struct ObjectError {
    message: Option<String>,
}

/// What is to be done so that the hub has a file.
#[derive(Deserialize)]
pub(super) struct Actions {
    upload: Option<Action>,
    verify: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    header: Option<BTreeMap<String, Value>>,
}

/// Bytes that went out, of those that are to.
pub(super) struct Count {
    /// Of files that are done.
    pub(super) done: u64,
    pub(super) total: u64,
}

/// Why a file did not get to the storage.
enum Unstored {
    /// The signed address is not taken any more: the hub gives a new one.
    Expired(Failure),
    Failed(Failure),
}

impl Hub {
    /// What the hub lacks of `files`.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(super) fn lacking<'a>(
        &self,
        repo: &RepoId,
        files: &[&'a LocalFile],
        watch: &mut Watch<'_>,
    ) -> Result<Vec<(&'a LocalFile, Actions)>, HubError> {
        let to = self.home(&format!("{repo}.git/info/lfs/objects/batch"))?;
        let mut lacking = Vec::new();
        for some in files.chunks(AT_ONCE) {
            let objects: Vec<Value> =
                some.iter().map(|file| json!({ "oid": file.sha256, "size": file.bytes })).collect();
            let asked = json!({
                "operation": "upload",
                "transfers": ["basic", "multipart"],
                "objects": objects,
                "hash_algo": "sha256",
                "ref": { "name": REVISION },
            });
            let batch: Batch = self.post(&to, &asked, KIND, &|refused| self.write_refused(repo, refused), watch)?;
            let mut by_oid: BTreeMap<String, Object> =
                batch.objects.into_iter().map(|object| (object.oid.clone(), object)).collect();
            for file in some {
                let object = by_oid.remove(&file.sha256);
                let object = object.filter(|object| object.size == file.bytes);
                let object = object.ok_or_else(|| to.answered(format!("it does not say where {} goes", file.path)))?;
                if let Some(error) = object.error {
                    let says = self.without_token(&error.message.unwrap_or_default());
                    return Err(HubError::NotArrived {
                        repo: repo.to_string(),
                        file: file.path.clone(),
                        what: format!("the hub does not take it ({says})"),
                    });
                }
                // Without actions it is there already.
                lacking.extend(object.actions.map(|actions| (*file, actions)));
            }
        }
        Ok(lacking)
    }

    /// Brings a file to where the hub said.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(super) fn store(
        &self,
        repo: &RepoId,
        file: &LocalFile,
        first: Actions,
        count: &mut Count,
        watch: &mut Watch<'_>,
    ) -> Result<(), HubError> {
        let mut known = Some(first);
        self.trying(watch, |watch| {
            let actions = match known.take() {
                Some(actions) => actions,
                None => match self.lacking(repo, &[file], watch)?.pop() {
                    Some((_, actions)) => actions,
                    None => return Ok(()),
                },
            };
            if let Some(upload) = &actions.upload {
                let stored = match upload.header().remove("chunk_size") {
                    None => self.put_whole(file, upload, count, watch),
                    Some(size) => self.put_parts(repo, file, upload, &size, count, watch),
                };
                stored.map_err(|(Unstored::Expired(failure) | Unstored::Failed(failure))| failure)?;
            }
            actions.verify.as_ref().map_or(Ok(()), |verify| self.verify(repo, file, verify, watch))
        })?;
        count.done += file.bytes;
        Ok(())
    }

    fn put_whole(
        &self,
        file: &LocalFile,
        upload: &Action,
        count: &Count,
        watch: &mut Watch<'_>,
    ) -> Result<(), Unstored> {
        let to = self.told(&upload.href)?;
        let headers: Vec<(String, String)> = upload.header().into_iter().collect();
        self.put(&to, &headers, file, (0, file.bytes), count, watch).map(|_| ())
    }

    fn put_parts(
        &self,
        repo: &RepoId,
        file: &LocalFile,
        upload: &Action,
        size: &str,
        count: &Count,
        watch: &mut Watch<'_>,
    ) -> Result<(), Unstored> {
        let done = self.told(&upload.href)?;
        let wrong = |what: &str| done.answered(format!("{what} of {}", file.path));
        let size: u64 =
            size.parse().ok().filter(|size| *size > 0).ok_or_else(|| wrong("it tells no size of the parts"))?;
        let numbered = |(name, href): (String, String)| Some((name.parse::<u64>().ok()?, href));
        let parts: BTreeMap<u64, String> = upload.header().into_iter().filter_map(numbered).collect();
        if parts.len() as u64 != file.bytes.div_ceil(size) || !parts.keys().copied().eq(1..=parts.len() as u64) {
            return Err(wrong("it tells another number of parts than there are").into());
        }
        let mut sent = Vec::with_capacity(parts.len());
        for (number, href) in &parts {
            let to = self.told(href)?;
            let from = (number - 1) * size;
            let part = (from, size.min(file.bytes - from));
            let mut attempts = Attempts::new(self);
            let etag = loop {
                watch.check()?;
                match self.put(&to, &[], file, part, count, watch) {
                    Ok(etag) => break etag,
                    Err(Unstored::Failed(failure)) => {
                        watch.check()?;
                        attempts.after(failure, watch)?;
                    }
                    Err(expired) => return Err(expired),
                }
            };
            let etag = etag.ok_or_else(|| to.answered(format!("it does not name the part of {} it got", file.path)))?;
            sent.push(json!({ "partNumber": number, "etag": etag }));
        }
        let asked = json!({ "oid": file.sha256, "parts": sent });
        let means = |refused| self.write_refused(repo, refused);
        self.trying(watch, |_| self.tell(&done, &asked, KIND, &[], &means).map(|_| ()))?;
        Ok(())
    }

    /// Sends bytes of a file; answers with the storage's name for what came.
    fn put(
        &self,
        to: &Address,
        headers: &[(String, String)],
        file: &LocalFile,
        (from, bytes): (u64, u64),
        count: &Count,
        watch: &mut Watch<'_>,
    ) -> Result<Option<String>, Unstored> {
        let mut open = file.open()?;
        open.seek(SeekFrom::Start(from)).map_err(HubError::io("read", &file.place))?;
        let (before, total) = (count.done + from, count.total);
        let mut body = Going { file: open, path: &file.path, left: bytes, before, total, sent: 0, watch };
        let sent = Outgoing { method: Method::PUT, headers, body: &mut body, bytes };
        let answer = self.send(to, sent).map_err(|refusal| match refusal {
            Refusal::Failed(failure) => Unstored::Failed(failure),
            Refusal::Status(refused) => {
                let error = HubError::Server { host: refused.host, status: refused.number };
                if matches!(refused.number, 400 | 401 | 403 | 404) {
                    Unstored::Expired(Failure::Passing { error, wait: None })
                } else {
                    Unstored::Failed(error.into())
                }
            }
        })?;
        Ok(text_of(answer.headers(), "etag").filter(|etag| !etag.is_empty()).map(str::to_owned))
    }

    /// Asks the hub whether the file is there. What it does not find is sent again.
    fn verify(&self, repo: &RepoId, file: &LocalFile, verify: &Action, watch: &mut Watch<'_>) -> Result<(), Failure> {
        let to = self.told(&verify.href)?;
        let asked = json!({ "oid": file.sha256, "size": file.bytes });
        let means = |refused: Status| match refused.number {
            401 | 403 => self.write_refused(repo, refused),
            _ => {
                let what = format!("the hub does not find it ({})", refused.words());
                let error = HubError::NotArrived { repo: repo.to_string(), file: file.path.clone(), what };
                Failure::Passing { error, wait: None }
            }
        };
        let more: Vec<(String, String)> = verify.header().into_iter().collect();
        let mut attempts = Attempts::new(self);
        loop {
            match self.tell(&to, &asked, JSON, &more, &means) {
                Ok(_) => return Ok(()),
                Err(lost @ Failure::Passing { error: HubError::NotArrived { .. }, .. }) => return Err(lost),
                Err(failure) => attempts.after(failure, watch)?,
            }
        }
    }
}

impl Action {
    fn header(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.header.iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

impl From<HubError> for Unstored {
    fn from(error: HubError) -> Self {
        Self::Failed(Failure::Final(error))
    }
}

/// A piece of a file on its way, which tells how far it is and ends when the user stops it.
struct Going<'a, 'w> {
    file: File,
    path: &'a str,
    left: u64,
    before: u64,
    total: u64,
    sent: u64,
    watch: &'a mut Watch<'w>,
}

impl Read for Going<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check().map_err(io::Error::other)?;
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the file was changed meanwhile"));
        }
        self.left -= read as u64;
        self.sent += read as u64;
        let done = self.before + self.sent;
        (self.watch.report)(Moment::Sending { file: self.path, done, total: self.total.max(done) });
        Ok(read)
    }
}
