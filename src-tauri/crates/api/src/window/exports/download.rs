//! An export on its way to another machine: its one file, its one page, or all of it as a tar archive.

use super::super::housekeeping::in_use;
use super::super::training::inside;
use super::super::{Backend, overview::EXPORTS};
use super::REPORT;
use super::tar::{Entry, Tar, entries};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is downloaded.
pub struct Download {
    /// The name of the file.
    pub name: String,
    /// How many bytes come.
    pub bytes: u64,
    /// The bytes, read from the disk as they are asked for.
    pub contents: Box<dyn Read + Send>,
}

impl Backend {
    /// An export of a project, to be saved elsewhere. Of a report, whose page has all its figures and answers in itself, this is
    /// the page alone, unless `whole` asks for the files that lie beside it.
    ///
    /// # Errors
    /// When there is no such export, it is being written, or it holds something that is no file.
    pub fn download(&self, project: &str, export: &str, whole: bool) -> Result<Download> {
        let project = self.project(project)?;
        let folder = inside(&project.folder().join(EXPORTS), export).filter(|folder| folder.is_dir());
        let folder = folder.ok_or_else(|| {
            let message = format!("there is no export {export:?} in this project");
            Error::new("no_export", message, "It was moved or deleted; look at the list again.")
        })?;
        if let Some(job) = self.job_using(&folder) {
            return Err(in_use(export, &job.title));
        }
        let files = entries(&folder, export).map_err(Error::file(&folder))?;
        let page = page_of(&folder).filter(|_| !whole);
        if let Some(page) = page.and_then(|page| files.iter().find(|file| file.path == page)) {
            return of_file(page, format!("{export}-report.html"));
        }
        match files.as_slice() {
            [] => Err(Error::new("empty", format!("the export {export} has no files"), "Export again.")),
            [only] if only.path.parent() == Some(&folder) => {
                of_file(only, only.path.file_name().unwrap_or_default().to_string_lossy().into_owned())
            }
            _ => {
                let tar = Tar::of(files);
                Ok(Download { name: format!("{export}.tar"), bytes: tar.length(), contents: Box::new(tar) })
            }
        }
    }
}

fn of_file(file: &Entry, name: String) -> Result<Download> {
    let contents = File::open(&file.path).map_err(Error::file(&file.path))?.take(file.bytes);
    Ok(Download { name, bytes: file.bytes, contents: Box::new(contents) })
}

/// The page of an export that is a report and nothing else: all of the report is in it, so that it can be sent as one file.
pub(super) fn page_of(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let shown = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count();
    let page = folder.join(REPORT).join("report.html");
    (shown == 1 && page.is_file()).then_some(page)
}
