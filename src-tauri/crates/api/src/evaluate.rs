//! Base against tuned on held-out prompts and pairs, or any other two sides on prompts.

use crate::answers::{BATCH, answer, encoded, text};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::{ModelChoice, Opened, open, sha256_of_data};
use crate::reading::prompts_of;
use crate::sides::{NamedSide, SideChoice};
use crate::{judge_keys, provenance, reuse, score, sides};
use chat::{Limits, Tokenizer};
use eval::accuracy::{PreferenceAccuracy, preference_accuracy};
use eval::answers::{Answer, Side};
use eval::evaluation::{Ancestry, Contents, Evaluation, Folder, Setup, readable};
use eval::judge::Judge;
use generate::{Finish, Sampling};
use prefs::Content;
use prefs::checks::leaked_prompts;
use prefs::jsonl;
use prefs::prompts::{self, Prompt};
use prefs::reader::{self, Choices};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::origin::{adapter_digests, plain_text_of_run};

/// The file of an evaluation's folder that holds the preference accuracy.
const ACCURACY: &str = "accuracy.json";

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct EvalRequest {
    /// The model and the adapter that is to be judged.
    pub choice: ModelChoice,
    /// Held-out prompts.
    pub prompts: PathBuf,
    /// What is said about how they are read; nothing for a file that this program wrote, which is read as it stands.
    pub choices: Option<Choices>,
    /// Held-out pairs for the preference accuracy.
    pub pairs: Option<PathBuf>,
    /// As `choices`.
    pub pairs_choices: Option<Choices>,
    /// Limits on the tokens of those pairs.
    pub limits: Limits,
    /// The beta that the adapter was trained with, for the rewards.
    pub beta: f64,
    /// The judge: `plain:45`, `shorter`, `command:PROGRAM ARGS`, …; with `people` the answers are made, to be judged in
    /// the window.
    pub judge: String,
    /// How answers are sampled.
    pub sampling: Sampling,
    /// Seed of the sides on which answers are shown.
    pub order_seed: u64,
    /// The evaluation's folder; one that was broken off is resumed.
    pub output_dir: PathBuf,
    /// The run that made the adapter.
    pub run: Option<PathBuf>,
    /// What is compared with what, the first being what the win rate is of; the adapter with its base where it is not said.
    pub sides: Option<[NamedSide; 2]>,
}

