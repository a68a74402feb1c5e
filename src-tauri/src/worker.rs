//! The process of a run: what `tiebreak worker` does, in this program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Goes on with the run in `folder`. Exit codes are those of the command line: 0, 1 (failed), 2 (usage), 130 (stopped).
pub(crate) fn run(folder: Option<PathBuf>, option: Option<OsString>) -> ExitCode {
    let Some(folder) = folder else {
        eprintln!("usage: tiebreak-desktop worker FOLDER [{}]", api::ALLOW_CHANGED_BASE);
        return ExitCode::from(2);
    };
    let allow_changed_base = option.is_some_and(|option| option == api::ALLOW_CHANGED_BASE);
    api::compute_on_this_thread();
    // Whatever a screen shows of a run is in its events.
    let mut context = api::Context { observer: &mut |_| (), stop: &AtomicBool::new(false) };
    match api::work(&folder, allow_changed_base, &mut context) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}\nhint: {}", error.code, error.message, error.hint);
            if error.is_cancelled() { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}
