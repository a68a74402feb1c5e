//! Training dynamics: what the policy made of each pair whenever a step or an evaluation computed it, which costs nothing
//! beside them. How a pair's margin moves over a run tells hard and mislabelled pairs from easy ones (data maps, arXiv
//! 2009.10795).
//!
//! One JSON object per line in `dynamics.jsonl`, appended and never changed. A run that is resumed computes some steps again,
//! to the same numbers; of the lines about one step the last counts.

use crate::error::{Error, Result};
use crate::events::{self, Event};
use crate::files::LineWriter;
use crate::losses::Logps;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

/// Name of the file in a run's folder.
pub const FILE: &str = "dynamics.jsonl";

/// Log-probabilities of a pair, in nats, summed over the tokens of an answer as the run counts them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(usize, f32, f32, f32, f32)", into = "(usize, f32, f32, f32, f32)")]
pub struct PairLogps {
    /// Its place in the run's own file, `pairs.jsonl` or `eval_pairs.jsonl`, from 1.
    pub line: usize,
    /// Of the chosen answer under the policy.
    pub chosen: f32,
    /// Of the rejected answer under the policy.
    pub rejected: f32,
    /// Of the chosen answer under the reference.
    pub reference_chosen: f32,
    /// Of the rejected answer under the reference.
    pub reference_rejected: f32,
}

impl PairLogps {
    /// Those of pair number `pair` of a microbatch, which stands in this line of the run's file.
    pub(crate) fn of(line: usize, logps: &Logps<'_>, pair: usize) -> Self {
        Self {
            line,
            chosen: logps.chosen_logps[pair] as f32,
            rejected: logps.rejected_logps[pair] as f32,
            reference_chosen: logps.reference_chosen_logps[pair] as f32,
            reference_rejected: logps.reference_rejected_logps[pair] as f32,
        }
    }

    /// TRL's `rewards/chosen` and `rewards/rejected`.
    pub fn rewards(&self, beta: f64) -> [f64; 2] {
        let reward = |policy: f32, reference: f32| beta * (f64::from(policy) - f64::from(reference));
        [reward(self.chosen, self.reference_chosen), reward(self.rejected, self.reference_rejected)]
    }
}

impl From<(usize, f32, f32, f32, f32)> for PairLogps {
    fn from((line, chosen, rejected, reference_chosen, reference_rejected): (usize, f32, f32, f32, f32)) -> Self {
        Self { line, chosen, rejected, reference_chosen, reference_rejected }
    }
}

impl From<PairLogps> for (usize, f32, f32, f32, f32) {
    fn from(pair: PairLogps) -> Self {
        (pair.line, pair.chosen, pair.rejected, pair.reference_chosen, pair.reference_rejected)
    }
}

/// Pairs that were computed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    /// Optimiser steps that the policy had taken by then: of pairs trained on, before the step that they were in.
    pub step: u64,
    /// Whether they are held-out pairs.
    pub held_out: bool,
    /// The pairs.
    pub pairs: Vec<PairLogps>,
}

/// Appends to a run's file.
pub(crate) struct DynamicsWriter(LineWriter);

impl DynamicsWriter {
    /// Opens or creates the file in a run's folder. A last line that a crash left unfinished is cut off.
    pub(crate) fn open(run: &Path) -> Result<Self> {
        LineWriter::open(&run.join(FILE)).map(Self)
    }

    pub(crate) fn append(&mut self, computed: &Computed) -> Result<()> {
        self.0.append(computed)
    }

    /// Waits until everything is on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.0.sync()
    }
}

/// A pair by whether it is held out and by its line, with each step at which it was computed, rising.
pub type Dynamics = BTreeMap<(bool, usize), BTreeMap<u64, PairLogps>>;

