//! What is wrong or doubtful about a run as its form holds it, before it is planned or started.

use super::super::Backend;
use super::super::types::CheckRun;
use super::composition::{WEIGHT_HINT, in_digits, is_weight};
use crate::error::Result;
use train::Settings;
use train::settings::{Remark, remarks_on_typed};

/// The longest name of a run, in characters.
const LONGEST_NAME: usize = 100;
/// The largest share of the pairs that may be held out.
const MOST_HELD_OUT: f64 = 0.9;
/// A smaller share of pairs tells little, a larger one leaves little to train on.
const SAFE_SHARES: (f64, f64) = (0.05, 0.5);

/// Everything there is to say, what is refused first within each field. A field that holds no value at all is refused.
// Every operation answers with a result.
#[allow(clippy::unnecessary_wraps)]
pub(in crate::window) fn check_run(backend: &Backend, CheckRun { request }: CheckRun) -> Result<Vec<Remark>> {
    let (settings, mut remarks) = remarks_on_typed(&request["settings"]);
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    remarks.extend(on_name(text("name")));
    if text("model").trim().is_empty() {
        remarks.push(Remark::refuse("model", "no model is chosen", "Choose a model."));
    }
    remarks.extend(on_weights(&request["data"]["train"]));
    // Of a project that cannot be opened, its plan tells.
    let by_set = request["data"]["held_out"].is_number();
    let marked = backend.project(text("project")).and_then(|project| Ok(project.store().holds_out_pairs()?));
    let share = request["held_out_share"].as_f64().unwrap_or(f64::NAN);
    remarks.extend(on_share(share, &settings, by_set || marked.unwrap_or(false)));
    Ok(remarks)
}

/// On the name of a run.
pub(crate) fn on_name(name: &str) -> Option<Remark> {
    if name.trim().is_empty() {
        return Some(Remark::refuse("name", "the run has no name", "Give the run a name."));
    }
    if name.chars().any(char::is_control) {
        let what = "the name has a line break or another character that is not shown";
        return Some(Remark::refuse("name", what, "Write it on one line."));
    }
    let length = name.chars().count();
    let what = format!("the name has {length} characters");
    (length > LONGEST_NAME).then(|| Remark::refuse("name", what, format!("Use at most {LONGEST_NAME}.")))
}

/// On how often the pairs of sets are met in an epoch.
fn on_weights(sets: &serde_json::Value) -> Option<Remark> {
    let wrong = sets.as_array()?.iter().find(|set| !set["times"].as_f64().is_some_and(is_weight))?;
    let what = match wrong["times"].as_f64() {
        Some(times) => format!("the pairs of a set are to be met {} times in an epoch", in_digits(times)),
        None => "how often the pairs of a set are met in an epoch is not a number".to_owned(),
    };
    Some(Remark::refuse("data", what, WEIGHT_HINT))
}

/// On the share of the pairs that is held out, beside those of files that are marked so, where there are any.
pub(crate) fn on_share(share: f64, settings: &Settings, others: bool) -> Option<Remark> {
    const KEY: &str = "held_out_share";
    if !(0.0..=MOST_HELD_OUT).contains(&share) {
        let what = if share.is_nan() { format!("{KEY} is not a number") } else { format!("{KEY} is {share}") };
        return Some(Remark::refuse(KEY, what, format!("Set it between 0 and {MOST_HELD_OUT}; 0.1 is usual.")));
    }
    match settings.selecting() {
        Some(asking) if share == 0.0 && !others => {
            let what = format!("{asking} needs held-out pairs to tell which step is best");
            Some(Remark::refuse(KEY, what, "Hold some pairs out; 0.1 is usual."))
        }
        _ if share < SAFE_SHARES.0 && !others => {
            Some(Remark::warn(KEY, "With so few held-out pairs their accuracy says little."))
        }
        _ if share > SAFE_SHARES.1 => Some(Remark::warn(KEY, "More than half of the pairs are not trained on.")),
        _ => None,
    }
}
