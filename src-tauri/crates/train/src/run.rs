//! A training run from settings to adapter: take the folder, encode the pairs, score them under the reference, find
//! where to start, train.

use crate::checkpoint::{self, Checkpoint, State};
use crate::config::{Resume, RunConfig};
use crate::data::{self, Dataset, Example, Identical, Input};
use crate::digests::Digests;
use crate::dpo::Dpo;
use crate::dynamics::DynamicsWriter;
use crate::error::{Error, Result};
use crate::events::{Event, RunStarted, Stage};
use crate::folder::{self, ADAPTER, KeptAdapter, Rows, RunFolder};
use crate::grounds::{self, Grounds};
use crate::memory;
use crate::metrics::Window;
use crate::optimizer::AdamW;
use crate::pace::Pace;
use crate::reference::{Cache, Reference};
use crate::report::Report;
use crate::samples::SamplePrompts;
use crate::schedule::{Schedule, SchedulerType, warmup_steps};
use crate::scores::Counting;
use crate::selection::Standing;
use crate::settings::Checkpointing;
use crate::step::Policy;
use crate::training::{Ancestry, Scored, Training};
use candle_core::{DType, Device};
use chat::Tokenizer;
use model::memory::available_bytes;
use model::{Decoder, DeviceChoice, Lora, LoraConfig, Products, TargetModules, device, weights};
use prefs::words;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::borrow::{Borrow, BorrowMut};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The adapter is written.
    Finished {
        /// Its folder.
        adapter: PathBuf,
        /// Whether an earlier process had finished the run, so that nothing was done.
        already: bool,
    },
    /// Stopped as asked; the run can be resumed.
    Cancelled {
        /// Optimiser steps done.
        step: u64,
    },
}

/// What a run needs beside its settings.
pub struct Surroundings<'a> {
    /// Folder for reference log-probabilities and digests of models, shared by all runs.
    pub cache_folder: &'a Path,
    /// Go on although the model is not the one that the run, or an adapter that it begins with, was computed on; the run's
    /// record keeps it.
    pub allow_changed_base: bool,
    /// Set to stop the run at the end of its microbatch: it writes a checkpoint and its adapter so far.
    pub stop: &'a AtomicBool,
    /// Set before `stop` where the user means to go on later; this is only noted in the run's last event.
    pub pause: &'a AtomicBool,
    /// Told of every event as it is written.
    pub observer: &'a mut dyn FnMut(&Event),
}

/// Begins or resumes the run that `config` describes, loading its model.
///
/// # Errors
/// See [`Error`]. Where the run's folder could be taken, its events then end with `failed`; checkpoints written before
/// are whole.
pub fn run(config: &RunConfig, surroundings: Surroundings<'_>) -> Result<Outcome> {
    let placed = Placed::of(config)?;
    run_in(&placed, surroundings, || {
        let device = placed.config.device.open()?.device;
        let config = &placed.config;
        let source = model::weights::open(&config.model, config.settings.dtype, &device)?;
        if device.is_cpu() {
            memory::check_weights(&source.size(), available_bytes())?;
        }
        let tokenizer = Tokenizer::open(&config.model)?;
        let mut decoder = Decoder::from_source(&source)?;
        decoder.set_products(config.settings.products)?;
        Ok((decoder, tokenizer))
    })
}

/// As [`run`], with the model that `config` names already loaded, as its `dtype` says, and with the products it has been set
/// to. The tokenizer's clock is set to the time the run began.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    config: &RunConfig,
    decoder: &Decoder,
    tokenizer: &mut Tokenizer,
    surroundings: Surroundings<'_>,
) -> Result<Outcome> {
    let mut config = config.clone();
    if config.device == DeviceChoice::Auto {
        config.device = DeviceChoice::of(decoder.device());
    }
    config.settings.products = decoder.products();
    run_in(&Placed { config, reason: None }, surroundings, || Ok((decoder, tokenizer)))
}

/// Settings that name what they are carried out on and in.
pub struct Placed {
    /// The settings.
    pub config: RunConfig,
    /// Why that is the CPU, where another device was looked for.
    pub reason: Option<String>,
}

