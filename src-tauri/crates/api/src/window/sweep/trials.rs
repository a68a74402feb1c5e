//! Which runs a sweep consists of.

use super::super::types::{RangeScale, Search, SweepRequest, Vary, VaryValues};
use crate::error::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use std::collections::HashSet;
use train::Settings;
use train::settings::{Level, remarks_on_typed};

/// Runs of one sweep: more would be nobody's to look through.
const MOST_RUNS: usize = 200;
/// Tries for a combination that was not drawn yet.
const TRIES: usize = 100;
/// The longest name of a run, in characters, with room for the sweep's own.
const LONGEST: usize = 100;

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trial {
    pub(super) name: String,
    /// The values of the settings that vary, in their order.
    pub(super) values: Vec<Value>,
    pub(super) settings: Settings,
}

/// All runs, each with its settings.
///
/// # Errors
/// When what varies makes no sense, or a combination is one that no run may have; the error names it.
pub(super) fn trials(sweep: &SweepRequest) -> Result<Vec<Trial>> {
    check(&sweep.vary)?;
    let combinations = match &sweep.search {
        Search::Grid => grid(&sweep.vary)?,
        Search::Random { trials, seed } => random(&sweep.vary, *trials, *seed)?,
    };
    let base = serde_json::to_value(&sweep.request.settings)
        .map_err(|error| Error::new("sweep", error.to_string(), "Report this as a fault."))?;
    let number = combinations.len().to_string().len();
    combinations
        .into_iter()
        .enumerate()
        .map(|(at, values)| {
            let mut settings = base.clone();
            for (vary, value) in sweep.vary.iter().zip(&values) {
                set(&mut settings, &vary.key, value.clone());
            }
            let words = words(&sweep.vary, &values);
            let (settings, remarks) = remarks_on_typed(&settings);
            if let Some(remark) = remarks.iter().find(|remark| remark.level == Level::Refuse) {
                return Err(refused(&words, &remark.sentence));
            }
            let own = sweep.request.name.trim();
            let whole = format!("{own}: {words}");
            let name = if whole.chars().count() > LONGEST { format!("{own} {:0number$}", at + 1) } else { whole };
            Ok(Trial { name, values, settings })
        })
        .collect()
}

/// A combination that cannot be trained.
pub(super) fn refused(words: &str, sentence: &str) -> Error {
    Error::new("sweep", format!("no run can have {words}: {}", sentence.trim_end_matches('.')), "Leave this value out.")
}

/// `learning_rate 5e-5, r 8`
pub(super) fn words(vary: &[Vary], values: &[Value]) -> String {
    let one = |(vary, value): (&Vary, &Value)| format!("{} {}", short(&vary.key), text(value));
    vary.iter().zip(values).map(one).collect::<Vec<_>>().join(", ")
}

fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A value as the page writes it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        Value::Bool(on) => if *on { "on" } else { "off" }.into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
            _ => number.to_string().trim_end_matches(".0").to_owned(),
        },
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join("+"),
        Value::Object(_) => value.to_string(),
    }
}

fn check(vary: &[Vary]) -> Result<()> {
    let fault = |message: String, hint: &str| Err(Error::new("sweep", message, hint));
    if vary.is_empty() {
        return fault("no setting varies".into(), "Choose a setting, and two values for it or more.");
    }
    let mut seen = HashSet::new();
    for Vary { key, values } in vary {
        if !seen.insert(key) {
            return fault(format!("{key} varies twice"), "Give all its values in one place.");
        }
        if of_settings(key).is_none() {
            return fault(format!("there is no setting {key}"), "Settings are named as in a settings file.");
        }
        match values {
            VaryValues::List { values } if values.is_empty() => {
                return fault(format!("{key} has no values"), "Write them with commas between them.");
            }
            VaryValues::List { values } => {
                let mut written = HashSet::new();
                if let Some(twice) = values.iter().map(text).find(|value| !written.insert(value.clone())) {
                    return fault(format!("{key} has the value {twice} twice"), "Leave one of them out.");
                }
            }
            VaryValues::Range { low, high, scale } => {
                if !(low.is_finite() && high.is_finite() && low < high) {
                    return fault(format!("the range of {key} is none"), "Its first number is the smaller one.");
                }
                if *scale == RangeScale::Log && *low <= 0.0 {
                    return fault(
                        format!("the range of {key} begins at {low}, which has no logarithm"),
                        "Begin above 0, or draw evenly.",
                    );
                }
            }
        }
    }
    Ok(())
}

