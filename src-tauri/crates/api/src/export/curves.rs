//! A run's metrics by step, for other programs: as CSV, and as event files of TensorBoard.

use super::{Exported, tensorboard};
use crate::error::Result;
use crate::evaluate::write_whole;
use runs::RunEvents;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use train::events::{Event, Line};

/// What a run's curves are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveForm {
    /// A row for each step.
    Csv,
    /// A file of events, as TensorBoard reads them.
    Tensorboard,
}

/// What a run is told of beside its metrics, which are no curves.
const LEFT_OUT: [&str; 4] = ["total_steps", "seconds_left", "best", "correct"];

/// Writes the curves of the run in a folder. An earlier export of the same run is replaced.
pub(super) fn write(run: &Path, forms: &[CurveForm], to: &Path) -> Result<Vec<Exported>> {
    let mut events = RunEvents::of(run);
    events.update()?;
    let lines = events.lines();
    let name = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut written = Vec::new();
    for form in forms {
        let (path, bytes, load) = match form {
            CurveForm::Csv => {
                let path = to.join(format!("{name}.csv"));
                (path, csv(lines).into_bytes(), "a row for each step, under TRL's names".to_owned())
            }
            CurveForm::Tensorboard => {
                let all = to.join("tensorboard");
                let path = all.join(&name).join(tensorboard::file_name(lines, &name));
                (path, tensorboard::events(lines), format!("tensorboard --logdir {:?}", all.display().to_string()))
            }
        };
        write_whole(&path, &bytes)?;
        written.push(Exported { what: "curves".into(), path, load, check: None, other_base: None });
    }
    Ok(written)
}

/// A row for each step that was logged or at which the held-out pairs were scored, under TRL's names; a cell is empty where
/// the run has no such number.
pub(crate) fn csv(lines: &[Line]) -> String {
    let mut columns: Vec<String> = vec!["step".to_owned()];
    let mut rows: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for Measured { step, on, values, .. } in measured(lines) {
        let row = rows.entry(step).or_default();
        for (name, value) in values {
            let name = match on {
                On::Training => name,
                On::HeldOut => format!("eval_{name}"),
            };
            if !columns.contains(&name) {
                columns.push(name.clone());
            }
            row.insert(name, value);
        }
    }
    let mut text = columns.join(",") + "\n";
    for (step, row) in rows {
        let cell = |name: &String| match name.as_str() {
            "step" => step.to_string(),
            _ => row.get(name).filter(|value| value.is_number()).map(Value::to_string).unwrap_or_default(),
        };
        text += &(columns.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

/// Which pairs a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Training,
    HeldOut,
}

/// The numbers of a step, or of a look at the held-out pairs.
pub(super) struct Measured {
    pub(super) step: u64,
    pub(super) on: On,
    /// When, in seconds since 1970 (UTC).
    pub(super) time: f64,
    /// By TRL's names, without `eval_`; null where a number is not finite, or not known.
    pub(super) values: Vec<(String, Value)>,
}

/// In the order in which they were measured.
pub(super) fn measured(lines: &[Line]) -> impl Iterator<Item = Measured> {
    lines.iter().filter_map(|line| {
        let (step, on, values) = match &line.event {
            Event::Step(metrics) => (metrics.step, On::Training, values(metrics)),
            Event::Eval(metrics) => (metrics.step, On::HeldOut, values(metrics)),
            _ => return None,
        };
        Some(Measured { step, on, time: line.time, values })
    })
}

fn values(metrics: &impl Serialize) -> Vec<(String, Value)> {
    let Ok(Value::Object(all)) = serde_json::to_value(metrics) else { return Vec::new() };
    let wanted = all.into_iter().filter(|(name, _)| name != "step" && !LEFT_OUT.contains(&name.as_str()));
    wanted.map(|(name, value)| (name.strip_prefix("eval_").unwrap_or(&name).to_owned(), value)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::RunLog;

    #[test]
    fn curves_have_a_row_for_each_step_under_trls_names() {
        let text = csv(&RunLog::healthy(30).lines());
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let column = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
        assert_eq!(rows.len(), 31);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()));
        for name in ["loss", "rewards/margins", "grad_norm", "learning_rate", "eval_loss", "eval_rewards/accuracies"] {
            let values = rows[1..].iter().filter_map(|row| row[column(name)].parse::<f64>().ok()).count();
            assert!(if name.starts_with("eval") { values > 0 } else { values == 30 }, "{name}: {values}");
        }
        assert_eq!(rows[1][0], "1");
        assert_eq!(csv(&[]), "step\n");
    }
}
