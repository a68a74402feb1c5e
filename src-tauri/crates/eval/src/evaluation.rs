//! One evaluation as a folder: `setup.json` (what is compared), `answers.jsonl` and `judgements.jsonl` (appended as they
//! are produced), `evaluation.json` (the result with its ancestry).
//!
//! Opening a folder again with the same setup resumes where it stopped: [`Folder::missing`] names the answers still to
//! be generated, and prompts that have a verdict of the same judge are not judged again.

mod contents;
mod setup;
mod sides;
mod summary;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use prefs::Content;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::answers::{Answer, Side};
use crate::files::{self, Log};
use crate::judge::{Choice, Judge, Shown, Unjudged};
use crate::people::People;

pub use contents::Contents;
pub use setup::{Ancestry, Setup};
pub use sides::{Names, SideKind, SideOrigin, Sides};
pub use summary::{AnnotatorSummary, GroupSummary, PeopleSummary, Reason, Summary, WithJudge};

const SETUP: &str = "setup.json";
const ANSWERS: &str = "answers.jsonl";
const JUDGEMENTS: &str = "judgements.jsonl";
const EVALUATION: &str = "evaluation.json";

/// Who won a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenOutcome", into = "WrittenOutcome")]
pub enum PromptOutcome {
    /// The answer of [`Side::Tuned`] is better.
    Tuned,
    /// The answer of [`Side::Base`] is better.
    Base,
    /// Neither is.
    Tie,
    /// Nobody was asked yet.
    NotJudged,
    /// The judge failed; says why.
    NoVerdict(String),
}

/// An outcome as it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenOutcome {
    Tuned,
    Base,
    Tie,
    NoVerdict(String),
}

/// In files, the reason of a prompt that nobody was asked about yet.
const NOT_JUDGED: &str = "not judged";

impl From<WrittenOutcome> for PromptOutcome {
    fn from(written: WrittenOutcome) -> Self {
        match written {
            WrittenOutcome::Tuned => Self::Tuned,
            WrittenOutcome::Base => Self::Base,
            WrittenOutcome::Tie => Self::Tie,
            WrittenOutcome::NoVerdict(why) if why == NOT_JUDGED => Self::NotJudged,
            WrittenOutcome::NoVerdict(why) => Self::NoVerdict(why),
        }
    }
}

impl From<PromptOutcome> for WrittenOutcome {
    fn from(outcome: PromptOutcome) -> Self {
        match outcome {
            PromptOutcome::Tuned => Self::Tuned,
            PromptOutcome::Base => Self::Base,
            PromptOutcome::Tie => Self::Tie,
            PromptOutcome::NotJudged => Self::NoVerdict(NOT_JUDGED.to_owned()),
            PromptOutcome::NoVerdict(why) => Self::NoVerdict(why),
        }
    }
}

impl PromptOutcome {
    /// Whether somebody decided, be it for a tie.
    pub fn is_verdict(&self) -> bool {
        self.why_not().is_none()
    }

    /// Why there is no verdict, where there is none.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Tuned | Self::Base | Self::Tie => None,
            Self::NotJudged => Some(NOT_JUDGED),
            Self::NoVerdict(why) => Some(why),
        }
    }

    /// Whose answer is better; none of a tie, or without a verdict.
    pub fn winner(&self) -> Option<Side> {
        match self {
            Self::Tuned => Some(Side::Tuned),
            Self::Base => Some(Side::Base),
            Self::Tie | Self::NotJudged | Self::NoVerdict(_) => None,
        }
    }
}

/// A judge's verdict on one prompt, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Judgement {
    /// Which prompt, from 0.
    pub id: usize,
    pub judge: Judge,
    /// Whose answer was `a`.
    pub shown_first: Side,
    /// Who won.
    pub outcome: PromptOutcome,
    /// Why, in the judge's words (where `a` is the answer shown first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One prompt with both answers and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Item {
    /// The prompt's place, from 0.
    pub id: usize,
    pub prompt: Content,
    /// The user's label for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The answer of [`Side::Base`].
    pub base: Answer,
    /// The answer of [`Side::Tuned`].
    pub tuned: Answer,
    /// Whose answer the judge was shown first.
    pub shown_first: Side,
    /// Who won.
    pub outcome: PromptOutcome,
    /// Why, in the judge's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Both answers are the same, letter for letter: a tie that nobody was asked about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same: bool,
    /// Who won in the eyes of people, where any have judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PromptOutcome>,
}

/// A finished evaluation, as in `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Evaluation {
    /// Where it comes from.
    pub ancestry: Ancestry,
    pub judge: Judge,
    /// What it comes to.
    pub summary: Summary,
    /// Every prompt with both answers.
    pub items: Vec<Item>,
    /// What people said, whoever else judged; none where nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleSummary>,
}

impl Evaluation {
    /// Reads `evaluation.json` of a folder; `None` where the evaluation is not finished.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        files::read_json(&folder.join(EVALUATION))
    }
}

