//! A run's settings and its curves as files for other programs.

use super::super::types::{RunFile, RunFileOf, TextFile};
use super::super::{Backend, locked};
use super::run_folder;
use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use train::events::{Event, Line};
use train::folder::CONFIG;

/// What a run is told of beside its metrics, which are no curves.
const LEFT_OUT: [&str; 4] = ["total_steps", "seconds_left", "best", "correct"];

/// The file that is asked for.
pub(in crate::window) fn run_file(backend: &Backend, request: RunFileOf) -> Result<TextFile> {
    let RunFileOf { project, run, file } = request;
    let project = backend.project(&project)?;
    let folder = run_folder(&project, &run)?;
    match file {
        RunFile::Settings => {
            let path = folder.join(CONFIG);
            let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
            Ok(TextFile { name: format!("{run}.toml"), text })
        }
        RunFile::Curves => {
            let known = backend.training().known(&project.name_of_folder(), &folder)?;
            let known = locked(&known);
            Ok(TextFile { name: format!("{run}.csv"), text: curves(known.events.lines()) })
        }
    }
}

/// A row for each step that was logged or at which the held-out pairs were scored, under TRL's names; a cell is empty where
/// the run has no such number.
fn curves(lines: &[Line]) -> String {
    let mut columns: Vec<String> = vec!["step".to_owned()];
    let mut rows: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for line in lines {
        let (step, told) = match &line.event {
            Event::Step(metrics) => (metrics.step, told(metrics, "")),
            Event::Eval(metrics) => (metrics.step, told(metrics, "eval_")),
            _ => continue,
        };
        let row = rows.entry(step).or_default();
        for (name, value) in told {
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

fn told(metrics: &impl Serialize, prefix: &str) -> Vec<(String, Value)> {
    let Ok(Value::Object(all)) = serde_json::to_value(metrics) else { return Vec::new() };
    let named = |name: String| if name.starts_with(prefix) { name } else { format!("{prefix}{name}") };
    let wanted = all.into_iter().filter(|(name, _)| name != "step" && !LEFT_OUT.contains(&name.as_str()));
    wanted.map(|(name, value)| (named(name), value)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::doctor::log::RunLog;

    #[test]
    fn curves_have_a_row_for_each_step_under_trls_names() {
        let text = curves(&RunLog::healthy(30).lines());
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let column = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
        assert_eq!(rows.len(), 31);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()));
        for name in ["loss", "rewards/margins", "grad_norm", "learning_rate", "eval_loss", "eval_rewards/accuracies"] {
            let values = rows[1..].iter().filter_map(|row| row[column(name)].parse::<f64>().ok()).count();
            assert!(if name.starts_with("eval") { values > 0 } else { values == 30 }, "{name}: {values}");
        }
        assert_eq!(rows[1][0], "1");
        assert_eq!(curves(&[]), "step\n");
    }
}
