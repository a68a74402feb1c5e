//! A model by name: its facts, and its files in the cache.

use std::path::PathBuf;

use super::HubError;
use super::client::Hub;
use super::facts::{Facts, RemoteFile};
use super::layout::Layout;
use super::name::{ModelName, is_commit, is_gguf};
use super::needs::{Needs, named_by};
use super::transfer::{Fetch, free_at};
use super::watch::Watch;

/// A model of the hub that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedModel {
    /// The folder with safetensors, or the GGUF file.
    pub path: PathBuf,
    /// Its name with the commit, by which it is the same for ever.
    pub name: ModelName,
    /// Bytes that were fetched for it now.
    pub fetched: u64,
    /// What the user should know, in sentences without a full stop.
    pub notes: Vec<String>,
}

/// What a fetch would take of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are not here yet.
    pub needed: u64,
    /// Bytes that are free where they would go.
    pub free: u64,
}

/// A model in the cache.
struct Cached {
    model: FetchedModel,
    /// Files of which it is not known whether the repository has them.
    unknown: Vec<&'static str>,
}

impl Hub {
    /// What a model's repository holds and what of it the model needs; nothing is fetched.
    ///
    /// # Errors
    /// See [`HubError`]; offline always.
    pub fn model_facts(&self, name: &ModelName, watch: &mut Watch<'_>) -> Result<(Facts, Needs), HubError> {
        if self.settings.offline {
            return Err(offline(name, "what the repository holds can only be asked of the hub"));
        }
        let facts = self.facts(&name.repo, name.revision(), watch)?;
        let needs = Needs::of(name, &sizes(&facts))?;
        Ok((facts, needs))
    }

    /// The model's `config.json`, fetched into the cache; nothing for a GGUF file.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn model_config(
        &self,
        name: &ModelName,
        facts: &Facts,
        watch: &mut Watch<'_>,
    ) -> Result<Option<String>, HubError> {
        if name.file.is_some() {
            return Ok(None);
        }
        let Some(config) = facts.file("config.json") else { return Ok(None) };
        let layout = Layout::new(self.cache(), &name.repo);
        Fetch { hub: self, repo: &name.repo, commit: &facts.commit, layout: &layout }.all(&[config], watch)?;
        let path = layout.snapshot(&facts.commit).join("config.json");
        std::fs::read_to_string(&path).map(Some).map_err(HubError::io("read", &path))
    }

    /// What fetching the model would take of the disk.
    ///
    /// # Errors
    /// When the disk cannot be looked at.
    pub fn room_for(&self, name: &ModelName, facts: &Facts, needs: &Needs) -> Result<Room, HubError> {
        let layout = Layout::new(self.cache(), &name.repo);
        let files: Vec<&RemoteFile> = needs.files().filter_map(|path| facts.file(path)).collect();
        let fetch = Fetch { hub: self, repo: &name.repo, commit: &facts.commit, layout: &layout };
        Ok(Room { needed: fetch.missing(&files), free: free_at(self.cache())? })
    }

    /// The model, fetched where it is not in the cache. The revision is resolved once: all files are those of the commit in
    /// the answer's name. A commit that is in the cache whole needs no network.
    ///
    /// # Errors
    /// See [`HubError`]. What has come stays, and is not fetched again.
    pub fn model(&self, name: &ModelName, watch: &mut Watch<'_>) -> Result<FetchedModel, HubError> {
        let layout = Layout::new(self.cache(), &name.repo);
        if self.settings.offline {
            return cached_offline(&layout, name);
        }
        if is_commit(name.revision())
            && let Ok(cached) = cached(&layout, name)
            && cached.unknown.is_empty()
        {
            return Ok(cached.model);
        }
        let (facts, mut needs) = self.model_facts(name, watch)?;
        let fetch = Fetch { hub: self, repo: &name.repo, commit: &facts.commit, layout: &layout };
        let unusable = |why: String| HubError::Unusable {
            repo: name.repo.to_string(),
            why,
            hint: "Take another revision, or tell its authors.".to_owned(),
        };
        let find = |path: &str| facts.file(path).ok_or_else(|| unusable(format!("{path} is missing")));
        let mut fetched = 0;
        if let Some(index) = needs.index() {
            fetched += fetch.all(&[find(index)?], watch)?;
            let path = layout.snapshot(&facts.commit).join(index);
            let text = std::fs::read_to_string(&path).map_err(HubError::io("read", &path))?;
            needs.weights = named_by(&text).map_err(unusable)?;
        }
        let files = needs.files().map(find).collect::<Result<Vec<&RemoteFile>, _>>()?;
        fetched += fetch.all(&files, watch)?;
        for path in &needs.absent {
            layout.keep_absent(&facts.commit, path)?;
        }
        layout.keep_commit(name.revision(), &facts.commit)?;

        let mut notes = Vec::new();
        if facts.repo != name.repo {
            notes.push(format!("{} is called {} now", name.repo, facts.repo));
        }
        let path = needs.opened(&layout.snapshot(&facts.commit));
        Ok(FetchedModel { path, name: pinned(name, facts.commit, &needs), fetched, notes })
    }

    /// The model where it is in the cache whole, without asking the hub: of a branch, the commit that it stood for when it
    /// was last asked.
    pub fn model_here(&self, name: &ModelName) -> Option<FetchedModel> {
        cached(&Layout::new(self.cache(), &name.repo), name).ok().map(|cached| cached.model)
    }
}

