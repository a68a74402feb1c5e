//! What lies in an evaluation's folder, and what it comes to so far.

use std::collections::BTreeMap;
use std::path::Path;

use prefs::prompts::Prompt;

use super::{ANSWERS, Evaluation, Item, JUDGEMENTS, Judgement, Outcome, SETUP, Setup, Summary};
use crate::Error;
use crate::answers::{Answer, Answers, Side};
use crate::degeneration::TextStatistics;
use crate::files;
use crate::judge::{Judge, shown_first};
use crate::people::{self, Judged, People};
use crate::statistics::{Tally, sign_test};

/// The answers and verdicts of an evaluation, as they are now.
#[derive(Debug)]
pub struct Contents {
    setup: Setup,
    answers: Answers,
    judgements: Vec<Judgement>,
    /// What people said.
    pub(super) said: Vec<Judged>,
}

impl Contents {
    pub(super) fn new(setup: Setup, answers: Vec<Answer>, judgements: Vec<Judgement>) -> Self {
        let answers = answers.into_iter().map(|answer| ((answer.id, answer.side), answer)).collect();
        Self { setup, answers, judgements, said: Vec::new() }
    }

    /// Reads a folder without writing to it: another process, or another thread, may be at work on it. `None` where it
    /// holds no evaluation.
    ///
    /// # Errors
    /// When a file is there but cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Some(setup) = files::read_json::<Setup>(&path.join(SETUP))? else { return Ok(None) };
        let answers = files::read_lines(&path.join(ANSWERS))?;
        let contents = Self::new(setup, answers, files::read_lines(&path.join(JUDGEMENTS))?);
        Ok(Some(Self { said: People::read(path)?, ..contents }))
    }

    /// What is compared.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A side's answer to a prompt, where there is one.
    pub fn answer(&self, id: usize, side: Side) -> Option<&Answer> {
        self.answers.get(&(id, side))
    }

    /// What people said, in the order in which they said it.
    pub fn said(&self) -> &[Judged] {
        &self.said
    }

    /// Prompts that a side has not answered yet, in order.
    pub fn missing(&self, side: Side) -> Vec<usize> {
        (0..self.setup.prompts.len()).filter(|id| !self.answers.contains_key(&(*id, side))).collect()
    }

    /// Whether both sides have answered a prompt.
    pub fn is_answered(&self, id: usize) -> bool {
        Side::BOTH.into_iter().all(|side| self.answers.contains_key(&(id, side)))
    }

    /// Sums up what a judge has decided so far. What [`Judge::People`] decided is what they
    /// [said together](people::outcomes).
    ///
    /// # Errors
    /// When an answer is missing.
    pub fn so_far(&self, judge: &Judge) -> Result<Evaluation, Error> {
        self.check_complete()?;
        let said = if *judge == Judge::People { people::outcomes(&self.said) } else { BTreeMap::new() };
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
                    .map(|judgement| judgement.outcome.clone())
                    .or_else(|| said.get(&id).cloned())
                    .unwrap_or_else(|| Outcome::NoVerdict("not judged".to_owned())),
                reason: judgement.and_then(|judgement| judgement.reason.clone()),
            })
        };
        let items: Vec<Item> = self.setup.prompts.iter().enumerate().filter_map(item).collect();
        let (ancestry, judge) = (self.setup.ancestry.clone(), judge.clone());
        Ok(Evaluation { ancestry, judge, summary: summarise(&items), items })
    }

    /// The last judgement of a judge on each prompt.
    pub(super) fn verdicts(&self, judge: &Judge) -> BTreeMap<usize, &Judgement> {
        self.judgements
            .iter()
            .filter(|judgement| judgement.judge == *judge)
            .map(|judgement| (judgement.id, judgement))
            .collect()
    }

    pub(super) fn take_answers(&mut self, answers: Vec<Answer>) {
        self.answers.extend(answers.into_iter().map(|answer| ((answer.id, answer.side), answer)));
    }

    pub(super) fn take_judgement(&mut self, judgement: Judgement) {
        self.judgements.push(judgement);
    }

    pub(super) fn check_complete(&self) -> Result<(), Error> {
        let missing = Side::BOTH.map(|side| self.missing(side));
        let first = Side::BOTH.into_iter().zip(&missing).find_map(|(side, ids)| Some((side, *ids.first()?)));
        match first {
            None => Ok(()),
            Some((side, id)) => Err(Error::Unanswered { missing: missing.iter().map(Vec::len).sum(), id, side }),
        }
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
