//! A sweep's rule at work, in the process of a run; and what it did, in the run's folder.

use super::outcome::CHANGE_THE_LOSS;
use super::{Record, SWEEPS};
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use runs::{Losses, RUNS, RunEvents, StopRule, Stopped};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use train::events::Event;

/// The file of a run's folder that says that a rule stopped it.
const STOPPED: &str = "stopped_by_rule.json";

/// That a rule stopped a run, and by what numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoppedByRule {
    rule: StopRule,
    step: u64,
    loss: f64,
    bound: f64,
    others: usize,
    /// Somebody has let it go on since: the rule no longer counts.
    let_go_on: bool,
}

/// What judges a run while it trains.
pub(crate) struct RunJudge {
    folder: PathBuf,
    rule: StopRule,
    others: Vec<PathBuf>,
    own: Losses,
    total_steps: u64,
}

impl RunJudge {
    /// Of the run in a folder; nothing where it belongs to no sweep with a rule, or was let go on.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let project = folder.parent()?.parent()?;
        let name = folder.file_name()?.to_str()?;
        let entries = std::fs::read_dir(project.join(SWEEPS)).ok()?.flatten();
        // A record that cannot be read is told of by the window.
        let records =
            entries.filter_map(|entry| serde_json::from_slice::<Record>(&std::fs::read(entry.path()).ok()?).ok());
        let record = records.into_iter().find(|record| record.runs.iter().any(|run| run.run == name))?;
        let rule = record.rule?;
        if read(folder).is_some_and(|stopped| stopped.let_go_on) {
            return None;
        }
        let others = record.runs.iter().filter(|run| run.run != name);
        let others = others.map(|run| project.join(RUNS).join(&run.run)).collect();
        Some(Self { folder: folder.to_path_buf(), rule, others, own: losses(folder), total_steps: u64::MAX })
    }

    /// Whether the run is to stop after this event; what was decided is written first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn stops(&mut self, event: &Event) -> Result<bool> {
        match event {
            Event::RunStarted(started) => self.total_steps = started.total_steps,
            Event::Resumed { from_step } => self.own.retain(|(step, _)| step <= from_step),
            // At its end there is nothing to save.
            Event::Eval(eval) if eval.step < self.total_steps => {
                self.own.push((eval.step, eval.eval_loss));
                let others: Vec<Losses> = self.others.iter().map(|run| losses(run)).collect();
                if let Some(Stopped { step, loss, bound, others }) = self.rule.judge(&self.own, &others) {
                    let stopped = StoppedByRule { rule: self.rule, step, loss, bound, others, let_go_on: false };
                    write_json(&self.folder.join(STOPPED), &stopped)?;
                    return Ok(true);
                }
            }
            _ => {}
        }
        Ok(false)
    }
}

/// A run's held-out losses so far; none where it cannot be read or has not begun.
fn losses(run: &Path) -> Losses {
    let mut events = RunEvents::of(run);
    let _ = events.update();
    let of = |event: &Event| match event {
        Event::Eval(eval) => Some((eval.step, eval.eval_loss)),
        _ => None,
    };
    events.lines().iter().filter_map(|line| of(&line.event)).collect()
}

fn read(run: &Path) -> Option<StoppedByRule> {
    serde_json::from_slice(&std::fs::read(run.join(STOPPED)).ok()?).ok()
}

/// The rule that a run has stood stopped by since, by its name.
pub(super) fn stopped_by(run: &Path) -> Option<&'static str> {
    read(run).filter(|stopped| !stopped.let_go_on).map(|stopped| stopped.rule.name())
}

/// That a rule stopped a run, by which and by what numbers, as a sentence.
pub(in crate::window) fn told(run: &Path) -> Option<String> {
    let StoppedByRule { rule, step, loss, bound, others, let_go_on } = read(run)?;
    let runs = if others == 1 { "one other run".to_owned() } else { format!("{others} other runs") };
    let (loss, bound) = numbers::compared(loss, bound);
    let why = match rule {
        StopRule::Median { .. } => {
            format!("its lowest held-out loss, {loss}, was above {bound}, the median of {runs}")
        }
        StopRule::SuccessiveHalving { eta, .. } => {
            format!("its held-out loss, {loss}, was above {bound}: not among the best 1/{eta}, with {runs} there")
        }
    };
    let since = if let_go_on { " It was let go on since, and the rule no longer counts for it." } else { "" };
    Some(format!("Stopped by {} after step {step}: {why}.{since}", rule.name()))
}

/// Lets a run go on that a rule has stopped.
///
/// # Errors
/// When that cannot be written.
pub(in crate::window) fn let_go_on(run: &Path) -> Result<()> {
    match read(run) {
        Some(stopped) if !stopped.let_go_on => {
            write_json(&run.join(STOPPED), &StoppedByRule { let_go_on: true, ..stopped })
        }
        _ => Ok(()),
    }
}

/// Why a rule cannot be used on a sweep, if so.
pub(super) fn check(rule: &StopRule, eval_steps: u64, held_out: usize, keys: &[&str]) -> Result<()> {
    let refused = |message: String, hint: &str| Err(Error::new("rule", message, hint));
    if eval_steps == 0 || held_out == 0 {
        let message = format!("{} needs looks at held-out pairs while a run trains", rule.name());
        return refused(message, "Hold some pairs out, and set eval_steps.");
    }
    if let Some(key) = keys.iter().find(|key| CHANGE_THE_LOSS.contains(key)) {
        let message =
            format!("{} compares held-out losses, and those of another {key} are another measure", rule.name());
        return refused(message, "Vary it without a rule.");
    }
    match rule {
        StopRule::SuccessiveHalving { eta, .. } if *eta < 2 => {
            refused(format!("successive halving keeps one of {eta}"), "Keep one of 2 or more; 3 is usual.")
        }
        _ => Ok(()),
    }
}
