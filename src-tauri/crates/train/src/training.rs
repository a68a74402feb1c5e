//! A run whose data are ready: its steps, evaluations, checkpoints and end.

use crate::base::Base;
use crate::checkpoint::{self, Contents, State};
use crate::config::RunConfig;
use crate::data::{Example, pack};
use crate::dpo::Dpo;
use crate::dynamics::{Computed, DynamicsWriter, PairLogps};
use crate::error::{Error, Result};
use crate::events::{EvalMetrics, Event, RewardMetrics, Stage, StepMetrics};
use crate::folder::{self, ADAPTER, KeptAdapter, REFERENCE};
use crate::losses::Logps;
use crate::metrics;
use crate::order::Order;
use crate::origin::{AdapterOrigin, FileDigests, Origin, adapter_digests};
use crate::pace::Pace;
use crate::reference::ReferenceLogps;
use crate::report::Report;
use crate::run::Outcome;
use crate::samples::SamplePrompts;
use crate::schedule::Schedule;
use crate::selection::Selection;
use crate::settings::Settings;
use crate::step::Policy;
use model::{Batch, Gradients, Lora};
use rand_chacha::rand_core::RngCore;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Pairs with the reference log-probabilities of those that the run will meet, by their places; without any where the
/// reference follows the policy.
pub(crate) struct Scored {
    pub(crate) examples: Vec<Example>,
    pub(crate) references: HashMap<usize, ReferenceLogps>,
}

/// What an adapter was made from: the ends of its ancestry.
#[derive(Clone)]
pub(crate) struct Ancestry {
    pub(crate) base: Base,
    pub(crate) init_adapter: Option<KeptAdapter>,
    pub(crate) ref_adapter: Option<KeptAdapter>,
}

/// A run whose data are ready.
pub(crate) struct Training<'a> {
    pub(crate) config: &'a RunConfig,
    pub(crate) policy: Policy<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) ancestry: Ancestry,
    pub(crate) dpo: Dpo,
    pub(crate) selection: Option<Selection>,
    pub(crate) schedule: Schedule,
    pub(crate) order: Order,
    pub(crate) train: Scored,
    pub(crate) eval: Option<Scored>,
    pub(crate) samples: Option<SamplePrompts<'a>>,
    /// Told of each pair that is computed.
    pub(crate) dynamics: DynamicsWriter,
    /// The adapter of a reference that follows the policy.
    pub(crate) reference: Option<Lora>,
    pub(crate) state: State,
    pub(crate) pace: Pace,
}

