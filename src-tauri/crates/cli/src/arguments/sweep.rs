//! Runs that are alike but for some settings.

use super::queue::InProject;
use api::window::types::{RangeScale, Vary, VaryValues};
use api::{DeviceChoice, StopRule};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    #[command(subcommand)]
    pub(crate) command: SweepCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Write the runs of a sweep on the project's pairs, and put them into its queue
    Start(Box<SweepStart>),
    /// The project's sweeps
    List {
        #[command(flatten)]
        of: InProject,
    },
    /// What the runs of a sweep came to, with 95 % intervals, and which settings that tells apart
    Show {
        /// As `tiebreak sweep list` names it [default: the newest]
        sweep: Option<String>,
        #[command(flatten)]
        of: InProject,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("varies").args(["vary", "range"]).multiple(true).required(true)))]
pub(crate) struct SweepStart {
    #[command(flatten)]
    pub(crate) of: InProject,
    /// The sweep's name
    #[arg(long)]
    pub(crate) name: String,
    /// The settings that all runs have, as in a settings file for `tiebreak train`; its data and folder are not used, because the
    /// runs train on the project's pairs [default: the settings that the window proposes]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// As of the other commands [default: that of --config, else the project's]
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// A setting with the values that it takes, separated by commas: learning_rate=1e-5,5e-5 or lora.r=8,16; each value as in a
    /// settings file, text without quotation marks; a list in brackets. Can be given several times
    #[allow(clippy::doc_markdown)] // shown as plain text
    #[arg(long, value_name = "KEY=VALUES", value_parser = listed)]
    pub(crate) vary: Vec<Vary>,
    /// A setting that is drawn between two numbers: beta=0.05..0.5, or evenly by its logarithm learning_rate=1e-6..1e-3:log.
    /// Can be given several times
    #[arg(long, value_name = "KEY=LOW..HIGH", value_parser = ranged, requires = "random")]
    pub(crate) range: Vec<Vary>,
    /// Instead of all combinations, so many that are drawn at random
    #[arg(long, value_name = "RUNS")]
    pub(crate) random: Option<usize>,
    /// Seed of what is drawn
    #[arg(long, default_value_t = 0, requires = "random")]
    pub(crate) seed: u64,
    /// Stop runs early that do worse on held-out pairs than the others: median:AFTER_STEP (the median stopping rule), or
    /// halving:ETA,FIRST_STEP (successive halving: at that step, and each ETA times as many, one of ETA goes on)
    #[allow(clippy::doc_markdown)] // shown as plain text
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(crate) stop: Option<StopRule>,
    /// Share of the pairs that is held out, 0 to 1 [default: as the window proposes]
    #[arg(long, value_name = "SHARE")]
    pub(crate) held_out: Option<f64>,
    /// Where the runs compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value_t)]
    pub(crate) device: DeviceChoice,
    /// Say what the sweep would do and take, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn key_of(text: &str) -> Result<(&str, &str), String> {
    let wrong = || format!("{text:?} is no setting with values: write KEY=VALUES");
    text.split_once('=').filter(|(key, values)| !key.is_empty() && !values.is_empty()).ok_or_else(wrong)
}

fn listed(text: &str) -> Result<Vary, String> {
    let (key, values) = key_of(text)?;
    let values = parts(values).into_iter().map(value).collect();
    Ok(Vary { key: key.to_owned(), values: VaryValues::List { values } })
}

/// What stands between commas, but for those in brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).collect()
}

/// A value as it is written in a settings file, text with or without quotation marks.
fn value(text: &str) -> Value {
    match text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => Value::Array(parts(inner).into_iter().map(value).collect()),
        None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.trim_matches(['"', '\'']).to_owned())),
    }
}

fn ranged(text: &str) -> Result<Vary, String> {
    let (key, range) = key_of(text)?;
    let (range, scale) = match range.rsplit_once(':') {
        None => (range, RangeScale::Linear),
        Some((range, "log")) => (range, RangeScale::Log),
        Some((range, "linear")) => (range, RangeScale::Linear),
        Some((_, other)) => return Err(format!("{other:?} is no scale: write linear or log")),
    };
    let ends = range.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    let (low, high) = ends.ok_or_else(|| format!("{range:?} is no range: write LOW..HIGH, two numbers"))?;
    Ok(Vary { key: key.to_owned(), values: VaryValues::Range { low, high, scale } })
}

fn rule(text: &str) -> Result<StopRule, String> {
    let wrong = || format!("{text:?} is no rule: write median:AFTER_STEP or halving:ETA,FIRST_STEP");
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    match text.split_once(':') {
        Some(("median", after)) => Ok(StopRule::Median { after: number(after)? }),
        Some(("halving", numbers)) => {
            let (eta, first_step) = numbers.split_once(',').ok_or_else(wrong)?;
            Ok(StopRule::SuccessiveHalving { eta: number(eta)?, first_step: number(first_step)? })
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_a_settings_file_has_them() {
        let values = |text| match listed(text).unwrap().values {
            VaryValues::List { values } => Value::Array(values),
            VaryValues::Range { .. } => Value::Null,
        };
        assert_eq!(values("learning_rate=1e-5, 5e-5"), json!([1e-5, 5e-5]));
        assert_eq!(values("shuffle=true,false"), json!([true, false]));
        assert_eq!(values("lr_scheduler_type=linear,\"cosine\""), json!(["linear", "cosine"]));
        assert_eq!(values("loss_type=sigmoid,[sigmoid,sft]"), json!(["sigmoid", ["sigmoid", "sft"]]));
        for wrong in ["beta", "beta=", "=1"] {
            assert!(listed(wrong).unwrap_err().contains("KEY=VALUES"), "{wrong}");
        }
    }

    #[test]
    fn ranges_and_rules_are_read_and_what_is_none_is_named() {
        let range = |text: &str| ranged(text).map(|vary| vary.values);
        let log = VaryValues::Range { low: 1e-6, high: 1e-3, scale: RangeScale::Log };
        assert_eq!(range("learning_rate=1e-6..1e-3:log"), Ok(log));
        let even = VaryValues::Range { low: 0.05, high: 0.5, scale: RangeScale::Linear };
        assert_eq!(range("beta=0.05..0.5"), Ok(even));
        assert!(range("beta=0.1").unwrap_err().contains("no range"));
        assert!(range("beta=0.1..0.2:cubic").unwrap_err().contains("no scale"));
        assert_eq!(rule("median:20"), Ok(StopRule::Median { after: 20 }));
        assert_eq!(rule("halving:3,10"), Ok(StopRule::SuccessiveHalving { eta: 3, first_step: 10 }));
        for wrong in ["median", "halving:3", "halving:a,b", "best:3"] {
            assert!(rule(wrong).unwrap_err().contains("is no rule"), "{wrong}");
        }
    }
}