fn grid(vary: &[Vary]) -> Result<Vec<Vec<Value>>> {
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for Vary { key, values } in vary {
        let VaryValues::List { values } = values else {
            let message = format!("a grid cannot take a range for {key}");
            return Err(Error::new("sweep", message, "Write its values, or draw at random."));
        };
        all = all
            .into_iter()
            .flat_map(|before| values.iter().map(move |value| [before.clone(), vec![value.clone()]].concat()))
            .collect();
        if all.len() > MOST_RUNS {
            return Err(too_many(all.len()));
        }
    }
    Ok(all)
}

fn too_many(runs: usize) -> Error {
    let message = format!("this sweep has {runs} runs or more, and at most {MOST_RUNS} are possible");
    Error::new("sweep", message, "Leave values out, or draw some combinations at random.")
}

/// Combinations that are drawn, each another one; fewer than asked for where there are no more.
fn random(vary: &[Vary], trials: usize, seed: u64) -> Result<Vec<Vec<Value>>> {
    if trials == 0 || trials > MOST_RUNS {
        let message = format!("{trials} runs cannot be drawn");
        return Err(Error::new("sweep", message, format!("Choose 1 to {MOST_RUNS}.")));
    }
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<Vec<Value>> = Vec::new();
    for _ in 0..trials {
        let one = (0..TRIES).find_map(|_| {
            let one: Vec<Value> = vary.iter().map(|vary| draw(vary, &mut generator)).collect();
            (!drawn.contains(&one)).then_some(one)
        });
        let Some(one) = one else { break };
        drawn.push(one);
    }
    Ok(drawn)
}