/// Reads what is known of the pairs of a run; nothing of a run that did not keep it. A last line that is being written is left
/// out, and so is what a process computed beyond the step that the run, taken up again before it, has come to.
///
/// # Errors
/// When a file cannot be read, or a whole line of it is none of this program's.
pub fn read(run: &Path) -> Result<Dynamics> {
    let path = run.join(FILE);
    let reached = reached(run)?;
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Dynamics::new()),
        file => file.map_err(Error::read(&path))?,
    };
    let mut input = BufReader::new(file);
    let (mut all, mut text, mut number) = (Dynamics::new(), Vec::new(), 0);
    loop {
        text.clear();
        input.read_until(b'\n', &mut text).map_err(Error::read(&path))?;
        if text.last() != Some(&b'\n') {
            return Ok(all);
        }
        number += 1;
        let Computed { step, held_out, pairs } = serde_json::from_slice(&text).map_err(|error| {
            let what = format!("line {number} holds no log-probabilities of pairs: {error}");
            Error::read(&path)(std::io::Error::new(ErrorKind::InvalidData, what))
        })?;
        // Of pairs trained on the step is the one before that they were in.
        if reached.is_some_and(|reached| step + u64::from(!held_out) > reached) {
            continue;
        }
        for pair in pairs {
            all.entry((held_out, pair.line)).or_default().insert(step, pair);
        }
    }
}

/// The last step that counts of a run that was taken up again; none of any other, of which all was computed once.
fn reached(run: &Path) -> Result<Option<u64>> {
    let path = run.join(events::FILE);
    if !path.exists() {
        return Ok(None);
    }
    let lines = events::effective(events::read(&path)?);
    let was_resumed = lines.iter().any(|line| matches!(line.event, Event::Resumed { .. }));
    Ok(was_resumed.then(|| lines.iter().filter_map(|line| line.event.step()).max().unwrap_or(0)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn computed(step: u64, held_out: bool, chosen: f32) -> Computed {
        let pair =
            |line| PairLogps { line, chosen, rejected: -60.25, reference_chosen: -52.5, reference_rejected: -61.0 };
        Computed { step, held_out, pairs: vec![pair(1), pair(3)] }
    }

    #[test]
    fn of_lines_about_one_step_the_last_counts_and_a_half_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().is_empty());
        let mut writer = DynamicsWriter::open(folder.path()).unwrap();
        for step in [0, 4, 8] {
            writer.append(&computed(step, false, -50.0)).unwrap();
        }
        writer.append(&computed(4, true, -50.0)).unwrap();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], br#"{"step":8,"held_o"#].concat()).unwrap();
        assert_eq!(read(folder.path()).unwrap().len(), 4);
        // Resumed from step 4.
        DynamicsWriter::open(folder.path()).unwrap().append(&computed(4, false, -40.0)).unwrap();
        let all = read(folder.path()).unwrap();
        let of: Vec<_> = all[&(false, 3)].iter().map(|(step, pair)| (*step, pair.chosen)).collect();
        assert_eq!(of, [(0, -50.0), (4, -40.0), (8, -50.0)]);
        let [chosen, rejected] = all[&(true, 1)][&4].rewards(0.1);
        assert!((chosen - 0.25).abs() < 1e-9 && (rejected - 0.075).abs() < 1e-9);
    }

    #[test]
    fn a_line_of_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        DynamicsWriter::open(folder.path()).unwrap().append(&computed(0, false, -50.0)).unwrap();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap() + "{}\n";
        std::fs::write(&path, text).unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn what_lies_after_the_step_that_a_run_was_stopped_at_after_it_was_taken_up_is_not_its_own() {
        use crate::events::{EvalMetrics, EventWriter};
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DynamicsWriter::open(folder.path()).unwrap();
        for step in 0..8 {
            writer.append(&computed(step, false, -50.0)).unwrap();
            writer.append(&computed(step, true, -50.0)).unwrap();
        }
        let last = || {
            let all = read(folder.path()).unwrap();
            [false, true].map(|held_out| all[&(held_out, 1)].keys().next_back().copied())
        };
        let mut events = EventWriter::open(&folder.path().join(events::FILE)).unwrap();
        let eval = |step| Event::Eval(EvalMetrics { step, ..EvalMetrics::default() });
        events.append(&eval(7)).unwrap();
        assert_eq!(last(), [Some(7), Some(7)], "it was killed and not taken up again");
        events.append(&Event::Resumed { from_step: 2 }).unwrap();
        events.append(&eval(4)).unwrap();
        assert_eq!(last(), [Some(3), Some(4)]);
    }
}
