//! What a run tells: one JSON object per line in `events.jsonl`, appended and never changed.
//!
//! A `resumed` event takes back what came after the step it resumes from; [`effective`] leaves that out.

use crate::error::{Error, Result};
use crate::files::LineWriter;
use crate::selection::Best;
use serde::{Deserialize, Deserializer, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of the file in a run's folder.
pub const FILE: &str = "events.jsonl";

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
// One is at hand at a time, but for those of a file that is read.
#[allow(clippy::large_enum_variant)]
pub enum Event {
    /// The data are encoded and training is about to begin, for the first time or again.
    RunStarted(RunStarted),
    /// How far a stage before or between the steps is.
    Progress(Progress),
    /// One or more optimiser steps.
    Step(StepMetrics),
    /// Held-out pairs were scored.
    Eval(EvalMetrics),
    /// Sample answers were generated.
    Samples(Samples),
    /// A checkpoint was written.
    Checkpoint {
        /// Optimiser steps done.
        step: u64,
        /// Its folder, from the run's.
        path: PathBuf,
    },
    /// The run was resumed; everything after this step counts no more.
    Resumed {
        /// Optimiser steps done.
        from_step: u64,
    },
    /// Something the user should know that does not stop the run.
    Warning {
        /// A sentence.
        message: String,
    },
    /// The run is done and its adapter written.
    Finished {
        /// Optimiser steps done.
        step: u64,
        /// The adapter's folder, from the run's.
        adapter: PathBuf,
        /// Seconds since this process took up the run.
        seconds: f64,
        /// The evaluation whose adapter it is, where that is not simply the last step's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best: Option<Best>,
        /// Whether it ended before its last step, having waited long enough for a better evaluation.
        #[serde(default)]
        stopped_early: bool,
    },
    /// The run stopped on an error.
    Failed {
        /// A stable short name.
        code: String,
        /// What happened.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The run was stopped by the user; it can be resumed.
    Cancelled {
        /// Optimiser steps done.
        step: u64,
        /// Whether the user meant to resume it later.
        #[serde(default)]
        paused: bool,
    },
}

/// What is being trained on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Version of this program.
    pub version: String,
    /// SHA-256 over the settings that shape the run's numbers.
    pub config_digest: String,
    /// SHA-256 over the model's files.
    pub model_digest: String,
    /// What it computes on, such as `CPU, 8 cores`; empty in runs from before this was told.
    #[serde(default)]
    pub device: String,
    /// Why that is the CPU, where another device was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<String>,
    /// Whether layers are computed again in the backward; absent in runs from before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_checkpointing: Option<bool>,
    /// SHA-256 of the weights of the adapter that training began with, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_adapter_sha256: Option<String>,
    /// SHA-256 of the weights of the reference's adapter, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_adapter_sha256: Option<String>,
    /// Numbers in the adapter.
    pub trainable_parameters: u64,
    /// Optimiser steps of the run.
    pub total_steps: u64,
    /// What became of the training rows.
    pub train: Counts,
    /// What became of the held-out rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<Counts>,
}

/// What became of the rows of a file. `rows = pairs + refused + dropped + identical`; where identical pairs are kept, they are
/// counted among `pairs` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that are not blank.
    pub rows: usize,
    /// Pairs in use.
    pub pairs: usize,
    /// Rows that are no pair.
    pub refused: usize,
    /// Pairs left out as too long.
    pub dropped: usize,
    /// Pairs in use whose prompt was cut.
    pub cut_prompts: usize,
    /// Pairs in use of which an answer was cut.
    pub cut_answers: usize,
    /// Pairs, in use or left out, of which the chosen answer alone is too long.
    #[serde(default)]
    pub chosen_only: usize,
    /// The same of the rejected answer.
    #[serde(default)]
    pub rejected_only: usize,
    /// Pairs in use whose prompt, as tokens, does not begin prompt and answer.
    pub broken_boundaries: usize,
    /// Pairs whose answers are the same tokens once they are rendered and cut.
    #[serde(default)]
    pub identical: usize,
    /// Pairs in use that are plain text, which no chat template renders.
    #[serde(default)]
    pub plain_text: usize,
}