impl Hub {
    /// All models that are in the cache whole, by repository and file; of a commit each, the one that `main` stood for last
    /// first. A repository with several GGUF files gives one for each.
    pub fn models_here(&self) -> Vec<FetchedModel> {
        let mut found = Vec::new();
        for repo in super::layout::models_in(self.cache()) {
            let layout = Layout::new(self.cache(), &repo);
            let current = layout.commit("main");
            let mut commits = layout.commits();
            commits.sort_by_key(|commit| (Some(commit) != current.as_ref(), commit.clone()));
            for commit in commits {
                let named = |file| ModelName { repo: repo.clone(), revision: Some(commit.clone()), file };
                if let Some(model) = self.model_here(&named(None)) {
                    found.push(model);
                    continue;
                }
                let files = layout.files(&commit).into_iter().map(|(path, _)| path);
                let gguf = files.filter(|path| is_gguf(path));
                found.extend(gguf.filter_map(|path| self.model_here(&named(Some(path)))));
            }
        }
        // Each part of a split file leads to the same model.
        let mut names = std::collections::HashSet::new();
        found.retain(|model| names.insert(model.name.clone()));
        found
    }
}

fn cached_offline(layout: &Layout, name: &ModelName) -> Result<FetchedModel, HubError> {
    let Cached { mut model, unknown } = cached(layout, name).map_err(|missing| match missing {
        Missing::Named(missing) => offline(name, &missing),
        // What is to be chosen among what is here is asked as always.
        Missing::Error(error) => error,
    })?;
    if !unknown.is_empty() {
        model.notes.push(format!(
            "the cache does not say whether {} also has {}: while HF_HUB_OFFLINE is set, the model is read without",
            name.repo,
            unknown.join(", ")
        ));
    }
    Ok(model)
}

enum Missing {
    Named(String),
    Error(HubError),
}

fn cached(layout: &Layout, name: &ModelName) -> Result<Cached, Missing> {
    let revision = name.revision();
    let commit =
        layout.commit(revision).ok_or_else(|| Missing::Named(format!("no commit of `{revision}` was fetched")))?;
    let files = layout.files(&commit);
    if files.is_empty() {
        return Err(Missing::Named(format!("nothing of commit {commit} is there")));
    }
    let mut needs = Needs::of(name, &files).map_err(|error| match error {
        HubError::NoFile { file, .. } => Missing::Named(format!("{file} is missing")),
        HubError::Unusable { why, .. } => Missing::Named(format!("of what is there, {why}")),
        error => Missing::Error(error),
    })?;
    let snapshot = layout.snapshot(&commit);
    if let Some(index) = needs.index() {
        let path = snapshot.join(index);
        let text =
            std::fs::read_to_string(&path).map_err(|error| Missing::Error(HubError::io("read", &path)(error)))?;
        needs.weights = named_by(&text).map_err(Missing::Named)?;
        if let Some(lost) = needs.weights.iter().find(|path| !files.iter().any(|(one, _)| one == *path)) {
            return Err(Missing::Named(format!("{lost} is missing")));
        }
    }
    let unknown = needs.absent.iter().copied().filter(|path| !layout.is_absent(&commit, path)).collect();
    let path = needs.opened(&snapshot);
    let model = FetchedModel { path, name: pinned(name, commit, &needs), fetched: 0, notes: Vec::new() };
    Ok(Cached { model, unknown })
}

/// The name with its commit, and of GGUF files with the one that was taken.
fn pinned(name: &ModelName, commit: String, needs: &Needs) -> ModelName {
    let file = if needs.is_gguf { needs.weights.first().cloned() } else { None };
    ModelName { repo: name.repo.clone(), revision: Some(commit), file }
}

fn offline(name: &ModelName, missing: &str) -> HubError {
    HubError::Offline { wanted: name.to_string(), missing: missing.to_owned() }
}

pub(crate) fn sizes(facts: &Facts) -> Vec<(String, u64)> {
    facts.files.iter().map(|file| (file.path.clone(), file.bytes)).collect()
}
