//! Pushing to the Hugging Face hub: a run's adapter or merged weights, or a project's pairs, with a card made from them.
//!
//! What is pushed is exported first, by the export that writes it anywhere else, with its checks; then everything is listed;
//! then it is sent. The folder that it is exported into goes away afterwards.

mod base;
mod card;
mod data_card;
mod model_card;
mod results;
mod unnamed;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::export::{WholeFolder, write_pairs, write_singles};
use crate::hub_paths::watched;
use crate::window::EXPORTS;
use crate::{ExportRequest, Weights, export};
use hub::repository::{Change, Facts, Hub, LocalFile, PushPlan, RepoId, Settings};
use prefs::export::PairForm;
use prefs::store::Project;
use serde::Serialize;
use std::path::{Path, PathBuf};
use ts_rs::TS;
use unnamed::Unnamed;

pub use hub::repository::PushChoices;

/// The card's name, which the hub shows on the repository's page.
const CARD: &str = "README.md";

/// What is to be pushed.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// What of this machine.
    pub what: PushWhat,
    /// The repository, as `owner/name`.
    pub repo: String,
    /// The licence that the card names.
    pub licence: Option<String>,
    /// Whether nothing is to be sent: the hub is then asked only where that is possible.
    pub dry_run: bool,
}

/// Something that can be pushed.
#[derive(Debug, Clone)]
pub enum PushWhat {
    /// Of a run.
    Run {
        /// Its folder.
        run: PathBuf,
        /// In which form.
        weights: Weights,
        /// Evaluations of it whose results stand on the card, besides those of its project.
        evaluations: Vec<PathBuf>,
        /// Go on although the model is not the one that the run was trained on.
        allow_changed_base: bool,
    },
    /// The pairs of a project, and its single answers where it has some.
    Project {
        /// Its folder.
        project: PathBuf,
        /// Whether annotators are named. Else they are numbered.
        annotator_names: bool,
    },
}

/// What would be pushed, as it is shown before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PushList {
    /// Its name, of a data set with `datasets/` before it.
    pub repo: String,
    /// Its page.
    pub page: String,
    /// Whether it is there already; none where the hub was not asked.
    pub there: Option<bool>,
    /// Whether only some may see it, where it is there.
    pub private: Option<bool>,
    /// What is pushed.
    pub files: Vec<ListedFile>,
    /// Files of the repository that stay as they are.
    pub stays: Vec<String>,
    /// The text of the card.
    pub card: String,
}

/// A file that is to be pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[allow(missing_docs)]
pub struct ListedFile {
    pub path: String,
    pub bytes: u64,
    /// `new`, `same` (it is there already) or `replaces` (another one is there); none where the hub was not asked.
    pub change: Option<&'static str>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PushReply {
    /// The repository's page.
    pub page: String,
    /// The commit that holds it.
    pub commit: String,
    /// Whether the repository was made for it.
    pub created: bool,
    /// Whether only some may see it.
    pub private: bool,
    /// Bytes that were sent.
    pub sent: u64,
}

/// A push of which everything is ready. Dropped, what was exported for it goes away.
pub struct PreparedPush {
    hub: Hub,
    plan: PushPlan,
    list: PushList,
    _folder: WholeFolder,
}

/// Exports what is to be pushed, writes its card, and looks at what is in the repository. Nothing is sent.
///
/// # Errors
/// When something is wrong with the name, the token or the repository (before anything is exported), with what is to be
/// exported, or with the network.
pub fn prepare_push(request: &PushRequest, context: &mut Context) -> Result<PreparedPush> {
    let is_dataset = matches!(request.what, PushWhat::Project { .. });
    let repo = RepoId::to_push(&request.repo, is_dataset)?;
    let hub = Hub::new(Settings::from_environment()?);
    if !request.dry_run {
        hub.may_push()?;
    }
    let looked = look(&hub, &repo, request.dry_run, context)?;
    let place = match &request.what {
        PushWhat::Run { run, .. } => run.join("push"),
        PushWhat::Project { project, .. } => project.join(EXPORTS).join("push"),
    };
    let folder = WholeFolder::begin(&place)?;
    let made = match &request.what {
        PushWhat::Run { .. } => of_run(request, &hub, &repo, folder.partial(), context)?,
        PushWhat::Project { project, annotator_names } => {
            let name = request.licence.as_deref();
            of_project(project, *annotator_names, (&repo, name), folder.partial(), context)?
        }
    };
    let card = made.join(CARD);
    let text = std::fs::read_to_string(&card).map_err(Error::file(&card))?;
    let files = files_of(&made)?;
    let files = watched("read what is pushed", context, |watch| LocalFile::read_all(&files, watch))?;
    let was_asked = looked != Looked::NotAsked;
    let facts = if let Looked::There(facts) = &looked { Some(facts.as_ref()) } else { None };
    let plan = PushPlan::new(&repo, facts, files);
    let listed = |planned: &hub::repository::PlannedFile| ListedFile {
        path: planned.file.path.clone(),
        bytes: planned.file.bytes,
        change: was_asked.then_some(match planned.change {
            Change::New => "new",
            Change::Same => "same",
            Change::Replaces => "replaces",
        }),
    };
    let list = PushList {
        repo: plan.repo.to_string(),
        page: hub.page(&plan.repo),
        there: was_asked.then_some(plan.there.is_some()),
        private: plan.there.as_ref().map(|there| there.private),
        files: plan.files.iter().map(listed).collect(),
        stays: plan.others.clone(),
        card: text,
    };
    Ok(PreparedPush { hub, plan, list, _folder: folder })
}

