//! What can go wrong in an evaluation.

use std::path::{Path, PathBuf};

/// Why an evaluation or its report could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}; check that it exists, can be written and that the disk has room")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of an evaluation's own file is not what was written there.
    #[error("{path}, line {line}: {reason}; the file was changed or damaged, start the evaluation in a new folder")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder holds an evaluation of something else.
    #[error("{path} holds another evaluation (not the same: {differs}); choose another folder or remove this one")]
    OtherEvaluation {
        /// The folder.
        path: PathBuf,
        /// What is not the same, in words.
        differs: String,
    },
    /// Answers were to be judged again that are not there.
    #[error("{path} holds no evaluation; name the folder of one")]
    NoEvaluation {
        /// The folder.
        path: PathBuf,
    },
    /// Answers were to be judged again in their own folder, which has the verdicts of their first judge.
    #[error("{path} is the folder of the answers; choose another one for what the other judge says")]
    SameFolder {
        /// The folder.
        path: PathBuf,
    },
    /// An answer was given for a prompt that the evaluation does not have.
    #[error("there is no prompt {id}: this evaluation has {prompts}, counted from 0")]
    NoSuchPrompt {
        /// The prompt's index.
        id: usize,
        /// How many there are.
        prompts: usize,
    },
    /// An answer was given where there is one.
    #[error("the side {side} has answered prompt {id} already; only ask for answers that are missing")]
    AlreadyAnswered {
        /// The prompt's index.
        id: usize,
        /// Whose answer.
        side: crate::answers::Side,
    },
    /// Judging or summing up was asked for before every answer was there.
    #[error("{missing} answers are missing, the first of the side {side} to prompt {id}; generate them first")]
    Unanswered {
        /// How many.
        missing: usize,
        /// Index of the first prompt without one.
        id: usize,
        /// Whose answer that is.
        side: crate::answers::Side,
    },
    /// A person judged a prompt a second time.
    #[error("{annotator} has judged prompt {id} already; undo that verdict to give another")]
    AlreadyJudged {
        /// The prompt's index.
        id: usize,
        annotator: String,
    },
    /// A judge that does not exist or has a wrong parameter.
    #[error("\"{given}\" is not a judge: {reason}")]
    UnknownJudge {
        /// What was asked for.
        given: String,
        /// What is wrong with it, and what there is.
        reason: String,
    },
    /// A judge could not be asked when it was tried out.
    #[error("the judge cannot work ({judge}): {reason}. No answers were made; correct this, or choose another judge")]
    JudgeCannotWork {
        /// Which judge, in words.
        judge: String,
        /// Why it cannot.
        reason: String,
    },
    /// A judge gave no verdict so often that it was not asked further.
    #[error(
        "the judge gave no verdict on {prompts}: {reason}. What is answered and judged is kept; correct this and resume \
         the evaluation"
    )]
    JudgeFails {
        /// On which, in words.
        prompts: String,
        /// Why, most often.
        reason: String,
    },
    /// A log-probability that is not a number.
    #[error("pair {pair}: {name} is {value}; a log-probability must be a finite number")]
    NotFinite {
        /// Index of the pair.
        pair: usize,
        /// Which of its values.
        name: &'static str,
        value: f64,
    },
    /// A figure could not be drawn or saved.
    #[error(transparent)]
    Figure(#[from] plot::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}
