//! Files of this machine brought into a repository of the hub, in one commit.
//!
//! What holds: what the hub has already is not sent again, so that a push that broke off goes on when it is repeated; a
//! commit is made only upon the one that was looked at, so that nobody's change is overwritten unseen; after it every file
//! is compared with what was sent; the token goes to the hub's own address and nowhere else.

mod commit;
mod lfs;
mod local;
mod wire;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::HubError;
use super::client::{Attempts, Failure, Hub};
use super::facts::Facts;
use super::name::{RepoId, is_commit};
use super::watch::Watch;
use commit::{CommitBody, Mode};
use lfs::Count;
pub use local::LocalFile;
use wire::{Outgoing, Refusal, Status};

/// The branch that is pushed to.
const REVISION: &str = "main";

/// Files that the hub is asked about at once, as its own programs have it.
const AT_ONCE: usize = 256;

const JSON: &str = "application/json";

/// What a push would do to a repository as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushPlan {
    /// Where to.
    pub repo: RepoId,
    /// The repository as it is; none where it is yet to be made.
    pub there: Option<There>,
    /// What is pushed.
    pub files: Vec<PlannedFile>,
    /// Files of the repository that stay as they are.
    pub others: Vec<String>,
}

/// A repository that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// The commit that was looked at.
    pub commit: String,
    /// Whether only some may see it.
    pub private: bool,
}

/// A file with what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlannedFile {
    pub file: LocalFile,
    pub change: Change,
}

/// What a push does to a file of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is not there.
    New,
    /// It is there already, the same byte for byte.
    Same,
    /// Another one is there.
    Replaces,
}

/// How a push is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushChoices {
    /// Whether everybody may see what is pushed.
    pub public: bool,
    /// Whether files that are there may be replaced.
    pub replace: bool,
    /// The commit's message.
    pub message: String,
}

