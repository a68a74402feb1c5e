//! What lies in an evaluation's folder, and what it comes to so far.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prefs::prompts::Prompt;

use super::{ANSWERS, Evaluation, Item, JUDGEMENTS, Judgement, PeopleSummary, PromptOutcome, SETUP, Setup, Summary};
use crate::Error;
use crate::answers::{Answer, Answers, Side};
use crate::files;
use crate::judge::{Judge, shown_first};
use crate::people::{self, Judged, People, shown_left};

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

    /// Whether both answers to a prompt are there and the same, letter for letter: a tie, of which nobody is asked.
    pub fn is_same(&self, id: usize) -> bool {
        let text = |side| self.answer(id, side).map(|answer| &answer.text);
        text(Side::Base).is_some_and(|base| text(Side::Tuned) == Some(base))
    }

    /// Whose answer to a prompt stands on the left for a person: either model's equally often among the pairs that the
    /// person is shown, in order. Every prompt before this one must be answered by both.
    pub fn shown_left(&self, annotator: &str, id: usize) -> Side {
        let place = (0..id).filter(|&before| !self.is_same(before)).count();
        shown_left(self.setup.ancestry.order_seed, annotator, place)
    }

    /// Whose answer a judge is shown first, by prompt: either model's equally often among the pairs that it is asked about.
    fn order(&self) -> Vec<Side> {
        let count = self.setup.prompts.len();
        let (same, differ): (Vec<usize>, Vec<usize>) = (0..count).partition(|id| self.is_same(*id));
        let drawn = shown_first(self.setup.ancestry.order_seed, count);
        let mut order = drawn.clone();
        for (id, side) in differ.into_iter().chain(same).zip(drawn) {
            order[id] = side;
        }
        order
    }

    /// The prompts that a judge is to be asked about, whose answer it is shown first, and whether it is asked for the first
    /// time: these come first. Sides that were drawn before stay.
    pub(super) fn to_judge(&self, judge: &Judge) -> Vec<(usize, Side, bool)> {
        let (order, known) = (self.order(), self.verdicts(judge));
        let asked = |id: &usize| !self.is_same(*id);
        let new = (0..order.len()).filter(|id| !known.contains_key(id)).filter(asked).map(|id| (id, order[id], true));
        let failed = known.iter().filter(|(_, judgement)| !judgement.outcome.is_verdict());
        let again = failed.map(|(id, judgement)| (*id, judgement.shown_first, false)).filter(|(id, ..)| asked(id));
        new.chain(again).collect()
    }

    /// Whether there is anything left that a judge would be asked about: answers to be made, or without its verdict.
    pub fn has_work_for(&self, judge: &Judge) -> bool {
        self.check_complete().is_err() || !self.to_judge(judge).is_empty()
    }

    /// Whether a judge has decided anything.
    pub(super) fn has_verdict_of(&self, judge: &Judge) -> bool {
        let of = |judgement: &Judgement| judgement.judge == *judge && judgement.outcome.is_verdict();
        self.judgements.iter().any(of)
    }

    /// Pairs of answers that are there, differ, and that nobody has looked at blind.
    pub fn waiting(&self) -> usize {
        let seen: BTreeSet<usize> = self.said.iter().map(|judged| judged.id).collect();
        let is_open = |id: &usize| self.is_answered(*id) && !self.is_same(*id) && !seen.contains(id);
        (0..self.setup.prompts.len()).filter(is_open).count()
    }

    /// What people say of each prompt together: [what they said](people::outcomes), and a tie where both answers are the
    /// same and they have come past it.
    pub fn people_outcomes(&self) -> BTreeMap<usize, PromptOutcome> {
        let mut outcomes = people::outcomes(&self.said);
        let seen: BTreeSet<usize> = self.said.iter().map(|judged| judged.id).collect();
        let count = self.setup.prompts.len();
        let is_left = |id: usize| !self.is_same(id) && !seen.contains(&id);
        let past = if (0..count).any(is_left) { seen.last().copied().unwrap_or(0) } else { count };
        for id in (0..past).filter(|id| self.is_same(*id)) {
            outcomes.entry(id).or_insert(PromptOutcome::Tie);
        }
        outcomes
    }

    /// Sums up what a judge has decided so far. What [`Judge::People`] decided is what they
    /// [say together](Self::people_outcomes). A verdict that was given stands, also on answers that are the same.
    ///
    /// # Errors
    /// When an answer is missing.
    pub fn so_far(&self, judge: &Judge) -> Result<Evaluation, Error> {
        self.check_complete()?;
        let said = self.people_outcomes();
        let (verdicts, order) = (self.verdicts(judge), self.order());
        let names = self.setup.ancestry.names();
        let asked_of_people: BTreeSet<usize> = self.said.iter().map(|judged| judged.id).collect();
        let item = |(id, prompt): (usize, &Prompt)| {
            let judgement = verdicts.get(&id);
            let people = said.get(&id).cloned();
            let given = match judge {
                Judge::People => people.clone(),
                _ => judgement.map(|judgement| judgement.outcome.clone()),
            };
            let has_verdict = given.as_ref().is_some_and(PromptOutcome::is_verdict);
            let same = self.is_same(id)
                && if *judge == Judge::People { has_verdict && !asked_of_people.contains(&id) } else { !has_verdict };
            Some(Item {
                id,
                prompt: prompt.prompt.clone(),
                category: prompt.category.clone(),
                base: self.answers.get(&(id, Side::Base))?.clone(),
                tuned: self.answers.get(&(id, Side::Tuned))?.clone(),
                shown_first: judgement.map_or(order[id], |judgement| judgement.shown_first),
                outcome: match given {
                    _ if same => PromptOutcome::Tie,
                    Some(outcome) => outcome,
                    None => PromptOutcome::NotJudged,
                },
                reason: judgement.and_then(|judgement| judgement.reason.clone()),
                same,
                people,
            })
        };
        let items: Vec<Item> = self.setup.prompts.iter().enumerate().filter_map(item).collect();
        Ok(Evaluation {
            ancestry: self.setup.ancestry.clone(),
            judge: judge.clone(),
            summary: Summary::of(&items, judge, &self.said, &names),
            people: PeopleSummary::of(&items, judge, &self.said, &names),
            items,
        })
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