/// A stage with a known amount of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Turning pairs into token ids.
    Encode,
    /// Log-probabilities under the reference.
    Reference,
    /// Optimiser steps.
    Train,
    /// Scoring held-out pairs.
    Eval,
    /// Answering sample prompts.
    Samples,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Progress {
    pub stage: Stage,
    /// Pairs done; steps in [`Stage::Train`].
    pub done: u64,
    /// Pairs or steps in all.
    pub total: u64,
    /// Seconds so far.
    pub seconds: f64,
    /// Seconds still to go at this pace; absent until there is a pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
}

/// TRL's metrics of one optimiser step, or means over the steps since the last such event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StepMetrics {
    /// Optimiser steps done.
    pub step: u64,
    /// Optimiser steps of the run.
    pub total_steps: u64,
    /// Passes over the pairs done.
    #[serde(deserialize_with = "number")]
    pub epoch: f64,
    /// Mean loss.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Norm of all gradients together before clipping, of the last step.
    #[serde(deserialize_with = "number")]
    pub grad_norm: f64,
    /// Rate of the last step.
    #[serde(deserialize_with = "number")]
    pub learning_rate: f64,
    /// Rewards and log-probabilities.
    #[serde(flatten)]
    pub rewards: RewardMetrics,
    /// Pairs seen.
    pub pairs: u64,
    /// Tokens computed, each shared prompt once.
    pub tokens: u64,
    #[serde(deserialize_with = "number")]
    pub tokens_per_second: f64,
    /// Most memory this process has held, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Seconds spent.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
    /// Seconds to the end of the run at the pace of late.
    #[serde(deserialize_with = "number")]
    pub seconds_left: f64,
}

/// The reward of an answer is `β (log π − log π_ref)`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RewardMetrics {
    /// Mean reward of the chosen answers.
    #[serde(rename = "rewards/chosen")]
    #[serde(deserialize_with = "number")]
    pub chosen: f64,
    /// Mean reward of the rejected answers.
    #[serde(rename = "rewards/rejected")]
    #[serde(deserialize_with = "number")]
    pub rejected: f64,
    /// Mean of their difference.
    #[serde(rename = "rewards/margins")]
    #[serde(deserialize_with = "number")]
    pub margins: f64,
    /// Share of pairs whose chosen answer has the higher reward.
    #[serde(rename = "rewards/accuracies")]
    #[serde(deserialize_with = "number")]
    pub accuracies: f64,
    /// Mean log-probability of the chosen answers, nats.
    #[serde(rename = "logps/chosen")]
    #[serde(deserialize_with = "number")]
    pub chosen_logps: f64,
    /// Mean log-probability of the rejected answers, nats.
    #[serde(rename = "logps/rejected")]
    #[serde(deserialize_with = "number")]
    pub rejected_logps: f64,
}

/// The same on held-out pairs, as means over pairs, under TRL's `eval_` names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EvalMetrics {
    /// Optimiser steps done.
    pub step: u64,
    /// Mean loss.
    #[serde(deserialize_with = "number")]
    pub eval_loss: f64,
    /// Mean reward of the chosen answers.
    #[serde(rename = "eval_rewards/chosen")]
    #[serde(deserialize_with = "number")]
    pub chosen: f64,
    /// Mean reward of the rejected answers.
    #[serde(rename = "eval_rewards/rejected")]
    #[serde(deserialize_with = "number")]
    pub rejected: f64,
    /// Mean of their difference.
    #[serde(rename = "eval_rewards/margins")]
    #[serde(deserialize_with = "number")]
    pub margins: f64,
    /// Share of pairs whose chosen answer has the higher reward.
    #[serde(rename = "eval_rewards/accuracies")]
    #[serde(deserialize_with = "number")]
    pub accuracies: f64,
    /// Mean log-probability of the chosen answers, nats.
    #[serde(rename = "eval_logps/chosen")]
    #[serde(deserialize_with = "number")]
    pub chosen_logps: f64,
    /// Mean log-probability of the rejected answers, nats.
    #[serde(rename = "eval_logps/rejected")]
    #[serde(deserialize_with = "number")]
    pub rejected_logps: f64,
    /// Pairs scored.
    pub pairs: u64,
    /// Of them, those whose chosen answer has the higher reward.
    pub correct: u64,
    /// Whether it is the best so far, where the run asks for that.
    #[serde(default)]
    pub best: bool,
    /// Seconds spent.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
}

