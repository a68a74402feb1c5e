//! Files that were sent together: those that are alike are one data set, read and brought in as one.

use super::types::{JoinUploads, Upload};
use super::uploads::{name_of, name_of_folder, sent};
use super::{Backend, data};
use crate::error::{Error, Result};
use prefs::mapping::ColumnMapping;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Of files, what makes them alike: the same form, the same columns, and the same reading of them. A file that counts answers
/// from 0 and one that counts them from 1 have no reading in common.
#[derive(PartialEq)]
struct Likeness {
    format: String,
    columns: BTreeSet<String>,
    mapping: ColumnMapping,
}

/// Makes one upload of those that are alike, in the order in which they were sent. What cannot be read stays by itself: its
/// preview says why.
pub(super) fn join_uploads(backend: &Backend, request: JoinUploads) -> Result<Vec<Upload>> {
    let mut groups: Vec<(Option<Likeness>, Vec<PathBuf>)> = Vec::new();
    for upload in &request.uploads {
        let path = backend.uploaded(upload)?;
        let likeness = likeness(backend, &path);
        let same_name = |other: &PathBuf| name_of(other) == name_of(&path);
        let is_alike = |(of, files): &&mut (Option<Likeness>, Vec<PathBuf>)| {
            likeness.is_some() && *of == likeness && !files.iter().any(same_name)
        };
        match groups.iter_mut().find(is_alike) {
            Some((_, files)) => files.push(path),
            None => groups.push((likeness, vec![path])),
        }
    }
    let mut uploads = Vec::new();
    for (_, files) in groups {
        match joined(backend, &files)? {
            Some(upload) => uploads.push(upload),
            None => uploads.extend(files.iter().map(|file| upload(file))),
        }
    }
    Ok(uploads)
}

fn likeness(backend: &Backend, path: &Path) -> Option<Likeness> {
    let table = data::table(backend, path).ok().filter(|table| !table.is_empty())?;
    let mapping = prefs::mapping::guess(&table);
    Some(Likeness { format: table.format.to_string(), columns: table.columns.iter().cloned().collect(), mapping })
}

/// The files in a folder of their own; none where they are not read as one data set, such as a training and a test split.
fn joined(backend: &Backend, files: &[PathBuf]) -> Result<Option<Upload>> {
    if files.len() < 2 {
        return Ok(None);
    }
    let place = backend.place_for_upload()?;
    for file in files {
        let to = place.path().join(file.file_name().unwrap_or_default());
        // The bytes are the same ones, where the file system can say so.
        fs::hard_link(file, &to).or_else(|_| fs::copy(file, &to).map(|_| ())).map_err(Error::file(&to))?;
    }
    if !prefs::table::files_of(place.path()).is_ok_and(|found| found.len() == files.len()) {
        return Ok(None);
    }
    let upload = upload(&place.keep());
    for file in files {
        // A file that stays is removed with all that is old.
        let _ = file.parent().map(fs::remove_dir_all);
    }
    Ok(Some(upload))
}

/// An upload, by the place of its file or of its files.
fn upload(path: &Path) -> Upload {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let bytes = sent(path).iter().map(|file| file.bytes).sum();
    Upload { upload: name_of_folder(folder), name: name_of(path), bytes }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::BackendOptions;
    use crate::window::uploads::files_in;

    fn send(backend: &Backend, name: &str, text: &str) -> String {
        backend.upload(name, &mut text.as_bytes()).unwrap().upload
    }

    #[test]
    fn files_that_are_alike_become_one_upload_and_others_stay_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let options = BackendOptions {
            data_folder: folder.path().join("data"),
            projects_folder: folder.path().join("projects"),
            may_choose_folders: false,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: PathBuf::from("no-program"),
            device: model::DeviceChoice::Cpu,
        };
        let backend = Backend::new(options).unwrap();
        let pairs = |at: usize| format!("prompt,chosen,rejected\nq{at},a,b\n");
        let uploads = [
            send(&backend, "part-1.csv", &pairs(1)),
            send(&backend, "prompts.csv", "question\nWhy?\n"),
            send(&backend, "part-2.csv", &pairs(2)),
            send(&backend, "part-1.csv", &pairs(3)),
            send(&backend, "picture.png", "\u{89}PNG"),
        ];
        let joined = join_uploads(&backend, JoinUploads { uploads: uploads.to_vec() }).unwrap();
        let names: Vec<&str> = joined.iter().map(|upload| upload.name.as_str()).collect();
        assert_eq!(names, ["2 files", "prompts.csv", "part-1.csv", "picture.png"]);
        let both = backend.uploaded(&joined[0].upload).unwrap();
        let files: Vec<String> = files_in(&both).unwrap().iter().map(|file| name_of(file)).collect();
        assert_eq!(files, ["part-1.csv", "part-2.csv"]);
        assert_eq!(joined[0].bytes as usize, pairs(1).len() + pairs(2).len());
        assert!(backend.uploaded(&uploads[0]).is_err() && backend.uploaded(&uploads[3]).is_ok());

        // Splits are not mixed.
        let splits = ["train.csv", "test.csv"].map(|name| send(&backend, name, &pairs(4)));
        let apart = join_uploads(&backend, JoinUploads { uploads: splits.to_vec() }).unwrap();
        assert_eq!(apart.iter().map(|upload| upload.upload.clone()).collect::<Vec<_>>(), splits);
    }
}
