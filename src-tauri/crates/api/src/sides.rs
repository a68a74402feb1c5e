//! What stands on the two sides of an evaluation, where that is not an adapter and its own base: any two of a run's adapter, a
//! checkpoint, a model, answers from a file, and the chosen answers of pairs.
//!
//! Sides are opened one after the other, so that one model is in memory at a time. What each side is stands in the record
//! with digests before anything is answered.

mod texts;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::{EvalRequest, asked_otherwise, complete, trained_before, trained_prompts};
use crate::open::{ModelChoice, Opened, find_model, sha256_of_data};
use crate::provenance;
use crate::reading::prompts_of;
use chat::Tokenizer;
use eval::answers::Side;
use eval::evaluation::{Ancestry, Folder, Setup, SideKind, SideOrigin, Sides};
use prefs::prompts::{self, Prompt};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use train::folder::{ADAPTER, PAIRS};
use train::origin::adapter_digests;

/// Under this folder an adapter has that of its reference, as TRL names it.
const REFERENCE: &str = "ref/";

/// What stands on one side. It is read and written as a word with what it needs after a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SideChoice {
    /// The evaluation's model with its adapter.
    Adapter,
    /// The evaluation's model without it.
    Base,
    /// The adapter of the run in a folder, on that run's model.
    Run(PathBuf),
    /// A checkpoint's folder of a run, on that run's model.
    Checkpoint(PathBuf),
    /// A model alone, by its path or name.
    Model(PathBuf),
    /// A file of prompts and answers.
    Answers(PathBuf),
    /// The chosen answers of the pairs that are given.
    Chosen,
}

impl FromStr for SideChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest.filter(|rest| !rest.is_empty())) {
            ("adapter", None) => Ok(Self::Adapter),
            ("base", None) => Ok(Self::Base),
            ("chosen", None) => Ok(Self::Chosen),
            ("run", Some(folder)) => Ok(Self::Run(folder.into())),
            ("checkpoint", Some(folder)) => Ok(Self::Checkpoint(folder.into())),
            ("model", Some(model)) => Ok(Self::Model(model.into())),
            ("answers", Some(file)) => Ok(Self::Answers(file.into())),
            _ => Err(format!(
                "\"{text}\" is no side; there are adapter, base, run:DIR, checkpoint:DIR, model:MODEL, answers:FILE and chosen"
            )),
        }
    }
}

impl fmt::Display for SideChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter => f.write_str("adapter"),
            Self::Base => f.write_str("base"),
            Self::Chosen => f.write_str("chosen"),
            Self::Run(folder) => write!(f, "run:{}", folder.display()),
            Self::Checkpoint(folder) => write!(f, "checkpoint:{}", folder.display()),
            Self::Model(model) => write!(f, "model:{}", model.display()),
            Self::Answers(file) => write!(f, "answers:{}", file.display()),
        }
    }
}

/// A side with what it is called; without a name it is called after what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSide {
    /// What it is.
    pub choice: SideChoice,
    /// How all screens and the report call it.
    pub name: Option<String>,
}

impl From<SideChoice> for NamedSide {
    fn from(choice: SideChoice) -> Self {
        Self { choice, name: None }
    }
}

/// A model that is to answer for a side.
pub(crate) struct Speaker {
    pub(crate) choice: ModelChoice,
    /// Whether its adapter is on when it answers; else it answers as the adapter's reference.
    pub(crate) tuned: bool,
}

/// An evaluation of two sides in which the answers that nobody has to make are there.
pub(crate) struct Comparison {
    pub(crate) folder: Folder,
    /// Who makes those of each side.
    speakers: [(Side, Option<Speaker>); 2],
}

impl Comparison {
    /// Who has answers to make, in order.
    pub(crate) fn at_work(&self) -> Vec<(Side, &Speaker)> {
        let is_missing = |side: Side| !self.folder.missing(side).is_empty();
        self.speakers
            .iter()
            .filter_map(|(side, speaker)| Some((*side, speaker.as_ref()?)).filter(|_| is_missing(*side)))
            .collect()
    }
}