/// Answers to a few fixed held-out prompts, for a person to read. Where a step has several, the last counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// Optimiser steps done.
    pub step: u64,
    /// The answers, in the order of the prompts.
    pub answers: Vec<TextSample>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSample {
    /// The last message of the prompt.
    pub prompt: String,
    /// The greedy answer, cut at [`crate::samples::MAX_NEW_TOKENS`].
    pub text: String,
}

/// JSON has no NaN and no infinity: they are written as `null`, and read back as NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// When, in seconds since 1970 (UTC).
    pub time: f64,
}

impl Event {
    /// Optimiser steps done when it happened, for events that belong to a step.
    pub(crate) fn step(&self) -> Option<u64> {
        match self {
            Self::Step(metrics) => Some(metrics.step),
            Self::Eval(metrics) => Some(metrics.step),
            Self::Samples(samples) => Some(samples.step),
            Self::Checkpoint { step, .. } | Self::Finished { step, .. } | Self::Cancelled { step, .. } => Some(*step),
            _ => None,
        }
    }
}

/// Appends events to a file, each line whole or not at all.
#[derive(Debug)]
pub struct EventWriter(LineWriter);

impl EventWriter {
    /// Opens or creates the file. A last line that a crash left unfinished is cut off.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        LineWriter::open(path).map(Self)
    }

    /// Bytes of whole lines.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Appends one event.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, event: &Event) -> Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        self.0.append(&Line { event: event.clone(), time })
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn sync(&self) -> Result<()> {
        self.0.sync()
    }
}

/// Reads all whole lines of a run's events, in file order.
///
/// # Errors
/// When the file cannot be read, or a whole line of it is no event.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    Ok(read_from(path, 0)?.0)
}

/// Reads the whole lines that begin at byte `from` or later, and says at which byte the next one will begin. Lines are
/// never changed, so that a reader who asks from there again misses nothing.
///
/// # Errors
/// As [`read`].
pub fn read_from(path: &Path, from: u64) -> Result<(Vec<Line>, u64)> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    file.seek(SeekFrom::Start(from)).map_err(Error::read(path))?;
    let mut input = BufReader::new(file);
    let (mut lines, mut text, mut next) = (Vec::new(), Vec::new(), from);
    loop {
        text.clear();
        input.read_until(b'\n', &mut text).map_err(Error::read(path))?;
        if text.last() != Some(&b'\n') {
            return Ok((lines, next));
        }
        let line = serde_json::from_slice(&text).map_err(|error| {
            let place = if from == 0 { String::new() } else { format!(" after byte {from}") };
            let what = format!("line {}{place} is no event: {error}", lines.len() + 1);
            Error::read(path)(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
        })?;
        next += text.len() as u64;
        lines.push(line);
    }
}

/// The events that count: a `resumed` takes back steps, evaluations and checkpoints after its step, and any end.
pub fn effective(lines: Vec<Line>) -> Vec<Line> {
    let mut kept: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        take(&mut kept, line);
    }
    kept
}

