//! What a page is told without asking.

use super::Job;
use serde::Serialize;
use ts_rs::TS;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// Told first of all, and again where some of the stream was lost: ask for everything that is shown.
    Listening,
    /// The list of projects that were open before changed: ask again.
    Projects,
    /// Something about this run changed: ask again.
    Run {
        /// The project's folder.
        project: String,
        run: String,
    },
    /// A job began, went on or ended.
    Job {
        /// The job as it is now.
        job: Box<Job>,
    },
    /// An answer as it grows.
    Answer {
        /// The job that makes it.
        job: u64,
        /// The prompt's place in the job's list.
        index: usize,
        /// Which of the prompt's answers.
        side: String,
        /// All of it so far.
        text: String,
    },
    /// Something in this project changed: ask again.
    Project {
        /// The project's folder.
        project: String,
    },
}
