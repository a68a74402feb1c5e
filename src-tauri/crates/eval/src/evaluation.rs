//! One evaluation as a folder: `setup.json` (what is compared), `answers.jsonl` and `judgements.jsonl` (appended as they
//! are produced), `evaluation.json` (the result with its ancestry).
//!
//! Opening a folder again with the same setup goes on where it stopped: [`Folder::missing`] names the answers still to
//! be generated, and prompts that have a verdict of the same judge are not judged again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use prefs::Content;
use prefs::prompts::Prompt;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::answers::{Answer, Answers, Side};
use crate::degeneration::TextStatistics;
use crate::files::{self, Log};
use crate::judge::{Choice, Judge, Shown, shown_first};
use crate::statistics::{Interval, Tally, Verdict, sign_test};

/// Where an evaluation's numbers come from: enough to make them again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ancestry {
    /// The base model, as named by the user.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_sha256: Option<String>,
    /// The adapter.
    pub adapter: Option<String>,
    /// SHA-256 of its weights.
    pub adapter_sha256: Option<String>,
    /// The run that trained it.
    pub run: Option<String>,
    /// SHA-256 of the pairs it was trained on.
    pub pairs_sha256: Option<String>,
    /// The file of held-out prompts.
    pub prompts: String,
    /// SHA-256 of that file.
    pub prompts_sha256: String,
    /// Seed of the answers' sampling.
    pub seed: u64,
    /// Seed that decides whose answer a judge is shown first.
    pub order_seed: u64,
    /// How answers are sampled (`temperature`, `top_p`, `max_new_tokens`, …).
    pub sampling: BTreeMap<String, serde_json::Value>,
    /// The version of the program.
    pub version: String,
}

/// What is compared, fixed when an evaluation begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Where it all comes from.
    pub ancestry: Ancestry,
    /// The held-out prompts; an answer's `id` is its place here.
    pub prompts: Vec<Prompt>,
}

/// Who won a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The tuned model's answer is better.
    Tuned,
    /// The base model's answer is better.
    Base,
    /// Neither is.
    Tie,
    /// The judge failed; says why.
    NoVerdict(String),
}

/// A judge's verdict on one prompt, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which prompt, from 0.
    pub id: usize,
    /// Who judged.
    pub judge: Judge,
    /// Whose answer was `a`.
    pub shown_first: Side,
    /// Who won.
    pub outcome: Outcome,
    /// Why, in the judge's words (where `a` is the answer shown first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One prompt with both answers and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The prompt's place, from 0.
    pub id: usize,
    /// The prompt.
    pub prompt: Content,
    /// The user's label for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The base model's answer.
    pub base: Answer,
    /// The tuned model's answer.
    pub tuned: Answer,
    /// Whose answer the judge was shown first.
    pub shown_first: Side,
    /// Who won.
    pub outcome: Outcome,
    /// Why, in the judge's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The result of one group of prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Wins, ties, losses and prompts without a verdict.
    #[serde(flatten)]
    pub tally: Tally,
    /// The tuned model's win rate, ties as half; none when nothing was judged.
    pub win_rate: Option<f64>,
    /// Its Wilson 95 % interval.
    pub win_rate_interval: Option<Interval>,
}

impl From<Tally> for GroupSummary {
    fn from(tally: Tally) -> Self {
        Self { tally, win_rate: tally.win_rate(), win_rate_interval: tally.interval() }
    }
}

/// What an evaluation comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All prompts.
    #[serde(flatten)]
    pub all: GroupSummary,
    /// Exact two-sided sign test of wins against losses.
    pub sign_test_p: f64,
    /// What that allows to say.
    pub verdict: Verdict,
    /// The same in words.
    pub words: String,
    /// By category, where prompts have one.
    pub categories: BTreeMap<String, GroupSummary>,
    /// Length and repetition of the base model's answers.
    pub base: TextStatistics,
    /// Length and repetition of the tuned model's answers.
    pub tuned: TextStatistics,
}