/// Adds the next line of a file to those of it that count so far; see [`effective`].
pub fn take(kept: &mut Vec<Line>, line: Line) {
    if let Event::Resumed { from_step } = line.event {
        let ended =
            |event: &Event| matches!(event, Event::Finished { .. } | Event::Failed { .. } | Event::Cancelled { .. });
        kept.retain(|line| !ended(&line.event) && line.event.step().is_none_or(|step| step <= from_step));
    }
    kept.push(line);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    fn step(step: u64) -> Event {
        Event::Step(StepMetrics {
            step,
            total_steps: 9,
            epoch: 0.5,
            loss: 0.1 + step as f64,
            grad_norm: 1.5,
            learning_rate: 1e-4,
            rewards: RewardMetrics { margins: 0.25, ..RewardMetrics::default() },
            pairs: 4,
            tokens: 100,
            tokens_per_second: 50.0,
            peak_memory_bytes: Some(1 << 30),
            seconds: 2.0,
            seconds_left: 16.0,
        })
    }

    #[test]
    fn a_step_has_its_type_and_trl_names_at_top_level() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        EventWriter::open(&path).unwrap().append(&step(3)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(value["type"], "step");
        assert_eq!(value["step"], 3);
        assert_eq!(value["rewards/margins"], 0.25);
        for key in [
            "epoch",
            "loss",
            "grad_norm",
            "learning_rate",
            "rewards/chosen",
            "rewards/rejected",
            "rewards/accuracies",
            "logps/chosen",
            "logps/rejected",
            "tokens_per_second",
            "peak_memory_bytes",
            "seconds",
            "time",
        ] {
            assert!(value[key].is_number(), "{key}");
        }
        assert_eq!(read(&path).unwrap()[0].event, step(3));
    }

    #[test]
    fn whatever_a_crash_leaves_of_a_line_is_cut_off_on_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut writer = EventWriter::open(&path).unwrap();
        writer.append(&step(1)).unwrap();
        let first = writer.bytes();
        writer.append(&step(2)).unwrap();
        writer.sync().unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in first as usize..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path).unwrap().len(), 1, "read at {cut}");
            let mut writer = EventWriter::open(&path).unwrap();
            assert_eq!(writer.bytes(), first);
            writer.append(&step(3)).unwrap();
            let events: Vec<_> = read(&path).unwrap().into_iter().map(|line| line.event).collect();
            assert_eq!(events, [step(1), step(3)]);
        }
    }

    #[test]
    fn a_number_that_is_none_does_not_make_the_rest_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut writer = EventWriter::open(&path).unwrap();
        let Event::Step(metrics) = step(1) else { unreachable!() };
        let broken = StepMetrics {
            grad_norm: f64::INFINITY,
            rewards: RewardMetrics { margins: f64::NAN, ..metrics.rewards },
            ..metrics
        };
        writer.append(&Event::Step(broken)).unwrap();
        writer.append(&step(2)).unwrap();
        let lines = read(&path).unwrap();
        let Event::Step(read) = &lines[0].event else { panic!("{:?}", lines[0]) };
        assert!(read.grad_norm.is_nan() && read.rewards.margins.is_nan() && read.loss.is_finite());
        assert_eq!(lines[1].event, step(2));
    }

    #[test]
    fn a_whole_line_that_is_no_event_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        EventWriter::open(&path).unwrap().append(&step(1)).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"type\": \"nothing\"}\n");
        fs::write(&path, text).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn resuming_takes_back_what_came_later() {
        let at = |event| Line { event, time: 0.0 };
        let checkpoint = |step| Event::Checkpoint { step, path: "checkpoints".into() };
        let warning = Event::Warning { message: "w".into() };
        let failed = Event::Failed { code: "c".into(), message: "m".into(), hint: "h".into() };
        let resumed = Event::Resumed { from_step: 2 };
        let events = [step(1), step(2), checkpoint(2), step(3), warning.clone(), failed, resumed.clone(), step(3)];
        let kept: Vec<_> = effective(events.map(at).into()).into_iter().map(|line| line.event).collect();
        assert_eq!(kept, [step(1), step(2), checkpoint(2), warning, resumed, step(3)]);
    }
}