impl Placed {
    /// With `auto`, a run that has begun stays with what it had, and a new one takes what is there.
    ///
    /// # Errors
    /// When a device that is named is not there, or the run's own settings cannot be read.
    pub fn of(config: &RunConfig) -> Result<Self> {
        let mut placed = Self { config: config.clone(), reason: None };
        let begun = config.output_dir.join(folder::CONFIG).exists();
        let begun = begun.then(|| RunConfig::of_run(&config.output_dir)).transpose()?;
        if config.device == DeviceChoice::Auto {
            let found = begun.as_ref().map_or(DeviceChoice::Auto, |begun| begun.device).open()?;
            placed.config.device = found.choice;
            placed.reason = found.reason;
        }
        if config.settings.products == Products::Auto {
            placed.config.settings.products = match &begun {
                Some(begun) => begun.settings.products,
                // A model that cannot be opened is told of when it is loaded.
                None => weights::open(&config.model, config.settings.dtype, &Device::Cpu)
                    .map_or(Products::F32, |model| Products::Auto.on(placed.config.device, &model.size())),
            };
        }
        if config.settings.gradient_checkpointing == Checkpointing::Auto {
            placed.config.settings.gradient_checkpointing =
                begun.map_or(Checkpointing::Auto, |run| run.settings.gradient_checkpointing);
        }
        Ok(placed)
    }
}

fn run_in<D: Borrow<Decoder>, T: BorrowMut<Tokenizer>>(
    Placed { config, reason }: &Placed,
    surroundings: Surroundings<'_>,
    load: impl FnOnce() -> Result<(D, T)>,
) -> Result<Outcome> {
    config.validate()?;
    let Surroundings { cache_folder, allow_changed_base, stop, pause, observer } = surroundings;
    let digests = Digests::kept_in(cache_folder);
    grounds::check_beginning(config, &digests, allow_changed_base)?;
    let folder = RunFolder::claim(config)?;
    if folder.finished {
        return Ok(Outcome::Finished { adapter: folder.path.join(ADAPTER), already: true });
    }
    let mut report = Report::new(folder.events, observer, stop, pause);
    let rows = (&folder.train, folder.eval.as_ref());
    let grounds = || Grounds::of(config, folder.resuming, &digests, allow_changed_base);
    // Of a model that is not there, the loading tells.
    let outcome = config.model.exists().then(grounds).transpose().and_then(|early| {
        let (decoder, mut tokenizer) = load()?;
        let grounds = early.map_or_else(grounds, Ok)?;
        grounds.check_unchanged(config)?;
        tokenizer.borrow_mut().set_time(folder.begun);
        let run = Run {
            config,
            grounds: &grounds,
            decoder: decoder.borrow(),
            reason: reason.as_deref(),
            folder: &folder.path,
            resuming: folder.resuming,
            init_adapter: folder.init_adapter.as_ref(),
            ref_adapter: folder.ref_adapter.as_ref(),
            notices: &folder.notices,
        };
        run.prepare_and_train(tokenizer.borrow(), rows, cache_folder, &mut report)
    });
    outcome.map_err(|error| error.with_checkpoint(&folder.path)).inspect_err(|error| report.failed(error))
}

struct Run<'a> {
    config: &'a RunConfig,
    /// What it is computed on, checked to be what it was.
    grounds: &'a Grounds,
    decoder: &'a Decoder,
    /// Why that computes on the CPU, where another device was looked for.
    reason: Option<&'a str>,
    folder: &'a Path,
    resuming: bool,
    init_adapter: Option<&'a KeptAdapter>,
    ref_adapter: Option<&'a KeptAdapter>,
    /// How the data files were read.
    notices: &'a [String],
}

