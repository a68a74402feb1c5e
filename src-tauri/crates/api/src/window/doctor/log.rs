//! Event logs of runs as they are recorded, healthy and sick, for the tests.

use super::{Finding, findings};
use train::RunConfig;
use train::events::{Counts, EvalMetrics, Event, Line, RewardMetrics, RunStarted, Samples, StepMetrics, TextSample};

/// A run so far. The functions take the place in the run, 0 to 1.
pub(crate) struct RunLog {
    pub(crate) config: RunConfig,
    pub(crate) steps: u64,
    pub(crate) total_steps: u64,
    pub(crate) margin: fn(f64) -> f64,
    pub(crate) chosen: fn(f64) -> f64,
    pub(crate) accuracy: fn(f64) -> f64,
    pub(crate) grad_norm: fn(f64) -> f64,
    /// Words of each sample answer.
    pub(crate) words: fn(f64) -> usize,
    /// Whether a sample answer says the same again and again.
    pub(crate) stutter: fn(f64) -> bool,
    pub(crate) failed: Option<(&'static str, &'static str)>,
    pub(crate) memory_left: Option<u64>,
}

/// One of each illness.
pub(crate) const SICK: [fn() -> RunLog; 8] = [
    RunLog::not_finite,
    RunLog::exploding,
    RunLog::full,
    RunLog::displaced,
    RunLog::known_by_heart,
    || RunLog::flat(60),
    RunLog::growing,
    RunLog::stuttering,
];

impl RunLog {
    /// Margins rise, accuracy follows, the gradient falls, answers stay what they are.
    pub(crate) fn healthy(steps: u64) -> Self {
        Self {
            config: RunConfig::default(),
            steps,
            total_steps: steps,
            margin: |at| 1.2 * at.sqrt(),
            chosen: |at| 0.3 * at,
            accuracy: |at| 0.55 + 0.35 * at.sqrt(),
            grad_norm: |at| 3.0 - 2.0 * at,
            words: |_| 40,
            stutter: |_| false,
            failed: None,
            memory_left: Some(20 << 30),
        }
    }

    pub(crate) fn not_finite() -> Self {
        Self { failed: Some(("non_finite_loss", "the loss of step 12 is NaN")), ..Self::healthy(11) }
    }

    pub(crate) fn exploding() -> Self {
        Self { grad_norm: |at| 0.8 * 60_f64.powf(at), ..Self::healthy(60) }
    }

    pub(crate) fn full() -> Self {
        Self { memory_left: Some(200 << 20), ..Self::healthy(20) }
    }

    pub(crate) fn displaced() -> Self {
        Self { chosen: |at| -2.0 * at, ..Self::healthy(60) }
    }

    pub(crate) fn known_by_heart() -> Self {
        Self { accuracy: |_| 1.0, ..Self::healthy(100) }
    }

    pub(crate) fn flat(steps: u64) -> Self {
        Self { margin: |_| 0.0, chosen: |_| 0.0, accuracy: |_| 0.5, ..Self::healthy(steps) }
    }

    pub(crate) fn growing() -> Self {
        Self { words: |at| 40 + (60.0 * at) as usize, ..Self::healthy(60) }
    }

    pub(crate) fn stuttering() -> Self {
        Self { stutter: |at| at > 0.5, ..Self::healthy(60) }
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        findings(&self.config, &self.lines(), self.memory_left, true)
    }

    pub(crate) fn codes(&self) -> Vec<String> {
        self.findings().into_iter().map(|finding| finding.code).collect()
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut events = vec![Event::RunStarted(RunStarted {
            version: "0.1.0".into(),
            config_digest: "c".into(),
            model_digest: "m".into(),
            device: "CPU, 2 cores".into(),
            device_reason: None,
            gradient_checkpointing: None,
            init_adapter_sha256: None,
            ref_adapter_sha256: None,
            trainable_parameters: 1000,
            total_steps: self.total_steps,
            train: Counts::default(),
            eval: None,
        })];
        events.push(self.samples(0));
        for step in 1..=self.steps {
            events.push(self.step(step));
            if step.is_multiple_of((self.total_steps / 4).max(1)) {
                events.push(self.samples(step));
                events.push(self.eval(step));
            }
        }
        if let Some((code, message)) = self.failed {
            events.push(Event::Failed { code: code.into(), message: message.into(), hint: "Hint.".into() });
        }
        events.into_iter().enumerate().map(|(at, event)| Line { event, time: 1e9 + at as f64 }).collect()
    }

    fn at(&self, step: u64) -> f64 {
        step as f64 / self.total_steps.max(1) as f64
    }

    fn step(&self, step: u64) -> Event {
        let at = self.at(step);
        // As much as batches of eight pairs differ by: the same in every test.
        let noise = 0.1 * ((step as f64 * 0.618_034).fract() - 0.5);
        let margin = (self.margin)(at) + noise;
        let chosen = (self.chosen)(at) + noise / 2.0;
        Event::Step(StepMetrics {
            step,
            total_steps: self.total_steps,
            epoch: 3.0 * at,
            loss: (1.0 + (-margin).exp()).ln(),
            grad_norm: (self.grad_norm)(at) * (1.0 + noise),
            learning_rate: 5e-5 * (1.0 - at),
            rewards: RewardMetrics {
                chosen,
                rejected: chosen - margin,
                margins: margin,
                accuracies: (self.accuracy)(at),
                chosen_logps: -50.0,
                rejected_logps: -60.0,
            },
            pairs: 8,
            tokens: 800,
            tokens_per_second: 400.0,
            peak_memory_bytes: Some(4 << 30),
            seconds: 2.0,
            seconds_left: 2.0 * (self.total_steps - step) as f64,
        })
    }

    fn eval(&self, step: u64) -> Event {
        let (at, margin) = (self.at(step), (self.margin)(self.at(step)));
        Event::Eval(EvalMetrics {
            step,
            eval_loss: (1.0 + (-margin).exp()).ln(),
            chosen: (self.chosen)(at),
            rejected: (self.chosen)(at) - margin,
            margins: margin,
            accuracies: (self.accuracy)(at) * 0.9,
            chosen_logps: -50.0,
            rejected_logps: -60.0,
            pairs: 20,
            correct: 15,
            seconds: 1.0,
            best: false,
        })
    }

    fn samples(&self, step: u64) -> Event {
        let (words, stutter) = ((self.words)(self.at(step)), (self.stutter)(self.at(step)));
        let word = |place: usize| format!("word{}", if stutter { place % 6 } else { place });
        let text = (0..words).map(word).collect::<Vec<_>>().join(" ");
        let answers = ["one", "two"].map(|prompt| TextSample { prompt: prompt.into(), text: text.clone() });
        Event::Samples(Samples { step, answers: answers.into() })
    }
}
