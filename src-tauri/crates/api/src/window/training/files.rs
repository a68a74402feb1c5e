//! A run's settings and its curves as files for other programs.

use super::super::types::{RunFile, RunFileOf, TextFile};
use super::super::{Backend, locked};
use super::run_folder;
use crate::error::{Error, Result};
use crate::export::{csv, tensorboard};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use train::folder::CONFIG;

/// The file that is asked for.
pub(in crate::window) fn run_file(backend: &Backend, request: RunFileOf) -> Result<TextFile> {
    let RunFileOf { project, run, file } = request;
    let project = backend.project(&project)?;
    let folder = run_folder(&project, &run)?;
    let known = backend.training().known(&project.name_of_folder(), &folder)?;
    let known = locked(&known);
    let lines = known.events.lines();
    Ok(match file {
        RunFile::Settings => {
            let path = folder.join(CONFIG);
            let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
            TextFile { name: format!("{run}.toml"), text, base64: false }
        }
        RunFile::Curves => TextFile { name: format!("{run}.csv"), text: csv(lines), base64: false },
        RunFile::Tensorboard => TextFile {
            name: tensorboard::file_name(lines, &run),
            text: BASE64_STANDARD.encode(tensorboard::events(lines)),
            base64: true,
        },
    })
}