impl Default for PushChoices {
    fn default() -> Self {
        Self {
            public: false,
            replace: false,
            message: concat!("Pushed by Tiebreak ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The repository's page.
    pub page: String,
    /// The commit, which holds all files; the one before where nothing was new.
    pub commit: String,
    /// Whether the repository was made for it.
    pub created: bool,
    /// Whether only some may see it.
    pub private: bool,
    /// Bytes that went out.
    pub sent: u64,
}

#[derive(Deserialize)]
struct Preupload {
    files: Vec<PreuploadFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreuploadFile {
    path: String,
    upload_mode: String,
    #[serde(default)]
    should_ignore: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Committed {
    commit_oid: String,
}

impl PushPlan {
    /// What pushing `files` would do to a repository with these facts.
    pub fn new(repo: &RepoId, facts: Option<&Facts>, files: Vec<LocalFile>) -> Self {
        let change = |file: &LocalFile| match facts.and_then(|facts| facts.file(&file.path)) {
            None => Change::New,
            Some(remote) if remote.bytes == file.bytes && file.is(&remote.content) => Change::Same,
            Some(_) => Change::Replaces,
        };
        let files: Vec<PlannedFile> =
            files.into_iter().map(|file| PlannedFile { change: change(&file), file }).collect();
        let mut others = Vec::new();
        for remote in facts.iter().flat_map(|facts| &facts.files) {
            // The hub makes this one itself.
            if remote.path != ".gitattributes" && !files.iter().any(|planned| planned.file.path == remote.path) {
                others.push(remote.path.clone());
            }
        }
        Self {
            repo: facts.map_or_else(|| repo.clone(), |facts| facts.repo.clone()),
            there: facts.map(|facts| There { commit: facts.commit.clone(), private: facts.private }),
            files,
            others,
        }
    }

    /// The files of which others are there.
    pub fn replaced(&self) -> Vec<&str> {
        let replaced = self.files.iter().filter(|planned| planned.change == Change::Replaces);
        replaced.map(|planned| planned.file.path.as_str()).collect()
    }

    /// Makes sure that nothing is replaced, and nothing shown to everybody, unless that was chosen.
    ///
    /// # Errors
    /// Naming what would be.
    pub fn check(&self, choices: &PushChoices) -> Result<(), HubError> {
        if let (Some(There { private: false, .. }), false) = (&self.there, choices.public) {
            return Err(HubError::IsPublic { repo: self.repo.to_string() });
        }
        let replaced = self.replaced();
        if !replaced.is_empty() && !choices.replace {
            let files = replaced.into_iter().map(str::to_owned).collect();
            return Err(HubError::WouldReplace { repo: self.repo.to_string(), files });
        }
        Ok(())
    }
}

impl Hub {
    /// Makes sure that something can be pushed at all, before anything is made for it.
    ///
    /// # Errors
    /// When the network is not to be used, or there is no token.
    pub fn may_push(&self) -> Result<(), HubError> {
        if self.settings.offline {
            return Err(HubError::OfflinePush);
        }
        if self.settings.token.is_none() {
            return Err(HubError::NoToken);
        }
        Ok(())
    }

    /// What a repository holds; nothing where there is none yet.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn repository(&self, repo: &RepoId, watch: &mut Watch<'_>) -> Result<Option<Facts>, HubError> {
        match self.facts(repo, REVISION, watch) {
            Ok(facts) => Ok(Some(facts)),
            Err(HubError::NoRepository { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Pushes as planned.
    ///
    /// # Errors
    /// When the choices do not allow it, the repository was changed since it was looked at, or what is told in [`HubError`].
    /// What the storage has by then stays there for the next time; the repository itself is as it was.
    pub fn push(&self, plan: &PushPlan, choices: &PushChoices, watch: &mut Watch<'_>) -> Result<Pushed, HubError> {
        self.may_push()?;
        plan.check(choices)?;
        let repo = &plan.repo;
        let (there, created) = match &plan.there {
            Some(there) => (there.clone(), false),
            None => self.create(repo, choices, watch)?,
        };
        let files: Vec<&LocalFile> =
            plan.files.iter().filter(|planned| planned.change != Change::Same).map(|planned| &planned.file).collect();
        let pushed = |commit, sent| Pushed { page: self.page(repo), commit, created, private: there.private, sent };
        if files.is_empty() {
            return Ok(pushed(there.commit.clone(), 0));
        }
        let modes = self.modes(repo, &files, watch)?;
        let large: Vec<&LocalFile> =
            modes.iter().filter(|(_, mode)| *mode == Mode::Lfs).map(|(file, _)| *file).collect();
        let lacking = self.lacking(repo, &large, watch)?;
        let total = lacking.iter().map(|(file, _)| file.bytes).sum();
        let mut count = Count { done: 0, total };
        for (file, actions) in lacking {
            watch.check()?;
            self.store(repo, file, actions, &mut count, watch)?;
        }
        let small = modes.iter().filter(|(_, mode)| *mode == Mode::Regular).map(|(file, _)| file.bytes);
        let sent = count.done + small.sum::<u64>();
        let commit = self.commit(repo, &choices.message, &there.commit, &modes, watch)?;
        self.check_arrived(repo, &commit, &files, watch)?;
        Ok(pushed(commit, sent))
    }

    /// Makes the repository, and makes sure that it is as private as was asked for before anything is sent.
    fn create(&self, repo: &RepoId, choices: &PushChoices, watch: &mut Watch<'_>) -> Result<(There, bool), HubError> {
        let (owner, name) = repo.owner_and_name()?;
        let asked = json!({
            "type": if repo.is_dataset() { "dataset" } else { "model" },
            "organization": owner,
            "name": name,
            "private": !choices.public,
        });
        let means = |refused: Status| match refused.number {
            409 if refused.says.contains("another conflicting operation is in progress") => {
                let error = HubError::Refused { repo: repo.to_string(), status: 409, says: refused.says };
                Failure::Passing { error, wait: None }
            }
            _ => self.write_refused(repo, refused),
        };
        let made = self.post::<Value>(&self.home("api/repos/create")?, &asked, JSON, &means, watch);
        let created = match made {
            Ok(_) => true,
            // Somebody made it meanwhile, or an attempt whose answer did not come did.
            Err(HubError::Moved { .. }) => false,
            Err(HubError::NoRepository { repo, .. }) => {
                return Err(HubError::MayNotWrite { repo, says: String::new() });
            }
            Err(error) => return Err(error),
        };
        let facts = self.facts(repo, REVISION, watch)?;
        if !facts.private && !choices.public {
            return Err(HubError::IsPublic { repo: repo.to_string() });
        }
        if let (false, Some(file)) = (created, facts.files.iter().find(|file| file.path != ".gitattributes")) {
            return Err(HubError::WouldReplace { repo: repo.to_string(), files: vec![file.path.clone()] });
        }
        Ok((There { commit: facts.commit, private: facts.private }, created))
    }

    /// Asks the hub which files go into the commit and which to the storage.
    fn modes<'a>(
        &self,
        repo: &RepoId,
        files: &[&'a LocalFile],
        watch: &mut Watch<'_>,
    ) -> Result<Vec<(&'a LocalFile, Mode)>, HubError> {
        let to = self.home(&format!("api/{}/preupload/{REVISION}", repo.api()))?;
        let (mut modes, mut ignored) = (Vec::new(), Vec::new());
        for some in files.chunks(AT_ONCE) {
            let asked: Vec<Value> = some
                .iter()
                .map(|file| json!({ "path": file.path, "sample": STANDARD.encode(&file.sample), "size": file.bytes }))
                .collect();
            let means = |refused| self.write_refused(repo, refused);
            let told: Preupload = self.post(&to, &json!({ "files": asked }), JSON, &means, watch)?;
            let told: BTreeMap<String, PreuploadFile> =
                told.files.into_iter().map(|file| (file.path.clone(), file)).collect();
            for file in some {
                let told = told.get(&file.path);
                let mode = match told.map(|told| told.upload_mode.as_str()) {
                    // The storage takes nothing that is empty.
                    Some("lfs") if file.bytes > 0 => Mode::Lfs,
                    Some("lfs" | "regular") => Mode::Regular,
                    _ => return Err(to.answered(format!("it does not say how {} is sent", file.path))),
                };
                if told.is_some_and(|told| told.should_ignore) {
                    ignored.push(file.path.clone());
                }
                modes.push((*file, mode));
            }
        }
        if ignored.is_empty() { Ok(modes) } else { Err(HubError::Ignored { repo: repo.to_string(), files: ignored }) }
    }

    fn commit(
        &self,
        repo: &RepoId,
        message: &str,
        parent: &str,
        files: &[(&LocalFile, Mode)],
        watch: &mut Watch<'_>,
    ) -> Result<String, HubError> {
        let to = self.home(&format!("api/{}/commit/{REVISION}", repo.api()))?;
        let headers = [("Content-Type".to_owned(), "application/x-ndjson".to_owned())];
        let mut attempts = Attempts::new(self);
        loop {
            watch.check()?;
            let mut body = CommitBody::new(message, parent, files);
            let bytes = body.bytes;
            let sent = Outgoing { method: Method::POST, headers: &headers, body: &mut body, bytes };
            let outcome = match self.send(&to, sent) {
                Ok(answer) => self.read::<Committed>(&to, answer),
                Err(Refusal::Failed(failure)) => Err(failure),
                Err(Refusal::Status(refused)) => Err(self.write_refused(repo, refused)),
            };
            let failure = match outcome {
                Ok(Committed { commit_oid }) if is_commit(&commit_oid) => return Ok(commit_oid),
                Ok(_) => return Err(to.answered("it names no commit")),
                Err(failure) => failure,
            };
            // Where the answer did not come, the commit may have been made all the same: it is not made twice.
            let is_refused = matches!(&failure, Failure::Final(error) if !matches!(error, HubError::Moved { .. }));
            if !is_refused
                && let Ok(facts) = self.facts(repo, REVISION, watch)
                && facts.commit != parent
            {
                let sent: Vec<&LocalFile> = files.iter().map(|(file, _)| *file).collect();
                if not_arrived(repo, &facts, &sent).is_ok() {
                    return Ok(facts.commit);
                }
                return Err(HubError::Moved { repo: repo.to_string() });
            }
            attempts.after(failure, watch)?;
        }
    }

    /// Makes sure that the commit holds what was sent.
    fn check_arrived(
        &self,
        repo: &RepoId,
        commit: &str,
        files: &[&LocalFile],
        watch: &mut Watch<'_>,
    ) -> Result<(), HubError> {
        not_arrived(repo, &self.facts(repo, commit, watch)?, files)
    }
}

/// # Errors
/// Naming the first file that is not in the repository as it was sent.
fn not_arrived(repo: &RepoId, facts: &Facts, files: &[&LocalFile]) -> Result<(), HubError> {
    for file in files {
        let what = match facts.file(&file.path) {
            Some(remote) if remote.bytes != file.bytes => {
                format!("the hub has {} bytes of it, and it has {}", remote.bytes, file.bytes)
            }
            Some(remote) if !file.is(&remote.content) => "the hub has it with another hash".to_owned(),
            Some(_) => continue,
            None => "the commit does not hold it".to_owned(),
        };
        return Err(HubError::NotArrived { repo: repo.to_string(), file: file.path.clone(), what });
    }
    Ok(())
}
