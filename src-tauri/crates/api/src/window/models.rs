//! Models: the catalogue, a project's choice, and the one that is in memory.

use super::types::{CatalogueModel, FetchModel, Job, JobKind};
use super::{Backend, Working, locked};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::{ModelChoice, Opened, find_model, open};
use chat::Tokenizer;
use hub::repository::Hub;
use model::weights::gguf_files;
use model::{BaseDtype, Products};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};
use train::base::Stamps;

/// How often a job that waits looks again.
const LOOK: Duration = Duration::from_millis(100);

/// How a model is loaded.
#[derive(Clone, Copy)]
pub(crate) struct LoadOptions {
    /// What its weights are kept as.
    pub(crate) dtype: BaseDtype,
    /// What products with them are computed in.
    pub(crate) products: Products,
    /// Go on although it is not the one that the adapter was trained on.
    pub(crate) allow_changed_base: bool,
}

/// Tokenizers and the model that were opened before.
#[derive(Default)]
pub(super) struct Models {
    /// At most one, as memory is short; whoever computes holds the lock meanwhile, so that work goes one after the other.
    loaded: Mutex<Option<Opened>>,
    /// The tokenizer used last.
    tokenizer: Mutex<Option<(PathBuf, Stamps, Arc<Tokenizer>)>>,
}