impl EvalRequest {
    /// Both sides, where they are not the adapter and its base.
    pub(crate) fn other_sides(&self) -> Option<&[NamedSide; 2]> {
        self.sides
            .as_ref()
            .filter(|sides| [&sides[0].choice, &sides[1].choice] != [&SideChoice::Adapter, &SideChoice::Base])
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReply {
    /// The evaluation's folder.
    pub folder: PathBuf,
    /// Answers, verdicts and the win rate.
    #[serde(skip)]
    pub evaluation: Evaluation,
    /// The win rate with its interval and verdict.
    pub summary: eval::evaluation::Summary,
    /// Held-out preference accuracy, where pairs were given.
    pub accuracy: Option<PreferenceAccuracy>,
    /// Says so where the base is another than the adapter was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_base: Option<String>,
    /// Which answers were taken from other evaluations, and how many: sentences without a full stop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reused: Vec<String>,
}

impl EvalReply {
    fn of(folder: &Path, evaluation: Evaluation, accuracy: Option<PreferenceAccuracy>) -> Self {
        let summary = evaluation.summary.clone();
        let other_base = evaluation.ancestry.other_base.clone();
        Self { folder: folder.to_path_buf(), evaluation, summary, accuracy, other_base, reused: reuse::told(folder) }
    }

    /// The same in lines for people.
    pub fn words(&self) -> Vec<String> {
        let mut lines = vec![self.summary.words.clone()];
        lines.extend(self.evaluation.places_in_words());
        lines.extend(self.reused.iter().map(|told| format!("{told}.")));
        if let Some(people) = &self.evaluation.people {
            lines.push(format!("People, blind: {}", people.words));
            lines.extend(people.with_judge.map(|both| both.words()));
        }
        lines.extend(self.accuracy.iter().flat_map(PreferenceAccuracy::lines));
        lines
    }
}

/// Evaluates an adapter. The judge is tried out before anything is loaded.
///
/// # Errors
/// When the model, the adapter, the prompts or the judge cannot be used.
pub fn evaluate(request: &EvalRequest, context: &mut Context) -> Result<EvalReply> {
    let mut request = request.clone();
    request.prompts = hub_paths::data(&request.prompts, context)?;
    request.pairs = request.pairs.map(|pairs| hub_paths::data(&pairs, context)).transpose()?;
    let prompts = (request.prompts.as_path(), request.choices.as_ref());
    try_out(&request.judge, prompts, &request.output_dir, context)?;
    if let Some(sides) = request.other_sides() {
        return evaluate_sides(&request, sides, context);
    }
    request.choice.model = hub_paths::pinned(&request.choice.model, context)?;
    let opened = open(&request.choice, context)?;
    evaluate_opened(&request, &opened, &mut |_, _, _| {}, context)
}

/// Evaluates any two sides; of two models one is in memory after the other.
fn evaluate_sides(request: &EvalRequest, sides: &[NamedSide; 2], context: &mut Context) -> Result<EvalReply> {
    let mut comparison = sides::begin(request, sides, context)?;
    let at_work = comparison.at_work().into_iter().map(|(side, speaker)| (side, speaker.choice.clone()));
    for (side, choice) in at_work.collect::<Vec<_>>() {
        let opened = open(&choice, context)?;
        sides::answer(&mut comparison, side, &opened, request, &mut |_, _, _| {}, context)?;
    }
    judge_in(comparison.folder, &request.judge, &request.output_dir, context)
}

/// Asks a judge once whether it can work, where an evaluation has anything left for it.
pub(crate) fn try_out(
    judge: &str,
    (prompts, choices): (&Path, Option<&Choices>),
    folder: &Path,
    context: &mut Context,
) -> Result<()> {
    let judge = judge_keys::judge(judge)?;
    if Contents::read(folder)?.is_some_and(|contents| !contents.has_work_for(&judge)) {
        return Ok(());
    }
    let prompts = match choices {
        Some(choices) => reader::read_prompts(prompts, choices)?.into_prompts(),
        None => prompts::read_prompts(prompts)?.into_prompts(),
    };
    let tried = prompts.first().map_or(Ok(()), |first| judge.try_out(&readable(&first.prompt), context.stop));
    context.check()?;
    Ok(tried?)
}

/// Hears of answers as they grow: whose, to which prompt, and what is there so far.
pub(crate) type Growing<'a> = dyn FnMut(Side, usize, &str) + 'a;

pub(crate) fn evaluate_opened(
    request: &EvalRequest,
    opened: &Opened,
    grown: &mut Growing<'_>,
    context: &mut Context,
) -> Result<EvalReply> {
    let judge = judge_keys::judge(&request.judge)?;
    if opened.lora.is_none() {
        return Err(Error::new("no_adapter", "there is nothing to compare the base model with", "Give --adapter DIR."));
    }
    let held_out = match &request.pairs {
        Some(pairs) => Some(score::held_out(opened, pairs, request.pairs_choices.as_ref(), &request.limits, context)?),
        None => None,
    };
    let mut folder = Folder::open(&request.output_dir, setup(request, opened, context)?)?;
    for (side, stage) in [(Side::Base, "base answers"), (Side::Tuned, "tuned answers")] {
        complete(&mut folder, (side, stage), (opened, side == Side::Tuned), &request.sampling, grown, context)?;
    }
    let evaluation = decide(&mut folder, &judge, context)?;
    let accuracy = match &held_out {
        Some(examples) => preference_accuracy(&score::held_out_logps(opened, examples, context)?, request.beta)?,
        None => None,
    };
    let path = request.output_dir.join(ACCURACY);
    write_json(&path, &accuracy)?;
    Ok(EvalReply::of(&request.output_dir, evaluation, accuracy))
}

/// Lets the judge decide what it has not, and sums up.
fn decide(folder: &mut Folder, judge: &Judge, context: &mut Context) -> Result<Evaluation> {
    if *judge != Judge::People {
        let start = Instant::now();
        let stop = context.stop;
        let mut progress = |done, all| context.progress("judge", start, done as u64, all as u64);
        if folder.judge(judge, stop, &mut progress)?.is_break() {
            return Err(Error::cancelled());
        }
    }
    Ok(folder.finish(judge)?)
}

/// The answers of an evaluation that are to be judged again.
#[derive(Debug, Clone)]
pub struct JudgeRequest {
    /// The evaluation's folder.
    pub answers: PathBuf,
    /// As [`EvalRequest::judge`].
    pub judge: String,
    /// The folder of the new evaluation; one that was broken off is resumed.
    pub output_dir: PathBuf,
}

/// Lets another judge decide on the answers of an evaluation. Nothing is generated, and no model is loaded.
///
/// # Errors
/// When the answers are not all there, or the judge cannot be used.
pub fn judge(request: &JudgeRequest, context: &mut Context) -> Result<EvalReply> {
    let JudgeRequest { answers, judge, output_dir } = request;
    try_out_on(judge, answers, context)?;
    let folder = answers_into(answers, output_dir)?;
    judge_in(folder, judge, output_dir, context)
}

/// Asks a judge once whether it can work on the prompts of an evaluation.
pub(crate) fn try_out_on(judge: &str, answers: &Path, context: &mut Context) -> Result<()> {
    let judge = judge_keys::judge(judge)?;
    let contents = Contents::read(answers)?;
    let first = contents.as_ref().and_then(|contents| contents.setup().prompts.first());
    let tried = first.map_or(Ok(()), |first| judge.try_out(&readable(&first.prompt), context.stop));
    context.check()?;
    Ok(tried?)
}

/// Takes the answers of an evaluation, and what was measured of its models, into another folder.
pub(crate) fn answers_into(answers: &Path, output_dir: &Path) -> Result<Folder> {
    let folder = Folder::of_answers(answers, output_dir)?;
    let accuracy = answers.join(ACCURACY);
    if accuracy.is_file() {
        write_whole(&output_dir.join(ACCURACY), &std::fs::read(&accuracy).map_err(Error::file(&accuracy))?)?;
    }
    reuse::take_along(answers, output_dir)?;
    Ok(folder)
}

/// Judges answers that are all there.
pub(crate) fn judge_in(mut folder: Folder, judge: &str, path: &Path, context: &mut Context) -> Result<EvalReply> {
    let evaluation = decide(&mut folder, &judge_keys::judge(judge)?, context)?;
    Ok(EvalReply::of(path, evaluation, accuracy_of(path)?))
}

/// The preference accuracy that stands in an evaluation's folder; none where none was measured.
///
/// # Errors
/// When it is there and cannot be read.
pub(crate) fn accuracy_of(folder: &Path) -> Result<Option<PreferenceAccuracy>> {
    let file = folder.join(ACCURACY);
    match std::fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::from).map_err(Error::file(&file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(&file)(error)),
    }
}

fn setup(request: &EvalRequest, opened: &Opened, context: &mut Context) -> Result<Setup> {
    let prompts = prompts_of(&request.prompts, request.choices.as_ref(), Some(&opened.tokenizer), context)?;
    let asked_otherwise = asked_otherwise(&prompts, request.run.as_deref(), &opened.tokenizer)?;
    if let Some(otherwise) = &asked_otherwise {
        context.note(otherwise);
    }
    let trained_prompts = request.run.as_deref().map(|run| trained_prompts(&prompts, run)).transpose()?.unwrap_or(0);
    if trained_prompts > 0 {
        let all = prompts.len();
        context
            .note(format!("the run was trained on {trained_prompts} of the {all} prompts: that says little of others"));
    }
    let adapter_files = request.choice.adapter.as_deref().map(adapter_digests).transpose()?.unwrap_or_default();
    let pairs_file = request.run.as_ref().map(|run| run.join("pairs.jsonl"));
    if let Some(run) = &request.run {
        provenance::check_rows(run, context)?;
        if let Some(adapter) = &request.choice.adapter {
            provenance::check_is_of(adapter, run)?;
        }
    }
    let base = opened.base(context)?;
    let sampling = serde_json::to_value(&request.sampling).ok().and_then(|v| serde_json::from_value(v).ok());
    let ancestry = Ancestry {
        sides: None,
        model: request.choice.model.display().to_string(),
        model_sha256: Some(base.sha256),
        model_files: base.files,
        other_base: opened.other_base.clone(),
        dtype: opened.decoder.base_dtype().to_string(),
        products: opened.decoder.products().to_string(),
        adapter: request.choice.adapter.as_ref().map(|dir| dir.display().to_string()),
        adapter_sha256: adapter_files.get("adapter_model.safetensors").cloned(),
        reference_adapter_sha256: adapter_files.get("ref/adapter_model.safetensors").cloned(),
        adapter_files,
        run: request.run.as_ref().map(|run| run.display().to_string()),
        pairs_sha256: pairs_file.as_deref().map(sha256_of_data).transpose()?,
        prompts: request.prompts.display().to_string(),
        prompts_sha256: sha256_of_data(&request.prompts)?,
        prompts_without_template: if opened.tokenizer.has_template() { prompts::plain_text(&prompts) } else { 0 },
        trained_prompts,
        asked_otherwise,
        model_notes: opened.notes().map(str::to_owned).collect(),
        seed: request.sampling.seed,
        order_seed: request.order_seed,
        sampling: sampling.unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Setup { ancestry, prompts })
}

/// How many of the prompts stand among the pairs that the run was trained on.
pub(crate) fn trained_prompts(prompts: &[Prompt], run: &Path) -> Result<usize> {
    let pairs = run.join(train::folder::PAIRS);
    if !pairs.is_file() {
        return Ok(0);
    }
    let trained = jsonl::read_pairs(&pairs)?.into_pairs();
    Ok(leaked_prompts(&trained, prompts.iter().map(|prompt| &prompt.prompt)).len())
}

/// Where the run was trained on fewer than one in so many pairs of a kind, prompts of it are another thing.
const RARE: usize = 10;

/// How the prompts differ in kind from those that the run was trained on, as a sentence: a model that learned from
/// conversations is asked in another way by plain text, and the other way round.
pub(crate) fn asked_otherwise(prompts: &[Prompt], run: Option<&Path>, tokenizer: &Tokenizer) -> Result<Option<String>> {
    let trained = run.filter(|_| tokenizer.has_template()).map(plain_text_of_run).transpose()?.flatten();
    let Some((trained_plain, trained)) = trained else { return Ok(None) };
    let (plain, all) = (prompts::plain_text(prompts), prompts.len());
    let is_rare = |count: usize| count * RARE < trained;
    let of = |count: usize| if count == 0 { "none".to_owned() } else { count.to_string() };
    let (asked, how, same) = if plain > 0 && is_rare(trained_plain) {
        (plain, "as plain text", trained_plain)
    } else if plain < all && is_rare(trained - trained_plain) {
        (all - plain, "in the model's chat template", trained - trained_plain)
    } else {
        return Ok(None);
    };
    Ok(Some(format!(
        "{asked} of the {all} prompts are asked {how}, and of the {trained} pairs that the run was trained on {} {} such: the \
         answers are to something else than it was trained for",
        of(same),
        if same == 1 { "is" } else { "are" }
    )))
}

/// Makes the answers of one side that are not there yet, a batch at a time, by the model with its adapter or as its reference:
/// they are taken from another evaluation of the project where the same would come again.
pub(crate) fn complete(
    folder: &mut Folder,
    (side, stage): (Side, &str),
    (opened, tuned): (&Opened, bool),
    sampling: &Sampling,
    grown: &mut Growing<'_>,
    context: &mut Context,
) -> Result<()> {
    let origin = folder.setup().ancestry.side(side);
    let known = reuse::Known::beside(folder.path());
    let missing: HashSet<usize> = folder.missing(side).into_iter().collect();
    let places: Vec<usize> = (0..folder.setup().prompts.len()).collect();
    // Always the same batches, also where one was broken off: what stands beside a prompt belongs to how it is answered.
    for ids in places.chunks(BATCH).filter(|ids| ids.iter().any(|id| missing.contains(id))) {
        let prompts: Vec<Content> = ids.iter().map(|&id| folder.setup().prompts[id].prompt.clone()).collect();
        let key = reuse::key(&origin, opened, &encoded(opened, &prompts)?, sampling);
        let taken = key.as_ref().and_then(|key| known.answers(key, side, ids[0]));
        let (from, answers) = if let Some((from, answers)) = taken {
            (Some(from), answers)
        } else {
            let mut grown_here = |place: usize, text: &str| grown(side, ids[place], text);
            let completions = answer(opened, tuned, &prompts, sampling, stage, &mut grown_here, context)?;
            context.check()?;
            let answers = ids.iter().zip(&completions).map(|(&id, completion)| {
                let truncated = completion.finish == Finish::Length;
                Ok(Answer { id, side, text: text(opened, completion)?, tokens: Some(completion.ids.len()), truncated })
            });
            (None, answers.collect::<Result<Vec<_>>>()?)
        };
        folder.add(answers.iter().filter(|answer| missing.contains(&answer.id)).cloned().collect())?;
        // Where some were there before and are others, nobody is to take them from here.
        let is_whole = answers.iter().all(|answer| folder.answer(answer.id, side) == Some(answer));
        if let Some(key) = key.filter(|_| is_whole) {
            reuse::note(folder.path(), key, &answers, from)?;
        }
    }
    Ok(())
}

/// Writes a small JSON file whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::new("json", format!("{}: {error}", path.display()), "Report this as a fault."))?;
    write_whole(path, &text)
}

/// Writes a small file whole or not at all.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let save = || -> std::io::Result<()> {
        use std::io::Write;
        std::fs::create_dir_all(folder)?;
        prefs::whole::write_by(path, |file| file.write_all(contents))
    };
    save().map_err(Error::file(path))
}
