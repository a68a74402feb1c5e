//! The models on this machine: in the projects folder, in folders for models, and in the cache of the Hugging Face hub.

use super::Backend;
use super::types::{LocalModel, LocalModels, ModelPlace, Nothing};
use crate::error::Result;
use candle_core::Device;
use hub::repository::Hub;
use model::BaseDtype;
use model::lora::peft::base_of;
use model::weights::{self, gguf_files};
use prefs::store::DATABASE;
use std::path::{Path, PathBuf};

/// Models lie no deeper than this below the folder that is looked through.
const DEPTH: usize = 4;
/// Folders that are looked into: a folder with everything in it is not read to its end.
const MOST_FOLDERS: usize = 2_000;

/// All models and adapters that are found. Of each only the headers are read.
///
/// # Errors
/// When the hub's settings in the environment cannot be read.
pub(super) fn local_models(backend: &Backend, _: Nothing) -> Result<LocalModels> {
    let options = backend.options();
    let mut folders = vec![options.projects_folder.clone()];
    folders
        .extend(options.model_folders.iter().filter(|folder| !folder.starts_with(&options.projects_folder)).cloned());
    let mut search = Search::default();
    for folder in &folders {
        // Each has a share of its own: one that is full hides no other.
        search.looked = 0;
        search.look(folder, DEPTH);
    }
    let mut models: Vec<LocalModel> = search.found.iter().map(Found::shown).collect();
    let hub = Hub::from_environment()?;
    models.extend(hub.models_here().into_iter().map(|here| {
        let repo = here.name.repo.name();
        let title = here.name.file.as_ref().map_or(repo.to_owned(), |file| format!("{repo} · {file}"));
        described(&here.path, here.name.to_string(), title, ModelPlace::HubCache)
    }));
    folders.push(hub.cache().to_path_buf());
    models.sort_by(|one, other| (&one.title, &one.name).cmp(&(&other.title, &other.name)));
    // Folders may lie in one another.
    models.dedup_by(|one, other| one.name == other.name);
    let folders = folders.iter().map(|folder| folder.display().to_string()).collect();
    Ok(LocalModels { models, folders, cut_off: search.left_out })
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
    looked: usize,
    /// Whether there was more than can be looked into.
    left_out: bool,
}

enum Found {
    /// A folder of safetensors, or a GGUF file.
    Model(PathBuf),
    Adapter(PathBuf),
}

impl Search {
    fn look(&mut self, folder: &Path, depth: usize) {
        if self.looked == MOST_FOLDERS {
            self.left_out = true;
            return;
        }
        self.looked += 1;
        let has = |name: &str| folder.join(name).is_file();
        if has("config.json") && (has("model.safetensors") || has("model.safetensors.index.json")) {
            return self.found.push(Found::Model(folder.to_path_buf()));
        }
        if has("adapter_config.json") {
            return self.found.push(Found::Adapter(folder.to_path_buf()));
        }
        let is_project = has(DATABASE);
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Of a project, what was exported: a run's own adapter is chosen by its run. What is laid out as the hub's cache is
            // listed by its names.
            if name.starts_with('.') || name.starts_with("models--") || (is_project && name != "exports") {
                continue;
            }
            if entry.is_dir() {
                // A link may lead back up.
                if depth > 0 && !entry.is_symlink() {
                    self.look(&entry, depth - 1);
                }
            } else if !entry.is_file() {
                // A pipe is opened by nobody: whoever reads it waits for ever.
            } else if entry.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
                && gguf_files(&entry).first().is_none_or(|first| *first == entry)
            {
                self.found.push(Found::Model(entry));
            }
        }
    }
}

impl Found {
    fn shown(&self) -> LocalModel {
        let (Self::Model(path) | Self::Adapter(path)) = self;
        let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = path.display().to_string();
        match self {
            Self::Model(_) => described(path, name, title, ModelPlace::Folder),
            Self::Adapter(_) => {
                let adapter_of = Some(base_of(path).unwrap_or_default());
                LocalModel { adapter_of, ..unknown(path, name, title, ModelPlace::Folder) }
            }
        }
    }
}

/// What its headers say of a model.
fn described(path: &Path, name: String, title: String, place: ModelPlace) -> LocalModel {
    let model = unknown(path, name, title, place);
    match weights::open(path, BaseDtype::Auto, &Device::Cpu) {
        Ok(source) => LocalModel {
            family: Some(source.config.architecture.model_type().to_owned()),
            parameters: Some(source.config.parameter_count()),
            weights: Some(source.size().weights),
            ..model
        },
        Err(error) => LocalModel { refused: Some(error.to_string()), ..model },
    }
}

fn unknown(path: &Path, name: String, title: String, place: ModelPlace) -> LocalModel {
    LocalModel {
        name,
        title,
        place,
        folder: path.parent().unwrap_or(path).display().to_string(),
        family: None,
        parameters: None,
        weights: None,
        refused: None,
        adapter_of: None,
    }
}