impl Models {
    /// The model in memory, if there is one, unless a job computes with it. A fault in a job has left nothing.
    fn idle(&self) -> Option<MutexGuard<'_, Option<Opened>>> {
        match self.loaded.try_lock() {
            Ok(loaded) => Some(loaded),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The catalogue, and what of it is on this machine.
pub(super) fn catalogue() -> Result<Vec<CatalogueModel>> {
    let cache = hub::cache_dir()?;
    let model = |entry: hub::Entry| CatalogueModel {
        here: is_here(&entry, &cache),
        id: entry.id,
        title: entry.title,
        licence: entry.licence,
        parameters: entry.parameters,
        bytes: entry.bytes,
    };
    Ok(hub::catalogue()?.into_iter().map(model).collect())
}

/// The first model of the catalogue that is on this machine.
pub(super) fn first_here() -> Result<Option<String>> {
    Ok(catalogue()?.into_iter().find(|model| model.here).map(|model| model.id))
}

/// Whether the file is there in its full length; its hash is checked when it is opened.
fn is_here(entry: &hub::Entry, cache: &Path) -> bool {
    entry.path(cache).metadata().is_ok_and(|file| file.len() == entry.bytes)
}

/// Brings a model of the catalogue or the hub here.
pub(super) fn fetch_model(backend: &Backend, request: FetchModel) -> Result<Job> {
    let (title, named) = match backend.hub_name(&request.model)? {
        Some(name) => (name.repo.name().to_owned(), name.to_string()),
        None => hub::find(&request.model).map(|entry| (entry.title, entry.id))?,
    };
    backend.start_job(JobKind::Model, "", &format!("Fetch {title}"), move |working| {
        let (sender, receiver) = channel();
        // Where the user stops the job, the hub's fetch ends soon after. A source of the catalogue cannot be broken off half
        // way: the fetch goes on without us. What came is kept either way.
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let fetching = std::thread::spawn(move || {
            let mut observer = |update: &crate::Update| {
                let _ = sender.send(update.clone());
            };
            find_model(Path::new(&named), &mut Context { observer: &mut observer, stop: &stops }).map(|_| ())
        });
        loop {
            working.check().inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            match receiver.recv_timeout(LOOK) {
                Ok(crate::Update::Progress { stage, done, total, seconds_left, .. }) => {
                    working.progress(&stage, done, total, seconds_left);
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let fault = |_| Error::new("fault", "the fetch ended by a fault of the program", "Try again, and report it.");
        fetching.join().map_err(fault)?
    })
}

impl Backend {
    /// The model as it will be kept in settings: a name of the catalogue or the hub, or a path that may be used here. A name of
    /// the hub is kept with its commit where the model is here.
    ///
    /// # Errors
    /// When there is no such model, or it lies where this back end may not go.
    pub(crate) fn model_named(&self, named: &str) -> Result<String> {
        if named.is_empty() || named.trim() != named {
            return Err(Error::new("no_model", "no model is named", "Choose a model of the list, or give its path."));
        }
        if hub::find(named).is_ok() {
            return Ok(named.to_owned());
        }
        if let Some(name) = self.hub_name(named)? {
            let here = Hub::from_environment()?.model_here(&name);
            return Ok(here.map_or(name, |here| here.name).to_string());
        }
        let named = Path::new(named);
        let mut path = self.allowed_model(named)?;
        let parts = gguf_files(named);
        if parts.len() > 1 {
            // The parts of a model that was split find one another by their names, which links may not lead to.
            parts.iter().try_for_each(|part| self.allowed_model(part).map(|_| ()))?;
            if let (Some(folder), Some(name)) = (named.parent(), named.file_name()) {
                path = self.allowed_model(folder)?.join(name);
            }
        }
        if !path.exists() {
            return Err(Error::new(
                "no_model",
                format!("there is no model at {}", path.display()),
                "Give a folder with safetensors, a .gguf file, a name of the list, or one of the Hugging Face hub.",
            ));
        }
        model::weights::refuse_adapter(&path)?;
        Ok(path.display().to_string())
    }

    /// Where the model lies; nothing where it is not on this machine yet.
    ///
    /// # Errors
    /// As [`Backend::model_named`].
    pub(crate) fn model_here(&self, named: &str) -> Result<Option<PathBuf>> {
        let named = self.model_named(named)?;
        if let Some(name) = self.hub_name(&named)? {
            return Ok(Hub::from_environment()?.model_here(&name).map(|here| here.path));
        }
        let Ok(entry) = hub::find(&named) else { return Ok(Some(named.into())) };
        let cache = hub::cache_dir()?;
        Ok(is_here(&entry, &cache).then(|| entry.path(&cache)))
    }

    /// The model's tokenizer, opened once; nothing where the model is not on this machine yet.
    ///
    /// # Errors
    /// When the model may not be used or its tokenizer cannot be read.
    pub(crate) fn tokenizer(&self, named: &str) -> Result<Option<Arc<Tokenizer>>> {
        let Some(path) = self.model_here(named)? else { return Ok(None) };
        let stamps = Stamps::of(&path)?;
        let mut kept = locked(&self.0.models.tokenizer);
        if let Some((of, as_read, tokenizer)) = &*kept
            && *of == path
            && *as_read == stamps
        {
            return Ok(Some(Arc::clone(tokenizer)));
        }
        let tokenizer = Arc::new(Tokenizer::open(&path)?);
        *kept = Some((path, stamps, Arc::clone(&tokenizer)));
        Ok(Some(tokenizer))
    }

    /// Does `work` with the model in memory, with the adapter on it where one is given. The model is kept for the next
    /// time; jobs that need one wait for each other.
    ///
    /// # Errors
    /// When the job is stopped, or model or adapter cannot be had; else what `work` gives.
    pub(crate) fn with_model<T>(
        &self,
        named: &str,
        how: LoadOptions,
        adapter: Option<&Path>,
        working: &Working,
        work: impl FnOnce(&Opened) -> Result<T>,
    ) -> Result<T> {
        let mut loaded = self.models_alone(working)?;
        let opened = self.take_model(&mut loaded, named, how, adapter, working)?;
        let result = work(&opened);
        *loaded = Some(opened);
        result
    }

    /// Waits until no other job computes with a model; none does while what this gives is kept.
    ///
    /// # Errors
    /// When the job is stopped.
    pub(crate) fn models_alone(&self, working: &Working) -> Result<MutexGuard<'_, Option<Opened>>> {
        loop {
            working.check()?;
            if let Some(loaded) = self.0.models.idle() {
                return Ok(loaded);
            }
            working.progress("wait for another job", 0, 0, None);
            std::thread::sleep(LOOK);
        }
    }

    /// The model, with the adapter on it where one is given: the one in memory, which then is the caller's, or loaded.
    ///
    /// # Errors
    /// When the job is stopped, or model or adapter cannot be had.
    pub(crate) fn take_model(
        &self,
        loaded: &mut Option<Opened>,
        named: &str,
        how: LoadOptions,
        adapter: Option<&Path>,
        working: &Working,
    ) -> Result<Opened> {
        let LoadOptions { dtype, products, allow_changed_base } = how;
        let named = self.model_named(named)?;
        let wanted = self.model_here(&named)?;
        // A model whose files were replaced meanwhile is another one.
        let same = |opened: &Opened| {
            Some(&opened.path) == wanted.as_ref() && opened.decoder.base_dtype() == dtype && opened.is_as_read()
        };
        let kept = loaded.take().filter(same);
        let mut opened = if let Some(opened) = kept {
            opened
        } else {
            working.progress("load the model", 0, 0, None);
            let model = named.into();
            let choice =
                ModelChoice { model, adapter: None, device: self.device(), dtype, products, allow_changed_base };
            working.with_context(|context| open(&choice, context))?
        };
        opened.decoder.set_products(products)?;
        working.with_context(|context| opened.put_on(adapter, allow_changed_base, context))?;
        Ok(opened)
    }

    /// Frees the memory of the model that was used last, unless a job is at work with it: a run is about to need it.
    pub(crate) fn release_model(&self) {
        if let Some(mut loaded) = self.0.models.idle() {
            *loaded = None;
        }
    }
}

/// What is left of `total` at the pace since `start`.
pub(crate) fn seconds_left(start: Instant, done: u64, total: u64) -> Option<f64> {
    (done > 0 && total >= done).then(|| start.elapsed().as_secs_f64() / done as f64 * (total - done) as f64)
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::BackendOptions;

    /// As the cache of the hub has files: links with names, to contents without.
    #[test]
    fn the_parts_of_a_split_model_keep_their_names_where_they_are_links() {
        let folder = tempfile::tempdir().unwrap();
        let projects = folder.path().join("projects");
        let options = BackendOptions {
            data_folder: folder.path().join("data"),
            projects_folder: projects.clone(),
            may_choose_folders: false,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: PathBuf::from("no-program"),
            device: model::DeviceChoice::Auto,
        };
        let backend = Backend::new(options).unwrap();
        let whole = projects.join("tiny.gguf");
        testkit::TinyLlama::default().write_gguf(&whole, candle_core::quantized::GgmlDType::F32).unwrap();
        let parts = testkit::split_gguf(&whole, 2).unwrap();
        for (at, part) in parts.iter().enumerate() {
            let blob = projects.join(format!("blob-{at}"));
            std::fs::rename(part, &blob).unwrap();
            std::os::unix::fs::symlink(&blob, part).unwrap();
        }
        let named = backend.model_named(&parts[1].display().to_string()).unwrap();
        assert!(named.ends_with("tiny-00002-of-00002.gguf"), "{named}");
        assert!(backend.tokenizer(&named).unwrap().is_some());
        // A part that leads elsewhere may not be read.
        let outside = folder.path().join("outside");
        std::fs::rename(projects.join("blob-0"), &outside).unwrap();
        std::fs::remove_file(&parts[0]).unwrap();
        std::os::unix::fs::symlink(&outside, &parts[0]).unwrap();
        assert_eq!(backend.model_named(&named).unwrap_err().code, "folder_not_allowed");
    }
}
