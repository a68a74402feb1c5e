//! Pairs that a run's model thinks are labelled the wrong way round: a queue for people to look at.
//!
//! Every pair of a run is scored under the run's adapter, or, with folds, under one that was trained without it (k-fold
//! cross-validation, as in confident learning, arXiv 1911.00068, where a label is judged by a model that has not seen it).
//! Pairs are then ordered by how much speaks against their label. What this finds and misses was measured:
//! `docs/suspected-mislabels.md`.

mod folds;
mod kept;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::write_whole;
use crate::open::{ModelChoice, Opened, find_model, open};
use crate::provenance;
use kept::{Grounds, Kept};
use numbers::{interval, percent};
use prefs::checks::Share;
use prefs::{Pair, words};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::RunConfig;
use train::base::Base;
use train::data::{self, Identical, Input};
use train::folder::{ADAPTER, Begun, EVAL_PAIRS, PAIRS, adapter_of};
use train::origin::adapter_digests;
use train::pair_scores::{self, PairScore};
use train::reference::{Cache, Reference};
use ts_rs::TS;

/// By what suspects are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SuspectOrder {
    /// The lowest margin of the rewards first.
    #[default]
    Margin,
    /// The highest loss first.
    Loss,
    /// The margin nearest to 0 first: pairs that the model cannot decide.
    Uncertainty,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct SuspectsRequest {
    /// A run's folder.
    pub run: PathBuf,
    /// Score each pair by a model that was trained without it: as many parts, as many trainings. Without it, by the run's own.
    pub folds: Option<usize>,
    /// The order of the queue.
    pub order: SuspectOrder,
    /// Where all pairs go in the order of the queue, as JSON Lines.
    pub output: Option<PathBuf>,
    /// Go on although the model is not the one that the run was computed on.
    pub allow_changed_base: bool,
}

/// A pair of a run with its scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoredPair {
    /// Whether the run held it out.
    pub held_out: bool,
    /// Its place in the run's own file, `pairs.jsonl` or `eval_pairs.jsonl`, from 1.
    pub line: usize,
    /// The part that it was in, from 1: the model that scored it was trained on the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// What the model makes of it.
    #[serde(flatten)]
    pub score: PairScore,
}

impl ScoredPair {
    /// The run's own file that it stands in.
    pub fn file(&self) -> &'static str {
        if self.held_out { EVAL_PAIRS } else { PAIRS }
    }
}

/// A line of the queue as it is written.
#[derive(Debug, Clone, Serialize)]
pub struct Suspect {
    /// Its place in the queue, from 1.
    pub place: usize,
    /// Below 0 the model prefers the rejected answer.
    pub margin: f64,
    /// How likely the chosen answer is the better one, by the model.
    pub probability: f64,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub scored: ScoredPair,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub pair: Pair,
}

/// The queue, and what was left out of it.
#[derive(Debug, Clone, Serialize)]
pub struct SuspectsReply {
    /// The run's folder.
    pub run: PathBuf,
    /// Parts that the pairs were divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// The order.
    pub order: SuspectOrder,
    /// Pairs of which the model prefers the rejected answer.
    pub against: Share,
    /// Pairs left out, as their two answers are the same tokens.
    pub identical: usize,
    /// Pairs left out as too long.
    pub too_long: usize,
    /// Whether the scores were there from before.
    pub known: bool,
    /// Where the queue was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// The whole queue.
    #[serde(skip)]
    pub suspects: Vec<Suspect>,
}

impl SuspectsReply {
    /// What came of it, in a sentence.
    pub fn words(&self) -> String {
        let Self { against, identical, too_long, folds, known, .. } = self;
        let words = in_words(against, *folds, *identical, *too_long);
        if *known { format!("{words} (scores of before: nothing has changed since)") } else { words }
    }
}

/// What came of scoring pairs, in a sentence.
pub(crate) fn in_words(against: &Share, folds: Option<usize>, identical: usize, too_long: usize) -> String {
    let Share { count, of, share, interval: [low, high] } = against;
    let by = match folds {
        None => "by the run's own model, which learnt from those that were not held out".to_owned(),
        Some(folds) => format!("each by a model that was trained without its prompt, in {folds} parts"),
    };
    let words = format!(
        "{} scored {by}: of {} ({}, 95 % interval {}) the model prefers the rejected answer",
        words::pairs(*of),
        numbers::count(*count),
        percent(*share),
        interval(*low, *high)
    );
    let left_out = [(identical, "with two answers of the same tokens"), (too_long, "too long")];
    let left_out = left_out.into_iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}"));
    let left_out = left_out.collect::<Vec<_>>().join(", ");
    if left_out.is_empty() { words } else { format!("{words}; left out: {left_out}") }
}

/// All pairs of a run, scored.
pub(crate) struct Scored {
    /// Those trained on in their order, then those held out.
    pub(crate) pairs: Vec<ScoredPair>,
    pub(crate) identical: usize,
    pub(crate) too_long: usize,
}