impl PreparedPush {
    /// What would be pushed.
    pub fn list(&self) -> &PushList {
        &self.list
    }

    /// Sends it.
    ///
    /// # Errors
    /// When something would be replaced or become public that was not chosen, or the hub does not take it.
    pub fn send(&self, choices: &PushChoices, context: &mut Context) -> Result<PushReply> {
        let pushed = watched("send to the hub", context, |watch| self.hub.push(&self.plan, choices, watch))?;
        if choices.public && pushed.private {
            context.note("the repository is private, and stays so");
        }
        let hub::repository::Pushed { page, commit, created, private, sent } = pushed;
        Ok(PushReply { page, commit, created, private, sent })
    }
}

/// What the hub says of a repository.
#[derive(PartialEq)]
enum Looked {
    NotAsked,
    Missing,
    There(Box<Facts>),
}

/// What is in the repository. Where nothing is to be sent, a hub that cannot be asked is not.
fn look(hub: &Hub, repo: &RepoId, dry_run: bool, context: &mut Context) -> Result<Looked> {
    if hub.is_offline() {
        context.note("HF_HUB_OFFLINE is set: whether the repository is there, and what it holds, is not known");
        return Ok(Looked::NotAsked);
    }
    match watched("ask the hub", context, |watch| hub.repository(repo, watch)) {
        Ok(facts) => Ok(facts.map_or(Looked::Missing, |facts| Looked::There(Box::new(facts)))),
        Err(error) if dry_run && !error.is_cancelled() => {
            context.note(format!("whether the repository is there, and what it holds, is not known: {error}"));
            Ok(Looked::NotAsked)
        }
        Err(error) => Err(error),
    }
}

/// Exports of a run into `folder`, with a card. Answers with the folder of all that is pushed.
fn of_run(request: &PushRequest, hub: &Hub, repo: &RepoId, folder: &Path, context: &mut Context) -> Result<PathBuf> {
    let PushWhat::Run { run, weights, evaluations, allow_changed_base } = &request.what else {
        return Err(Error::new("fault", "this is no run", "Report this as a fault."));
    };
    let config = runs::prepared(run)?;
    let results = results::of_run(run, evaluations, context)?;
    let base = base::of(run, &config, hub, context)?;
    let exported = export(
        &ExportRequest {
            run: Some(run.clone()),
            weights: *weights,
            curves: Vec::new(),
            project: None,
            set: None,
            replace: false,
            pairs_as: Vec::new(),
            annotator_names: false,
            output_dir: folder.to_path_buf(),
            allow_changed_base: *allow_changed_base,
        },
        context,
    )?;
    let made = exported.exported.into_iter().next();
    let made = made.ok_or_else(|| Error::new("fault", "nothing was exported", "Report this as a fault."))?;
    let unnamed = Unnamed::of_run(run, &config, &base);
    unnamed.take_out(&made.path)?;
    let about = model_card::About {
        repo: repo.name(),
        licence: request.licence.as_deref(),
        run,
        config: &config,
        weights: *weights,
        base: &base,
        results: &results,
        exported: &made,
    };
    let card = unnamed.without(&model_card::write(&about)?);
    crate::evaluate::write_whole(&made.path.join(CARD), card.as_bytes())?;
    Ok(made.path)
}

/// Exports a project's pairs, and its single answers, into `folder`, with a card.
fn of_project(
    project: &Path,
    annotator_names: bool,
    (repo, licence): (&RepoId, Option<&str>),
    folder: &Path,
    context: &mut Context,
) -> Result<PathBuf> {
    let project = Project::open(project)?;
    let pairs = project.exported_pairs(annotator_names)?;
    let mut has_parquet = false;
    if !pairs.pairs.is_empty() {
        let written = write_pairs(&pairs, &PairForm::USUAL, folder)?;
        has_parquet = written.files.iter().any(|(form, _)| *form == PairForm::Parquet);
        for note in written.all_notes() {
            context.note(note);
        }
    }
    let singles = write_singles(&project, folder)?;
    if pairs.pairs.is_empty() && singles.is_empty() {
        return Err(Error::new("no_pairs", "the project has no pairs to push", "Import or label some first."));
    }
    let card = data_card::write(repo.name(), licence, &pairs, has_parquet, &singles);
    crate::evaluate::write_whole(&folder.join(CARD), card.as_bytes())?;
    Ok(folder.to_path_buf())
}

/// All files of a folder, with their paths in it, in order.
fn files_of(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(Error::file(&next))? {
            let path = entry.map_err(Error::file(&next))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(inside) = path.strip_prefix(folder) {
                let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
                files.push((parts.join("/"), path));
            }
        }
    }
    files.sort();
    Ok(files)
}
