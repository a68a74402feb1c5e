//! The hub's cache as its own programs keep it, so that nothing is fetched twice:
//!
//! ```text
//! models--owner--name/
//!   blobs/HASH               a file by its hash; HASH.incomplete while it is fetched
//!   refs/main                the commit that a branch or tag stood for when it was last asked
//!   snapshots/COMMIT/PATH    a link to the blob, or the file itself where there are no links
//!   .no_exist/COMMIT/PATH    an empty file: the commit has no such file
//! .locks/models--owner--name/HASH.lock
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo};

use super::HubError;
use super::facts::RemoteFile;
use super::name::{RepoId, is_commit};
use super::watch::{LOOK, Watch};

/// The repositories of models that a cache has, by name.
pub(crate) fn models_in(cache: &Path) -> Vec<RepoId> {
    let names = names_in(cache);
    let named = |folder: &String| RepoId::new(&folder.strip_prefix("models--")?.replace("--", "/"), false).ok();
    let mut repos: Vec<RepoId> = names.iter().filter_map(named).collect();
    repos.sort_by(|one, other| one.name().cmp(other.name()));
    repos
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// A repository's place in the cache.
pub(crate) struct Layout {
    repo: CacheRepo,
    folder: PathBuf,
    locks: PathBuf,
}

impl Layout {
    pub(crate) fn new(cache: &Path, repo: &RepoId) -> Self {
        let at = repo.at("main");
        let name = at.folder_name();
        let (folder, locks) = (cache.join(&name), cache.join(".locks").join(name));
        Self { repo: Cache::new(cache.to_path_buf()).repo(at), folder, locks }
    }

    pub(crate) fn blob(&self, id: &str) -> PathBuf {
        self.repo.blob_path(id)
    }

    /// The part of a blob that has come.
    pub(crate) fn incomplete(&self, id: &str) -> PathBuf {
        self.repo.blob_path(&format!("{id}.incomplete"))
    }

    /// The folder with the files of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.repo.pointer_path(commit)
    }

    fn absent(&self, commit: &str, path: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(path)
    }

    /// Whether the file is there in its full length.
    pub(crate) fn has(&self, commit: &str, file: &RemoteFile) -> bool {
        self.snapshot(commit).join(&file.path).metadata().is_ok_and(|found| found.len() == file.bytes)
    }

    /// The commit that the cache knows for a revision.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The commits of which there is a snapshot.
    pub(crate) fn commits(&self) -> Vec<String> {
        let names = names_in(&self.folder.join("snapshots"));
        names.into_iter().filter(|commit| is_commit(commit)).collect()
    }

    /// Notes the commit of a revision.
    pub(crate) fn keep_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        let folder = path.parent().unwrap_or(&self.folder);
        make_folder(folder)?;
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(commit.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)
        });
        written.map(|_| ()).map_err(HubError::io("write", &path))
    }

    /// Notes that a commit has no such file.
    pub(crate) fn keep_absent(&self, commit: &str, path: &str) -> Result<(), HubError> {
        let path = self.absent(commit, path);
        if path.exists() {
            return Ok(());
        }
        make_folder(path.parent().unwrap_or(&self.folder))?;
        File::create(&path).map(|_| ()).map_err(HubError::io("write", &path))
    }

    /// Whether it is known that a commit has no such file.
    pub(crate) fn is_absent(&self, commit: &str, path: &str) -> bool {
        self.absent(commit, path).exists()
    }

    /// The files of a snapshot with their sizes, by their paths.
    pub(crate) fn files(&self, commit: &str) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        collect(&self.snapshot(commit), "", &mut found);
        found.sort();
        found
    }

    /// Puts the blob into the snapshot: as a link, or where there are none, as the file itself, which is `moved` there or
    /// copied.
    pub(crate) fn link(&self, commit: &str, file: &RemoteFile, moved: bool) -> Result<(), HubError> {
        let pointer = self.snapshot(commit).join(&file.path);
        let blob = self.blob(file.content.id());
        make_folder(pointer.parent().unwrap_or(&self.folder))?;
        if pointer.symlink_metadata().is_ok() {
            fs::remove_file(&pointer).map_err(HubError::io("replace", &pointer))?;
        }
        let up = file.path.split('/').count() + 1;
        let target = format!("{}blobs/{}", "../".repeat(up), file.content.id());
        match symlink(&target, &pointer) {
            Ok(()) => Ok(()),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) if moved => fs::rename(&blob, &pointer).map_err(HubError::io("move a file to", &pointer)),
            Err(_) => copy(&blob, &pointer).map_err(HubError::io("copy a file to", &pointer)),
        }
    }

    /// Waits until no other process fetches this file. The lock goes with the handle, however the process ends.
    ///
    /// # Errors
    /// When the user stops the fetch, or the cache cannot be written.
    pub(crate) fn lock(&self, id: &str, watch: &mut Watch<'_>) -> Result<File, HubError> {
        let path = self.locks.join(format!("{id}.lock"));
        make_folder(&self.locks)?;
        make_folder(&self.folder.join("blobs"))?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(HubError::io("write", &path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if told => watch.pause(LOOK)?,
                Err(TryLockError::WouldBlock) => {
                    told = true;
                    watch.wait(LOOK, "another program fetches the same file")?;
                }
                // Some network file systems have no locks. A file that two wrote has the wrong hash, and is found so.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(HubError::io("lock", &path)(error)),
            }
        }
    }
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), HubError> {
    fs::create_dir_all(folder).map_err(HubError::io("make the folder", folder))
}

fn collect(folder: &Path, before: &str, found: &mut Vec<(String, u64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        // Follows links; one that leads nowhere is no file.
        match fs::metadata(entry.path()) {
            Ok(it) if it.is_dir() => collect(&entry.path(), &format!("{path}/"), found),
            Ok(it) => found.push((path, it.len())),
            Err(_) => {}
        }
    }
}

#[cfg(unix)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target.replace('/', "\\"), link)
}

/// Copies under another name first, so that the file is there whole or not at all.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new(""));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.as_file().sync_all()?;
    file.persist(to).map(|_| ()).map_err(|error| error.error)
}
