//! Scoring each pair by a model that was trained without it: the run's training once for each part of the pairs, on all the
//! others that the run trains on. A part's training is a run of its own in the folder of the run, which is resumed where it was broken off.

use super::kept::FOLDER;
use super::{Model, Scored, ScoredPair, Set};
use crate::context::{Context, Update};
use crate::error::{Error, Result};
use prefs::{Pair, jsonl, split};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use train::config::{DataConfig, Resume};
use train::events::{Event, Progress, Stage};
use train::folder::{Begun, PAIRS, adapter_of, copies_of_adapters};
use train::{Outcome, RunConfig, Settings, Surroundings};

/// More would only cost time.
const MOST: usize = 20;

pub(super) fn score(
    run: &Path,
    config: &RunConfig,
    folds: usize,
    model: &Model<'_>,
    context: &mut Context,
) -> Result<Scored> {
    let begun = Begun::read(run)?;
    let held_out = begun.eval.as_ref().map_or(&[][..], |rows| &rows.pairs[..]);
    let pairs: Vec<&Pair> = begun.train.pairs.iter().chain(held_out).collect();
    let fold_of = divided(&pairs, folds, config.settings.seed)?;
    tell_left_aside(&config.settings, context);
    let trained = begun.train.pairs.len();
    let mut all = Scored { pairs: Vec::new(), identical: 0, too_long: 0 };
    for fold in 0..folds {
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..pairs.len()).partition(|&row| fold_of[row] == fold);
        let part = Part { folder: folder_of(run, folds, fold), number: fold + 1, of: folds };
        // What is held out is scored, and never trained on.
        let rest: Vec<&Pair> = outside.iter().filter(|&&row| row < trained).map(|&row| pairs[row]).collect();
        part.train(&part.config(run, config), &rest, model, context)?;
        let policy = model.opened.decoder.load_lora(&part.adapter()?)?;
        let own: Vec<Pair> = inside.iter().map(|&row| pairs[row].clone()).collect();
        let stage = format!("score the pairs of part {} of {folds}", part.number);
        // Each part's run has a clock of its own.
        let begun = Begun::read(&part.folder)?;
        let set = Set { path: &begun.train.path, pairs: &own, begun: &begun, stage: &stage };
        let placed = |place: usize, score| {
            let row = inside[place];
            let held_out = row >= trained;
            let line = if held_out { row - trained + 1 } else { row + 1 };
            ScoredPair { held_out, line, fold: Some(part.number), score }
        };
        set.score_into(&mut all, &placed, (config, model, &policy), context)?;
    }
    all.pairs.sort_by_key(|pair| (pair.held_out, pair.line));
    Ok(all)
}

/// Removes the runs of the parts, whose scores are kept.
pub(super) fn remove_left_overs(run: &Path, folds: Option<usize>) -> Result<()> {
    let Some(folds) = folds else { return Ok(()) };
    let folder = parts(run, folds);
    std::fs::remove_dir_all(&folder).map_err(Error::file(&folder))
}

/// The part of each pair.
fn divided(pairs: &[&Pair], folds: usize, seed: u64) -> Result<Vec<usize>> {
    if !(2..=MOST).contains(&folds) {
        let message = format!("the number of parts is {folds}");
        return Err(Error::new("folds", message, format!("Give a number from 2 to {MOST}.")));
    }
    split::folds(pairs, folds, seed).map_err(|prompts| {
        let message = format!(
            "{folds} parts cannot be made of pairs with {prompts} different prompts: a prompt is never divided"
        );
        Error::new("folds", message, "Take fewer parts.")
    })
}

/// Says what of the run's settings has no meaning without held-out pairs.
fn tell_left_aside(settings: &Settings, context: &mut Context) {
    if settings.load_best_model_at_end || settings.early_stopping_patience.is_some() {
        context.note(
            "load_best_model_at_end and early_stopping_patience are left aside: each part's model is that of its last step",
        );
    }
}

