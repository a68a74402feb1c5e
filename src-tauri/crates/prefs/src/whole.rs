//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ENDING: &str = ".tmp";

/// How old a temporary file is that nobody holds, at least, before it is taken for one that was left: between being made and being
/// held there is a moment.
const LEFT: Duration = Duration::from_secs(2);

/// Writes a temporary file in the same folder, syncs and renames it: a crash leaves the old file or the new one. What a process
/// that was killed left of writing this file goes away.
///
/// # Errors
/// When `write` fails, or the folder cannot be written to.
pub fn write_by(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> std::io::Result<()> {
    /// Two writers of one file, in this process or in two, must not share the temporary one.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::other("the path names no file"))?;
    remove_left(path);
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}-{}{ENDING}", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(temporary);
    let written = File::create(&temporary)
        .and_then(|mut file| {
            // The system lets go of it however the process ends. Without locks in the folder nothing is ever taken for left.
            let _ = file.try_lock();
            write(&mut file).and_then(|()| file.sync_all())?;
            Ok(file)
        })
        .and_then(|_held| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report; a temporary file that stays does no harm.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Removes temporary files of `path` that a process left that was killed. One that is written has somebody who holds it.
fn remove_left(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let number = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(ENDING));
        if !number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')) {
            continue;
        }
        let is_old = entry
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT));
        let is_left = || File::options().write(true).open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_old && is_left() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::time::SystemTime;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_left_goes_away_and_what_is_written_or_another_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let make = |name: &str| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(long_ago).unwrap();
            file
        };
        let held = make("pairs.jsonl.7-1.tmp");
        held.lock().unwrap();
        for name in [
            "pairs.jsonl.7-0.tmp",
            "pairs.jsonl.12.tmp",
            "pairs.jsonl.mine.tmp",
            "other.jsonl.7-0.tmp",
            "pairs.jsonl.7-0",
        ] {
            make(name);
        }
        File::create(folder.path().join("pairs.jsonl.8-0.tmp")).unwrap();
        let path = folder.path().join("pairs.jsonl");
        write_by(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let stay = [
            "other.jsonl.7-0.tmp",
            "pairs.jsonl",
            "pairs.jsonl.7-0",
            "pairs.jsonl.7-1.tmp",
            "pairs.jsonl.8-0.tmp",
            "pairs.jsonl.mine.tmp",
        ];
        assert_eq!(names(folder.path()), stay);
        drop(held);
        assert!(write_by(&path, |_| Err(Error::other("no"))).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(!names(folder.path()).contains(&"pairs.jsonl.7-1.tmp".to_owned()));
    }
}