impl Run<'_> {
    fn prepare_and_train(
        &self,
        tokenizer: &Tokenizer,
        rows: (&Rows, Option<&Rows>),
        cache_folder: &Path,
        report: &mut Report<'_>,
    ) -> Result<Outcome> {
        let checkpoint = self.start(report)?;
        let step = checkpoint.state.step;
        if self.resuming {
            report.tell(&Event::Resumed { from_step: step })?;
        }
        let notes = tokenizer.notes().iter().chain(self.decoder.notes()).chain(self.notices).cloned();
        for note in
            self.config.settings.reference_note().into_iter().chain(self.grounds.note(self.folder, step)?).chain(notes)
        {
            report.warn(note)?;
        }
        match self.prepare(checkpoint, tokenizer, rows, cache_folder, report)? {
            Some(training) => training.go(report),
            None => report.cancelled(Outcome::Cancelled { step }),
        }
    }

    /// A run that is ready for its steps; none where it was told to stop meanwhile.
    fn prepare<'a>(
        &'a self,
        Checkpoint { state, lora, optimizer, reference }: Checkpoint,
        tokenizer: &'a Tokenizer,
        (train_rows, eval_rows): (&Rows, Option<&Rows>),
        cache_folder: &Path,
        report: &mut Report<'_>,
    ) -> Result<Option<Training<'a>>> {
        let config = self.config;
        let Some(train) = self.encode(train_rows, tokenizer, report)? else { return Ok(None) };
        let recompute = self.check_memory(&train, &lora)?;
        let eval = match eval_rows {
            Some(rows) => {
                let Some(eval) = self.encode(rows, tokenizer, report)? else { return Ok(None) };
                Some(eval)
            }
            None => None,
        };
        let samples = match (eval_rows, config.settings.sample_prompts) {
            (Some(rows), count) if count > 0 => Some(SamplePrompts::new(tokenizer, &rows.pairs, count)?),
            _ => None,
        };
        let order = memory::order(&config.settings, train.examples.len());
        let schedule =
            self.schedule(order.total_steps(config.settings.max_steps, config.settings.num_train_epochs), report)?;
        self.tell_started(&train, eval.as_ref(), &lora, recompute, schedule.total_steps, report)?;
        let dpo = Dpo { objective: config.settings.objective(), counting: config.settings.counting() };
        let met = order.seen(schedule.total_steps);
        let references =
            self.references((train, &met, eval), reference.is_some(), dpo.counting, cache_folder, report)?;
        let Some((train, eval)) = references else { return Ok(None) };
        let (decoder, max_grad_norm) = (self.decoder, config.settings.max_grad_norm);
        Ok(Some(Training {
            config,
            policy: Policy { decoder, lora, optimizer, recompute, max_grad_norm },
            folder: self.folder,
            ancestry: Ancestry {
                base: self.grounds.base.clone(),
                init_adapter: self.init_adapter.cloned(),
                ref_adapter: self.ref_adapter.cloned(),
            },
            dpo,
            selection: config.settings.selection(),
            schedule,
            order,
            train,
            eval,
            samples,
            dynamics: DynamicsWriter::open(self.folder)?,
            reference,
            state,
            pace: Pace::default(),
        }))
    }

    fn tell_started(
        &self,
        train: &Dataset,
        eval: Option<&Dataset>,
        lora: &Lora,
        recompute: bool,
        total_steps: u64,
        report: &mut Report<'_>,
    ) -> Result<()> {
        report.tell(&Event::RunStarted(RunStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            config_digest: self.config.digest()?,
            model_digest: self.grounds.base.sha256.clone(),
            device: device::name(self.decoder.device()),
            device_reason: self.reason.map(Into::into),
            gradient_checkpointing: Some(recompute),
            init_adapter_sha256: self.init_adapter.map(|adapter| adapter.from.sha256.clone()),
            ref_adapter_sha256: self.ref_adapter.map(|adapter| adapter.from.sha256.clone()),
            trainable_parameters: lora.parameters().iter().map(|(_, p)| p.elem_count() as u64).sum(),
            total_steps,
            train: train.counts,
            eval: eval.map(|eval| eval.counts),
        }))
    }

    /// The pairs with their log-probabilities under the reference, where that does not follow the policy; none when told to
    /// stop. Of the pairs to train on, those that the run will meet are scored: a short run meets few of many.
    fn references(
        &self,
        (train, met, eval): (Dataset, &[usize], Option<Dataset>),
        follows: bool,
        counting: Counting,
        cache_folder: &Path,
        report: &mut Report<'_>,
    ) -> Result<Option<(Scored, Option<Scored>)>> {
        if follows {
            // Such a reference is asked with each batch.
            let unscored = |dataset: Dataset| Scored { examples: dataset.examples, references: HashMap::new() };
            return Ok(Some((unscored(train), eval.map(unscored))));
        }
        let adapter =
            self.ref_adapter.map(|kept| Ok::<_, Error>((self.load_adapter(kept)?, kept.digest()?))).transpose()?;
        let adapter = adapter.as_ref().map(|(lora, digest)| (lora, digest.as_str()));
        let model_digest = &self.grounds.base.sha256;
        let mut cache =
            Cache::open(cache_folder, Reference { decoder: self.decoder, model_digest, adapter, counting })?;
        let batch_size = self.config.settings.per_device_train_batch_size;
        let mut score = |Dataset { examples, .. }: Dataset, places: &[usize]| {
            let wanted: Vec<&Example> = places.iter().map(|&place| &examples[place]).collect();
            let mut progress = report.stage(Stage::Reference, wanted.len());
            let references = cache.complete(&wanted, batch_size, &mut |done| progress.at(done))?;
            let by_place = |references: Vec<_>| places.iter().copied().zip(references).collect();
            Ok::<_, Error>(references.map(|references| Scored { examples, references: by_place(references) }))
        };
        let Some(train) = score(train, met)? else { return Ok(None) };
        let whole = |eval: Dataset| {
            let all: Vec<usize> = (0..eval.examples.len()).collect();
            score(eval, &all)
        };
        let Some(eval) = eval.map(whole).transpose()? else { return Ok(Some((train, None))) };
        Ok(eval.map(|eval| (train, Some(eval))))
    }

    /// Refuses a run that does not fit before it takes any time, rather than be killed in the midst of it. Answers whether
    /// layers are to be computed again in the backward.
    fn check_memory(&self, train: &Dataset, lora: &Lora) -> Result<bool> {
        let model = self.decoder.size();
        // The weights are in memory already, so that what is free does not count them. Of other devices it is not known.
        let on_cpu = self.decoder.device().is_cpu();
        let available = available_bytes().filter(|_| on_cpu).map(|free| free + model.weights);
        // An adapter that was read has settings of its own.
        let config = self.config.clone().with(|settings| settings.lora = lora.config().clone());
        memory::check(&config.settings, model, &train.lengths, available)?;
        memory::recomputes(&config.settings, model, &memory::left(&train.lengths, &config.settings.limits()), available)
    }

    /// The checkpoint to go on from, or step 0.
    fn start(&self, report: &mut Report<'_>) -> Result<Checkpoint> {
        let (linears, device, decay) =
            (self.decoder.linears(), self.decoder.device(), self.config.settings.weight_decay);
        let found = match &self.config.resume_from_checkpoint {
            Resume::From(folder) => Some(checkpoint::load(folder, linears, device, decay)?),
            Resume::Latest if self.resuming => {
                let (found, passed_over) = checkpoint::latest(self.folder, linears, device, decay)?;
                if passed_over.is_empty()
                    && let Some(lost) =
                        grounds::lost_checkpoint(self.folder, found.as_ref().map(|found| found.state.step))?
                {
                    report.warn(lost)?;
                }
                for message in passed_over {
                    report.warn(format!("{message}; the one before it is used"))?;
                }
                found
            }
            _ => None,
        };
        let config_digest = self.config.digest()?;
        if let Some(mut found) = found {
            if found.state.config_digest != config_digest {
                let own = self.folder.join(checkpoint::folder_of(found.state.step));
                let path = match &self.config.resume_from_checkpoint {
                    Resume::From(folder) => folder,
                    _ => &own,
                };
                return Err(grounds::other_settings(self.config, path));
            }
            if self.resuming && found.state.events_bytes > report.bytes() {
                report.warn("the record of this run is shorter than its checkpoint remembers: some of its figures' points are lost")?;
            }
            if let (true, Some(best)) = (self.config.settings.load_best_model_at_end, found.state.standing.best)
                && best.step != found.state.step
                && !self.folder.join(checkpoint::folder_of(best.step)).is_dir()
            {
                let lost = checkpoint::folder_of(best.step);
                report.warn(format!(
                    "the best checkpoint, {}, is not here: the best is looked for anew",
                    lost.display()
                ))?;
                found.state.standing = Standing::default();
            }
            return Ok(found);
        }
        let mut generator = ChaCha8Rng::seed_from_u64(self.config.settings.seed);
        let lora = match self.init_adapter {
            Some(kept) => self.load_adapter(kept)?,
            None => self.decoder.start_lora(&self.lora_config()?, &mut generator, DType::F32)?,
        };
        let reference = match self.ref_adapter {
            _ if !self.config.settings.sync_ref_model => None,
            Some(kept) => Some(self.load_adapter(kept)?),
            None => Some(self.decoder.untrained(&lora)?),
        };
        if let Some(reference) = &reference
            && !lora.is_like(reference)
        {
            let what =
                "sync_ref_model = true mixes the policy's adapter into the reference's, and they are not of one shape";
            let hint = "Leave init_adapter out, or give adapters with the same targets, ranks and settings.";
            return Err(Error::config(what, hint));
        }
        let parameters: Vec<_> = lora.parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(&parameters, decay)?;
        let state = State {
            step: 0,
            generator,
            window: Window::default(),
            eval_due: false,
            config_digest,
            events_bytes: 0,
            standing: Standing::default(),
        };
        Ok(Checkpoint { state, lora, optimizer, reference })
    }

    fn load_adapter(&self, kept: &KeptAdapter) -> Result<Lora> {
        Ok(self.decoder.load_lora(&kept.path)?)
    }

    /// The settings of a new adapter, its targets as the sorted list of names that an adapter has which was read back: a
    /// run that was resumed writes the same `adapter_config.json` as one that was not.
    fn lora_config(&self) -> Result<LoraConfig> {
        let linears = self.decoder.linears();
        let mut names = match &self.config.settings.lora.target_modules {
            TargetModules::Pattern(_) => return Ok(self.config.settings.lora.clone()),
            TargetModules::Names(names) => names.clone(),
            TargetModules::AllLinear => {
                let all =
                    self.config.settings.lora.resolve(linears)?.into_iter().map(|place| linears[place].name.as_str());
                all.map(|name| name.rsplit('.').next().unwrap_or(name).to_owned()).collect()
            }
        };
        names.sort();
        names.dedup();
        Ok(LoraConfig { target_modules: TargetModules::Names(names), ..self.config.settings.lora.clone() })
    }

    fn encode(&self, rows: &Rows, tokenizer: &Tokenizer, report: &mut Report<'_>) -> Result<Option<Dataset>> {
        let mut progress = report.stage(Stage::Encode, rows.pairs.len());
        let limits = self.config.settings.limits();
        let refused = rows.refused.len();
        let identical = rows.identical;
        let mut at = |done| progress.at(done);
        let input = Input { refused, ..Input::of(&rows.path, &rows.pairs) };
        let encoded = data::encode(input, tokenizer, &limits, identical, &mut at)?;
        let Some(dataset) = encoded else { return Ok(None) };
        let counts = &dataset.counts;
        let name = if rows.path.ends_with(folder::EVAL_PAIRS) { "held-out pairs" } else { "training pairs" };
        if let Some(first) = rows.refused.first() {
            let rows = words::counted(refused, "row was no pair and was", "rows were no pairs and were");
            let message = format!("{rows} left out; {}: {}", first.place, first.reason);
            report.warn(format!("{name}: {message}"))?;
        }
        // A run numbers the rows of its own files, and a project its pairs otherwise.
        for sentence in dataset.cuts.sentences(&limits, "row") {
            report.warn(format!("{name}: {sentence}"))?;
        }
        if counts.identical > 0 {
            let what = match (identical == Identical::Keep, counts.identical) {
                (true, 1) => "teaches nothing",
                (true, _) => "teach nothing",
                (false, 1) => "was left out",
                (false, _) => "were left out",
            };
            report.warn(format!(
                "{name}: {} {what}: chosen and rejected are the same tokens once they are rendered and cut to \
                 max_length = {}",
                words::pairs(counts.identical),
                self.config.settings.max_length
            ))?;
        }
        if counts.plain_text > 0 && tokenizer.has_template() {
            let remedy = "read the file with plain_text = \"as_user_message\": in `map` in the table [data], or when it is \
                          imported";
            let message = dataset.odd.rendered.plain_text(counts.plain_text, "pairs", remedy);
            report.warn(format!("{name}: {message}"))?;
        }
        for sentence in dataset.odd.sentences(tokenizer) {
            report.warn(format!("{name}: {sentence}"))?;
        }
        if let Some(text) = &dataset.broken_boundary {
            report.warn(format!(
                "{name}: in {} the prompt ends otherwise before an answer than alone; {text:?} is left out of \
                 training",
                words::pairs(counts.broken_boundaries)
            ))?;
        }
        if let Some(note) = data::note_across(&dataset.examples, self.decoder.config().rope.border()) {
            report.warn(format!("{name}: {note}"))?;
        }
        if dataset.examples.is_empty() {
            let why = format!(
                "{} rows, {refused} refused, {} left out as too long, {} with two answers of the same tokens",
                counts.rows, counts.dropped, counts.identical
            );
            return Err(Error::NoPairs { path: rows.path.clone(), why });
        }
        Ok(Some(dataset))
    }

    fn schedule(&self, total_steps: u64, report: &mut Report<'_>) -> Result<Schedule> {
        let config = self.config;
        let warmup_steps = warmup_steps(config.settings.warmup_steps, config.settings.warmup_ratio, total_steps);
        if config.settings.lr_scheduler_type == SchedulerType::Constant && warmup_steps > 0 {
            report.warn(
                "lr_scheduler_type = \"constant\" has no warm-up: warmup_steps and warmup_ratio have no effect",
            )?;
        }
        Ok(Schedule {
            kind: config.settings.lr_scheduler_type,
            learning_rate: config.settings.learning_rate,
            warmup_steps,
            total_steps,
        })
    }
}
