//! A folder as one stream: a tar archive in the pax format of POSIX, which every reader of such files knows.

use std::fs::File;
use std::io::{Cursor, Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const BLOCK: usize = 512;
/// Octal digits of a size in a header; what is larger is said in a pax record.
const MOST_BYTES: u64 = 0o7_777_777_777;
const LONGEST_NAME: usize = 100;

/// A file that goes into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What it is called in the archive, with `/` between folders.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Seconds since 1970.
    pub(super) changed: u64,
}

/// The files in a folder and below it, each under its name after `name/`, in a fixed order. What is hidden is left out.
///
/// # Errors
/// When one cannot be looked at, or is neither a file nor a folder: where a link leads is not to be copied unseen.
pub(super) fn entries(folder: &Path, name: &str) -> Result<Vec<Entry>> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort();
    let mut found = Vec::new();
    for file in names {
        let path = folder.join(&file);
        let Some(plain) = file.to_str() else {
            return Err(Error::other(format!("the name of {} is no text", path.display())));
        };
        if plain.starts_with('.') {
            continue;
        }
        let about = path.symlink_metadata()?;
        let name = format!("{name}/{plain}");
        if about.is_dir() {
            found.extend(entries(&path, &name)?);
        } else if about.is_file() {
            let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            found.push(Entry { path, name, bytes: about.len(), changed: changed.map_or(0, |since| since.as_secs()) });
        } else {
            return Err(Error::other(format!("{} is no file", path.display())));
        }
    }
    Ok(found)
}

/// What comes next in an archive.
enum Part {
    Bytes(Vec<u8>),
    File(Entry),
}

/// The archive, read as it is made: only one file is open at a time, and none is held in memory.
pub(super) struct Tar {
    /// The last first.
    left: Vec<Part>,
    /// What is given now, how many bytes are still to come of it, and what it is called.
    now: Option<(Box<dyn Read + Send>, u64, String)>,
    length: u64,
}

impl Tar {
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut parts = Vec::new();
        for entry in entries {
            let fill = entry.bytes.next_multiple_of(BLOCK as u64) - entry.bytes;
            parts.push(Part::Bytes(headers(&entry)));
            parts.push(Part::File(entry));
            parts.push(Part::Bytes(vec![0; fill as usize]));
        }
        // Two empty blocks are the end.
        parts.push(Part::Bytes(vec![0; 2 * BLOCK]));
        let length = parts.iter().map(|part| match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File(entry) => entry.bytes,
        });
        let length = length.sum();
        parts.reverse();
        Self { left: parts, now: None, length }
    }

    /// How many bytes the whole archive has.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Tar {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if let Some((reader, left, name)) = &mut self.now
                && *left > 0
            {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let given = reader.read(&mut buffer[..most])?;
                if given == 0 && most > 0 {
                    let why = format!("{name} became shorter while it was read");
                    return Err(Error::new(ErrorKind::UnexpectedEof, why));
                }
                *left -= given as u64;
                return Ok(given);
            }
            self.now = Some(match self.left.pop() {
                None => return Ok(0),
                Some(Part::Bytes(bytes)) => {
                    let length = bytes.len() as u64;
                    (Box::new(Cursor::new(bytes)), length, String::new())
                }
                Some(Part::File(entry)) => (Box::new(File::open(&entry.path)?), entry.bytes, entry.name),
            });
        }
    }
}

/// The header of a file; before it a record of what has no room in there.
fn headers(entry: &Entry) -> Vec<u8> {
    let mut records = String::new();
    if entry.name.len() > LONGEST_NAME || !entry.name.is_ascii() {
        records += &record("path", &entry.name);
    }
    if entry.bytes > MOST_BYTES {
        records += &record("size", &entry.bytes.to_string());
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        bytes.extend(header("PaxHeader", records.len() as u64, entry.changed, b'x'));
        bytes.extend(records.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.extend(header(&entry.name, entry.bytes, entry.changed, b'0'));
    bytes
}

/// `LENGTH KEY=VALUE`, where the length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn header(name: &str, bytes: u64, changed: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    let octal = |value: u64, digits: usize| format!("{value:0digits$o}");
    put(0, &name.as_bytes()[..name.len().min(LONGEST_NAME)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, octal(bytes.min(MOST_BYTES), 11).as_bytes());
    put(136, octal(changed.min(MOST_BYTES), 11).as_bytes());
    // The sum counts its own place as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..154].copy_from_slice(octal(sum, 6).as_bytes());
    block[154] = 0;
    block
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record("path", "a"), "9 path=a\n");
        for length in [1, 80, 90, 91, 92, 93, 989, 990, 991, 9990] {
            let record = record("path", &"x".repeat(length));
            assert_eq!(record.split(' ').next().unwrap().parse::<usize>().unwrap(), record.len());
        }
    }

    #[test]
    fn other_programs_read_what_was_packed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("made");
        let long = format!("{}/{}.txt", "folder".repeat(15), "\u{e4}".repeat(60));
        let files = [
            ("empty", Vec::new()),
            ("one block", vec![7; BLOCK]),
            ("more", (0..100_000_u32).map(|at| at as u8).collect()),
            (long.as_str(), b"text".to_vec()),
            ("inner/deep/file.bin", vec![1, 2, 3]),
        ];
        for (name, bytes) in &files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::write(folder.join(".hidden"), "no").unwrap();
        let mut tar = Tar::of(entries(&folder, "packed").unwrap());
        let archive = place.path().join("packed.tar");
        let written = std::io::copy(&mut tar, &mut File::create(&archive).unwrap()).unwrap();
        assert_eq!(written, tar.length());

        let out = place.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let done = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&out).output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
        for (name, bytes) in &files {
            assert_eq!(&std::fs::read(out.join("packed").join(name)).unwrap(), bytes, "{name}");
        }
        assert!(!out.join("packed/.hidden").exists());
    }

    #[test]
    fn a_file_that_shrinks_breaks_the_archive_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [1; 2000]).unwrap();
        let mut tar = Tar::of(entries(folder.path(), "a").unwrap());
        std::fs::write(&path, [1; 1000]).unwrap();
        assert_eq!(std::io::copy(&mut tar, &mut std::io::sink()).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