/// Scores the pairs of a run and orders them by how much speaks against their label.
///
/// # Errors
/// When the folder holds no run that has an adapter, when the run goes on, when a file is not what it was, or when the model
/// cannot be used.
pub fn suspects(request: &SuspectsRequest, context: &mut Context) -> Result<SuspectsReply> {
    let SuspectsRequest { run, folds, order, output, allow_changed_base } = request;
    let config = config_of(run, context)?;
    let before = known(run, &config, *folds, context)?;
    let known = before.is_some();
    let scored = if let Some(before) = before {
        before
    } else {
        let choice = ModelChoice {
            model: config.model.clone(),
            adapter: adapter_of(run),
            device: config.device,
            dtype: config.settings.dtype,
            products: config.settings.products,
            allow_changed_base: *allow_changed_base,
        };
        score(run, &config, *folds, &open(&choice, context)?, *allow_changed_base, context)?
    };
    let begun = Begun::read(run)?;
    let mut pairs = scored.pairs;
    sort(&mut pairs, *order);
    let suspects: Vec<Suspect> = (1..)
        .zip(pairs)
        .map(|(place, scored)| Suspect {
            place,
            margin: scored.score.margin(),
            probability: scored.score.probability(),
            scored,
            pair: pair_of(&begun, &scored).clone(),
        })
        .collect();
    if let Some(output) = output {
        write_lines(output, &suspects)?;
    }
    Ok(SuspectsReply {
        run: run.clone(),
        folds: *folds,
        order: *order,
        against: against(suspects.iter().map(|suspect| &suspect.scored)),
        identical: scored.identical,
        too_long: scored.too_long,
        known,
        output: output.clone(),
        suspects,
    })
}

/// The settings of a run whose pairs can be scored, with its model where it is on this machine.
fn config_of(run: &Path, context: &mut Context) -> Result<RunConfig> {
    let mut config = runs::prepared(run)?;
    refuse_unready(run)?;
    config.model = find_model(&config.model, context)?;
    Ok(config)
}

/// Refuses a run that has no adapter yet, or goes on.
pub(crate) fn refuse_unready(run: &Path) -> Result<()> {
    if train::folder::is_held(run)? {
        let message = format!("the run in {} is going on", run.display());
        return Err(Error::new("going_on", message, "Wait until it has ended, or stop it."));
    }
    if adapter_of(run).is_none() {
        let message = format!("the run in {} has no adapter yet", run.display());
        return Err(Error::new("unfinished", message, "Let it finish, or resume it."));
    }
    Ok(())
}

/// The scores that are kept of a run, where they are of its pairs, its adapter and its model as these are now.
///
/// # Errors
/// When a file of the run is not what it was, or cannot be read.
pub(crate) fn known(
    run: &Path,
    config: &RunConfig,
    folds: Option<usize>,
    context: &mut Context,
) -> Result<Option<Scored>> {
    provenance::check_rows(run, context)?;
    let Some(kept) = Kept::read(run, folds)? else { return Ok(None) };
    let base = provenance::base(&config.model, &provenance::digests(), context)?;
    Ok((kept.grounds == grounds(run, config, folds, base)?).then_some(kept.scored))
}

/// The files that the queue of a run is made from: while they are as they were, so is it.
pub(crate) fn files(run: &Path, folds: Option<usize>) -> Vec<PathBuf> {
    let own = [PAIRS, EVAL_PAIRS].map(|name| run.join(name));
    let adapter = run.join(ADAPTER).join("adapter_model.safetensors");
    [&own[..], &[adapter, kept::path(run, folds)]].concat()
}

/// Scores the pairs of a run and keeps the scores in its folder.
///
/// # Errors
/// As [`suspects`].
pub(crate) fn score(
    run: &Path,
    config: &RunConfig,
    folds: Option<usize>,
    opened: &Opened,
    allow_changed_base: bool,
    context: &mut Context,
) -> Result<Scored> {
    refuse_unready(run)?;
    provenance::check_rows(run, context)?;
    let base = opened.base(context)?;
    let grounds = grounds(run, config, folds, base.clone())?;
    if config.settings.sync_ref_model {
        context
            .note("the reference followed the policy in this run: pairs are compared with the one that it began with");
    }
    let model = Model { opened, base: &base, allow_changed_base };
    let scored = match folds {
        None => of_run(run, config, &model, context)?,
        Some(folds) => folds::score(run, config, folds, &model, context)?,
    };
    let kept = Kept { grounds, scored };
    kept.write(run, folds)?;
    folds::remove_left_overs(run, folds)?;
    Ok(kept.scored)
}

/// What pairs are scored by.
struct Model<'a> {
    opened: &'a Opened,
    base: &'a Base,
    allow_changed_base: bool,
}

/// What scores depend on.
fn grounds(run: &Path, config: &RunConfig, folds: Option<usize>, base: Base) -> Result<Grounds> {
    let adapter = adapter_of(run).filter(|_| folds.is_none());
    Ok(Grounds {
        revision: if folds.is_some() { kept::REVISION_OF_FOLDS } else { kept::REVISION },
        base,
        adapter: adapter.map(|adapter| adapter_digests(&adapter)).transpose()?,
        settings: config.digest()?,
        rows: kept::digests_of_rows(run)?,
    })
}

