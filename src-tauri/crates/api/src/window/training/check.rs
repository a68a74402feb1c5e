//! What is wrong or doubtful about a run as its form holds it, before it is planned or started.

use super::super::Backend;
use super::super::types::CheckRun;
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
pub(in crate::window) fn check_run(_: &Backend, CheckRun { request }: CheckRun) -> Result<Vec<Remark>> {
    let (settings, mut remarks) = remarks_on_typed(&request["settings"]);
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    remarks.extend(on_name(text("name")));
    if text("model").trim().is_empty() {
        remarks.push(Remark::refuse("model", "no model is chosen", "Choose a model."));
    }
    remarks.extend(on_share(request["held_out_share"].as_f64().unwrap_or(f64::NAN), &settings));
    Ok(remarks)
}

/// On the name of a run.
pub(super) fn on_name(name: &str) -> Option<Remark> {
    if name.trim().is_empty() {
        return Some(Remark::refuse("name", "the run has no name", "Give the run a name."));
    }
    let length = name.chars().count();
    let what = format!("the name has {length} characters");
    (length > LONGEST_NAME).then(|| Remark::refuse("name", what, format!("Use at most {LONGEST_NAME}.")))
}

/// On the share of the pairs that is held out.
pub(crate) fn on_share(share: f64, settings: &Settings) -> Option<Remark> {
    const KEY: &str = "held_out_share";
    if !(0.0..=MOST_HELD_OUT).contains(&share) {
        let what = if share.is_nan() { format!("{KEY} is not a number") } else { format!("{KEY} is {share}") };
        return Some(Remark::refuse(KEY, what, format!("Set it between 0 and {MOST_HELD_OUT}; 0.1 is usual.")));
    }
    match settings.selecting() {
        Some(asking) if share == 0.0 => {
            let what = format!("{asking} needs held-out pairs to tell which step is best");
            Some(Remark::refuse(KEY, what, "Hold some pairs out; 0.1 is usual."))
        }
        _ if share < SAFE_SHARES.0 => Some(Remark::warn(KEY, "With so few held-out pairs their accuracy says little.")),
        _ if share > SAFE_SHARES.1 => Some(Remark::warn(KEY, "More than half of the pairs are not trained on.")),
        _ => None,
    }
}