/// Checks both sides, records what they are, and takes the answers that are there already.
///
/// # Errors
/// When a side is not what it was, both are the same, or a prompt has no answer where answers are given.
pub(crate) fn begin(request: &EvalRequest, sides: &[NamedSide; 2], context: &mut Context) -> Result<Comparison> {
    let mut found = [resolve(&sides[0], request, context)?, resolve(&sides[1], request, context)?];
    if found[0].origin.name == found[1].origin.name {
        for (side, named) in found.iter_mut().zip(sides) {
            side.origin.name = match &named.name {
                Some(name) => format!("{name} ({})", last_part(&named.choice.to_string())),
                None => named.choice.to_string(),
            };
        }
    }
    let tokenizer = found.iter().find_map(|side| side.speaker.as_ref());
    let tokenizer = tokenizer.map(|speaker| Tokenizer::open(&speaker.choice.model)).transpose()?;
    let prompts = prompts_of(&request.prompts, request.choices.as_ref(), tokenizer.as_ref(), context)?;
    for side in &mut found {
        record(side, &prompts, request, context)?;
    }
    let [tuned, base] = found;
    if tuned.origin.identity() == base.origin.identity() {
        let message = format!("both sides are the same: {} and {}", tuned.origin.name, base.origin.name);
        return Err(Error::new("same_sides", message, "Choose two that differ: their answers would be the same."));
    }
    let sampling = serde_json::to_value(&request.sampling).ok().and_then(|v| serde_json::from_value(v).ok());
    let (texts, speakers) = ([tuned.texts, base.texts], [(Side::Base, base.speaker), (Side::Tuned, tuned.speaker)]);
    let ancestry = Ancestry {
        sides: Some(Sides { tuned: tuned.origin, base: base.origin }),
        prompts: request.prompts.display().to_string(),
        prompts_sha256: sha256_of_data(&request.prompts)?,
        seed: request.sampling.seed,
        order_seed: request.order_seed,
        sampling: sampling.unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Ancestry::default()
    };
    let mut folder = Folder::open(&request.output_dir, Setup { ancestry, prompts })?;
    for (side, texts) in [Side::Tuned, Side::Base].into_iter().zip(texts) {
        let missing = folder.missing(side);
        let answers = texts.into_iter().flatten().filter(|answer| missing.contains(&answer.id));
        folder.add(answers.map(|answer| eval::answers::Answer { side, ..answer }).collect())?;
    }
    Ok(Comparison { folder, speakers })
}

/// Lets a model make the answers of its side that are not there yet.
///
/// # Errors
/// When it cannot answer, or is stopped.
pub(crate) fn answer(
    comparison: &mut Comparison,
    side: Side,
    opened: &Opened,
    request: &EvalRequest,
    grown: &mut crate::evaluate::Growing<'_>,
    context: &mut Context,
) -> Result<()> {
    let tuned = comparison
        .speakers
        .iter()
        .any(|(of, speaker)| *of == side && speaker.as_ref().is_some_and(|speaker| speaker.tuned));
    let name = comparison.folder.setup().ancestry.names().short(side);
    let stage = format!("answers of {name}");
    complete(&mut comparison.folder, (side, &stage), (opened, tuned), &request.sampling, grown, context)
}

/// A side as far as it is known.
struct Found {
    origin: SideOrigin,
    speaker: Option<Speaker>,
    run: Option<PathBuf>,
    /// Answers that are there, of a side that makes none.
    texts: Option<Vec<eval::answers::Answer>>,
}

