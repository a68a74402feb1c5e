//! Digests of large files, kept by what the system says of a file, so that a model is not read whole at each start.
//!
//! A kept digest counts while size, times, inode and device of every file are what they were when it was read. Damage to
//! the file that keeps them costs a reading, never an answer.

use crate::error::{Error, Result};
use crate::files::{create_folder, write_whole};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file in the cache folder.
const KEPT: &str = "model_digests.json";
/// A file that was written less than this before it was read may be written again and keep its times: the clocks of file
/// systems are coarse. Its digest is not kept.
const SETTLED: Duration = Duration::from_secs(2);

/// Told how many bytes are read of how many; says whether to go on.
pub type Going<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// How digests of a model's files are come by.
#[derive(Debug, Clone)]
pub struct Digests {
    folder: Option<PathBuf>,
    whole: bool,
}

/// SHA-256 (hexadecimal) over several files in order, each after its name and length, and of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigests {
    pub(crate) all: String,
    pub(crate) each: BTreeMap<String, String>,
}

/// What the system says of a file: where it is the same, so is the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    /// Seconds and nanoseconds since 1970 of the last writing.
    written: (i64, i64),
    /// The same of the last change to the file or to what the system says of it, which no program can set back.
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

/// What was read of a model, and when it counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    stamps: BTreeMap<String, Stamp>,
    digests: FileDigests,
}

impl Digests {
    /// Kept in a cache folder, and taken from there where the files are what they were.
    pub fn kept_in(folder: &Path) -> Self {
        Self { folder: Some(folder.to_path_buf()), whole: false }
    }

    /// Kept nowhere: files are read whole each time.
    pub fn unkept() -> Self {
        Self { folder: None, whole: true }
    }

    /// Of files that are read whole, whatever is kept of them.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The digests of files by their names, which lie at `place`; none where `going` says to stop.
    pub(crate) fn of(
        &self,
        place: &Path,
        files: &[(String, PathBuf)],
        going: &mut Going<'_>,
    ) -> Result<Option<FileDigests>> {
        let key = std::path::absolute(place).map_err(Error::read(place))?.to_string_lossy().into_owned();
        let stamps = || -> Result<BTreeMap<String, Stamp>> {
            files.iter().map(|(name, path)| Ok((name.clone(), Stamp::of(path)?))).collect()
        };
        let before = stamps()?;
        if !self.whole
            && let Some(entry) = self.kept().remove(&key)
            && entry.stamps == before
        {
            return Ok(Some(entry.digests));
        }
        let began = SystemTime::now();
        let total = before.values().map(|stamp| stamp.bytes).sum();
        let Some(digests) = read(files, total, going)? else { return Ok(None) };
        if before == stamps()? && before.values().all(|stamp| stamp.is_settled(began)) {
            self.keep(key, Entry { stamps: before, digests: digests.clone() });
        }
        Ok(Some(digests))
    }

