//! Where a back end may go.

use super::Backend;
use crate::error::{Error, Result};
use model::DeviceChoice;
use std::path::{Component, Path, PathBuf};

/// What a shell decides when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendOptions {
    /// The back end's own files: the list of recent projects, files that were sent.
    pub data_folder: PathBuf,
    /// Where new projects go.
    pub projects_folder: PathBuf,
    /// Whether any folder of this machine may be opened; else only those in the projects folder and `allowed_roots`.
    pub may_choose_folders: bool,
    /// Other folders that may be opened all the same.
    pub allowed_roots: Vec<PathBuf>,
    /// Folders with models, and adapters, which may be read wherever they lie. Those of the hub's cache may be in any case.
    pub model_folders: Vec<PathBuf>,
    /// The program to start for a training run: `PROGRAM worker FOLDER`.
    pub program: PathBuf,
    /// Where models compute.
    pub device: DeviceChoice,
}

impl BackendOptions {
    /// With folders that are there, as the file system itself calls them.
    pub(super) fn prepared(mut self) -> Result<Self> {
        for folder in [&mut self.data_folder, &mut self.projects_folder] {
            std::fs::create_dir_all(&*folder).map_err(Error::file(folder))?;
            *folder = std::fs::canonicalize(&*folder).map_err(Error::file(folder))?;
        }
        if let Some(other) = self.model_folders.iter().find(|folder| !folder.is_dir()) {
            let message = format!("{} is no folder with models", other.display());
            return Err(Error::new(
                "no_folder",
                message,
                "Name a folder of this machine by --models or TIEBREAK_MODELS.",
            ));
        }
        for root in self.allowed_roots.iter_mut().chain(&mut self.model_folders) {
            *root = std::fs::canonicalize(&*root).map_err(Error::file(root))?;
        }
        Ok(self)
    }
}

impl Backend {
    pub(crate) fn options(&self) -> &BackendOptions {
        &self.0.options
    }

    /// The path as the file system itself calls it, with links followed; what is not there yet is taken by its name.
    ///
    /// # Errors
    /// When the path is not one that this back end may use.
    pub(crate) fn allowed(&self, path: &Path) -> Result<PathBuf> {
        let options = &self.0.options;
        let real = real(&options.projects_folder.join(path))?;
        let inside = |root: &PathBuf| real.starts_with(root);
        if options.may_choose_folders || inside(&options.projects_folder) || options.allowed_roots.iter().any(inside) {
            return Ok(real);
        }
        Err(Error::new(
            "folder_not_allowed",
            format!("{} lies outside the projects folder {}", path.display(), options.projects_folder.display()),
            "Choose a folder in there, or start `tiebreak serve` with another --projects.",
        ))
    }
}

impl Backend {
    /// As [`Backend::allowed`], of a model or an adapter that is only read: those in folders for models may be, too.
    ///
    /// # Errors
    /// When the path is not one that this back end may read models from.
    pub(crate) fn allowed_model(&self, path: &Path) -> Result<PathBuf> {
        let refused = match self.allowed(path) {
            Err(error) if error.code == "folder_not_allowed" => error,
            decided => return decided,
        };
        let options = &self.0.options;
        let real = real(&options.projects_folder.join(path))?;
        let cache = hub::repository::Hub::from_environment().ok().map(|hub| hub.cache().to_path_buf());
        let cache = cache.and_then(|cache| std::fs::canonicalize(cache).ok());
        if options.model_folders.iter().chain(&cache).any(|root| real.starts_with(root)) {
            return Ok(real);
        }
        Err(Error::new(
            "folder_not_allowed",
            refused.message,
            "Choose a model of the list, or start `tiebreak serve` with --models and the folder that it lies in.",
        ))
    }
}

/// Follows links in what is there of the path.
fn real(path: &Path) -> Result<PathBuf> {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match std::fs::canonicalize(there) {
            Ok(mut found) => {
                found.extend(missing.iter().rev());
                return Ok(found);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file(path)(error)),
        }
        // A name that is not there cannot be followed upwards again, and a link to nowhere cannot be followed at all.
        let (Some(parent), Some(Component::Normal(name))) = (there.parent(), there.components().next_back()) else {
            return Err(Error::file(path)(std::io::ErrorKind::NotFound.into()));
        };
        if there.is_symlink() {
            return Err(Error::file(path)(std::io::ErrorKind::NotFound.into()));
        }
        missing.push(name.to_owned());
        there = parent;
    }
}
