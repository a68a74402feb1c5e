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
    let outcome = api::work(&folder, allow_changed_base, &mut context);
    // What cannot be begun now is begun by the next window.
    let _ = api::start_next(&folder);
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}\nhint: {}", error.code, error.message, error.hint);
            if error.is_cancelled() { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}

/// Begins what waits for the run in `folder`, which has ended.
pub(crate) fn begin_next(folder: Option<PathBuf>) -> ExitCode {
    let Some(folder) = folder else {
        eprintln!("usage: tiebreak-desktop next FOLDER");
        return ExitCode::from(2);
    };
    match api::begin_next(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}", error.code, error.message);
            ExitCode::FAILURE
        }
    }
}