/// A finished evaluation, as in `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Where it comes from.
    pub ancestry: Ancestry,
    /// Who judged.
    pub judge: Judge,
    /// What it comes to.
    pub summary: Summary,
    /// Every prompt with both answers.
    pub items: Vec<Item>,
}

impl Evaluation {
    /// Reads `evaluation.json` of a folder; `None` where the evaluation is not finished.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        files::read_json(&folder.join("evaluation.json"))
    }
}

/// Sums up judged items.
fn summarise(items: &[Item]) -> Summary {
    let tally = |items: &mut dyn Iterator<Item = &Item>| {
        let mut tally = Tally::default();
        for item in items {
            match item.outcome {
                Outcome::Tuned => tally.wins += 1,
                Outcome::Base => tally.losses += 1,
                Outcome::Tie => tally.ties += 1,
                Outcome::NoVerdict(_) => tally.no_verdict += 1,
            }
        }
        tally
    };
    let all = tally(&mut items.iter());
    let names: std::collections::BTreeSet<&String> = items.iter().filter_map(|item| item.category.as_ref()).collect();
    let of = |name: &String| tally(&mut items.iter().filter(|item| item.category.as_ref() == Some(name)));
    Summary {
        all: all.into(),
        sign_test_p: sign_test(all.wins, all.losses),
        verdict: all.verdict(),
        words: all.words(),
        categories: names.into_iter().map(|name| (name.clone(), of(name).into())).collect(),
        base: TextStatistics::of(items.iter().map(|item| &item.base)),
        tuned: TextStatistics::of(items.iter().map(|item| &item.tuned)),
    }
}

/// A prompt as one readable text: alone, as it is; a conversation with each speaker named.
pub fn readable(prompt: &Content) -> String {
    match prompt {
        Content::Text(text) => text.clone(),
        Content::Messages(messages) if messages.len() == 1 => messages[0].content.clone(),
        Content::Messages(messages) => {
            let turns: Vec<String> = messages.iter().map(|turn| format!("{}: {}", turn.role, turn.content)).collect();
            turns.join("\n\n")
        }
    }
}

/// An evaluation in progress.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    setup: Setup,
    answers: Answers,
    answer_log: Log,
    judgements: Vec<Judgement>,
    judgement_log: Log,
}

