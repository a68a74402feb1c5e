//! Exporting what was made: the adapter or the merged weights of a run, and a project's pairs.

mod check;
mod curves;
mod form;
mod merged;
mod modelfile;
mod pairs;
mod singles;
mod sliding_window;
pub(crate) mod tensorboard;
mod whole_folder;

pub use check::MergedCheck;
pub use curves::CurveForm;
pub(crate) use curves::csv;
pub use form::StoredType;
pub(crate) use form::{FOLDERS, Form};
pub(crate) use merged::Merging;
use pairs::{of_earlier_export, refuse_to_replace, set_named};
pub(crate) use pairs::{of_set, write_pairs};
pub(crate) use singles::{WrittenSingles, write_singles};
pub(crate) use whole_folder::WholeFolder;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use crate::provenance::{self, Provenance};
use model::{FloatType, GgufType};
use prefs::export::PairForm;
use prefs::store::Project;
use serde::Serialize;
use std::path::{Path, PathBuf};
use train::folder::{ADAPTER, ADAPTER_ORIGIN, REFERENCE, reference_of};
use train::origin::{self, AdapterOrigin};

/// What is to be exported; at least one of the two sources.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// A run that is finished or was stopped.
    pub run: Option<PathBuf>,
    /// What of the run.
    pub weights: Weights,
    /// What the run's curves are written as, instead of its weights; none where these are wanted.
    pub curves: Vec<CurveForm>,
    /// A project: its pairs as they are trained on, with what belongs to them.
    pub project: Option<PathBuf>,
    /// Its pairs of this set alone, by the set's name; no single answers then.
    pub set: Option<String>,
    /// In which forms the pairs are written.
    pub pairs_as: Vec<PairForm>,
    /// Whether annotators are named beside the pairs. Else they are numbered.
    pub annotator_names: bool,
    /// Write over files of pairs that lie there already.
    pub replace: bool,
    /// Where it goes.
    pub output_dir: PathBuf,
    /// Go on although the model is not the one that the run was trained on; what is exported says so.
    pub allow_changed_base: bool,
}

/// The form in which a run's weights are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// The adapter alone, in PEFT's format.
    Adapter,
    /// The base with the adapter merged in, as a Hugging Face folder; stored as the base is where no type is named.
    Merged(Option<FloatType>),
    /// The base with the adapter merged in, as one GGUF file with an Ollama Modelfile beside it.
    Gguf(GgufType),
    /// The adapter alone as a GGUF file, with a Modelfile beside it.
    LoraGguf,
}

/// One thing exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Exported {
    /// `adapter`, `merged`, `gguf`, `lora-gguf`, `pairs`, `single labels`, `demonstrations` or
    /// `curves`.
    pub what: String,
    pub path: PathBuf,
    pub load: String,
    /// What was found when it was read again, where that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<MergedCheck>,
    /// Says so where the base is another than the run was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_base: Option<String>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportReply {
    /// In the order in which it was written.
    pub exported: Vec<Exported>,
}