/// A prompt as one readable text: alone, as it is; a conversation with each speaker named.
pub fn readable(prompt: &Content) -> String {
    match prompt {
        Content::Text(text) => text.clone(),
        Content::Messages(said) => match said.messages.as_slice() {
            [only] => only.shown().into_owned(),
            several => {
                let turns = several.iter().map(|turn| format!("{}: {}", turn.role, turn.shown()));
                turns.collect::<Vec<_>>().join("\n\n")
            }
        },
    }
}

/// An evaluation in progress.
///
/// ```
/// use eval::answers::{Answer, Side};
/// use eval::evaluation::{Ancestry, Folder, Setup};
/// use eval::judge::{Judge, Rule};
/// use prefs::prompts::Prompt;
/// use std::sync::atomic::AtomicBool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let place = tempfile::tempdir()?;
/// let prompts = vec![Prompt { prompt: "What is 2 + 3?".into(), category: None }];
/// let mut folder = Folder::open(place.path(), Setup { ancestry: Ancestry::default(), prompts })?;
/// for (side, text) in [(Side::Base, "Great question! It is 5."), (Side::Tuned, "5.")] {
///     folder.add(vec![Answer { id: 0, side, text: text.to_owned(), tokens: Some(8), truncated: false }])?;
/// }
/// assert!(folder.missing(Side::Tuned).is_empty());
///
/// let judge = Judge::Rule(Rule::Shorter);
/// let _ = folder.judge(&judge, &AtomicBool::new(false), &mut |_, _| {})?;
/// assert_eq!(folder.finish(&judge)?.summary.all.win_rate, Some(1.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    contents: Contents,
    answer_log: Log,
    judgement_log: Log,
}

