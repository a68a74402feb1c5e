//! `project.toml`: a project's name and model, in its folder.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::Path;

const ABOUT: &str = "project.toml";

/// What `project.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// The project's name.
    pub(crate) name: String,
    /// A name of the catalogue or a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Whether this is the demo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) demo: bool,
    /// What somebody wrote of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

impl About {
    /// What a folder's `project.toml` says; its name where there is none.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT);
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                let message = format!("{}: {}", path.display(), error.to_string().trim());
                Error::new("project_file", message, "Correct this line; known are name, model, demo and note.")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(About { name, model: None, demo: false, note: String::new() })
            }
            Err(error) => Err(Error::file(&path)(error)),
        }
    }

    /// Writes `project.toml` whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(ABOUT);
        let text = toml::to_string(self).map_err(|error| {
            Error::new("project_file", format!("{}: {error}", path.display()), "Choose another name.")
        })?;
        let save = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        save().map_err(Error::file(&path))
    }
}
