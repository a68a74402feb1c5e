//! `tiebreak`: every operation without a window.
//!
//! Exit codes: 0 done, 1 failed (with a hint), 2 wrong usage, 130 cancelled.

mod arguments;
mod bench;
mod commands;
mod items;
mod output;
mod push;
mod queue;
mod serve;
mod sweep;
mod words;

use arguments::{Arguments, Command};
use clap::Parser;
use output::Output;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(arguments.json);
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let listening = ctrlc::set_handler(move || {
        // Asked twice: at once. Checkpoints are whole at any moment.
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    if let Err(error) = listening {
        output.log(&format!("Ctrl-C will end the program at once, without a checkpoint: {error}"));
    }
    if !matches!(arguments.command, Command::Serve { .. } | Command::Next { .. }) {
        api::compute_on_this_thread();
    }
    match commands::run(arguments.command, &mut output, &stop) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_cancelled() => {
            output.failed(&error);
            ExitCode::from(130)
        }
        Err(error) => {
            output.failed(&error);
            ExitCode::FAILURE
        }
    }
}