impl Folder {
    /// Begins an evaluation in a folder, or goes on with the one that is there.
    ///
    /// # Errors
    /// When the folder holds an evaluation of something else, is damaged, or cannot be written.
    pub fn open(path: &Path, setup: Setup) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::file(path))?;
        let setup_path = path.join("setup.json");
        match files::read_json::<Setup>(&setup_path)? {
            Some(there) if there == setup => {}
            Some(there) => {
                return Err(Error::OtherEvaluation { path: path.to_owned(), differs: difference(&there, &setup) });
            }
            None => files::write_json(&setup_path, &setup)?,
        }
        let (answer_log, answers) = Log::open::<Answer>(&path.join("answers.jsonl"))?;
        let (judgement_log, judgements) = Log::open::<Judgement>(&path.join("judgements.jsonl"))?;
        let answers = answers.into_iter().map(|answer| ((answer.id, answer.side), answer)).collect();
        Ok(Self { path: path.to_owned(), setup, answers, answer_log, judgements, judgement_log })
    }

    /// What is compared.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Prompts that a side has not answered yet, in order.
    pub fn missing(&self, side: Side) -> Vec<usize> {
        (0..self.setup.prompts.len()).filter(|id| !self.answers.contains_key(&(*id, side))).collect()
    }

    /// Keeps answers, on the disk before this returns.
    ///
    /// # Errors
    /// When an answer is to no prompt of this evaluation, when there is one already (a verdict may rest on it), or when
    /// the disk refuses. Then none of `answers` is kept.
    pub fn add(&mut self, answers: Vec<Answer>) -> Result<(), Error> {
        let prompts = self.setup.prompts.len();
        if let Some(stray) = answers.iter().find(|answer| answer.id >= prompts) {
            return Err(Error::NoSuchPrompt { id: stray.id, prompts });
        }
        if let Some(again) = answers.iter().find(|answer| self.answers.contains_key(&(answer.id, answer.side))) {
            return Err(Error::AlreadyAnswered { id: again.id, side: again.side });
        }
        self.answer_log.append(&answers)?;
        for answer in answers {
            self.answers.insert((answer.id, answer.side), answer);
        }
        Ok(())
    }

    /// Lets a judge decide every prompt that has no verdict of the same judge yet, including those it failed on before.
    /// `progress` is called with how many are done and how many there are; `Break` stops, and what is judged stays.
    ///
    /// # Errors
    /// When an answer is missing or the disk refuses. A judge that fails is recorded as [`Outcome::NoVerdict`].
    pub fn judge(
        &mut self,
        judge: &Judge,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        self.check_complete()?;
        let count = self.setup.prompts.len();
        let order = shown_first(self.setup.ancestry.order_seed, count);
        let done = self.verdicts(judge);
        let to_judge: Vec<usize> = (0..count)
            .filter(|id| done.get(id).is_none_or(|judgement| matches!(judgement.outcome, Outcome::NoVerdict(_))))
            .collect();
        for (position, id) in to_judge.iter().copied().enumerate() {
            if progress(count - to_judge.len() + position, count).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let first = order[id];
            let text = |side| self.answers.get(&(id, side)).map_or("", |answer| answer.text.as_str());
            let prompt = readable(&self.setup.prompts[id].prompt);
            let shown = Shown { id, prompt: &prompt, a: text(first), b: text(first.other()) };
            let (outcome, reason) = match judge.decide(shown) {
                Ok(decision) => (outcome(decision.choice, first), decision.reason),
                Err(why) => (Outcome::NoVerdict(why), None),
            };
            let judgement = Judgement { id, judge: judge.clone(), shown_first: first, outcome, reason };
            self.judgement_log.append(std::slice::from_ref(&judgement))?;
            self.judgements.push(judgement);
        }
        Ok(progress(count, count))
    }

    /// Sums up what a judge decided and writes `evaluation.json`. Prompts it was not asked about have no verdict.
    ///
    /// # Errors
    /// When an answer is missing or the disk refuses.
    pub fn finish(&self, judge: &Judge) -> Result<Evaluation, Error> {
        self.check_complete()?;
        let verdicts = self.verdicts(judge);
        let order = shown_first(self.setup.ancestry.order_seed, self.setup.prompts.len());
        let item = |(id, prompt): (usize, &Prompt)| {
            let judgement = verdicts.get(&id);
            Some(Item {
                id,
                prompt: prompt.prompt.clone(),
                category: prompt.category.clone(),
                base: self.answers.get(&(id, Side::Base))?.clone(),
                tuned: self.answers.get(&(id, Side::Tuned))?.clone(),
                shown_first: judgement.map_or(order[id], |judgement| judgement.shown_first),
                outcome: judgement
                    .map_or_else(|| Outcome::NoVerdict("not judged".to_owned()), |judgement| judgement.outcome.clone()),
                reason: judgement.and_then(|judgement| judgement.reason.clone()),
            })
        };
        let items: Vec<Item> = self.setup.prompts.iter().enumerate().filter_map(item).collect();
        let (ancestry, judge) = (self.setup.ancestry.clone(), judge.clone());
        let evaluation = Evaluation { ancestry, judge, summary: summarise(&items), items };
        files::write_json(&self.path.join("evaluation.json"), &evaluation)?;
        Ok(evaluation)
    }

    /// The last judgement of a judge on each prompt.
    fn verdicts(&self, judge: &Judge) -> BTreeMap<usize, &Judgement> {
        self.judgements
            .iter()
            .filter(|judgement| judgement.judge == *judge)
            .map(|judgement| (judgement.id, judgement))
            .collect()
    }

    fn check_complete(&self) -> Result<(), Error> {
        let missing = Side::BOTH.map(|side| self.missing(side));
        let first = Side::BOTH.into_iter().zip(&missing).find_map(|(side, ids)| Some((side, *ids.first()?)));
        match first {
            None => Ok(()),
            Some((side, id)) => Err(Error::Unanswered { missing: missing.iter().map(Vec::len).sum(), id, side }),
        }
    }
}