    fn kept(&self) -> BTreeMap<String, Entry> {
        let bytes = self.folder.as_ref().and_then(|folder| fs::read(folder.join(KEPT)).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Where the cache cannot be written, the files are read again the next time.
    fn keep(&self, key: String, entry: Entry) {
        let Some(folder) = &self.folder else { return };
        let mut all = self.kept();
        // What is gone is asked for no more.
        all.retain(|place, _| Path::new(place).exists());
        all.insert(key, entry);
        let Ok(text) = serde_json::to_vec_pretty(&all) else { return };
        let _ = create_folder(folder).and_then(|()| write_whole(&folder.join(KEPT), &text));
    }
}

/// Reads all files once.
fn read(files: &[(String, PathBuf)], total: u64, going: &mut Going<'_>) -> Result<Option<FileDigests>> {
    let mut all = Sha256::new();
    let mut each = BTreeMap::new();
    let mut done = 0;
    let mut buffer = vec![0; 1 << 20];
    for (name, path) in files {
        let mut file = File::open(path).map_err(Error::read(path))?;
        let length = file.metadata().map_err(Error::read(path))?.len();
        all.update(format!("{name}\n{length}\n"));
        let mut one = Sha256::new();
        loop {
            let read = file.read(&mut buffer).map_err(Error::read(path))?;
            if read == 0 {
                break;
            }
            all.update(&buffer[..read]);
            one.update(&buffer[..read]);
            done += read as u64;
            if !going(done, total) {
                return Ok(None);
            }
        }
        each.insert(name.clone(), format!("{:x}", one.finalize()));
    }
    Ok(Some(FileDigests { all: format!("{:x}", all.finalize()), each }))
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Result<Self> {
        Ok(Self::from(&fs::metadata(path).map_err(Error::read(path))?))
    }

    fn is_settled(&self, at: SystemTime) -> bool {
        let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        self.written.0.max(self.changed.0) + (SETTLED.as_secs() as i64) < seconds
    }
}

#[cfg(unix)]
impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            bytes: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

#[cfg(not(unix))]
impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let time = |time: std::io::Result<SystemTime>| {
            let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            (since.as_secs() as i64, i64::from(since.subsec_nanos()))
        };
        Self {
            bytes: metadata.len(),
            written: time(metadata.modified()),
            changed: time(metadata.created()),
            inode: 0,
            device: 0,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        digests: Digests,
    }

    impl Scene {
        /// A file that was written long enough ago.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let digests = Digests::kept_in(&folder.path().join("cache"));
            let scene = Self { folder, digests };
            scene.write(b"abc");
            scene
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("weights")
        }

        fn write(&self, bytes: &[u8]) {
            fs::write(self.path(), bytes).unwrap();
        }

        fn settle() {
            std::thread::sleep(SETTLED + Duration::from_millis(1100));
        }

        /// The digest, and how many bytes were read for it.
        fn read(&self, digests: &Digests) -> (String, u64) {
            let mut bytes = 0;
            let files = [("weights".to_owned(), self.path())];
            let found = digests.of(&self.path(), &files, &mut |done, _| {
                bytes = done;
                true
            });
            (found.unwrap().unwrap().each["weights"].clone(), bytes)
        }
    }

    /// printf abc | sha256sum
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_read_again_where_anything_of_it_changed_and_only_then() {
        let scene = Scene::new();
        assert_eq!(scene.read(&scene.digests), (ABC.into(), 3));
        // It was written a moment ago: nothing is kept of it yet.
        assert_eq!(scene.read(&scene.digests).1, 3);
        Scene::settle();
        assert_eq!(scene.read(&scene.digests), (ABC.into(), 3));
        assert_eq!(scene.read(&scene.digests), (ABC.into(), 0));
        assert_eq!(scene.read(&scene.digests.clone().whole()), (ABC.into(), 3));
        // The same length, the same time of writing.
        let written = fs::metadata(scene.path()).unwrap().modified().unwrap();
        scene.write(b"abd");
        File::options().write(true).open(scene.path()).unwrap().set_modified(written).unwrap();
        let (digest, read) = scene.read(&scene.digests);
        assert!(digest != ABC && read == 3, "{digest}");
    }

    #[test]
    fn a_damaged_cache_costs_a_reading_and_is_written_anew() {
        let scene = Scene::new();
        Scene::settle();
        scene.read(&scene.digests);
        let kept = scene.folder.path().join("cache").join(KEPT);
        for damage in [&b"{"[..], b"", b"\0\0\0\0", b"{\"x\":3}", b"[]"] {
            fs::write(&kept, damage).unwrap();
            assert_eq!(scene.read(&scene.digests), (ABC.into(), 3));
            assert_eq!(scene.read(&scene.digests), (ABC.into(), 0));
        }
        // One that cannot be written at all.
        fs::remove_file(&kept).unwrap();
        fs::create_dir(&kept).unwrap();
        assert_eq!(scene.read(&scene.digests), (ABC.into(), 3));
    }

    #[test]
    fn who_says_to_stop_gets_no_digest() {
        let scene = Scene::new();
        let files = [("weights".to_owned(), scene.path())];
        assert_eq!(scene.digests.of(&scene.path(), &files, &mut |_, _| false).unwrap(), None);
    }
}