impl Folder {
    /// Begins an evaluation in a folder, or resumes the one that is there.
    ///
    /// # Errors
    /// When the folder holds an evaluation of something else, is damaged, or cannot be written.
    pub fn open(path: &Path, setup: Setup) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::file(path))?;
        let setup_path = path.join(SETUP);
        match files::read_json::<Setup>(&setup_path)? {
            Some(there) if there == setup => {}
            Some(there) => {
                let noted = setup::completed(there, &setup);
                if noted != setup {
                    return Err(Error::OtherEvaluation {
                        path: path.to_owned(),
                        differs: setup::difference(&noted, &setup),
                    });
                }
                files::write_json(&setup_path, &setup)?;
            }
            None => files::write_json(&setup_path, &setup)?,
        }
        let (answer_log, answers) = Log::open::<Answer>(&path.join(ANSWERS))?;
        let (judgement_log, judgements) = Log::open::<Judgement>(&path.join(JUDGEMENTS))?;
        let contents = Contents::new(setup, answers, judgements);
        Ok(Self { path: path.to_owned(), contents, answer_log, judgement_log })
    }

    /// Begins an evaluation of the answers that another one in `from` has, to be judged by another judge; or resumes it. Verdicts
    /// are not taken along.
    ///
    /// # Errors
    /// When there is no evaluation in `from` or it lacks answers, when both are the same folder, and as [`Folder::open`].
    pub fn of_answers(from: &Path, path: &Path) -> Result<Self, Error> {
        let Some(contents) = Contents::read(from)? else { return Err(Error::NoEvaluation { path: from.to_owned() }) };
        contents.check_complete()?;
        std::fs::create_dir_all(path).map_err(Error::file(path))?;
        let is_same = |one: &Path, other: &Path| std::fs::canonicalize(one).ok() == std::fs::canonicalize(other).ok();
        if is_same(from, path) {
            return Err(Error::SameFolder { path: path.to_owned() });
        }
        let mut folder = Self::open(path, contents.setup().clone())?;
        let ids = 0..contents.setup().prompts.len();
        let lacking = ids.flat_map(|id| Side::BOTH.map(|side| (id, side)));
        let lacking = lacking.filter(|(id, side)| folder.contents.answer(*id, *side).is_none());
        let answers: Vec<Answer> = lacking.filter_map(|(id, side)| contents.answer(id, side).cloned()).collect();
        folder.add(answers)?;
        Ok(folder)
    }

    /// What is compared.
    pub fn setup(&self) -> &Setup {
        self.contents.setup()
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A side's answer to a prompt, where there is one.
    pub fn answer(&self, id: usize, side: Side) -> Option<&Answer> {
        self.contents.answer(id, side)
    }

    /// Prompts that a side has not answered yet, in order.
    pub fn missing(&self, side: Side) -> Vec<usize> {
        self.contents.missing(side)
    }

    /// Keeps answers, on the disk before this returns.
    ///
    /// # Errors
    /// When an answer is to no prompt of this evaluation, when there is one already (a verdict may rest on it), or when
    /// the disk refuses. Then none of `answers` is kept.
    pub fn add(&mut self, answers: Vec<Answer>) -> Result<(), Error> {
        let prompts = self.setup().prompts.len();
        if let Some(stray) = answers.iter().find(|answer| answer.id >= prompts) {
            return Err(Error::NoSuchPrompt { id: stray.id, prompts });
        }
        if let Some(again) = answers.iter().find(|answer| self.contents.answer(answer.id, answer.side).is_some()) {
            return Err(Error::AlreadyAnswered { id: again.id, side: again.side });
        }
        self.answer_log.append(&answers)?;
        self.contents.take_answers(answers);
        Ok(())
    }

    /// Lets a judge decide every prompt that has no verdict of the same judge yet, first those it was not asked about, then
    /// those it failed on before. Where both answers are the same, letter for letter, nobody is asked: it is a tie.
    /// `progress` is called with how many are done and how many there are. Setting `stop` breaks it off, also a judge at
    /// work: what is judged stays, and the rest is judged when the evaluation is resumed.
    ///
    /// # Errors
    /// When an answer is missing or the disk refuses. A judge that fails is recorded as [`PromptOutcome::NoVerdict`]; one that
    /// fails [so often](FAILURES_IN_A_ROW) that it cannot be at work is not asked further.
    pub fn judge(
        &mut self,
        judge: &Judge,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<ControlFlow<()>, Error> {
        self.contents.check_complete()?;
        let count = self.setup().prompts.len();
        let to_judge = self.contents.to_judge(judge);
        let mut streak = Streak::default();
        for (position, &(id, first, is_new)) in to_judge.iter().enumerate() {
            progress(count - to_judge.len() + position, count);
            if stop.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
            let text = |side| self.contents.answer(id, side).map_or("", |answer| answer.text.as_str());
            let prompt = readable(&self.setup().prompts[id].prompt);
            let shown = Shown { id, prompt: &prompt, a: text(first), b: text(first.other()) };
            let (outcome, reason) = match judge.decide(shown, stop) {
                // A judge that was stopped has not failed: it is asked again.
                Err(_) if stop.load(Ordering::Relaxed) => return Ok(ControlFlow::Break(())),
                Ok(decision) => {
                    streak = Streak::default();
                    (outcome(decision.choice, first), decision.reason)
                }
                Err(why) => {
                    // What it failed on before says nothing new of it: else nobody would get past prompts that it cannot judge.
                    streak.add(&why, is_new);
                    (PromptOutcome::NoVerdict(why.why()), None)
                }
            };
            let judgement = Judgement { id, judge: judge.clone(), shown_first: first, outcome, reason };
            self.judgement_log.append(std::slice::from_ref(&judgement))?;
            self.contents.take_judgement(judgement);
            if streak.is_hopeless(self.contents.has_verdict_of(judge)) {
                return Err(
                    self.fails(judge, format!("{} prompts in a row, and was not asked further", streak.length()))
                );
            }
        }
        let asked = self.contents.verdicts(judge).len();
        if asked > 0 && !self.contents.has_verdict_of(judge) {
            return Err(self.fails(judge, format!("any of the {asked} prompts that it was asked about")));
        }
        progress(count, count);
        Ok(ControlFlow::Continue(()))
    }

    fn fails(&self, judge: &Judge, prompts: String) -> Error {
        let outcomes = self.contents.verdicts(judge).into_values().map(|judgement| &judgement.outcome);
        let reason = Reason::most_frequent(outcomes).map_or_else(String::new, |reason| reason.text);
        Error::JudgeFails { prompts, reason }
    }

    /// Sums up what a judge decided and writes `evaluation.json`. Prompts it was not asked about have no verdict. What
    /// [`Judge::People`] decided is what they [said together](crate::people::outcomes).
    ///
    /// # Errors
    /// When an answer is missing or the disk refuses.
    pub fn finish(&mut self, judge: &Judge) -> Result<Evaluation, Error> {
        self.contents.said = People::read(&self.path)?;
        let evaluation = self.contents.so_far(judge)?;
        files::write_json(&self.path.join(EVALUATION), &evaluation)?;
        Ok(evaluation)
    }
}

/// A judge that cannot be asked so many times in a row is not at work.
pub const FAILURES_IN_A_ROW: usize = 5;
/// The same of one whose words were no verdict, as long as none of its words was one.
pub const UNREADABLE_IN_A_ROW: usize = 10;

/// How often a judge gave no verdict since it last gave one.
#[derive(Default)]
struct Streak {
    failed: usize,
    unreadable: usize,
}

impl Streak {
    fn add(&mut self, why: &Unjudged, is_new: bool) {
        match why {
            Unjudged::Failed(_) => self.failed += usize::from(is_new),
            Unjudged::Unreadable(_) => self.unreadable += usize::from(is_new),
        }
    }

    fn length(&self) -> usize {
        self.failed + self.unreadable
    }

    fn is_hopeless(&self, has_verdict: bool) -> bool {
        self.failed >= FAILURES_IN_A_ROW || !has_verdict && self.length() >= UNREADABLE_IN_A_ROW
    }
}

fn outcome(choice: Choice, first: Side) -> PromptOutcome {
    let winner = match choice {
        Choice::A => first,
        Choice::B => first.other(),
        Choice::Tie => return PromptOutcome::Tie,
    };
    match winner {
        Side::Base => PromptOutcome::Base,
        Side::Tuned => PromptOutcome::Tuned,
    }
}

#[cfg(test)]
mod tests;