fn outcome(choice: Choice, first: Side) -> Outcome {
    let winner = match choice {
        Choice::A => first,
        Choice::B => first.other(),
        Choice::Tie => return Outcome::Tie,
    };
    match winner {
        Side::Base => Outcome::Base,
        Side::Tuned => Outcome::Tuned,
    }
}

/// Names what is not the same in two setups.
fn difference(there: &Setup, asked: &Setup) -> String {
    let (a, b) = (&there.ancestry, &asked.ancestry);
    let differing = [
        ("the model", a.model != b.model || a.model_sha256 != b.model_sha256),
        ("the adapter", a.adapter != b.adapter || a.adapter_sha256 != b.adapter_sha256),
        ("the run", a.run != b.run || a.pairs_sha256 != b.pairs_sha256),
        (
            "the prompts file",
            a.prompts != b.prompts || a.prompts_sha256 != b.prompts_sha256 || there.prompts != asked.prompts,
        ),
        ("the seed", a.seed != b.seed || a.order_seed != b.order_seed),
        ("the sampling", a.sampling != b.sampling),
        ("the program's version", a.version != b.version),
    ];
    let names: Vec<&str> = differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::judge::{Command, Rule};

    fn setup(count: usize) -> Setup {
        let prompt = |id: usize| Prompt {
            prompt: format!("Question {id}?").as_str().into(),
            category: id.is_multiple_of(2).then(|| "even".to_owned()),
        };
        let ancestry = Ancestry { model: "tiny".into(), seed: 1, order_seed: 2, ..Ancestry::default() };
        Setup { ancestry, prompts: (0..count).map(prompt).collect() }
    }

    fn answer(id: usize, side: Side, text: &str) -> Answer {
        Answer { id, side, text: text.to_owned(), tokens: text.len(), truncated: false }
    }

    fn on(_: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Four prompts: tuned shorter, base shorter, alike, tuned shorter.
    fn answered(path: &Path) -> Folder {
        let mut folder = Folder::open(path, setup(4)).unwrap();
        let texts = [("a b c", "a"), ("a", "a b c"), ("a b", "c d"), ("a b c d", "a")];
        for (id, (base, tuned)) in texts.into_iter().enumerate() {
            folder.add(vec![answer(id, Side::Base, base), answer(id, Side::Tuned, tuned)]).unwrap();
        }
        folder
    }

    #[test]
    fn verdicts_are_mapped_back_to_the_models_whoever_was_shown_first() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = answered(place.path());
        let judge = Judge::Rule(Rule::Shorter);
        assert!(folder.judge(&judge, &mut on).unwrap().is_continue());
        let evaluation = folder.finish(&judge).unwrap();
        let outcomes: Vec<_> = evaluation.items.iter().map(|item| item.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Tuned, Outcome::Base, Outcome::Tie, Outcome::Tuned]);
        let firsts: Vec<_> = evaluation.items.iter().map(|item| item.shown_first).collect();
        assert_eq!(firsts, shown_first(2, 4));
        assert!(firsts.contains(&Side::Base) && firsts.contains(&Side::Tuned), "the seed must try both orders");
        assert_eq!(evaluation.summary.all.tally, Tally { wins: 2, ties: 1, losses: 1, no_verdict: 0 });
        assert_eq!(evaluation.summary.all.win_rate, Some(0.625));
        assert_eq!(evaluation.summary.categories["even"].win_rate, Some(0.75));
        assert_eq!(evaluation.summary.base.mean_words, 2.5);
        assert_eq!(Evaluation::read(place.path()).unwrap().unwrap(), evaluation);
        let json: serde_json::Value = files::read_json(&place.path().join("evaluation.json")).unwrap().unwrap();
        assert_eq!(json["summary"]["win_rate"], 0.625);
        assert_eq!(json["summary"]["win_rate_interval"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_killed_evaluation_goes_on_where_it_stopped() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(place.path(), setup(3)).unwrap();
        folder.add(vec![answer(0, Side::Base, "zero"), answer(2, Side::Base, "two")]).unwrap();
        drop(folder);
        let log = place.path().join("answers.jsonl");
        let whole = std::fs::read(&log).unwrap();
        // Killed while a line was being written, at every possible byte.
        for cut in 0..whole.len() {
            std::fs::write(&log, &whole[..cut]).unwrap();
            let mut folder = Folder::open(place.path(), setup(3)).unwrap();
            let lines = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
            assert_eq!(folder.missing(Side::Base).len(), 3 - lines);
            folder.add(vec![answer(1, Side::Base, "one")]).unwrap();
            let folder = Folder::open(place.path(), setup(3)).unwrap();
            assert_eq!(folder.missing(Side::Base).len(), 2 - lines);
            assert_eq!(folder.missing(Side::Tuned), [0, 1, 2]);
        }
    }

    #[test]
    fn a_judge_is_not_asked_twice_and_another_judge_is() {
        let place = tempfile::tempdir().unwrap();
        let judge = Judge::Rule(Rule::Shorter);
        let mut folder = answered(place.path());
        let mut stop_after_two =
            |done: usize, _: usize| if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        assert!(folder.judge(&judge, &mut stop_after_two).unwrap().is_break());
        drop(folder);
        let mut folder = Folder::open(place.path(), setup(4)).unwrap();
        let mut asked = Vec::new();
        let mut note = |done: usize, all: usize| {
            asked.push((done, all));
            ControlFlow::Continue(())
        };
        assert!(folder.judge(&judge, &mut note).unwrap().is_continue());
        assert_eq!(asked, [(2, 4), (3, 4), (4, 4)]);
        assert!(folder.judge(&Judge::Rule(Rule::Longer), &mut on).unwrap().is_continue());
        let lines = std::fs::read_to_string(place.path().join("judgements.jsonl")).unwrap().lines().count();
        assert_eq!(lines, 8);
        assert_eq!(folder.finish(&judge).unwrap().summary.all.tally.wins, 2);
        assert_eq!(folder.finish(&Judge::Rule(Rule::Longer)).unwrap().summary.all.tally.wins, 1);
    }

    #[test]
    fn a_failing_judge_gives_no_verdict_not_a_tie() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = answered(place.path());
        let judge = Judge::Command(Command::new("no-such-judge-here", vec![]));
        assert!(folder.judge(&judge, &mut on).unwrap().is_continue());
        let evaluation = folder.finish(&judge).unwrap();
        assert_eq!(evaluation.summary.all.tally, Tally { no_verdict: 4, ..Tally::default() });
        assert_eq!((evaluation.summary.all.win_rate, evaluation.summary.verdict), (None, Verdict::NothingJudged));
        assert!(
            matches!(&evaluation.items[0].outcome, Outcome::NoVerdict(why) if why.contains("could not be started"))
        );
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(place.path(), setup(2)).unwrap();
        let error = folder.add(vec![answer(2, Side::Base, "x")]).unwrap_err();
        assert!(error.to_string().contains("no prompt 2"), "{error}");
        folder.add(vec![answer(0, Side::Base, "x"), answer(1, Side::Base, "x"), answer(0, Side::Tuned, "x")]).unwrap();
        let error = folder.add(vec![answer(1, Side::Base, "y")]).unwrap_err();
        assert!(error.to_string().contains("base model has answered prompt 1"), "{error}");
        let error = folder.judge(&Judge::Rule(Rule::Shorter), &mut on).unwrap_err();
        assert!(
            error.to_string().starts_with("1 answers are missing, the first of the tuned model to prompt 1"),
            "{error}"
        );
        let mut other = setup(2);
        other.ancestry.seed = 9;
        let error = Folder::open(place.path(), other).unwrap_err();
        assert!(error.to_string().contains("(the seed differs)"), "{error}");
        std::fs::write(place.path().join("answers.jsonl"), "{\"id\":0}\n").unwrap();
        let error = Folder::open(place.path(), setup(2)).unwrap_err();
        assert!(error.to_string().contains("answers.jsonl, line 1"), "{error}");
    }
}
