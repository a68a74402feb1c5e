//! Runs that wait for one another.

use super::Allow;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct QueueArguments {
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

/// The project whose runs wait.
#[derive(Debug, Args)]
pub(crate) struct InProject {
    /// The project's folder
    #[arg(long)]
    pub(crate) project: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// What trains on this machine, what waits in the project and why, and what did not end well; nothing is begun
    List {
        #[command(flatten)]
        of: InProject,
    },
    /// Put a run at the end; it begins at once where there is room
    Add {
        /// A settings file as for `tiebreak train`, whose `output_dir` is a folder in the project's `runs`; or the name of a run
        /// of the project that was stopped or has not begun
        run: String,
        #[command(flatten)]
        of: InProject,
        #[command(flatten)]
        allow: Allow,
    },
    /// Put a run that waits in another place
    Move {
        /// The name of its folder
        run: String,
        /// The first is 1
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        place: u64,
        #[command(flatten)]
        of: InProject,
    },
    /// Take a run out; its folder stays as it is
    Remove {
        /// The name of its folder
        run: String,
        #[command(flatten)]
        of: InProject,
    },
    /// Say how many runs may train at once, as far as their memory allows; each has its share of the cores
    AtMost {
        /// How many
        runs: usize,
        #[command(flatten)]
        of: InProject,
    },
    /// Begin what waits as there is room, and return when no run of the project waits or trains. Ctrl-C ends this command
    /// alone: runs go on, and the next one begins when one ends
    Run {
        #[command(flatten)]
        of: InProject,
    },
}
