//! Files that the page sends: kept in a folder of their own until they are imported.

mod kept;

pub(super) use kept::{brought_in, remove_old, remove_uploads, uploads};

use super::Backend;
use super::folders::BackendOptions;
use super::types::{SentFile, Upload};
use crate::error::{Error, Result};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is taken.
pub const MOST_BYTES: u64 = 1 << 30;

/// The folder of the data folder that holds one folder for each file.
const FOLDER: &str = "uploads";

/// In the folder of an upload, what has come of it so far.
const SENDING: &str = ".sending";

impl Backend {
    /// Takes a file, which had this name where it came from, from whatever brings its bytes.
    ///
    /// # Errors
    /// When it is larger than [`MOST_BYTES`], breaks off, or cannot be written; nothing of it is kept then.
    pub fn upload(&self, name: &str, bytes: &mut dyn Read) -> Result<Upload> {
        take(self.options(), name, bytes, MOST_BYTES)
    }

    /// Where the file that was sent lies, or the folder of several that are read as one.
    ///
    /// # Errors
    /// When there is none of that name, or no longer.
    pub(crate) fn uploaded(&self, upload: &str) -> Result<PathBuf> {
        let gone = || {
            let hint = "Send the file again.";
            Error::new("no_upload", "the file that was sent is not there any more", hint)
        };
        if upload.is_empty() || !upload.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(gone());
        }
        let folder = self.options().data_folder.join(FOLDER).join(upload);
        let mut files = files_in(&folder).map_err(|_| gone())?;
        kept::looked_at(&folder);
        match files.len() {
            0 => Err(gone()),
            1 => Ok(files.swap_remove(0)),
            _ => Ok(folder),
        }
    }

    /// A folder for another upload, which is removed unless it is kept.
    pub(super) fn place_for_upload(&self) -> Result<tempfile::TempDir> {
        new_folder(&self.options().data_folder.join(FOLDER))
    }
}

fn take(options: &BackendOptions, name: &str, bytes: &mut dyn Read, most: u64) -> Result<Upload> {
    let folder = new_folder(&options.data_folder.join(FOLDER))?;
    let name = plain(name);
    // It has its name only when all of it is there.
    let path = folder.path().join(SENDING);
    let mut file = fs::File::create_new(&path).map_err(Error::file(&path))?;
    let bytes = std::io::copy(&mut bytes.take(most + 1), &mut file).map_err(Error::file(&path))?;
    if bytes > most {
        return Err(Error::new(
            "too_large",
            format!("{name} is larger than {} MB", most >> 20),
            "Split it, or bring it in with `tiebreak import`.",
        ));
    }
    file.sync_all().map_err(Error::file(&path))?;
    fs::rename(&path, folder.path().join(&name)).map_err(Error::file(&path))?;
    Ok(Upload { upload: name_of_folder(&folder.keep()), name, bytes })
}

fn new_folder(all: &Path) -> Result<tempfile::TempDir> {
    fs::create_dir_all(all).map_err(Error::file(all))?;
    tempfile::Builder::new().prefix("").rand_bytes(16).tempdir_in(all).map_err(Error::file(all))
}

/// By which the upload in a folder is named.
pub(super) fn name_of_folder(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files in the folder of an upload, by name; none of one that has not come whole.
pub(super) fn files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|path| path.file_name().is_none_or(|name| name != SENDING));
    files.sort();
    Ok(files)
}

/// The file or files of an upload, under the names they had.
pub(crate) fn sent(path: &Path) -> Vec<SentFile> {
    let files = if path.is_dir() { files_in(path).unwrap_or_default() } else { vec![path.to_path_buf()] };
    let of =
        |file: &PathBuf| SentFile { name: name_of(file), bytes: fs::metadata(file).map_or(0, |about| about.len()) };
    files.iter().map(of).collect()
}

/// The name's last part, without anything that a file system could take amiss.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let kept: String = last.chars().map(keep).collect();
    // The end tells the format. File systems allow 255 bytes.
    let skip = kept.chars().count().saturating_sub(60);
    let kept: String = kept.chars().skip(skip).collect();
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() { "file".to_owned() } else { kept.to_owned() }
}

/// The name of an uploaded file, as the user knows it; of several, how many they are.
pub(crate) fn name_of(path: &Path) -> String {
    match files_in(path) {
        Ok(files) => format!("{} files", files.len()),
        Err(_) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// What went wrong with an upload. Where the program keeps what was sent is nothing to the user, who knows the file's name.
pub(crate) fn of_upload(path: &Path) -> impl Fn(prefs::Error) -> Error {
    move |error| {
        let error = Error::from(error);
        let mut message = error.message;
        for known in [path, path.parent().unwrap_or(path)] {
            let within = format!("{}{}", known.display(), std::path::MAIN_SEPARATOR);
            message = message.replace(&within, "");
        }
        Error { message: message.replace(&path.display().to_string(), &name_of(path)), ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_becomes_a_plain_one() {
        assert_eq!(plain("pairs.jsonl"), "pairs.jsonl");
        assert_eq!(plain("../../etc/passwd"), "passwd");
        assert_eq!(plain("C:\\data\\my pairs.csv"), "my pairs.csv");
        assert_eq!(plain("a\u{0}b\n?.tsv"), "a_b__.tsv");
        assert_eq!(plain(".."), "file");
        assert_eq!(plain(""), "file");
        let long = plain(&format!("{}.jsonl", "ä".repeat(300)));
        assert!(long.ends_with("ä.jsonl") && long.len() <= 255, "{long}");
    }

    #[test]
    fn a_file_that_is_too_large_or_breaks_off_leaves_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::UnexpectedEof.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let options = BackendOptions {
            data_folder: folder.path().to_owned(),
            projects_folder: folder.path().to_owned(),
            may_choose_folders: false,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: PathBuf::new(),
            device: model::DeviceChoice::Cpu,
        };
        let kept = || fs::read_dir(folder.path().join(FOLDER)).unwrap().count();
        assert_eq!(take(&options, "a", &mut &b"12345"[..], 4).unwrap_err().code, "too_large");
        assert_eq!(take(&options, "a", &mut (&b"12"[..]).chain(Broken), 4).unwrap_err().code, "file");
        assert_eq!(kept(), 0);
        let upload = take(&options, "a.csv", &mut &b"1234"[..], 4).unwrap();
        assert_eq!((upload.name.as_str(), upload.bytes, kept()), ("a.csv", 4, 1));
    }
}