/// Exports.
///
/// # Errors
/// When the run is not finished, the project cannot be read, the folder cannot be written, or merged weights do not give
/// what the run's model gives.
pub fn export(request: &ExportRequest, context: &mut Context) -> Result<ExportReply> {
    if request.run.is_none() && request.project.is_none() {
        return Err(Error::new(
            "nothing_to_export",
            "there is nothing to export",
            "Give --run DIR, --project DIR or both.",
        ));
    }
    std::fs::create_dir_all(&request.output_dir).map_err(Error::file(&request.output_dir))?;
    let mut exported = Vec::new();
    if let (Some(run), false) = (&request.run, request.curves.is_empty()) {
        exported.extend(curves::write(run, &request.curves, &request.output_dir)?);
    } else if let Some(run) = &request.run {
        let (to, allowed) = (&request.output_dir, request.allow_changed_base);
        exported.push(match request.weights {
            Weights::Adapter => adapter(run, to, allowed, context)?,
            Weights::Merged(dtype) => merged::merged(run, dtype, to, allowed, context)?,
            Weights::Gguf(stored) => merged::in_form(run, Form::Gguf(stored), to, allowed, context)?,
            Weights::LoraGguf => merged::in_form(run, Form::LoraGguf, to, allowed, context)?,
        });
    }
    context.check()?;
    if let Some(project) = &request.project {
        let project = Project::open(project)?;
        if !request.replace {
            refuse_to_replace(&request.output_dir, &request.pairs_as, request.set.is_none())?;
        }
        let set = request.set.as_deref().map(|name| set_named(&project, name)).transpose()?;
        let (pairs, not_trained_on) = of_set(&project, project.exported_pairs(request.annotator_names)?, set)?;
        if let Some(note) = not_trained_on {
            context.note(note);
        }
        let written = write_pairs(&pairs, &request.pairs_as, &request.output_dir)?;
        let notes = written.all_notes();
        let are_numbered = written.are_numbered;
        exported.extend(written.files.into_iter().map(|(_, made)| made));
        let counts = project.counts()?;
        let open = counts.items.saturating_sub(counts.labelled);
        if open > 0 && set.is_none() {
            context.note(format!(
                "{open} items that nobody has labelled are not in these files, {} of them prompts without answers",
                counts.items_without_answers
            ));
        }
        if set.is_none() {
            exported.extend(write_singles(&project, &request.output_dir)?.into_iter().map(Exported::from));
        }
        let written: Vec<PathBuf> = exported.iter().map(|made: &Exported| made.path.clone()).collect();
        for note in notes.into_iter().chain(of_earlier_export(&request.output_dir, &written)) {
            context.note(note);
        }
        if are_numbered {
            context.note("--annotator-names writes the annotators' names instead of their numbers".to_owned());
        }
    }
    Ok(ExportReply { exported })
}

/// A run's adapter, in PEFT's format.
fn adapter(run: &Path, output_dir: &Path, allowed: bool, context: &mut Context) -> Result<Exported> {
    let config = runs::prepared(run)?;
    let from = adapter_of(run)?;
    let to = output_dir.join(ADAPTER);
    let ground = if config.model.exists() {
        provenance::check(&from, &config.model, &provenance::digests().whole(), allowed, context)?
    } else {
        origin::check_adapter(&from)?;
        context.note(format!(
            "{} is not here: whether it is the model trained on was not checked",
            config.model.display()
        ));
        Provenance::default()
    };
    let base = config.model.display().to_string();
    std::fs::create_dir_all(&to).map_err(Error::file(&to))?;
    for name in ["adapter_model.safetensors", "adapter_config.json", ADAPTER_ORIGIN] {
        // Runs of an earlier version have no origin.
        if from.join(name).is_file() || name != ADAPTER_ORIGIN {
            copy_whole(&from.join(name), &to.join(name))?;
        }
    }
    if let Some(reference) = reference_of(&from) {
        train::folder::copy_adapter(&reference, &to.join(REFERENCE))?;
    }
    if let (Some(other), Some(mut origin)) = (&ground.other, AdapterOrigin::of(&to)?) {
        origin.other_base = Some(other.clone());
        write_json(&to.join(ADAPTER_ORIGIN), &origin)?;
    }
    Ok(Exported {
        what: ADAPTER.into(),
        load: format!(
            "Python: peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), {:?}) with BASE the \
             Hugging Face folder of {base}; here: --adapter {:?}",
            to.display().to_string(),
            to.display().to_string()
        ),
        path: to,
        check: None,
        other_base: ground.sentence(),
    })
}

/// The folder of a run's adapter.
///
/// # Errors
/// When there is none yet.
fn adapter_of(run: &Path) -> Result<PathBuf> {
    train::folder::adapter_of(run).ok_or_else(|| {
        let message = format!("the run in {} has no adapter yet", run.display());
        Error::new("unfinished", message, "Let it finish: `tiebreak worker` with that folder resumes it.")
    })
}

/// Copies a file, which then is there whole or not at all.
fn copy_whole(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut source = std::fs::File::open(from).map_err(Error::file(from))?;
    let mut copy = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::copy(&mut source, &mut file)?;
        file.as_file().sync_all()?;
        file.persist(to).map_err(|error| error.error)?;
        Ok(())
    };
    copy().map_err(Error::file(to))
}