fn draw(Vary { key, values }: &Vary, generator: &mut ChaCha8Rng) -> Value {
    // The 53 bits that a number of this type has, as a share from 0 to below 1.
    let share = (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    match values {
        VaryValues::List { values } => values[((share * values.len() as f64) as usize).min(values.len() - 1)].clone(),
        VaryValues::Range { low, high, scale } => {
            let number = match scale {
                RangeScale::Linear => low + share * (high - low),
                RangeScale::Log => (low.ln() + share * (high.ln() - low.ln())).exp(),
            };
            if is_whole(key) { json!(number.round() as i64) } else { json!(three_digits(number).clamp(*low, *high)) }
        }
    }
}

/// A number with three digits that count: what is drawn can be read and typed again.
fn three_digits(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

/// The settings with one of them set, where there is such a one that can have the value.
fn with(key: &str, value: Value) -> Option<Settings> {
    let mut settings = serde_json::to_value(Settings::default()).ok()?;
    set(&mut settings, key, value);
    serde_json::from_value(settings).ok()
}

fn of_settings(key: &str) -> Option<Value> {
    let settings = serde_json::to_value(Settings::default()).ok()?;
    key.split('.').try_fold(settings, |table, name| table.get(name).cloned())
}

/// Whether a setting takes whole numbers alone.
fn is_whole(key: &str) -> bool {
    with(key, json!(2)).is_some() && with(key, json!(2.5)).is_none()
}

fn set(settings: &mut Value, key: &str, value: Value) {
    let mut place = settings;
    for name in key.split('.') {
        place = &mut place[name];
    }
    *place = value;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::types::RunRequest;

    fn list(key: &str, values: Value) -> Vary {
        Vary { key: key.into(), values: VaryValues::List { values: values.as_array().unwrap().clone() } }
    }

    fn range(key: &str, low: f64, high: f64, scale: RangeScale) -> Vary {
        Vary { key: key.into(), values: VaryValues::Range { low, high, scale } }
    }

    fn sweep(vary: Vec<Vary>, search: Search) -> SweepRequest {
        let request = RunRequest {
            project: "p".into(),
            name: "Rates".into(),
            model: "m".into(),
            held_out_share: 0.1,
            from: None,
            data: None,
            settings: Settings::default(),
        };
        SweepRequest { request, vary, search, rule: None }
    }

    fn refused_with(sweep: &SweepRequest) -> String {
        trials(sweep).unwrap_err().message
    }

    #[test]
    fn a_grid_has_every_combination_and_names_it() {
        let vary = vec![list("learning_rate", json!([1e-5, 5e-5])), list("lora.r", json!([4, 8, 16]))];
        let all = trials(&sweep(vary, Search::Grid)).unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!(all[0].name, "Rates: learning_rate 1e-5, r 4");
        assert_eq!((all[5].settings.learning_rate, all[5].settings.lora.r), (5e-5, 16));
        assert!((all[5].settings.beta - Settings::default().beta).abs() < 1e-12);
        let losses = list("loss_type", json!(["sigmoid", ["sigmoid", "sft"]]));
        let all = trials(&sweep(vec![losses, list("shuffle", json!([true, false]))], Search::Grid)).unwrap();
        assert_eq!(all[3].name, "Rates: loss_type sigmoid+sft, shuffle off");
    }

    #[test]
    fn what_is_drawn_lies_within_is_of_its_type_and_the_same_again() {
        let vary = vec![
            range("learning_rate", 1e-6, 1e-3, RangeScale::Log),
            range("lora.r", 2.0, 64.0, RangeScale::Log),
            range("beta", 0.05, 0.5, RangeScale::Linear),
            list("lr_scheduler_type", json!(["linear", "cosine"])),
        ];
        let drawn = |seed| trials(&sweep(vary.clone(), Search::Random { trials: 40, seed })).unwrap();
        let all = drawn(7);
        assert_eq!((all.len(), &all), (40, &drawn(7)));
        assert_ne!(all, drawn(8));
        assert!(all.iter().all(|trial| (1e-6..=1e-3).contains(&trial.settings.learning_rate)));
        assert!(all.iter().all(|trial| (2..=64).contains(&trial.settings.lora.r)));
        assert!(all.iter().all(|trial| (0.05..=0.5).contains(&trial.settings.beta)));
        // Evenly by the logarithm: about half of the rates are below 3e-5.
        let low = all.iter().filter(|trial| trial.settings.learning_rate < 3.16e-5).count();
        assert!((10..=30).contains(&low), "{low}");
        // There are but two of these.
        let few = vec![list("shuffle", json!([true, false]))];
        assert_eq!(trials(&sweep(few, Search::Random { trials: 9, seed: 1 })).unwrap().len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let grid = |vary| sweep(vary, Search::Grid);
        assert_eq!(refused_with(&grid(vec![])), "no setting varies");
        assert_eq!(refused_with(&grid(vec![list("warmth", json!([1]))])), "there is no setting warmth");
        assert_eq!(refused_with(&grid(vec![list("beta", json!([]))])), "beta has no values");
        assert!(refused_with(&grid(vec![list("beta", json!([0.1, 0.10]))])).contains("0.1 twice"));
        assert!(refused_with(&grid(vec![range("beta", 0.1, 0.2, RangeScale::Log)])).contains("cannot take a range"));
        let refused = refused_with(&grid(vec![list("beta", json!([0.1, -1.0])), list("lora.r", json!([4]))]));
        assert!(refused.starts_with("no run can have beta -1, r 4: "), "{refused}");
        assert!(refused_with(&grid(vec![list("lora.r", json!([4, 2.5]))])).contains("whole number"));
        let many: Vec<i64> = (1..=201).collect();
        assert!(refused_with(&grid(vec![list("seed", json!(many))])).contains("at most 200"));
        let none = sweep(vec![range("beta", 0.0, 1.0, RangeScale::Log)], Search::Random { trials: 3, seed: 1 });
        assert!(refused_with(&none).contains("no logarithm"));
    }
}
