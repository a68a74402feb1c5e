//! The base model of a run as a card names it: by its name on the hub where that is known, never by a path.

use crate::context::Context;
use crate::error::Result;
use crate::hub_paths::watched;
use hub::Source;
use hub::repository::{Hub, ModelName, RepoId};
use std::path::Path;
use train::RunConfig;
use train::base::{Base, short};
use train::origin::base_of_run;

/// A base model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedBase {
    /// `owner/name` on the hub.
    pub(super) repo: Option<String>,
    pub(super) commit: Option<String>,
    /// The GGUF file, or the name of a file or folder that the hub does not have.
    pub(super) file: Option<String>,
    pub(super) is_gguf: bool,
    /// SHA-256 of its weights.
    pub(super) sha256: Option<String>,
    pub(super) licence: Option<String>,
}

/// The base of a run.
///
/// # Errors
/// When the run's record cannot be read.
pub(super) fn of(run: &Path, config: &RunConfig, hub: &Hub, context: &mut Context) -> Result<NamedBase> {
    let base = base_of_run(run)?;
    let sha256 = base.as_ref().map(|base| base.sha256.clone());
    let is_gguf = config.model.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    if let Some(ModelName { repo, revision, file }) = ModelName::of_path(&config.model) {
        let licence = licence_of(&repo, hub, context);
        return Ok(NamedBase { repo: Some(repo.name().to_owned()), commit: revision, file, is_gguf, sha256, licence });
    }
    if let Some(entry) = of_catalogue(config, base.as_ref())? {
        let on_hub = entry.sources.iter().find_map(|source| match source {
            Source::HuggingFace { repo, revision, file } => Some((repo.clone(), revision.clone(), file.clone())),
            Source::PythonPackage { .. } => None,
        });
        let licence = Some(entry.licence.to_ascii_lowercase());
        let (repo, commit, file) = match on_hub {
            Some((repo, commit, file)) => (Some(repo), Some(commit), file),
            None => (None, None, entry.file),
        };
        return Ok(NamedBase { repo, commit, file: Some(file), is_gguf: true, sha256, licence });
    }
    let file = config.model.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(NamedBase { repo: None, commit: None, file, is_gguf, sha256, licence: None })
}

/// The model of the catalogue whose file this is.
fn of_catalogue(config: &RunConfig, base: Option<&Base>) -> Result<Option<hub::Entry>> {
    let named = config.model.to_string_lossy();
    let is_it = |entry: &hub::Entry| {
        let has = |base: &Base| base.files.values().flatten().any(|digest| *digest == entry.sha256);
        entry.id == named || base.is_some_and(has)
    };
    Ok(hub::catalogue()?.into_iter().find(is_it))
}

/// The licence that the base's authors name; none where the hub cannot be asked.
fn licence_of(repo: &RepoId, hub: &Hub, context: &mut Context) -> Option<String> {
    if hub.is_offline() {
        return None;
    }
    let facts = watched("ask the hub", context, |watch| hub.repository(repo, watch)).ok().flatten();
    facts.and_then(|facts| facts.licence)
}

impl NamedBase {
    /// Its name as other programs take it, or that of its file.
    pub(super) fn name(&self) -> &str {
        self.repo.as_deref().or(self.file.as_deref()).unwrap_or("a local model")
    }

    /// Where it is, in Markdown.
    pub(super) fn words(&self) -> String {
        let digest = self.sha256.as_ref().map(|digest| format!("SHA-256 of its weights {}", short(digest)));
        if let Some(repo) = &self.repo {
            let file = self.file.as_ref().map(|file| format!("file `{file}`"));
            let commit = self.commit.as_ref().map(|commit| format!("commit `{commit}`"));
            let more: Vec<String> = [file, commit, digest].into_iter().flatten().collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
            return format!("[{repo}](https://huggingface.co/{repo}){more}");
        }
        let digest = digest.map(|digest| format!("; {digest}")).unwrap_or_default();
        format!("`{}`, a local file or folder that has no name on the hub{digest}", self.name())
    }
}
