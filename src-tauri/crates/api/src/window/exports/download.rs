//! An export on its way to another machine: its one file, or all of it as a tar archive.

use super::super::housekeeping::in_use;
use super::super::training::inside;
use super::super::{Backend, overview::EXPORTS};
use super::tar::{Tar, entries};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;

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
    /// An export of a project, to be saved elsewhere.
    ///
    /// # Errors
    /// When there is no such export, it is being written, or it holds something that is no file.
    pub fn download(&self, project: &str, export: &str) -> Result<Download> {
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
        match files.as_slice() {
            [] => Err(Error::new("empty", format!("the export {export} has no files"), "Export again.")),
            [only] if only.path.parent() == Some(&folder) => Ok(Download {
                name: only.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                bytes: only.bytes,
                contents: Box::new(File::open(&only.path).map_err(Error::file(&only.path))?.take(only.bytes)),
            }),
            _ => {
                let tar = Tar::of(files);
                Ok(Download { name: format!("{export}.tar"), bytes: tar.length(), contents: Box::new(tar) })
            }
        }
    }
}