/// One part of the pairs, and the run that trains on all others.
struct Part {
    folder: PathBuf,
    /// From 1.
    number: usize,
    of: usize,
}

impl Part {
    /// The settings of the run, on other pairs.
    fn config(&self, run: &Path, config: &RunConfig) -> RunConfig {
        let (init_adapter, ref_adapter) = copies_of_adapters(run, &config.settings);
        let settings = Settings {
            init_adapter,
            ref_adapter,
            eval_steps: 0,
            sample_prompts: 0,
            load_best_model_at_end: false,
            early_stopping_patience: None,
            early_stopping_threshold: 0.0,
            save_total_limit: 1,
            ..config.settings.clone()
        };
        let data = DataConfig { train: self.folder.join(PAIRS), ..DataConfig::default() };
        let begun = self.folder.join(train::folder::CONFIG).is_file();
        let resume_from_checkpoint = if begun { Resume::Latest } else { Resume::No };
        RunConfig { output_dir: self.folder.clone(), resume_from_checkpoint, data, settings, ..config.clone() }
    }

    fn train(&self, config: &RunConfig, pairs: &[&Pair], model: &Model<'_>, context: &mut Context) -> Result<()> {
        if config.resume_from_checkpoint == Resume::No {
            std::fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
            jsonl::write_pairs(&self.folder.join(PAIRS), pairs)?;
        } else {
            self.check_pairs(pairs)?;
        }
        let mut tokenizer = chat::Tokenizer::open(&model.opened.path)?;
        let cache_folder = hub::cache_dir()?.join("reference");
        let stop = context.stop;
        let start = Instant::now();
        let surroundings = Surroundings {
            cache_folder: &cache_folder,
            allow_changed_base: model.allow_changed_base,
            stop,
            pause: &AtomicBool::new(false),
            observer: &mut |event| self.tell(event, start, context),
        };
        match train::run_with(config, &model.opened.decoder, &mut tokenizer, surroundings)? {
            Outcome::Finished { .. } => Ok(()),
            Outcome::Cancelled { .. } => Err(Error::cancelled()),
        }
    }

    /// Makes sure that a run that was broken off was on these pairs: the settings are compared when it is resumed.
    fn check_pairs(&self, pairs: &[&Pair]) -> Result<()> {
        let path = self.folder.join(PAIRS);
        let before = jsonl::read_pairs(&path)?.into_pairs();
        if before.iter().eq(pairs.iter().copied()) {
            return Ok(());
        }
        let message = format!("{} holds other pairs than this part has now", path.display());
        Err(Error::new("changed_file", message, "Remove its folder, and ask again."))
    }

    fn tell(&self, event: &Event, start: Instant, context: &mut Context) {
        let Self { number, of, .. } = self;
        match event {
            Event::Step(step) => {
                let stage = format!("train without part {number} of {of}");
                context.tell(&Update::Progress {
                    stage,
                    done: step.step,
                    total: step.total_steps,
                    seconds: start.elapsed().as_secs_f64(),
                    seconds_left: Some(step.seconds_left),
                });
            }
            Event::Progress(Progress { stage: Stage::Reference, done, total, seconds, seconds_left }) => {
                context.tell(&Update::Progress {
                    stage: format!("reference of all parts but {number} of {of}"),
                    done: *done,
                    total: *total,
                    seconds: *seconds,
                    seconds_left: *seconds_left,
                });
            }
            Event::Warning { message } => context.note(format!("part {number} of {of}: {message}")),
            _ => {}
        }
    }

    fn adapter(&self) -> Result<PathBuf> {
        adapter_of(&self.folder).ok_or_else(|| {
            let message = format!("the run in {} left no adapter", self.folder.display());
            Error::new("unfinished", message, "Remove its folder, and ask again.")
        })
    }
}

fn parts(run: &Path, folds: usize) -> PathBuf {
    run.join(FOLDER).join(format!("{folds}-folds"))
}

fn folder_of(run: &Path, folds: usize, fold: usize) -> PathBuf {
    parts(run, folds).join((fold + 1).to_string())
}