impl Training<'_> {
    /// Trains to the end, or until told to stop.
    pub(crate) fn go(mut self, report: &mut Report<'_>) -> Result<Outcome> {
        let total = self.schedule.total_steps;
        self.forget_adapter()?;
        if self.state.step == 0 && !self.sample(report)? {
            return self.cancel(report);
        }
        if self.state.eval_due && !self.look(report)? {
            return self.cancel(report);
        }
        while self.state.step < total && !self.state.standing.enough {
            let Some(done) = self.step(report)? else { return self.cancel(report) };
            let (step, last) = (self.state.step, self.state.step == total);
            self.pace.add_step(done.seconds);
            if is_due(step, self.config.settings.logging_steps, last) {
                self.tell_step(&done, report)?;
            }
            self.state.eval_due = self.eval.is_some() && is_due(step, self.config.settings.eval_steps, last);
            if self.state.eval_due && !self.look(report)? {
                return self.cancel(report);
            }
            let enough = self.state.standing.enough;
            if enough && self.state.window.pairs > 0 {
                self.tell_step(&done, report)?;
            }
            if is_due(step, self.config.settings.save_steps, last || enough) {
                self.save(report)?;
            }
        }
        let step = self.state.step;
        let adapter = self.save_adapter()?;
        let best = self.kept_best().and(self.state.standing.best);
        let (seconds, stopped_early) = (report.seconds(), step < total);
        report.tell(&Event::Finished { step, adapter: ADAPTER.into(), seconds, best, stopped_early })?;
        report.sync()?;
        Ok(Outcome::Finished { adapter, already: false })
    }

    /// One optimiser step, or none when told to stop: then nothing has changed.
    fn step(&mut self, report: &Report<'_>) -> Result<Option<Done>> {
        let began = Instant::now();
        let step = self.state.step + 1;
        let plan = self.order.step(step);
        let mut generator = self.state.generator.clone();
        let mut window = self.state.window;
        let mut gradients = Gradients::zeros(&self.policy.lora)?;
        let share = 1.0 / plan.microbatches.len() as f64;
        let mut mean_loss = 0.0;
        let mut computed = Computed { step: self.state.step, held_out: false, pairs: Vec::new() };
        for pairs in &plan.microbatches {
            let examples = || pairs.iter().map(|&pair| &self.train.examples[pair]);
            let batch = pack(examples());
            let references = match &self.reference {
                None => pairs.iter().map(|pair| self.train.references[pair]).collect(),
                Some(reference) => self.references_now(reference, &batch)?,
            };
            let dropout = (self.policy.lora.config().lora_dropout > 0.0).then(|| generator.next_u64());
            let scores = self.policy.microbatch(&batch, dropout, &mut gradients, |tokens| {
                let (scores, evaluation) = self.dpo.evaluate(&batch, tokens, examples().zip(&references));
                // Some losses are finite where a log-probability is not: those of a bounded function, such as apo_zero.
                let finite = tokens.logps.iter().all(|logp| logp.is_finite());
                if !(finite && evaluation.loss.is_finite()) {
                    return Err(Error::NonFiniteLoss { step, loss: evaluation.loss, before: None });
                }
                mean_loss += share * evaluation.loss;
                // The gradient of the mean over the step's microbatches.
                let d_tokens = scores.d_tokens(&evaluation, share);
                Ok((scores, d_tokens))
            })?;
            let rewards = metrics::rewards(&scores.logps(), self.config.settings.beta);
            window.add_microbatch(&rewards, scores.logps().len(), batch.tokens());
            computed.pairs.extend(logps_of(examples(), &scores.logps()));
            if report.should_stop() {
                return Ok(None);
            }
        }
        let learning_rate = self.schedule.rate(step);
        let grad_norm = self.policy.update(&gradients, learning_rate, step)?;
        let seconds = began.elapsed().as_secs_f64();
        window.close_step(mean_loss, seconds);
        self.dynamics.append(&computed)?;
        (self.state.step, self.state.generator, self.state.window) = (step, generator, window);
        if let Some(reference) = &mut self.reference
            && step.is_multiple_of(self.config.settings.ref_model_sync_steps)
        {
            reference.mix(&self.policy.lora, self.config.settings.ref_model_mixup_alpha)?;
        }
        Ok(Some(Done { epoch: plan.epoch, grad_norm, learning_rate, seconds }))
    }

    /// Seconds until the end: steps, and looks at the held-out pairs with the sample answers that go with them. The look that
    /// is due after this step has not been taken yet.
    fn seconds_left(&self) -> f64 {
        let (step, total) = (self.state.step, self.schedule.total_steps);
        let Settings { eval_steps, per_device_train_batch_size, gradient_accumulation_steps, .. } =
            self.config.settings;
        let looks = (step..=total).filter(|&at| is_due(at, eval_steps, at == total)).count() as u64;
        let held_out = self.eval.as_ref().map_or(0, |eval| eval.examples.len());
        let of_a_step = (per_device_train_batch_size * gradient_accumulation_steps).min(self.train.examples.len());
        let looks = if self.eval.is_some() { looks } else { 0 };
        self.pace.left(total.saturating_sub(step), looks, held_out as f64 / of_a_step.max(1) as f64)
    }

    fn tell_step(&mut self, done: &Done, report: &mut Report<'_>) -> Result<()> {
        let window = std::mem::take(&mut self.state.window);
        let (step, total_steps) = (self.state.step, self.schedule.total_steps);
        report.tell(&Event::Step(StepMetrics {
            step,
            total_steps,
            epoch: done.epoch,
            loss: window.loss(),
            grad_norm: done.grad_norm,
            learning_rate: done.learning_rate,
            rewards: window.rewards(),
            pairs: window.pairs,
            tokens: window.tokens,
            tokens_per_second: window.tokens as f64 / window.seconds.max(1e-9),
            peak_memory_bytes: model::memory::peak_resident_bytes(),
            seconds: window.seconds,
            seconds_left: self.seconds_left(),
        }))
    }

    /// Answers the sample prompts, where there are any. Answers whether to go on.
    fn sample(&mut self, report: &mut Report<'_>) -> Result<bool> {
        let Some(samples) = &self.samples else { return Ok(true) };
        let began = Instant::now();
        let go_on = samples.tell(self.policy.decoder, &self.policy.lora, self.state.step, report)?;
        self.pace.set_samples(began.elapsed().as_secs_f64());
        Ok(go_on)
    }

    /// Log-probabilities of a microbatch under a reference that follows the policy, as it is now.
    fn references_now(&self, reference: &Lora, batch: &Batch) -> Result<Vec<ReferenceLogps>> {
        Ok(self.dpo.counting.references(batch, &self.policy.decoder.token_logps(Some(reference), batch)?))
    }

    /// Answers the sample prompts and scores the held-out pairs; keeps the adapter where it is the best so far. Answers
    /// whether to go on.
    fn look(&mut self, report: &mut Report<'_>) -> Result<bool> {
        if !(self.sample(report)? && self.evaluate(report)?) {
            return Ok(false);
        }
        if self.kept_best() == Some(self.state.step) {
            self.save(report)?;
        }
        Ok(true)
    }

    /// The step of the best evaluation so far, where the run's adapter is to be that.
    fn kept_best(&self) -> Option<u64> {
        self.selection.filter(|selection| selection.keep_best).and(self.state.standing.best).map(|best| best.step)
    }

    /// Scores the held-out pairs. Answers whether it was done; otherwise the run is to stop.
    fn evaluate(&mut self, report: &mut Report<'_>) -> Result<bool> {
        let Some(eval) = &self.eval else { return Ok(true) };
        let began = Instant::now();
        let (mut loss, mut rewards, mut correct, mut done) = (0.0, RewardMetrics::default(), 0, 0);
        let mut computed = Computed { step: self.state.step, held_out: true, pairs: Vec::new() };
        let total = eval.examples.len();
        let mut progress = report.stage(Stage::Eval, total);
        let size = self.config.settings.per_device_train_batch_size;
        for (chunk, examples) in eval.examples.chunks(size).enumerate() {
            let batch = pack(examples.iter());
            let references = match &self.reference {
                None => (chunk * size..).take(examples.len()).map(|place| eval.references[&place]).collect(),
                Some(reference) => self.references_now(reference, &batch)?,
            };
            let policy = self.policy.decoder.token_scores(Some(&self.policy.lora), &batch)?;
            let (scores, evaluation) = self.dpo.evaluate(&batch, &policy, examples.iter().zip(&references));
            let share = examples.len() as f64 / total as f64;
            loss += share * evaluation.loss;
            metrics::accumulate(&mut rewards, &metrics::rewards(&scores.logps(), self.config.settings.beta), share);
            correct += (0..examples.len()).filter(|&i| metrics::is_correct(&scores.logps(), i)).count() as u64;
            computed.pairs.extend(logps_of(examples.iter(), &scores.logps()));
            done += examples.len();
            if !progress.at(done)? {
                return Ok(false);
            }
        }
        let step = self.state.step;
        // Rewards are of the log-probabilities, which a bounded loss does not show.
        if !(loss.is_finite() && rewards.margins.is_finite()) {
            return Err(Error::NonFiniteHeldOut { step, loss, before: None });
        }
        let mut metrics = EvalMetrics {
            step,
            eval_loss: loss,
            chosen: rewards.chosen,
            rejected: rewards.rejected,
            margins: rewards.margins,
            // Not the mean of the batches, whose rounding would choose between checkpoints that are as good.
            accuracies: correct as f64 / total as f64,
            chosen_logps: rewards.chosen_logps,
            rejected_logps: rewards.rejected_logps,
            pairs: total as u64,
            correct,
            seconds: began.elapsed().as_secs_f64(),
            best: false,
        };
        if let Some(selection) = &self.selection {
            metrics.best = selection.consider(&metrics, &mut self.state.standing);
        }
        self.dynamics.append(&computed)?;
        self.pace.set_evaluation(metrics.seconds);
        report.tell(&Event::Eval(metrics))?;
        self.state.eval_due = false;
        Ok(true)
    }

    fn save(&mut self, report: &mut Report<'_>) -> Result<()> {
        // Events of the steps that the checkpoint holds must not be lost when the checkpoint is not.
        report.sync()?;
        self.dynamics.sync()?;
        self.state.events_bytes = report.bytes();
        let base_model = self.base_model();
        let contents = Contents {
            lora: &self.policy.lora,
            optimizer: &self.policy.optimizer,
            reference: self.reference.as_ref(),
            base_model: &base_model,
        };
        checkpoint::save(self.folder, &self.state, contents, self.config.settings.save_total_limit, self.kept_best())?;
        let step = self.state.step;
        report.tell(&Event::Checkpoint { step, path: checkpoint::folder_of(step) })
    }

    /// What is trained so far is kept, so that it can be resumed and used as it is.
    fn cancel(mut self, report: &mut Report<'_>) -> Result<Outcome> {
        self.save(report)?;
        if self.state.step > 0 {
            self.save_adapter()?;
        }
        report.cancelled(Outcome::Cancelled { step: self.state.step })
    }

    /// Writes the adapter of the best evaluation where that is asked for, else of the last step.
    fn save_adapter(&self) -> Result<PathBuf> {
        let adapter = self.folder.join(ADAPTER);
        let base_model = self.base_model();
        let step = self.kept_best().unwrap_or(self.state.step);
        if step == self.state.step {
            self.policy.lora.save(&adapter, &base_model).map_err(Error::saving)?;
        } else {
            let folder = self.folder.join(checkpoint::folder_of(step));
            let (linears, device) = (self.policy.decoder.linears(), self.policy.decoder.device());
            let best = checkpoint::load(&folder, linears, device, self.config.settings.weight_decay)?;
            best.lora.save(&adapter, &base_model).map_err(Error::saving)?;
        }
        let origin = self.origin(base_model, step)?;
        origin.write(&adapter)?;
        self.note_adapter(origin.files)?;
        Ok(adapter)
    }

    fn origin(&self, base_model: String, step: u64) -> Result<AdapterOrigin> {
        let Ancestry { base, init_adapter, ref_adapter } = self.ancestry.clone();
        let adapter = self.folder.join(ADAPTER);
        if let Some(reference) = &ref_adapter {
            folder::copy_adapter(&reference.path, &adapter.join(REFERENCE))?;
        }
        Ok(AdapterOrigin {
            base_model,
            base_model_sha256: base.sha256,
            base_model_files: base.files,
            bases_before: Origin::read(self.folder)?.bases_before(),
            other_base: None,
            init_adapter: init_adapter.map(|adapter| adapter.from),
            ref_adapter: ref_adapter.map(|adapter| adapter.from),
            config_sha256: self.config.digest()?,
            step,
            files: adapter_digests(&adapter)?,
        })
    }

    /// Notes in the run's own record what its adapter's files are; nothing while there is none.
    fn note_adapter(&self, files: FileDigests) -> Result<()> {
        let mut origin = Origin::read(self.folder)?;
        if origin.adapter == files {
            return Ok(());
        }
        origin.adapter = files;
        origin.write(self.folder)
    }

    /// Removes the adapter that an earlier stop left: the next end writes another.
    fn forget_adapter(&self) -> Result<()> {
        // First, so that a crash in between leaves no adapter that is not as noted.
        self.note_adapter(FileDigests::new())?;
        let adapter = self.folder.join(ADAPTER);
        match std::fs::remove_dir_all(&adapter) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(&adapter)(error)),
            _ => Ok(()),
        }
    }

    fn base_model(&self) -> String {
        self.config.model.to_string_lossy().into_owned()
    }
}

/// Log-probabilities of the pairs of a microbatch, each by its line in the run's file.
fn logps_of<'a>(examples: impl Iterator<Item = &'a Example>, logps: &Logps<'_>) -> impl Iterator<Item = PairLogps> {
    examples.enumerate().map(|(pair, example)| PairLogps::of(example.row + 1, logps, pair))
}

/// What a step leaves beside its sums.
struct Done {
    epoch: f64,
    grad_norm: f64,
    learning_rate: f64,
    seconds: f64,
}

/// Whether something done every `every` steps (0: only at the end) is due after `step`.
fn is_due(step: u64, every: u64, last: bool) -> bool {
    last || (every > 0 && step.is_multiple_of(every))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_every_so_many_steps_is_done_at_the_end_too() {
        assert_eq!([1, 2, 3, 4, 5].map(|step| is_due(step, 2, step == 5)), [false, true, false, true, true]);
        assert_eq!([1, 2].map(|step| is_due(step, 0, step == 2)), [false, true]);
    }
}