/// All pairs of a run under its own adapter: those that it was trained on, then those that it held out.
fn of_run(run: &Path, config: &RunConfig, model: &Model<'_>, context: &mut Context) -> Result<Scored> {
    let Some(policy) = &model.opened.lora else {
        return Err(Error::new("no_adapter", "there is no adapter to score the pairs with", "Let the run finish."));
    };
    let begun = Begun::read(run)?;
    let mut all = Scored { pairs: Vec::new(), identical: 0, too_long: 0 };
    for (held_out, rows) in std::iter::once((false, &begun.train)).chain(begun.eval.iter().map(|rows| (true, rows))) {
        let stage = if held_out { "score held-out pairs" } else { "score pairs" };
        let set = Set { path: &rows.path, pairs: &rows.pairs, begun: &begun, stage };
        let placed = |row, score| ScoredPair { held_out, line: row + 1, fold: None, score };
        set.score_into(&mut all, &placed, (config, model, policy), context)?;
    }
    Ok(all)
}

/// Pairs that are scored together.
struct Set<'a> {
    path: &'a Path,
    pairs: &'a [Pair],
    /// The run that decides how they are read.
    begun: &'a Begun,
    stage: &'a str,
}

impl Set<'_> {
    /// Scores the pairs in use and adds them to `all`, each as `placed` says of its place here.
    fn score_into(
        &self,
        all: &mut Scored,
        placed: &dyn Fn(usize, PairScore) -> ScoredPair,
        (config, model, policy): (&RunConfig, &Model<'_>, &model::Lora),
        context: &mut Context,
    ) -> Result<()> {
        let Model { opened, base, .. } = model;
        // Its clock is the run's, so that a template that writes the date gives the run's own tokens.
        let mut tokenizer = chat::Tokenizer::open(&opened.path)?;
        tokenizer.set_time(self.begun.at);
        let input = Input::of(self.path, self.pairs);
        let limits = config.settings.limits();
        let going = &mut |_| Ok(!context.stopped());
        let Some(set) = data::encode(input, &tokenizer, &limits, Identical::LeaveOut, going)? else {
            return Err(Error::cancelled());
        };
        let reference = match &self.begun.ref_adapter {
            Some(kept) => Some((opened.decoder.load_lora(&kept.path)?, kept.digest()?)),
            None => None,
        };
        let reference = Reference {
            decoder: &opened.decoder,
            model_digest: &base.sha256,
            adapter: reference.as_ref().map(|(lora, digest)| (lora, digest.as_str())),
            counting: config.settings.counting(),
        };
        let mut cache = Cache::open(&hub::cache_dir()?.join("reference"), reference)?;
        let (start, total) = (Instant::now(), set.examples.len() as u64);
        let scores = pair_scores::score(&set.examples, policy, &mut cache, config, &mut |done| {
            context.progress(self.stage, start, done as u64, total);
            Ok(!context.stopped())
        })?;
        let scores = scores.ok_or_else(Error::cancelled)?;
        all.pairs.extend(set.examples.iter().zip(scores).map(|(example, score)| placed(example.row, score)));
        all.identical += set.counts.identical;
        all.too_long += set.counts.dropped;
        Ok(())
    }
}

/// Brings scored pairs into the order of the queue; equal ones stay in the order of their files.
pub(crate) fn sort(pairs: &mut [ScoredPair], order: SuspectOrder) {
    let key = |pair: &ScoredPair| match order {
        SuspectOrder::Margin => pair.score.margin(),
        SuspectOrder::Loss => -pair.score.loss,
        SuspectOrder::Uncertainty => pair.score.margin().abs(),
    };
    pairs.sort_by(|one, other| key(one).total_cmp(&key(other)));
}

/// Of how many pairs the model prefers the rejected answer.
pub(crate) fn against<'a>(pairs: impl Iterator<Item = &'a ScoredPair>) -> Share {
    let (mut count, mut of) = (0, 0);
    for pair in pairs {
        of += 1;
        count += usize::from(pair.score.margin() < 0.0);
    }
    Share::new(count, of)
}

/// The texts of a scored pair.
pub(crate) fn pair_of<'a>(begun: &'a Begun, scored: &ScoredPair) -> &'a Pair {
    let rows = if scored.held_out { begun.eval.as_ref().unwrap_or(&begun.train) } else { &begun.train };
    &rows.pairs[scored.line - 1]
}

fn write_lines(path: &Path, suspects: &[Suspect]) -> Result<()> {
    let mut text = Vec::new();
    for suspect in suspects {
        serde_json::to_writer(&mut text, suspect)
            .map_err(|error| Error::new("write", format!("{}: {error}", path.display()), "Report this as a fault."))?;
        text.push(b'\n');
    }
    write_whole(path, &text)
}
