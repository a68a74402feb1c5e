//! What a person would look for in a run by hand, watched and said in words.
//!
//! Each rule is a pure function of a run's events: what it saw, in numbers, with the figure that shows it and the settings
//! that would help. Its thresholds stand above it with their reason. A rule that has too little to go by is silent.

#[cfg(test)]
pub(crate) mod log;
mod process;
mod rewards;
mod samples;

use super::types::{Finding, Remedy, Severity};
use serde_json::{Map, Value};
use train::events::{EvalMetrics, Event, Line, Samples, StepMetrics};
use train::{RunConfig, Settings};

/// What the rules look at.
struct Seen<'a> {
    settings: &'a Settings,
    /// Those of `step` events, oldest first.
    steps: Vec<&'a StepMetrics>,
    evals: Vec<&'a EvalMetrics>,
    /// The last of each step, oldest first.
    samples: Vec<&'a Samples>,
    total_steps: u64,
    /// Whether pairs are held out, looked at or not.
    held_out: bool,
    /// Code and message of the error that ended the run.
    failed: Option<(&'a str, &'a str)>,
    /// Memory that can still be taken while the run goes on.
    memory_left: Option<u64>,
}

/// Everything that is seen in a run, what matters most first.
pub(crate) fn findings(config: &RunConfig, lines: &[Line], memory_free: Option<u64>, running: bool) -> Vec<Finding> {
    let seen = Seen::of(config, lines, memory_free.filter(|_| running));
    let rules: [fn(&Seen) -> Option<Finding>; 8] = [
        process::loss_not_finite,
        process::grad_norm_exploding,
        process::memory_near_limit,
        rewards::likelihood_displacement,
        rewards::memorised,
        rewards::margins_flat,
        samples::repetition,
        samples::answers_grow,
    ];
    let mut findings: Vec<Finding> = rules.iter().filter_map(|rule| rule(&seen)).collect();
    let rank = |severity| match severity {
        Severity::Stop => 0,
        Severity::Warning => 1,
        Severity::Notice => 2,
    };
    findings.sort_by_key(|finding| rank(finding.severity));
    findings
}

impl<'a> Seen<'a> {
    fn of(config: &'a RunConfig, lines: &'a [Line], memory_left: Option<u64>) -> Self {
        let mut seen = Self {
            settings: &config.settings,
            steps: Vec::new(),
            evals: Vec::new(),
            samples: Vec::new(),
            total_steps: 0,
            held_out: config.data.eval.is_some(),
            failed: None,
            memory_left,
        };
        for line in lines {
            match &line.event {
                Event::RunStarted(started) => seen.total_steps = started.total_steps,
                Event::Step(step) => seen.steps.push(step),
                Event::Eval(eval) => seen.evals.push(eval),
                Event::Samples(samples) => {
                    seen.samples.retain(|earlier| earlier.step < samples.step);
                    seen.samples.push(samples);
                }
                Event::Failed { code, message, .. } => seen.failed = Some((code, message)),
                _ => {}
            }
        }
        seen
    }

    /// The steps up to a share of the whole run, once the run is past it.
    fn first_share(&self, share: f64) -> Option<&[&'a StepMetrics]> {
        let end = self.total_steps as f64 * share;
        let past = self.steps.last().is_some_and(|step| step.step as f64 >= end);
        past.then(|| &self.steps[..self.steps.partition_point(|step| step.step as f64 <= end)])
    }
}

/// Mean of values and the standard error of it; nothing of fewer than two values.
fn mean(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some((mean, (variance / n).sqrt()))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Settings to change, with the words on the button.
fn remedy(label: &str, settings: impl IntoIterator<Item = (&'static str, Value)>) -> Option<Remedy> {
    let settings: Map<String, Value> = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    (!settings.is_empty()).then(|| Remedy { label: label.to_owned(), settings })
}

/// A rate with two leading digits, as one would write it.
fn rate(value: f64) -> Value {
    let digits = 10_f64.powf(1.0 - value.abs().log10().floor());
    let rounded = (value * digits).round() / digits;
    Value::from(if rounded.is_finite() && rounded > 0.0 { rounded } else { value })
}

/// Fewer passes over the pairs: half of them, by whichever setting the run goes.
fn fewer_epochs(settings: &Settings) -> Option<(&'static str, Value)> {
    if settings.max_steps > 0 {
        return (settings.max_steps > 1).then(|| ("max_steps", Value::from(settings.max_steps / 2)));
    }
    let half = settings.num_train_epochs / 2.0;
    Some(("num_train_epochs", Value::from(if half > 1.0 { half.round() } else { half })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::log::RunLog;
    use super::*;

    #[test]
    fn a_healthy_run_has_no_findings_at_any_point() {
        for steps in [0, 1, 5, 20, 33, 60, 100] {
            let log = RunLog { total_steps: 100, ..RunLog::healthy(steps) };
            assert!(log.codes().is_empty(), "after {steps} steps: {:?}", log.codes());
        }
    }

    #[test]
    fn remedies_are_settings_of_a_run() {
        let known = serde_json::to_value(Settings::default()).unwrap();
        for log in log::SICK.map(|make| make()) {
            for finding in log.findings() {
                let Some(remedy) = finding.remedy else { continue };
                let mut changed = known.clone();
                for (key, value) in remedy.settings {
                    assert!(known.get(&key).is_some(), "{}: {key} is no setting", finding.code);
                    changed[&key] = value;
                }
                let settings: Settings = serde_json::from_value(changed).unwrap();
                assert_eq!(settings.remarks(), [], "{}", finding.code);
            }
        }
    }

    #[test]
    fn rates_are_written_with_two_digits() {
        assert_eq!(rate(5e-5 / 3.0), Value::from(1.7e-5));
        assert_eq!(rate(0.25), Value::from(0.25));
    }
}