/// Finds what a side names.
fn resolve(side: &NamedSide, request: &EvalRequest, context: &mut Context) -> Result<Found> {
    let (kind, own_name, choice, tuned, run) = match &side.choice {
        SideChoice::Adapter | SideChoice::Base => {
            let tuned = side.choice == SideChoice::Adapter;
            let named = if request.choice.model.as_os_str().is_empty() { None } else { Some(request.choice.clone()) };
            let choice = named.ok_or_else(|| {
                Error::new("no_model", format!("there is no model for the side {}", side.choice), "Give --model MODEL.")
            })?;
            if tuned && choice.adapter.is_none() {
                return Err(Error::new(
                    "no_adapter",
                    "there is no adapter for the side adapter",
                    "Give --adapter DIR.",
                ));
            }
            let of = request
                .run
                .as_deref()
                .or(request.choice.adapter.as_deref())
                .map(|path| last_part(&path.display().to_string()));
            let (kind, name) =
                if tuned { (SideKind::Adapter, of.unwrap_or_default()) } else { (SideKind::Base, "base model".into()) };
            (kind, name, Some(choice), tuned, request.run.clone().filter(|_| tuned))
        }
        SideChoice::Run(folder) => {
            crate::suspects::refuse_unready(folder)?;
            let (choice, name) = of_run(folder, folder.join(ADAPTER), request)?;
            (SideKind::Adapter, name, Some(choice), true, Some(folder.clone()))
        }
        SideChoice::Checkpoint(folder) => {
            let run = folder.parent().and_then(Path::parent).unwrap_or(Path::new("."));
            let (choice, name) = of_run(run, folder.clone(), request)?;
            let step = step_of(folder).ok_or_else(|| {
                let message = format!("{} is no checkpoint", folder.display());
                Error::new("no_checkpoint", message, "Name a folder such as RUN/checkpoints/step-50.")
            })?;
            (SideKind::Checkpoint, format!("{name}, step {step}"), Some(choice), true, Some(run.to_path_buf()))
        }
        SideChoice::Model(model) => {
            let choice = ModelChoice { model: model.clone(), adapter: None, ..request.choice.clone() };
            (SideKind::Model, last_part(&model.display().to_string()), Some(choice), false, None)
        }
        SideChoice::Answers(file) => (SideKind::Answers, last_part(&file.display().to_string()), None, false, None),
        SideChoice::Chosen => (SideKind::Chosen, "chosen answers".to_owned(), None, false, None),
    };
    let mut origin = SideOrigin { kind, name: side.name.clone().unwrap_or(own_name), ..SideOrigin::default() };
    match &side.choice {
        SideChoice::Answers(file) => origin.file = Some(file.display().to_string()),
        SideChoice::Checkpoint(folder) => origin.step = step_of(folder),
        SideChoice::Chosen => {
            let pairs = request.pairs.as_ref().ok_or_else(|| {
                Error::new("no_pairs", "there are no pairs whose chosen answers stand on a side", "Give --pairs FILE.")
            })?;
            origin.file = Some(pairs.display().to_string());
        }
        _ => {}
    }
    let speaker = match choice {
        Some(choice) => {
            origin.model = Some(choice.model.display().to_string());
            let model = find_model(&choice.model, context)?;
            Some(Speaker { choice: ModelChoice { model, ..choice }, tuned })
        }
        None => None,
    };
    Ok(Found { origin, speaker, run, texts: None })
}

/// The model of a run with one of its adapters, and what the run is called.
fn of_run(run: &Path, adapter: PathBuf, request: &EvalRequest) -> Result<(ModelChoice, String)> {
    let config = runs::prepared(run)?;
    let (dtype, products) = (config.settings.dtype, config.settings.products);
    let choice = ModelChoice { model: config.model, adapter: Some(adapter), dtype, products, ..request.choice.clone() };
    let run = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
    Ok((choice, last_part(&run.display().to_string())))
}

