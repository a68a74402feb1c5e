//! Pushing to the Hugging Face hub: first a job that exports and shows what would be sent, then one that sends it.

use super::training::{check_grounds, run_folder, run_identity};
use super::types::{HubToken, Job, JobKind, Nothing, PreparePush, PushForm, SendPush, UseHubToken};
use super::{Backend, Working, locked};
use crate::error::{Error, Result};
use crate::push::{PreparedPush, PushChoices, PushRequest, PushWhat, prepare_push as prepare};
use crate::{Weights, login};
use hub::repository::{Account, HubError, Settings};
use model::{FloatType, GgufType};
use std::sync::{Arc, Mutex};

/// What was shown last, with the number of its job: it is sent as it was shown, or goes away.
#[derive(Default)]
pub(super) struct LastPush(Mutex<Option<(u64, Arc<PreparedPush>)>>);

/// Whether there is an access token for the hub.
pub(super) fn hub_token(_: &Backend, _: Nothing) -> Result<HubToken> {
    match Settings::from_environment() {
        Ok(settings) => Ok(shown(&settings, None)),
        // A keyring that is locked: a token may be given all the same.
        Err(error @ HubError::Keyring { .. }) => {
            Ok(HubToken { trouble: Some(error.to_string()), ..shown(&Settings::without_token()?, None) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes a token for as long as the program runs, and keeps it where that is wished.
pub(super) fn use_hub_token(_: &Backend, request: UseHubToken) -> Result<HubToken> {
    let settings = Settings::without_token()?;
    let (token, account) = super::exports::quietly(|context| login::checked(request.token.trim(), &settings, context))?;
    if request.keep {
        settings.keep_token(&token)?;
    }
    settings.use_token(token);
    Ok(shown(&Settings::from_environment()?, account))
}

fn shown(settings: &Settings, account: Option<Account>) -> HubToken {
    let (account, role) = account.map(|account| (account.name, account.role)).unzip();
    HubToken {
        hub: settings.endpoint.clone(),
        has_token: settings.token.is_some(),
        offline: settings.offline,
        account,
        role: role.flatten(),
        trouble: None,
    }
}

/// Starts the job that exports and shows; the one that is at work already, where there is one.
pub(super) fn prepare_push(backend: &Backend, request: PreparePush) -> Result<Job> {
    let project = backend.project(&request.project)?;
    let named = project.name_of_folder();
    for kind in [JobKind::PreparePush, JobKind::Push] {
        if let Some(job) = backend.running_job(kind, &named) {
            return Ok(job);
        }
    }
    let mut computes = false;
    let what = match weights_of(request.form) {
        None => PushWhat::Project { project: project.folder().to_path_buf(), annotator_names: false },
        Some(weights) => {
            let run = request.run.as_deref();
            let run = run.ok_or_else(|| Error::new("no_run", "no run was chosen", "Choose the run to push."))?;
            check_grounds(backend, &run_identity(backend, &project, run)?, request.allow_changed_base)?;
            computes = weights != Weights::Adapter;
            PushWhat::Run {
                run: run_folder(&project, run)?,
                weights,
                evaluations: Vec::new(),
                allow_changed_base: request.allow_changed_base,
            }
        }
    };
    let title = format!("Prepare the push to {}", request.repo.trim());
    let licence = request.licence.map(|licence| licence.trim().to_owned()).filter(|licence| !licence.is_empty());
    let uses = match &what {
        PushWhat::Run { run, .. } => Some(run.clone()),
        PushWhat::Project { .. } => None,
    };
    let asked = PushRequest { what, repo: request.repo.trim().to_owned(), licence, dry_run: false };
    backend.start_job(JobKind::PreparePush, &named, &title, move |working| {
        let backend = working.backend();
        if let Some(run) = &uses {
            working.uses(run);
        }
        // What was shown before is not sent any more, and its folder may be the same.
        *locked(&backend.0.last_push.0) = None;
        let prepared = if computes {
            // What is exported loads the model itself; none other is in memory meanwhile.
            let mut loaded = backend.models_alone(working)?;
            *loaded = None;
            working.with_context(|context| prepare(&asked, context))?
        } else {
            working.with_context(|context| prepare(&asked, context))?
        };
        working.prepared(prepared.list().clone());
        *locked(&backend.0.last_push.0) = Some((working.number(), Arc::new(prepared)));
        Ok(())
    })
}

/// Starts the job that sends what was shown.
pub(super) fn push(backend: &Backend, request: SendPush) -> Result<Job> {
    let named = backend.project(&request.project)?.name_of_folder();
    if let Some(job) = backend.running_job(JobKind::Push, &named) {
        return Ok(job);
    }
    let prepared = locked(&backend.0.last_push.0).as_ref().filter(|(job, _)| *job == request.prepared).cloned();
    let (_, prepared) = prepared.ok_or_else(|| {
        Error::new("not_prepared", "what was shown is not there any more", "Let it be shown again, and push then.")
    })?;
    let choices = PushChoices { public: request.public, replace: request.replace, ..PushChoices::default() };
    let title = format!("Push to {}", prepared.list().repo);
    backend.start_job(JobKind::Push, &named, &title, move |working: &Working| {
        let reply = working.with_context(|context| prepared.send(&choices, context))?;
        working.pushed(reply);
        *locked(&working.backend().0.last_push.0) = None;
        Ok(())
    })
}

/// What of a run; nothing where it is the pairs.
fn weights_of(form: PushForm) -> Option<Weights> {
    Some(match form {
        PushForm::Adapter => Weights::Adapter,
        PushForm::MergedF32 => Weights::Merged(Some(FloatType::F32)),
        PushForm::MergedBf16 => Weights::Merged(Some(FloatType::Bf16)),
        PushForm::MergedF16 => Weights::Merged(Some(FloatType::F16)),
        PushForm::GgufAsBase => Weights::Gguf(GgufType::AsBase),
        PushForm::GgufF16 => Weights::Gguf(GgufType::F16),
        PushForm::GgufQ8_0 => Weights::Gguf(GgufType::Q8_0),
        PushForm::GgufQ4K => Weights::Gguf(GgufType::Q4K),
        PushForm::LoraGguf => Weights::LoraGguf,
        PushForm::Pairs => return None,
    })
}
