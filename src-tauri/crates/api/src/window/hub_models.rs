//! Models of the Hugging Face hub in the window: what one is, before anything of it is fetched.

use super::Backend;
use super::types::{HubModel, LookUpModel};
use crate::error::{Error, Result};
use crate::hub_paths::Kind;
use hub::repository::{Facts, Hub, ModelName, PREFIX, Patience, Settings, Watch};
use std::sync::atomic::AtomicBool;

/// A page waits for the answer, so a hub that is busy is not waited for long.
const ATTEMPTS: u32 = 2;

/// What the hub has under a name. Of the files only `config.json` is fetched, a few kilobytes.
pub(super) fn look_up_model(backend: &Backend, request: LookUpModel) -> Result<HubModel> {
    let name = backend.hub_name(request.model.trim())?.ok_or_else(|| {
        Error::new(
            "no_hub_name",
            format!("{:?} is no name of a model on the Hugging Face hub", request.model),
            "Write owner/name, with @revision for a branch or commit and :file.gguf for a file of it.",
        )
    })?;
    let settings = Settings::from_environment()?;
    let patience = Patience { attempts: ATTEMPTS, ..settings.patience };
    let hub = Hub::new(Settings { patience, ..settings });
    let stop = AtomicBool::new(false);
    let watch = &mut Watch { report: &mut |_| {}, stop: &stop };
    let (facts, needs) = hub.model_facts(&name, watch)?;
    let pinned = ModelName {
        revision: Some(facts.commit.clone()),
        file: needs.weights.first().filter(|_| needs.is_gguf).cloned(),
        ..name
    };
    let (family, refused, unknown) = match Kind::of(&hub, &pinned, &facts, &needs, watch)? {
        Kind::Known(family) => (Some(family.to_owned()), None, None),
        Kind::Refused(why) => (None, Some(why), None),
        Kind::Unknown(why) => (None, None, Some(why)),
    };
    let room = hub.room_for(&pinned, &facts, &needs)?;
    Ok(HubModel {
        name: pinned.to_string(),
        title: pinned.repo.name().to_owned(),
        commit: facts.commit.clone(),
        file: pinned.file.clone(),
        licence: facts.licence.clone(),
        parameters: facts.parameters,
        family,
        refused,
        unknown,
        gated: facts.gated,
        private: facts.private,
        weights: bytes_of(&needs.weights, &facts),
        bytes: needs.files().filter_map(|path| facts.file(path)).map(|file| file.bytes).sum(),
        to_fetch: room.needed,
        free: room.free,
        here: room.needed == 0 && hub.model_here(&pinned).is_some(),
    })
}

fn bytes_of(paths: &[String], facts: &Facts) -> u64 {
    paths.iter().filter_map(|path| facts.file(path)).map(|file| file.bytes).sum()
}

impl Backend {
    /// The name of the hub that is meant; nothing where it is a path of something that is there, or of no such form.
    ///
    /// # Errors
    /// When it can be read both ways, or begins as a name of the hub and is none.
    pub(crate) fn hub_name(&self, named: &str) -> Result<Option<ModelName>> {
        let folder = &self.options().projects_folder;
        if !named.starts_with(PREFIX) && folder.join(named).exists() {
            return Ok(None);
        }
        Ok(ModelName::read(named, folder)?)
    }
}