fn step_of(checkpoint: &Path) -> Option<u64> {
    checkpoint.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// Digests of all that a side's answers follow from, and what is to be kept in mind with them.
fn record(side: &mut Found, prompts: &[Prompt], request: &EvalRequest, context: &mut Context) -> Result<()> {
    let origin = &mut side.origin;
    let Some(Speaker { choice, tuned }) = &side.speaker else {
        let path = PathBuf::from(origin.file.clone().unwrap_or_default());
        origin.file_sha256 = Some(sha256_of_data(&path)?);
        let read = match origin.kind {
            SideKind::Chosen => texts::of_pairs(&path, request.pairs_choices.as_ref(), prompts, context)?,
            _ => texts::of_file(&path, prompts)?,
        };
        for note in &read.notes {
            context.note(format!("{}: {note}", origin.name));
        }
        (origin.notes, side.texts) = (read.notes, Some(read.answers));
        return Ok(());
    };
    let digests = provenance::digests();
    let base = provenance::base(&choice.model, &digests, context)?;
    let size = model::weights::open(&choice.model, choice.dtype, &candle_core::Device::Cpu)?.size();
    let device = choice.device.open()?.choice;
    (origin.model_sha256, origin.model_files) = (Some(base.sha256), base.files);
    (origin.dtype, origin.products) = (choice.dtype.to_string(), choice.products.on(device, &size).to_string());
    let tokenizer = Tokenizer::open(&choice.model)?;
    let mut notes: Vec<String> = crate::open::notes_of(&choice.model, &tokenizer, choice.dtype)?;
    if let Some(adapter) = &choice.adapter {
        let other = provenance::check(adapter, &choice.model, &digests, choice.allow_changed_base, context)?;
        notes.extend(other.sentence());
        let all = adapter_digests(adapter)?.into_iter().filter(|(name, _)| name.starts_with(REFERENCE) != *tuned);
        let own = |(name, digest): (String, String)| (name.trim_start_matches(REFERENCE).to_owned(), digest);
        origin.adapter_files = all.map(own).collect::<BTreeMap<_, _>>();
        origin.adapter = tuned.then(|| adapter.display().to_string());
    }
    let plain = prompts::plain_text(prompts);
    if plain > 0 && tokenizer.has_template() {
        notes.push(format!(
            "{plain} prompts are plain text and were asked as they stand: the model's chat template was not applied to them"
        ));
    }
    if let Some(run) = &side.run {
        provenance::check_rows(run, context)?;
        if let Some(adapter) = &choice.adapter {
            provenance::check_is_of(adapter, run)?;
        }
        origin.run = Some(run.display().to_string());
        origin.pairs_sha256 = Some(sha256_of_data(&run.join(PAIRS))?);
        let trained = trained_prompts(prompts, run)?;
        if trained > 0 {
            notes.push(format!(
                "the run was trained on {trained} of the {} prompts: how it answers them says little of others",
                prompts.len()
            ));
        }
        let before = trained_before(prompts, run)?;
        if before > 0 {
            notes.push(format!(
                "a run that this one began from was trained on {before} of the {} prompts: how it answers them says little of others",
                prompts.len()
            ));
        }
        notes.extend(asked_otherwise(prompts, Some(run), &tokenizer)?);
    }
    for note in &notes {
        context.note(format!("{}: {note}", origin.name));
    }
    origin.notes = notes;
    Ok(())
}

/// The last part of a path or a name.
fn last_part(path: &str) -> String {
    path.split(['/', '\\']).rfind(|part| !part.is_empty()).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_written_as_they_are_read() {
        for text in [
            "adapter",
            "base",
            "chosen",
            "run:runs/a b",
            "checkpoint:runs/a/checkpoints/step-5",
            "model:hf:o/n",
            "answers:C:/x.jsonl",
        ] {
            assert_eq!(text.parse::<SideChoice>().map(|side| side.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "run", "run:", "base:x", "chosen:x", "tuned"] {
            assert!(wrong.parse::<SideChoice>().is_err_and(|error| error.contains("is no side")), "{wrong}");
        }
    }
}
