//! How long files that were sent are kept: an hour after they were brought in, else seven days after they were last used.

use super::super::types::{Freed, Nothing, RemoveUploads, SentUpload, SentUploads};
use super::super::{Backend, BackendOptions};
use super::{FOLDER, name_of, sent};
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that nobody has looked at for so long was forgotten.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// So long one that was brought in may be brought in once more, read in another way.
const BROUGHT_IN: Duration = Duration::from_secs(60 * 60);
/// What the user is told of this.
const RULE: &str = "A file that was sent is kept until an hour after it was brought in, or else until seven days after it was last looked at.";

/// Beside the folder of an upload, once it was brought in: by its own time.
fn mark(folder: &Path) -> PathBuf {
    folder.with_extension("used")
}

/// Notes that somebody has looked at an upload.
// Some systems keep no such times of folders: there the time at which it was sent counts.
pub(super) fn looked_at(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

/// Notes that the upload at a path, a file or a folder of several, was brought in.
// Where this fails, it is kept longer.
pub(in crate::window) fn brought_in(path: &Path) {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let _ = File::create(mark(folder));
}

/// When an upload goes, and whether it was brought in.
fn goes(folder: &Path) -> std::io::Result<(SystemTime, bool)> {
    match mark(folder).metadata().and_then(|mark| mark.modified()) {
        Ok(at) => Ok((at + BROUGHT_IN, true)),
        Err(_) => Ok((folder.metadata()?.modified()? + UNUSED, false)),
    }
}

fn folders(options: &BackendOptions) -> Vec<PathBuf> {
    let entries = fs::read_dir(options.data_folder.join(FOLDER)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Removes what nobody will ask for. Failing to is no reason not to go on.
pub(in crate::window) fn remove_old(options: &BackendOptions) {
    for folder in folders(options) {
        if goes(&folder).is_ok_and(|(at, _)| at <= SystemTime::now()) {
            let _ = remove(&folder);
        }
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(folder)?;
    match fs::remove_file(mark(folder)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files that were sent and are still there, the largest first.
#[allow(clippy::unnecessary_wraps)] // as the table of operations wants it
pub(in crate::window) fn uploads(backend: &Backend, _: Nothing) -> Result<SentUploads> {
    remove_old(backend.options());
    let mut uploads = Vec::new();
    for folder in folders(backend.options()) {
        // One that goes meanwhile is not listed.
        let Ok((goes_at, brought_in)) = goes(&folder) else { continue };
        let files = sent(&folder);
        // It is being sent, or broke off.
        if files.is_empty() {
            continue;
        }
        let name = if files.len() == 1 { files[0].name.clone() } else { name_of(&folder) };
        uploads.push(SentUpload {
            upload: super::name_of_folder(&folder),
            name,
            bytes: files.iter().map(|file| file.bytes).sum(),
            brought_in,
            goes_at: goes_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        });
    }
    uploads.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.upload.cmp(&b.upload)));
    Ok(SentUploads { rule: RULE.to_owned(), uploads })
}

/// Removes files that were sent.
pub(in crate::window) fn remove_uploads(backend: &Backend, request: RemoveUploads) -> Result<Freed> {
    let mut freed = Freed { entries: 0, bytes: 0 };
    for upload in &request.uploads {
        // One that has gone by itself meanwhile is what was asked for.
        let Some(folder) = folders(backend.options()).into_iter().find(|it| super::name_of_folder(it) == *upload)
        else {
            continue;
        };
        let bytes: u64 = sent(&folder).iter().map(|file| file.bytes).sum();
        remove(&folder).map_err(Error::file(&folder))?;
        freed = Freed { entries: freed.entries + 1, bytes: freed.bytes + bytes };
    }
    Ok(freed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_brought_in_goes_after_an_hour_and_what_was_forgotten_after_a_week() {
        let place = tempfile::tempdir().unwrap();
        let options = BackendOptions {
            data_folder: place.path().join("data"),
            projects_folder: place.path().join("projects"),
            may_choose_folders: false,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: PathBuf::new(),
            device: model::DeviceChoice::Cpu,
        };
        let backend = Backend::new(options).unwrap();
        let names = || {
            let listed = uploads(&backend, Nothing {}).unwrap().uploads;
            listed.into_iter().map(|upload| (upload.name, upload.brought_in)).collect::<Vec<_>>()
        };
        let send = |name: &str, text: &str| backend.upload(name, &mut text.as_bytes()).unwrap().upload;
        let folder = |upload: &str| backend.options().data_folder.join(FOLDER).join(upload);
        let age = |path: &Path, age: Duration| {
            File::open(path).unwrap().set_modified(SystemTime::now().checked_sub(age).unwrap()).unwrap();
        };
        let (kept, used, forgotten) = (send("kept.csv", "1234"), send("used.csv", "123"), send("old.csv", "12"));
        brought_in(&backend.uploaded(&used).unwrap());
        assert_eq!(names(), [("kept.csv".into(), false), ("used.csv".into(), true), ("old.csv".into(), false)]);
        age(&folder(&forgotten), UNUSED + Duration::from_secs(1));
        age(&mark(&folder(&used)), BROUGHT_IN + Duration::from_secs(1));
        assert_eq!(names(), [("kept.csv".into(), false)]);
        assert!(!mark(&folder(&used)).exists());

        // Whoever looks at one goes on with it.
        age(&folder(&kept), UNUSED.saturating_sub(Duration::from_secs(60)));
        backend.uploaded(&kept).unwrap();
        let goes_at = uploads(&backend, Nothing {}).unwrap().uploads[0].goes_at;
        let week = SystemTime::now() + UNUSED.saturating_sub(Duration::from_secs(60));
        assert!(u128::from(goes_at) > week.duration_since(UNIX_EPOCH).unwrap().as_millis());

        let freed = remove_uploads(&backend, RemoveUploads { uploads: vec![kept, "../..".into()] }).unwrap();
        assert_eq!((freed.entries, freed.bytes, names().len()), (1, 4, 0));
    }
}
